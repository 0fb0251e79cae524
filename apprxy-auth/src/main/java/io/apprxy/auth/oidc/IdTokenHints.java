package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jwt.JWT;
import io.apprxy.Identity;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The ID tokens of sessions that began here, with which a sign-out needs no question at the
 * provider (RP-Initiated Logout 1.0 §2, {@code id_token_hint}). Kept out of the cookie, which every
 * request carries; where one is missing, after a restart or at another node, the provider asks.
 * Thread-safe.
 */
final class IdTokenHints {
  private final Cache<String, JWT> bySession =
      Caffeine.newBuilder().maximumSize(10_000).expireAfterWrite(Duration.ofHours(24)).build();

  void keep(Identity identity, JWT idToken) {
    bySession.put(identity.sessionId(), idToken);
  }

  @Nullable JWT take(@Nullable Identity identity) {
    return identity == null ? null : bySession.asMap().remove(identity.sessionId());
  }
}
