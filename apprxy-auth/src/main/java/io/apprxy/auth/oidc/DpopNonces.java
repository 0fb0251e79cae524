package io.apprxy.auth.oidc;

import io.apprxy.auth.session.Seal;
import io.apprxy.auth.session.SessionKeys;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a client must have got from a gateway a short time before it makes a proof (RFC 9449 §9), so
 * that none can be made ahead of time. Gateways that share the keys of sessions take each other's.
 * Immutable.
 *
 * @param required whether a proof must have one
 */
record DpopNonces(boolean required, Seal seal) {
  private static final Duration LIFETIME = Duration.ofMinutes(5);

  static DpopNonces of(boolean required, SessionKeys keys, Clock clock) {
    return new DpopNonces(required, new Seal(keys, "dpop-nonce", clock));
  }

  /** Another one, for the next proof. */
  String next() {
    return seal.seal(Map.of(), LIFETIME);
  }

  /** Whether a proof with this nonce, or none, is taken. */
  boolean accept(@Nullable String nonce) {
    return !required || (nonce != null && seal.open(nonce) != null);
  }
}
