package io.apprxy.auth.oidc;

import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.time.Clock;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/** What a provider says of a token that only it can judge (RFC 7662 §2.2). Immutable. */
record IntrospectionAnswer(OidcProvider settings, Clock clock) {
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private static final Set<String> TYPES = Set.of("bearer", "dpop");

  /**
   * The token; null if it is not active.
   *
   * @throws GatewayException {@link ErrorCode#PROVIDER_INVALID} if the answer is none, {@link
   *     ErrorCode#ACCESS_TOKEN_REFUSED} if it is of a token of another kind
   */
  @Nullable AccessToken read(HTTPResponse response, String digest) {
    if (response.getStatusCode() != 200) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID,
          "the introspection endpoint answers "
              + response.getStatusCode()
              + ": see that this client may use it");
    }
    Map<String, Object> claims;
    try {
      claims =
          Objects.requireNonNull(
              JSON.readValue(response.getBody(), new TypeReference<Map<String, Object>>() {}));
    } catch (JacksonException | NullPointerException | IllegalArgumentException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID, "the answer about a token cannot be read", e);
    }
    if (!(claims.get("active") instanceof Boolean active)) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID, "the answer about a token does not say whether it is active");
    }
    return active ? token(claims, digest) : null;
  }

  private AccessToken token(Map<String, Object> claims, String digest) {
    Object issuer = claims.get("iss");
    if (issuer != null && !issuer.equals(settings.issuer())) {
      throw refused("it is of another issuer");
    }
    // Some providers call refresh tokens active, too: it must be said that it is none.
    Object typed = claims.get("token_type");
    Object kind = claims.get("typ");
    if ((typed == null && kind == null) || !isAccess(typed) || !isAccess(kind)) {
      throw refused("it is no access token");
    }
    Instant notBefore = AccessToken.time(claims, "nbf");
    if (notBefore != null && notBefore.isAfter(clock.instant().plus(settings.clockSkew()))) {
      throw refused("it is not valid yet");
    }
    return AccessToken.of(settings.issuer(), digest, claims);
  }

  private static boolean isAccess(@Nullable Object type) {
    return type == null
        || (type instanceof String text && TYPES.contains(text.toLowerCase(Locale.ROOT)));
  }

  private static GatewayException refused(String reason) {
    return new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, reason);
  }
}
