package io.apprxy.auth.oidc;

import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.Logins.Browser;
import io.apprxy.auth.oidc.Logins.Login;
import io.apprxy.auth.oidc.Provider.IdToken;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * From a request without a session to one: to the provider, back with a code, and on to the page.
 * Thread-safe; never blocks.
 */
final class SignIn {
  static final String PATH = Exchange.RESERVED_PREFIX + "sign-in";
  static final String CALLBACK = Exchange.RESERVED_PREFIX + "callback";

  private static final int MAX_RESTARTS = 3;

  /** About the token, not about the user. */
  private static final Set<String> PROTOCOL_CLAIMS =
      Set.of(
          "iss",
          "sub",
          "aud",
          "exp",
          "iat",
          "nbf",
          "nonce",
          "at_hash",
          "c_hash",
          "azp",
          "jti",
          "typ",
          "auth_time");

  private final RelyingParty self;
  private final Sessions sessions;
  private final Logins logins;
  private final Discovery discovery;
  private final Executor workers;
  private final IdTokenHints hints;

  SignIn(
      RelyingParty self,
      Sessions sessions,
      Logins logins,
      Discovery discovery,
      Executor workers,
      IdTokenHints hints) {
    this.self = self;
    this.sessions = sessions;
    this.logins = logins;
    this.discovery = discovery;
    this.workers = workers;
    this.hints = hints;
  }

  /** The page to which programs and other pages may link: {@code ?return=/path}. */
  Verdict page(Exchange exchange, boolean signedIn) {
    Parameters parameters = Parameters.of(exchange.query());
    String returnTo = ReturnTo.checked(parameters.get("return"));
    if (signedIn) {
      return Verdict.answer(redirect(exchange, returnTo));
    }
    return begin(exchange, returnTo, restarts(parameters.get("restart")));
  }

  /** A forged count only shortens or renews the forger's own patience. */
  private static int restarts(@Nullable String text) {
    return text != null && text.matches("[0-9]") ? Integer.parseInt(text) : 0;
  }

  /** Where a program's user can sign in to come back to a page. */
  static String url(Exchange exchange, String returnTo) {
    return exchange.origin()
        + PATH
        + "?return="
        + URLEncoder.encode(returnTo, StandardCharsets.UTF_8);
  }

  /** Sends the browser to the provider. */
  Verdict begin(Exchange exchange, String returnTo, int restarts) {
    return Workers.verdict(
        timed(discovery.provider())
            .thenApply(
                provider -> {
                  Browser browser = logins.remember(exchange);
                  Login login = logins.begin(exchange, browser, returnTo, restarts);
                  return Verdict.answer(
                      Response.redirect(
                          provider.authenticationRequest(login, browser, callbackUri(exchange))));
                }));
  }

  /** The browser comes back from the provider (OpenID Connect Core §3.1.2.5). */
  Verdict callback(Exchange exchange, boolean signedIn) {
    Parameters parameters = Parameters.of(exchange.query());
    Login login = logins.open(exchange, parameters.get("state"));
    Browser browser = logins.browser(exchange);
    if (browser == null || !browser.began(login)) {
      return restart(exchange, login);
    }
    AuthorizationCode code = code(parameters); // before anything is spent on it
    if (!logins.use(login)) {
      if (signedIn) { // somebody went back, or reloaded: the code is not looked at
        return Verdict.answer(redirect(exchange, login.returnTo()));
      }
      throw new GatewayException(ErrorCode.SIGN_IN_FAILED, "this sign-in was completed before");
    }
    URI callbackUri = callbackUri(exchange);
    return Workers.verdict(
        timed(
                discovery
                    .provider()
                    .thenApplyAsync(
                        provider -> {
                          provider.checkSender(parameters.get("iss"));
                          return provider.redeem(code, login, browser, callbackUri);
                        },
                        workers))
            .thenApply(token -> complete(exchange, login, token)));
  }

  /**
   * The code is not for this browser, or the browser lost its secret: tabs that began at the same
   * instant, before there was a cookie, each got one, and the last one won. Beginning anew is safe
   * whoever sent the browser here, and often enough another tab has signed in by now.
   */
  private static Verdict restart(Exchange exchange, Login login) {
    if (login.restarts() >= MAX_RESTARTS) {
      throw new GatewayException(
          ErrorCode.SIGN_IN_FAILED, "the browser does not keep the cookie of the sign-in");
    }
    String again = url(exchange, login.returnTo()) + "&restart=" + (login.restarts() + 1);
    return Verdict.answer(Response.redirect(URI.create(again)));
  }

  private static AuthorizationCode code(Parameters parameters) {
    String error = parameters.get("error");
    if (error != null) {
      throw new GatewayException(
          switch (error) {
            case "access_denied" -> ErrorCode.SIGN_IN_REFUSED;
            case "temporarily_unavailable", "server_error" -> ErrorCode.PROVIDER_UNAVAILABLE;
            default -> ErrorCode.SIGN_IN_FAILED;
          },
          "the provider says "
              + Untrusted.text(error)
              + ": "
              + Untrusted.text(parameters.get("error_description")));
    }
    String code = parameters.get("code");
    if (code == null || code.isBlank() || parameters.get("response") != null) {
      throw new GatewayException(ErrorCode.SIGN_IN_FAILED, "the response has no code");
    }
    return new AuthorizationCode(code);
  }

  private Verdict complete(Exchange exchange, Login login, IdToken token) {
    JWTClaimsSet told = token.claims();
    Map<String, Object> claims = new HashMap<>(told.getClaims());
    claims.keySet().removeAll(PROTOCOL_CLAIMS);
    claims.values().removeIf(value -> value == null);
    Identity identity =
        sessions.begin(
            exchange, self.issuer().getValue(), told.getSubject(), authenticatedAt(told), claims);
    hints.keep(identity, token.token());
    return Verdict.answer(redirect(exchange, login.returnTo()));
  }

  private Instant authenticatedAt(JWTClaimsSet token) {
    Instant now = self.clock().instant();
    try {
      Date told = token.getDateClaim("auth_time");
      return told == null || told.toInstant().isAfter(now) ? now : told.toInstant();
    } catch (java.text.ParseException e) {
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, "auth_time is no time", e);
    }
  }

  /** Bounds the wait, the one for a free worker included. What comes later has no effect. */
  private <T> CompletableFuture<T> timed(CompletableFuture<T> answer) {
    return answer.orTimeout(self.timeout().toMillis() * 3, TimeUnit.MILLISECONDS);
  }

  private static URI callbackUri(Exchange exchange) {
    return URI.create(exchange.origin() + CALLBACK);
  }

  /** Not by way of a URI, which would refuse characters that browsers send in queries. */
  private static Response redirect(Exchange exchange, String returnTo) {
    return Response.of(302).with("Location", exchange.origin() + returnTo);
  }
}
