package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.jwk.source.JWKSetParseException;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.time.Clock;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Decides whether a JWT is a genuine access token of the provider: of RFC 9068, or of the plain
 * kind that came before it, and never an ID token (RFC 9068 §5, RFC 8725). Thread-safe; may block
 * for keys.
 */
final class AccessTokenVerifier {
  private static final JOSEObjectType AT_JWT = new JOSEObjectType("at+jwt");
  private static final JOSEObjectType AT_JWT_LONG = new JOSEObjectType("application/at+jwt");

  /** What an ID token, a logout token or an event has, and no access token needs. */
  private static final Set<String> OF_OTHERS =
      Set.of("nonce", "at_hash", "c_hash", "s_hash", "events", "sub_id");

  /** One of which tells that a plain JWT was made for an API. */
  private static final Set<String> OF_ACCESS_TOKENS =
      Set.of("scope", "scp", "client_id", "appid", "appidacr", "azpacr");

  /** Keycloak's own type, in the claims. */
  private static final Set<String> ACCESS_TYPES = Set.of("Bearer", "DPoP");

  private final OidcProvider settings;
  private final Clock clock;
  private final ProviderKeys keys;

  AccessTokenVerifier(OidcProvider settings, Clock clock, JWKSource<SecurityContext> keys) {
    this.settings = settings;
    this.clock = clock;
    this.keys = new ProviderKeys(settings.algorithms(), keys);
  }

  /**
   * The genuine token.
   *
   * @param digest what tells it from others
   * @throws GatewayException {@link ErrorCode#ACCESS_TOKEN_REFUSED} if it is not, {@link
   *     ErrorCode#PROVIDER_UNAVAILABLE} if that cannot be found out now, {@link
   *     ErrorCode#GROUPS_UNKNOWN} if it leaves the groups of its user out, and nobody tells them
   */
  AccessToken verify(SignedJWT token, String digest) {
    JWSHeader header = token.getHeader();
    if (header.getCriticalParams() != null && !header.getCriticalParams().isEmpty()) {
      throw refused("crit names what is not understood here", null); // RFC 7515 §4.1.11
    }
    if (header.getContentType() != null) {
      throw refused("it holds another token", null);
    }
    DefaultJWTProcessor<SecurityContext> processor = keys.processor();
    processor.setJWSTypeVerifier(
        new DefaultJOSEObjectTypeVerifier<>(AT_JWT, AT_JWT_LONG, JOSEObjectType.JWT, null));
    processor.setJWTClaimsSetVerifier((claims, context) -> {});
    JWTClaimsSet claims;
    try {
      claims = processor.process(token, null);
    } catch (JWKSetParseException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_UNAVAILABLE, "the provider's keys cannot be read", e);
    } catch (KeySourceException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_UNAVAILABLE, "the provider's keys cannot be had", e);
    } catch (GatewayException e) {
      throw e; // the keys cannot be had, which says nothing of the token
    } catch (BadJOSEException | JOSEException | RuntimeException e) {
      throw refused(Untrusted.text(e.getMessage()), e);
    }
    check(header.getType(), claims.getClaims());
    return AccessToken.of(claims.getIssuer(), digest, withGroups(claims.getClaims()));
  }

  private Map<String, Object> withGroups(Map<String, Object> claims) {
    if (!Entra.leavesGroupsOut(claims)) {
      return claims;
    }
    Map<String, Object> all = new HashMap<>(claims);
    all.put("groups", Entra.groups(claims, settings.groups()));
    all.keySet().removeAll(Entra.OVERAGE);
    return all;
  }

  private void check(@Nullable JOSEObjectType type, Map<String, Object> claims) {
    String issuer = claims.get("iss") instanceof String named ? named : "";
    String tenant = claims.get("tid") instanceof String named ? named : null;
    if (!settings.isIssuer(issuer) || !settings.isTenant(issuer, tenant)) {
      throw refused("it is of another issuer", null);
    }
    boolean typed = AT_JWT.equals(type) || AT_JWT_LONG.equals(type);
    if (!typed) {
      checkKind(claims);
    }
    Instant now = clock.instant();
    Instant latest = now.plus(settings.clockSkew());
    Instant issued = AccessToken.time(claims, "iat");
    Instant notBefore = AccessToken.time(claims, "nbf");
    if ((typed && issued == null) || (issued != null && issued.isAfter(latest))) {
      throw refused("iat is missing, or in the future", null);
    }
    if (notBefore != null && notBefore.isAfter(latest)) {
      throw refused("it is not valid yet", null);
    }
  }

  private static void checkKind(Map<String, Object> claims) {
    Object type = claims.get("typ");
    boolean forAnApi =
        type == null
            ? OF_ACCESS_TOKENS.stream().anyMatch(claims::containsKey)
            : ACCESS_TYPES.stream().anyMatch(type::equals);
    if (!forAnApi || OF_OTHERS.stream().anyMatch(claims::containsKey)) {
      throw refused("it is no access token", null);
    }
  }

  private static GatewayException refused(String reason, @Nullable Exception cause) {
    return new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, reason, cause);
  }
}
