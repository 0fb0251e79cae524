package io.apprxy.tunnel;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.Application;
import io.apprxy.Identity;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Signs who a request is made for. A signature costs more than the rest of a request, so an
 * assertion serves all requests of one identity to one application while it is fresh. Thread-safe.
 */
final class AssertionIssuer {
  static final Duration LIFETIME = Duration.ofSeconds(60);

  /**
   * How long one is used, which leaves the connector 20 seconds of wrong clocks and slow networks.
   */
  private static final Duration USE = Duration.ofSeconds(40);

  private final Clock clock;
  private final Cache<Key, Issued> fresh = Caffeine.newBuilder().maximumSize(10_000).build();
  private volatile Keys keys;

  /** The whole identity: two that differ in anything never share an assertion. */
  private record Key(@Nullable Identity identity, String application, String signer) {}

  private record Issued(String token, Instant from) {
    /**
     * A clock that was set back is right again now: who got an assertion then is signed a new one.
     */
    boolean isFresh(Instant now) {
      return !now.isBefore(from) && now.isBefore(from.plus(USE));
    }
  }

  private record Keys(ECKey signing, ECDSASigner signer, List<ECKey> published) {}

  AssertionIssuer(Clock clock) {
    this.clock = clock;
    ECKey first = newKey();
    this.keys = keys(first, List.of(first));
  }

  /** The public keys that assertions are verified with. */
  String publicKeys() {
    return new JWKSet(keys.published().stream().map(key -> (JWK) key.toPublicJWK()).toList())
        .toString();
  }

  /** Publishes a new key, and keeps signing with the present one until {@link #useNewestKey}. */
  void addKey() {
    keys = keys(keys.signing(), List.of(newKey(), keys.signing()));
  }

  /** Signs with the key that was added last; the one before stays valid until the next is added. */
  void useNewestKey() {
    keys = keys(keys.published().get(0), keys.published());
  }

  /**
   * An assertion of the identity for the application; of nobody, for a passthrough application, if
   * there is no identity.
   */
  String issue(@Nullable Identity identity, Application application) {
    Keys with = keys;
    Key key = new Key(identity, application.id(), with.signing().getKeyID());
    Instant now = clock.instant();
    Issued issued = fresh.getIfPresent(key);
    if (issued == null || !issued.isFresh(now)) {
      issued = new Issued(sign(identity, application, now, with), now);
      fresh.put(key, issued);
    }
    return issued.token();
  }

  private static String sign(
      @Nullable Identity identity, Application application, Instant now, Keys with) {
    JWTClaimsSet.Builder claims =
        new JWTClaimsSet.Builder()
            .issuer(Assertions.ISSUER)
            .audience(application.id())
            .issueTime(Date.from(now))
            .expirationTime(Date.from(now.plus(LIFETIME)))
            .jwtID(UUID.randomUUID().toString());
    if (identity != null) {
      claims
          .subject(identity.subject())
          .claim(Assertions.IDENTITY_PROVIDER, identity.issuer())
          .claim("sid", identity.sessionId())
          .claim("auth_time", identity.authenticatedAt().getEpochSecond())
          .claim(Assertions.CLAIMS, identity.claims());
    }
    JWSHeader header =
        new JWSHeader.Builder(JWSAlgorithm.ES256)
            .keyID(with.signing().getKeyID())
            .type(identity == null ? Assertions.OF_NOBODY : Assertions.OF_USER)
            .build();
    SignedJWT assertion = new SignedJWT(header, claims.build());
    try {
      assertion.sign(with.signer());
    } catch (JOSEException e) {
      throw new IllegalStateException("this JVM cannot sign with ES256", e);
    }
    return assertion.serialize();
  }

  private static Keys keys(ECKey signing, List<ECKey> published) {
    try {
      return new Keys(signing, new ECDSASigner(signing), published);
    } catch (JOSEException e) {
      throw new IllegalStateException("this JVM cannot sign with ES256", e);
    }
  }

  private static ECKey newKey() {
    try {
      return new ECKeyGenerator(Curve.P_256)
          .keyUse(KeyUse.SIGNATURE)
          .keyID(UUID.randomUUID().toString())
          .generate();
    } catch (JOSEException e) {
      throw new IllegalStateException("this JVM has no P-256", e);
    }
  }
}
