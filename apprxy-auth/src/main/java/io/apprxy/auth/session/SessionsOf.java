package io.apprxy.auth.session;

import static io.apprxy.EndedSessions.mark;

import io.apprxy.EndedSessions;
import io.apprxy.Identity;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Whose sessions to end, see {@link Sessions#end(SessionsOf, String)}. Immutable.
 *
 * <p>A session is known by its id, its user, the provider's session that it belongs to, and so on:
 * see {@link EndedSessions}.
 */
public final class SessionsOf {
  private static final String ONE = "session";

  private final String kind;
  private final @Nullable String issuer;
  private final @Nullable String subject;
  private final Set<Long> marks;

  private SessionsOf(
      String kind, @Nullable String issuer, @Nullable String subject, Long... marks) {
    this.kind = kind;
    this.issuer = issuer;
    this.subject = subject;
    this.marks = Set.of(marks);
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
    return new SessionsOf(
        "email", issuer, null, mark("email", issuer, address.toLowerCase(Locale.ROOT)));
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
    return new SessionsOf(
        "everybody", null, null, EndedSessions.all().marks().toArray(Long[]::new));
  }

  /** Whether it is a single one, known by an id that no other will have. */
  boolean isOne() {
    return kind.equals(ONE);
  }

  /** See {@link EndedSessions}. */
  Set<Long> marks() {
    return marks;
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
    return "SessionsOf[" + kind + ", issuer " + issuer + ", subject " + subject + "]";
  }
}
