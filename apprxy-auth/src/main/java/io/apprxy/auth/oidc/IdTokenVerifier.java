package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.jwk.source.JWKSetParseException;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWT;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.BadJWTException;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.text.ParseException;
import java.time.Clock;
import java.time.Instant;
import java.util.Date;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Decides whether an ID token is genuine and for this sign-in (OpenID Connect Core §3.1.3.7).
 * Thread-safe; may block for keys.
 */
final class IdTokenVerifier {
  private final OidcProvider settings;
  private final OidcClient client;
  private final Clock clock;
  private final JWKSource<SecurityContext> keys;

  IdTokenVerifier(
      OidcProvider settings, OidcClient client, Clock clock, JWKSource<SecurityContext> keys) {
    this.settings = settings;
    this.client = client;
    this.clock = clock;
    this.keys = keys;
  }

  /**
   * The claims of a genuine token.
   *
   * @throws GatewayException {@link ErrorCode#PROVIDER_INVALID} if the token is not, {@link
   *     ErrorCode#PROVIDER_UNAVAILABLE} if that cannot be found out now
   */
  JWTClaimsSet verify(JWT token, String nonce) {
    DefaultJWTProcessor<SecurityContext> processor =
        new ProviderKeys(settings.algorithms(), keys).processor();
    processor.setJWTClaimsSetVerifier(new Claims(nonce));
    try {
      return processor.process(token, null);
    } catch (JWKSetParseException | BadJOSEException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID,
          "the ID token is refused: " + Untrusted.text(e.getMessage()),
          e);
    } catch (KeySourceException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_UNAVAILABLE, "the provider's keys cannot be had", e);
    } catch (JOSEException | IllegalArgumentException e) {
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, "the ID token cannot be verified", e);
    }
  }

  /** The claims of §3.1.3.7, in the time of the injected clock. */
  private final class Claims extends DefaultJWTClaimsVerifier<SecurityContext> {
    Claims(String nonce) {
      super(
          Set.of(client.id().getValue()),
          new JWTClaimsSet.Builder().claim("nonce", nonce).build(),
          Set.of("iss", "sub", "exp", "iat"),
          Set.of());
      setMaxClockSkew(Math.toIntExact(settings.clockSkew().toSeconds()));
    }

    @Override
    public void verify(JWTClaimsSet claims, @Nullable SecurityContext context)
        throws BadJWTException {
      super.verify(claims, context);
      try {
        checkIssuer(claims);
        checkTimes(claims);
        checkParties(claims);
      } catch (ParseException e) {
        throw new BadJWTException("a claim is not of its type", e);
      }
    }

    /** Rule 2; of many tenants, the one that the token names, if it is allowed. */
    private void checkIssuer(JWTClaimsSet claims) throws BadJWTException, ParseException {
      String issuer = claims.getIssuer();
      if (issuer == null
          || !settings.isIssuer(issuer)
          || !settings.isTenant(issuer, claims.getStringClaim("tid"))) {
        throw new BadJWTException("of another issuer: " + issuer);
      }
    }

    private void checkTimes(JWTClaimsSet claims) throws BadJWTException, ParseException {
      Date expires = claims.getDateClaim("exp");
      Date issued = claims.getDateClaim("iat");
      if (expires == null || issued == null) {
        throw new BadJWTException("exp or iat is null");
      }
      Instant latest = clock.instant().plus(settings.clockSkew());
      if (issued.toInstant().isAfter(latest)) {
        throw new BadJWTException("issued in the future");
      }
      Date authenticated = claims.getDateClaim("auth_time");
      if (authenticated != null && authenticated.toInstant().isAfter(latest)) {
        throw new BadJWTException("authenticated in the future");
      }
    }

    /**
     * Rules 3 to 5; stricter than "should": several audiences without an authorized party are
     * refused.
     */
    private void checkParties(JWTClaimsSet claims) throws BadJWTException, ParseException {
      String subject = claims.getStringClaim("sub");
      if (subject == null || subject.isEmpty() || subject.length() > 255) {
        throw new BadJWTException("no subject of 1 to 255 characters");
      }
      boolean authorizedParty = claims.getClaims().containsKey("azp");
      if ((authorizedParty || claims.getAudience().size() > 1)
          && !client.id().getValue().equals(claims.getStringClaim("azp"))) {
        throw new BadJWTException("for another authorized party");
      }
    }

    @Override
    protected Date currentTime() {
      return Date.from(clock.instant());
    }
  }
}
