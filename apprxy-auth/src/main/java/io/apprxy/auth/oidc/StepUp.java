package io.apprxy.auth.oidc;

import io.apprxy.Identity;
import io.apprxy.StepUpRequirement;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Whether a sign-in proves what is demanded of it, and how programs are told that it does not. */
final class StepUp {
  /** Nobody can sign in more often: a policy that demands it would ask for ever. */
  private static final Duration NEWEST = Duration.ofSeconds(10);

  private StepUp() {}

  /** What an identity lacks, in words for a log; null if nothing. */
  static @Nullable String missing(Identity identity, StepUpRequirement requirement, Instant now) {
    Duration maxAge = requirement.maxAge();
    if (maxAge != null) {
      Duration allowed = maxAge.compareTo(NEWEST) < 0 ? NEWEST : maxAge;
      if (identity.authenticatedAt().plus(allowed).isBefore(now)) {
        return "the sign-in is older than " + maxAge;
      }
    }
    return missingContext(identity, requirement);
  }

  /** As {@link #missing}, whenever the user signed in. */
  static @Nullable String missingContext(Identity identity, StepUpRequirement requirement) {
    List<String> acr = identity.values("acr");
    List<String> acrs = identity.values("acrs");
    if (!requirement.acrValues().isEmpty()
        && requirement.acrValues().stream().noneMatch(acr::contains)
        && requirement.methods().stream().noneMatch(identity.values("amr")::containsAll)) {
      return "acr is " + acr + ", none of " + requirement.acrValues();
    }
    String context = requirement.authenticationContext();
    return context == null || acrs.contains(context)
        ? null
        : "acrs is " + acrs + ", without " + context;
  }

  /**
   * When a user authenticated who was asked for a sign-in that is not older than so much; null if
   * the provider does not say, or it is too old. What happened after the question is as new as can
   * be, whatever the provider's clock says.
   *
   * @param told {@code auth_time} of the token
   * @param asked when the browser was sent to the provider
   * @param skew how far the provider's clock may differ
   */
  static @Nullable Instant authenticatedAt(
      @Nullable Instant told, Duration maxAge, Instant asked, Instant now, Duration skew) {
    if (told == null) {
      return null;
    }
    if (!told.isBefore(asked.minus(skew))) {
      return told.isBefore(asked) ? asked : earlier(told, now);
    }
    return told.plus(maxAge).isBefore(now) ? null : told;
  }

  private static Instant earlier(Instant one, Instant other) {
    return one.isBefore(other) ? one : other;
  }

  /** What a provider is asked for, so that what it takes for new enough is so here, too. */
  static int maxAgeToAsk(Duration maxAge, Duration skew) {
    long seconds = maxAge.minus(skew).toSeconds();
    return (int) Math.max(0, Math.min(seconds, Integer.MAX_VALUE));
  }

  /**
   * The challenge of RFC 9470 §3.
   *
   * @param scheme how the client is to authenticate, with the parameters that come first: {@code
   *     Bearer}, or {@code Session realm="…"}
   */
  static String challenge(String scheme, StepUpRequirement requirement) {
    StringBuilder challenge =
        new StringBuilder(scheme)
            .append(scheme.contains("=") ? ", " : " ")
            .append("error=\"insufficient_user_authentication\"");
    append(challenge, "error_description", requirement.reason());
    append(challenge, "acr_values", String.join(" ", requirement.acrValues()));
    Duration maxAge = requirement.maxAge();
    append(challenge, "max_age", maxAge == null ? "" : Long.toString(maxAge.toSeconds()));
    return challenge.toString();
  }

  private static void append(StringBuilder challenge, String name, String value) {
    if (!value.isEmpty()) {
      // RFC 6750 §3: neither quote nor backslash
      String plain = value.replaceAll("[^\\x20\\x21\\x23-\\x5B\\x5D-\\x7E]", "?");
      challenge.append(", ").append(name).append("=\"").append(plain).append('"');
    }
  }

  /** The same in a problem document. */
  static void describe(StepUpRequirement requirement, Map<String, Object> problem) {
    if (!requirement.acrValues().isEmpty()) {
      problem.put("acr_values", requirement.acrValues());
    }
    String context = requirement.authenticationContext();
    if (context != null) {
      problem.put("authentication_context", context);
    }
    Duration maxAge = requirement.maxAge();
    if (maxAge != null) {
      problem.put("max_age", maxAge.toSeconds());
    }
  }
}
