package io.apprxy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.LongStream;

/**
 * Which sessions have ended, as whoever keeps something for them is told: it tells of an identity
 * whether its session is among them. Immutable.
 *
 * <p>A session is known by marks: its id, its user, the provider's session that it belongs to, and
 * so on; it has ended if one of its marks is among these. A mark is a hash, so that connectors can
 * be told by it: it says who is meant to those only who know, or guess, the name.
 *
 * @param marks those that have ended; with {@link #all} among them, every session has
 */
public record EndedSessions(Set<Long> marks) implements Predicate<Identity> {
  private static final List<String> DEVICE_CLAIMS = List.of("deviceid", "device_id");
  private static final long EVERYBODY = mark("everybody");

  public EndedSessions {
    marks = Set.copyOf(marks);
  }

  /** Every session. */
  public static EndedSessions all() {
    return new EndedSessions(Set.of(EVERYBODY));
  }

  @Override
  public boolean test(Identity identity) {
    return marks.contains(EVERYBODY) || LongStream.of(marks(identity)).anyMatch(marks::contains);
  }

  /** What the session of an identity is known by. */
  public static long[] marks(Identity identity) {
    String issuer = identity.issuer();
    String subject = identity.subject();
    List<Long> all = new ArrayList<>();
    all.add(mark("session", identity.sessionId()));
    all.add(mark("user", issuer, subject));
    if (identity.claim("sid") instanceof String sid) {
      all.add(mark("sid", issuer, sid));
      all.add(mark("user+sid", issuer, sid, subject));
    } else {
      all.add(mark("user+no-sid", issuer, subject));
    }
    if (identity.claim("email") instanceof String email) {
      all.add(mark("email", issuer, email.toLowerCase(Locale.ROOT)));
    }
    boolean onDevice = false;
    for (String claim : DEVICE_CLAIMS) {
      if (identity.claim(claim) instanceof String device) {
        onDevice = true;
        all.add(mark("device", issuer, device));
        all.add(mark("user+device", issuer, device, subject));
      }
    }
    if (!onDevice) {
      all.add(mark("user+no-device", issuer, subject));
    }
    return all.stream().mapToLong(Long::longValue).toArray();
  }

  /**
   * The mark of a kind and what it goes by. Each part counts with its length, so that no two lists
   * of parts make the same mark; two that are the same by chance would end a session too many,
   * never one too few.
   */
  public static long mark(String kind, String... parts) {
    StringBuilder text = new StringBuilder(kind);
    for (String part : parts) {
      Objects.requireNonNull(part, kind);
      text.append(' ').append(part.length()).append(':').append(part);
    }
    try {
      return ByteBuffer.wrap(
              MessageDigest.getInstance("SHA-256")
                  .digest(text.toString().getBytes(StandardCharsets.UTF_8)))
          .getLong();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
