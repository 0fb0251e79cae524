package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jwt.JWT;
import io.apprxy.Identity;
import java.time.Duration;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The ID tokens of sessions that began here, with which a sign-out needs no question at the
 * provider (RP-Initiated Logout 1.0 §2, {@code id_token_hint}). Kept out of the cookie, which every
 * request carries; where one is missing, after a restart or at another node, the provider asks.
 * Thread-safe.
 */
final class IdTokenHints {
  private final Cache<String, Hint> bySession =
      Caffeine.newBuilder().maximumSize(10_000).expireAfterWrite(Duration.ofHours(24)).build();

  private record Hint(Identity identity, JWT token) {}

  void keep(Identity identity, JWT idToken) {
    bySession.put(identity.sessionId(), new Hint(identity, idToken));
  }

  @Nullable JWT take(@Nullable Identity identity) {
    Hint hint = identity == null ? null : bySession.asMap().remove(identity.sessionId());
    return hint == null ? null : hint.token;
  }

  /**
   * Of sessions that have ended: their provider's has, too, or the user is to see what is asked.
   */
  void forget(Predicate<Identity> ended) {
    bySession.asMap().values().removeIf(hint -> ended.test(hint.identity));
  }
}
