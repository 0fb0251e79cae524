package io.apprxy.auth.oidc;

import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.oidc.PresentedToken.Scheme;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/**
 * What clients of an application's API are told: which tokens it takes (RFC 9728), and what is
 * wrong with the one they sent (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3).
 */
final class ProtectedResource {
  private static final JsonMapper JSON = new JsonMapper();

  private ProtectedResource() {}

  /** The metadata of RFC 9728 §2. */
  static Response metadata(Application application, Collection<Discovery> providers) {
    BearerTokens tokens = Objects.requireNonNull(application.bearerTokens());
    Map<String, Object> metadata = new LinkedHashMap<>();
    metadata.put("resource", application.resource());
    metadata.put(
        "authorization_servers", providers.stream().map(one -> one.settings().issuer()).toList());
    if (!tokens.scopes().isEmpty()) {
      metadata.put("scopes_supported", tokens.scopes());
    }
    metadata.put("bearer_methods_supported", List.of("header"));
    metadata.put("dpop_signing_alg_values_supported", DpopProof.ALGORITHM_NAMES);
    metadata.put("resource_name", application.id());
    return Response.of(200, "application/json", JSON.writeValueAsString(metadata))
        .with("Cache-Control", "max-age=300")
        .with("X-Content-Type-Options", "nosniff");
  }

  /** Tells a client without a token how to get one; with no error (RFC 6750 §3.1). */
  static void invite(Exchange exchange) {
    exchange.addResponseHeader(
        "WWW-Authenticate", new Challenge(Scheme.BEARER, exchange).toString());
    exchange.addResponseHeader("WWW-Authenticate", new Challenge(Scheme.DPOP, exchange).toString());
  }

  /**
   * The failure for a token that was refused, with its challenge.
   *
   * @param error the code of RFC 6750 §3.1, RFC 9449 §7.1 or RFC 9470 §3
   * @param description what the client can be told
   */
  static GatewayException refuse(
      Exchange exchange,
      Scheme scheme,
      ErrorCode code,
      String error,
      String description,
      @Nullable Throwable cause) {
    Challenge challenge =
        new Challenge(scheme, exchange).with("error", error).with("error_description", description);
    if (code == ErrorCode.SCOPE_MISSING) {
      BearerTokens tokens = Objects.requireNonNull(exchange.application().bearerTokens());
      challenge.with("scope", String.join(" ", tokens.scopes()));
    }
    exchange.addResponseHeader("WWW-Authenticate", challenge.toString());
    return new GatewayException(
        code, cause == null ? description : Untrusted.text(cause.getMessage()), cause);
  }

  /** The challenge to prove more: RFC 9470's, or Entra's claims challenge. */
  static GatewayException stepUp(Exchange exchange, Scheme scheme, StepUpRequirement requirement) {
    String context = requirement.authenticationContext();
    String challenge;
    if (context == null) {
      challenge = StepUp.challenge(new Challenge(scheme, exchange).toString(), requirement);
    } else {
      challenge =
          new Challenge(scheme, exchange)
              .with("error", "insufficient_claims")
              .with("error_description", requirement.reason())
              .with("claims", claims(context))
              .toString();
    }
    exchange.addResponseHeader("WWW-Authenticate", challenge);
    return new GatewayException(ErrorCode.STEP_UP_REQUIRED, requirement.reason());
  }

  /** What MSAL and its kin send on to Entra ID as the {@code claims} parameter. */
  private static String claims(String context) {
    String request =
        JSON.writeValueAsString(
            Map.of("access_token", Map.of("acrs", Map.of("essential", true, "value", context))));
    return Base64.getEncoder().encodeToString(request.getBytes(StandardCharsets.UTF_8));
  }

  /** One challenge (RFC 9110 §11.6.1). Not thread-safe. */
  private static final class Challenge {
    private final StringBuilder text;

    Challenge(Scheme scheme, Exchange exchange) {
      text = new StringBuilder(scheme.toString()).append(" realm=\"apprxy\"");
      if (scheme == Scheme.DPOP) {
        with("algs", String.join(" ", DpopProof.ALGORITHM_NAMES));
      }
      with("resource_metadata", exchange.origin() + exchange.application().resourceMetadataPath());
    }

    Challenge with(String name, String value) {
      if (!value.isEmpty()) {
        // RFC 6750 §3: neither quote nor backslash
        String plain = value.replaceAll("[^\\x20\\x21\\x23-\\x5B\\x5D-\\x7E]", "?");
        text.append(", ").append(name).append("=\"").append(plain).append('"');
      }
      return this;
    }

    @Override
    public String toString() {
      return text.toString();
    }
  }
}
