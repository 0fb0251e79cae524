package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.SecurityEventTokens.Token;
import io.apprxy.auth.session.Sessions;
import io.apprxy.auth.session.SessionsOf;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A provider says that users have logged out: by itself (OpenID Connect Back-Channel Logout 1.0),
 * or by way of the browser (Front-Channel Logout 1.0). Thread-safe; never blocks.
 */
final class ProvidersLogout {
  static final String BACK_CHANNEL = Exchange.RESERVED_PREFIX + "backchannel-logout";
  static final String FRONT_CHANNEL = Exchange.RESERVED_PREFIX + "frontchannel-logout";

  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.auth");
  private static final String EVENT = "http://schemas.openid.net/event/backchannel-logout";
  private static final int MAX_BODY = 64 * 1024;

  /** §2.4; providers that name the type as in any JWT, or not at all, are told by the event. */
  private static final Set<@Nullable JOSEObjectType> TYPES =
      new HashSet<>(
          Arrays.asList(
              new JOSEObjectType("logout+jwt"),
              new JOSEObjectType("application/logout+jwt"),
              JOSEObjectType.JWT,
              null));

  private final Providers providers;
  private final Sessions sessions;
  private final Executor workers;

  ProvidersLogout(Providers providers, Sessions sessions, Executor workers) {
    this.providers = providers;
    this.sessions = sessions;
    this.workers = workers;
  }

  // ---- the back channel

  /** §2.5 to §2.8 of Back-Channel Logout: 200 if it is done, 400 whatever else is the matter. */
  Verdict backChannel(Exchange exchange) {
    return Verdict.later(
        exchange
            .readBody(MAX_BODY)
            .thenApply(body -> logoutToken(exchange, body))
            .thenCompose(this::logOut)
            .thenApply(done -> Verdict.answer(noStore(Response.of(200))))
            .exceptionally(ProvidersLogout::refused));
  }

  private static SignedJWT logoutToken(Exchange exchange, byte[] body) {
    String type = exchange.header("Content-Type");
    if (type == null
        || !type.split(";", 2)[0].strip().equalsIgnoreCase("application/x-www-form-urlencoded")) {
      throw Refusal.invalid("it is no form");
    }
    List<String> tokens =
        URLUtils.parseParameters(new String(body, StandardCharsets.UTF_8)).get("logout_token");
    if (tokens == null || tokens.size() != 1) {
      throw Refusal.invalid("it has not one logout_token");
    }
    return SecurityEventTokens.parse(tokens.get(0));
  }

  private CompletableFuture<Void> logOut(SignedJWT token) {
    String issuer = SecurityEventTokens.issuer(token);
    Discovery of = providers.of(issuer);
    if (issuer == null || of == null) {
      throw new Refusal("invalid_issuer", "it is of no provider that is known here");
    }
    List<String> clients =
        of.settings().clients().stream().map(client -> client.id().getValue()).toList();
    return timed(
        of,
        of.provider()
            .thenComposeAsync(
                provider -> {
                  SecurityEventTokens tokens = provider.events(issuer);
                  Token logout = tokens.verify(token, TYPES, clients);
                  SessionsOf whose = whose(issuer, logout);
                  return tokens.<Void>once(
                      sessions.state(),
                      logout,
                      () -> sessions.end(whose, logout.issuedAt(), "back-channel logout"),
                      () -> {
                        throw Refusal.invalid("this token was used before");
                      });
                },
                workers));
  }

  /** Bounds the wait, the one for a free worker included. */
  private static <T> CompletableFuture<T> timed(Discovery asked, CompletableFuture<T> answer) {
    return answer.orTimeout(asked.settings().timeout().toMillis() * 3, TimeUnit.MILLISECONDS);
  }

  /** §2.6, rules 4 to 7. */
  private static SessionsOf whose(String issuer, Token logout) {
    if (!logout.events().containsKey(EVENT)) {
      throw Refusal.invalid("it is about something else than a logout");
    }
    if (logout.claims().getExpirationTime() == null) {
      throw Refusal.invalid("exp is missing");
    }
    String subject = logout.text("sub");
    String sid = logout.text("sid");
    if (sid == null) {
      if (subject == null) {
        throw Refusal.invalid("it says neither sub nor sid");
      }
      return SessionsOf.user(issuer, subject);
    }
    return subject == null
        ? SessionsOf.providerSession(issuer, sid)
        : SessionsOf.providerSession(issuer, subject, sid);
  }

  private static Verdict refused(Throwable failed) {
    Throwable cause =
        failed instanceof CompletionException && failed.getCause() != null
            ? failed.getCause()
            : failed;
    LOG.debug("a logout of a provider is refused", cause);
    if (cause instanceof Refusal refusal) {
      return Verdict.answer(Pages.error(400, refusal.code(), refusal.reason()));
    }
    if (cause instanceof GatewayException known && known.code() == ErrorCode.BODY_TOO_LARGE) {
      return Verdict.answer(Pages.error(400, "invalid_request", "it is too large"));
    }
    LOG.warn("A logout of a provider could not be done: {}", Untrusted.text(cause.getMessage()));
    return Verdict.answer(
        Pages.error(400, "temporarily_unavailable", "it cannot be done at present"));
  }

  /** §2.8. */
  private static Response noStore(Response response) {
    return response.with("Cache-Control", "no-store");
  }

  // ---- the front channel

  /**
   * A page of the provider has an invisible frame of this address. Whoever knows the provider's
   * session may end it; what nobody here knows has no effect, or it could be made to be remembered.
   * Cookies come along only if the provider is of the same site, or they are for all sites.
   */
  Verdict frontChannel(Exchange exchange) {
    Parameters parameters = Parameters.of(exchange.query());
    String issuer = parameters.get("iss");
    String sid = parameters.get("sid");
    Discovery of = providers.of(issuer);
    if (issuer == null || sid == null || of == null) {
      return Verdict.answer(
          Pages.error(400, "invalid_request", "iss of a provider, and sid, are needed"));
    }
    Response done =
        noStore(Response.of(200, "text/html; charset=utf-8", "<!doctype html><title>-</title>"))
            .with(
                "Content-Security-Policy", "default-src 'none'; frame-ancestors " + origin(issuer));
    SessionsOf whose = SessionsOf.providerSession(issuer, sid);
    if (!sessions.isKnown(whose)) {
      return Verdict.answer(done);
    }
    Identity identity = sessions.find(exchange);
    if (identity != null && identity.issuer().equals(issuer) && sid.equals(identity.claim("sid"))) {
      sessions.forget(exchange);
    }
    return Verdict.later(
        timed(of, sessions.end(whose, "front-channel logout").toCompletableFuture().copy())
            .thenApply(ended -> Verdict.answer(done)));
  }

  private static String origin(String issuer) {
    URI uri = URI.create(issuer);
    return uri.getScheme() + "://" + uri.getRawAuthority();
  }
}
