package io.apprxy.auth.session;

import io.apprxy.Identity;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Whose sessions to end, see {@link Sessions#end(SessionsOf, String)}. Immutable.
 *
 * <p>A session is known by marks: its id, its user, the provider's session that it belongs to, and
 * so on. It ends if one of its marks does.
 */
public final class SessionsOf {
  private static final List<String> DEVICE_CLAIMS = List.of("deviceid", "device_id");

  private static final String ONE = "session";
  private static final String EVERYBODY_MARK = "everybody";
  static final long EVERYBODY = hash(EVERYBODY_MARK);

  private final String kind;
  private final @Nullable String issuer;
  private final @Nullable String subject;
  private final List<String> marks;

  private SessionsOf(
      String kind, @Nullable String issuer, @Nullable String subject, String... marks) {
    this.kind = kind;
    this.issuer = issuer;
    this.subject = subject;
    this.marks = List.of(marks);
  }

  /** The one with this id: {@link Identity#sessionId()}. */
  public static SessionsOf session(String id) {
    return new SessionsOf(ONE, null, null, mark("session", id));
  }

  /** All of a user of this issuer. */
  public static SessionsOf user(String issuer, String subject) {
    return new SessionsOf("user", issuer, subject, mark("user", issuer, subject));
  }

  /** All that belong to a session of the provider: its {@code sid} claim. */
  public static SessionsOf providerSession(String issuer, String sid) {
    return new SessionsOf("provider-session", issuer, null, mark("sid", issuer, sid));
  }

  /**
   * Those of the user that belong to a session of the provider; and those of which nobody knows
   * which they belong to, because the provider sent no {@code sid} claim.
   */
  public static SessionsOf providerSession(String issuer, String subject, String sid) {
    return new SessionsOf(
        "provider-session",
        issuer,
        subject,
        mark("user+sid", issuer, sid, subject),
        mark("user+no-sid", issuer, subject));
  }

  /** All of users of this issuer with this {@code email} claim, verified or not, in any case. */
  public static SessionsOf email(String issuer, String address) {
    return new SessionsOf("email", issuer, null, mark("email", issuer, lowerCase(address)));
  }

  /** All on a device: its {@code deviceid} or {@code device_id} claim. */
  public static SessionsOf device(String issuer, String device) {
    return new SessionsOf("device", issuer, null, mark("device", issuer, device));
  }

  /** Those of the user on a device; and those of which nobody knows what device they are on. */
  public static SessionsOf device(String issuer, String subject, String device) {
    return new SessionsOf(
        "device",
        issuer,
        subject,
        mark("user+device", issuer, device, subject),
        mark("user+no-device", issuer, subject));
  }

  /** All of everybody. */
  public static SessionsOf everybody() {
    return new SessionsOf("everybody", null, null, EVERYBODY_MARK);
  }

  /** What an identity is known by. */
  static long[] marks(Identity identity) {
    String issuer = identity.issuer();
    String subject = identity.subject();
    List<String> all = new ArrayList<>();
    all.add(mark("session", identity.sessionId()));
    all.add(mark("user", issuer, subject));
    if (identity.claim("sid") instanceof String sid) {
      all.add(mark("sid", issuer, sid));
      all.add(mark("user+sid", issuer, sid, subject));
    } else {
      all.add(mark("user+no-sid", issuer, subject));
    }
    if (identity.claim("email") instanceof String email) {
      all.add(mark("email", issuer, lowerCase(email)));
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
    return all.stream().mapToLong(SessionsOf::hash).toArray();
  }

  /** Whether it is a single one, known by an id that no other will have. */
  boolean isOne() {
    return kind.equals(ONE);
  }

  LongStream marks() {
    return marks.stream().mapToLong(SessionsOf::hash);
  }

  String kind() {
    return kind;
  }

  @Nullable String issuer() {
    return issuer;
  }

  @Nullable String subject() {
    return subject;
  }

  private static String lowerCase(String address) {
    return address.toLowerCase(Locale.ROOT);
  }

  /** Each part with its length, so that no two lists of parts make the same mark. */
  private static String mark(String kind, String... parts) {
    StringBuilder mark = new StringBuilder(kind);
    for (String part : parts) {
      Objects.requireNonNull(part, kind);
      mark.append(' ').append(part.length()).append(':').append(part);
    }
    return mark.toString();
  }

  /** Two that are the same by chance would end a session too many, never one too few. */
  private static long hash(String mark) {
    try {
      return ByteBuffer.wrap(
              MessageDigest.getInstance("SHA-256").digest(mark.getBytes(StandardCharsets.UTF_8)))
          .getLong();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof SessionsOf that && marks.equals(that.marks);
  }

  @Override
  public int hashCode() {
    return marks.hashCode();
  }

  /** Tells what it goes by, and of whom. */
  @Override
  public String toString() {
    return "SessionsOf" + marks;
  }
}
