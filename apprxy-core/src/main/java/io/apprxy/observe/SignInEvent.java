package io.apprxy.observe;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Something that happened to a user's sign-in or session. Immutable; never holds a secret.
 *
 * @param time when it happened
 * @param kind what happened
 * @param requestId the correlation id of the request that it happened in, or null
 * @param application the application's id, or null
 * @param issuer who vouches for the subject, or null
 * @param subject the subject of the user, or null if nobody was known
 * @param user the name of the user, or null
 * @param clientAddress the client's address, or null where no client did it
 * @param code the {@code APX-} code of a failure, else null
 * @param policies the outcomes of conditional access, policy by policy; those that are report-only
 *     included
 * @param details what else is worth knowing, by short names such as {@code reason}
 */
public record SignInEvent(
    Instant time,
    Kind kind,
    @Nullable String requestId,
    @Nullable String application,
    @Nullable String issuer,
    @Nullable String subject,
    @Nullable String user,
    @Nullable String clientAddress,
    @Nullable String code,
    List<PolicyOutcome> policies,
    Map<String, String> details) {

  public SignInEvent {
    Objects.requireNonNull(time, "time");
    Objects.requireNonNull(kind, "kind");
    policies = List.copyOf(policies);
    details = Map.copyOf(details);
  }

  /** What happened. */
  public enum Kind {
    /** A user signed in. */
    SIGNED_IN,
    /** A sign-in, or the proof of an API client, was refused. */
    SIGN_IN_FAILED,
    /** The policy was asked about a user for the first time, or came to another outcome. */
    POLICY_EVALUATED,
    /** A user was asked to prove more. */
    STEP_UP_REQUIRED,
    /** A user accepted terms of use: {@code details} has which, and their version. */
    TERMS_ACCEPTED,
    /** A user signed out. */
    SIGNED_OUT,
    /** A session ended in another way: {@code details} has the reason. */
    SESSION_ENDED,
    /**
     * An origin offers to authenticate by Basic or NTLM, which its application does not forward:
     * {@code details} has the schemes. Told once in ten minutes for each application.
     */
    LEGACY_AUTHENTICATION_OFFERED,
    /** Many failures look like guessing: {@code details} has the pattern. */
    ATTACK_SUSPECTED
  }

  /**
   * What one policy came to. Immutable.
   *
   * @param policy its name
   * @param state {@code on}, or {@code report-only}
   * @param outcome such as {@code not-applied}, {@code satisfied}, {@code step-up} or {@code block}
   * @param reason why, in a few words
   */
  public record PolicyOutcome(String policy, String state, String outcome, String reason) {}
}
