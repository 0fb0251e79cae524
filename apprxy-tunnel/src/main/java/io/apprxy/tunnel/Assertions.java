package io.apprxy.tunnel;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Verifies what an {@link AssertionIssuer} signed, with the keys of one configuration. Thread-safe.
 */
final class Assertions {
  static final String ISSUER = "urn:apprxy:gateway";
  static final String IDENTITY_PROVIDER = "idp";
  static final String CLAIMS = "claims";

  /**
   * Two types, so that an assertion of nobody is never taken for one of a user, nor the other way
   * round.
   */
  static final JOSEObjectType OF_USER = new JOSEObjectType("apprxy-identity+jwt");

  static final JOSEObjectType OF_NOBODY = new JOSEObjectType("apprxy-nobody+jwt");

  private static final Duration SKEW = Duration.ofSeconds(15);
  private static final int MAX_LENGTH = 64 * 1024;

  private final JWKSet keys;
  private final Clock clock;
  private final Cache<String, Verified> verified =
      Caffeine.newBuilder().maximumSize(10_000).build();

  /** Nobody, or a user; for one application, from one time until another. */
  record Verified(@Nullable Identity identity, String audience, Instant from, Instant until) {}

  /**
   * @throws IllegalArgumentException if the keys are no JWK set
   */
  Assertions(String keys, Clock clock) {
    try {
      this.keys = JWKSet.parse(keys);
    } catch (ParseException | RuntimeException e) { // the parser's own, of entries that are null
      throw new IllegalArgumentException("no valid key set", e);
    }
    this.clock = clock;
  }

  /**
   * The identity that the assertion vouches for at this application; null for nobody, which counts
   * only where requests pass through.
   *
   * @param passthrough whether this request does ({@link Application#passesThrough})
   * @throws GatewayException with {@link ErrorCode#ASSERTION_REFUSED} unless everything about it is
   *     right
   */
  @Nullable Identity verify(
      @Nullable String assertion, Application application, boolean passthrough) {
    if (assertion == null || assertion.length() > MAX_LENGTH) {
      throw refused("an assertion must be there, and no longer than " + MAX_LENGTH);
    }
    Instant now = clock.instant();
    Verified known = verified.getIfPresent(assertion);
    if (known == null) {
      known = check(assertion);
      verified.put(assertion, known);
    }
    if (known.from().isAfter(now)) {
      throw refused(
          "the assertion comes from the future; compare the clocks of gateway and connector");
    }
    if (!known.until().isAfter(now)) {
      throw refused("the assertion has expired; compare the clocks of gateway and connector");
    }
    if (!known.audience().equals(application.id())) {
      throw refused("the assertion is for another application");
    }
    if (passthrough != (known.identity() == null)) {
      throw refused("the assertion is of the wrong type for the request");
    }
    return known.identity();
  }

  private Verified check(String assertion) {
    try {
      SignedJWT jwt = SignedJWT.parse(assertion);
      JWSHeader header = jwt.getHeader();
      JWK key = header.getKeyID() == null ? null : keys.getKeyByKeyId(header.getKeyID());
      if (key == null || !JWSAlgorithm.ES256.equals(header.getAlgorithm())) {
        throw refused("the assertion is signed with an unknown key or algorithm");
      }
      if (!jwt.verify(new ECDSAVerifier(key.toECKey()))) {
        throw refused("the signature of the assertion is wrong");
      }
      return read(header.getType(), jwt.getJWTClaimsSet());
    } catch (GatewayException e) {
      throw e;
    } catch (ParseException | JOSEException | RuntimeException e) {
      // Values, too, that no time and no identity has.
      throw new GatewayException(ErrorCode.ASSERTION_REFUSED, "the assertion cannot be read", e);
    }
  }

  private static Verified read(@Nullable JOSEObjectType type, JWTClaimsSet claims)
      throws ParseException {
    List<String> audience = claims.getAudience();
    Date issued = claims.getIssueTime();
    Date expires = claims.getExpirationTime();
    if (!ISSUER.equals(claims.getIssuer())
        || audience.size() != 1
        || issued == null
        || expires == null) {
      throw refused("the assertion lacks iss, aud, iat or exp");
    }
    if (Duration.between(issued.toInstant(), expires.toInstant())
            .compareTo(AssertionIssuer.LIFETIME)
        > 0) {
      throw refused("the assertion lives too long");
    }
    Identity identity = null;
    if (OF_USER.equals(type)) {
      identity = identity(claims);
    } else if (!OF_NOBODY.equals(type) || claims.getSubject() != null) {
      throw refused("the assertion is of no known type");
    }
    return new Verified(
        identity, audience.get(0), issued.toInstant().minus(SKEW), expires.toInstant().plus(SKEW));
  }

  private static Identity identity(JWTClaimsSet claims) throws ParseException {
    return new Identity(
        required(claims.getStringClaim(IDENTITY_PROVIDER)),
        required(claims.getSubject()),
        required(claims.getStringClaim("sid")),
        Instant.ofEpochSecond(required(claims.getLongClaim("auth_time"))),
        required(claims.getJSONObjectClaim(CLAIMS)));
  }

  private static <T> T required(@Nullable T claim) {
    if (claim == null) {
      throw refused("the assertion lacks a claim of the identity");
    }
    return claim;
  }

  private static GatewayException refused(String message) {
    return new GatewayException(ErrorCode.ASSERTION_REFUSED, message);
  }
}
