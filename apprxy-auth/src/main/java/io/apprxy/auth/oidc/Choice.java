package io.apprxy.auth.oidc;

import io.apprxy.Exchange;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The provider that a user of this browser signed in with last, so that they are asked once. Kept
 * only when a sign-in succeeds, so that a wrong choice is none for ever; a sign-out forgets it.
 */
final class Choice {
  private static final String COOKIE = "__Host-apprxy-provider";
  private static final String ATTRIBUTES = "; Path=/; Secure; HttpOnly; SameSite=Lax";
  private static final Duration LIFETIME = Duration.ofDays(180);

  private Choice() {}

  /** The one that was chosen before, if it is among these; the only one; else null. */
  static @Nullable Discovery among(List<Discovery> candidates, Exchange exchange) {
    if (candidates.size() == 1) {
      return candidates.get(0);
    }
    String chosen = exchange.cookie(COOKIE);
    return candidates.stream()
        .filter(one -> one.settings().name().equals(chosen))
        .findFirst()
        .orElse(null);
  }

  static void remember(Exchange exchange, OidcProvider provider) {
    if (!provider.name().isEmpty() && !provider.name().equals(exchange.cookie(COOKIE))) {
      exchange.addResponseHeader(
          "Set-Cookie",
          COOKIE + "=" + provider.name() + "; Max-Age=" + LIFETIME.toSeconds() + ATTRIBUTES);
    }
  }

  static void forget(Exchange exchange) {
    if (exchange.cookie(COOKIE) != null) {
      exchange.addResponseHeader("Set-Cookie", COOKIE + "=; Max-Age=0" + ATTRIBUTES);
    }
  }
}
