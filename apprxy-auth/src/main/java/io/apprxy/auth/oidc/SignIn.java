package io.apprxy.auth.oidc;

import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.Logins.Browser;
import io.apprxy.auth.oidc.Logins.Login;
import io.apprxy.auth.oidc.Provider.IdToken;
import io.apprxy.auth.policy.SignInAttempts;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
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

  private final Sessions sessions;
  private final Logins logins;
  private final Providers providers;
  private final Executor workers;
  private final IdTokenHints hints;
  private final RefreshTokens refreshTokens;
  private final SignInAttempts attempts;
  private final PostedForms forms;
  private final boolean keepFragments;
  private final Clock clock;

  SignIn(
      Sessions sessions,
      Logins logins,
      Providers providers,
      Executor workers,
      IdTokenHints hints,
      RefreshTokens refreshTokens,
      SignInAttempts attempts,
      PostedForms forms,
      boolean keepFragments,
      Clock clock) {
    this.sessions = sessions;
    this.logins = logins;
    this.providers = providers;
    this.workers = workers;
    this.hints = hints;
    this.refreshTokens = refreshTokens;
    this.attempts = attempts;
    this.forms = forms;
    this.keepFragments = keepFragments;
    this.clock = clock;
  }

  /**
   * The page to which programs and other pages may link: {@code ?return=/path}.
   *
   * @param identity whose session the request has, or null
   */
  Verdict page(Exchange exchange, @Nullable Identity identity) {
    Wish wish = Wish.of(Parameters.of(exchange.query()));
    if (isMet(wish, identity)) {
      return Verdict.answer(redirect(exchange, wish.returnTo()));
    }
    Discovery chosen = wish.provider() == null ? null : providers.named(wish.provider());
    if (chosen != null) {
      return begin(exchange, chosen, wish);
    }
    return wish.application() == null || wish.application().equals(exchange.application().id())
        ? begin(exchange, wish, 200)
        : Verdict.answer(redirect(exchange, wish.returnTo())); // which knows its providers
  }

  /** For programs, which a redirect to a page for people would not help: where to sign in. */
  Response required(Exchange exchange, Wish wish) {
    String application = exchange.application().id();
    Discovery chosen = Choice.among(providers.candidates(exchange), exchange);
    return Pages.signInRequired(
        exchange,
        chosen == null ? wish.at(application) : wish.with(chosen.settings(), application));
  }

  /** For whoever sent a form without a session: where to sign in, while it waits in the browser. */
  Verdict form(Exchange exchange, Wish wish) {
    List<Discovery> candidates = providers.candidates(exchange);
    Discovery chosen = Choice.among(candidates, exchange);
    return form(exchange, wish, chosen == null ? candidates : List.of(chosen));
  }

  private Verdict form(Exchange exchange, Wish wish, List<Discovery> candidates) {
    return Verdict.later(
        forms
            .keep(exchange, wish, candidates.stream().map(Discovery::settings).toList())
            .thenApply(Verdict::answer));
  }

  /** Whether somebody is signed in with what they wish to sign in with. */
  private boolean isMet(Wish wish, @Nullable Identity identity) {
    StepUpRequirement demanded = wish.requirement();
    if (identity == null
        || (demanded != null && StepUp.missing(identity, demanded, clock.instant()) != null)) {
      return false;
    }
    if (wish.provider() == null) {
      return true; // the page to return to knows whether that is enough for it
    }
    Discovery wished = providers.named(wish.provider());
    return wished != null
        && wished.equals(providers.issuing(identity))
        && wished
            .settings()
            .client(wish.application())
            .id()
            .getValue()
            .equals(identity.claim("aud"));
  }

  /**
   * Lets a user prove more: a page goes to the provider of the session, a program is told. Where
   * the session has all that is demanded, another sign-in would end here again.
   */
  Verdict stepUp(Exchange exchange, Identity identity, StepUpRequirement requirement) {
    Discovery vouched = providers.of(identity, exchange);
    if (vouched == null) {
      throw new GatewayException(
          ErrorCode.REFUSED_BY_POLICY,
          "no provider can be asked for more: " + requirement.reason());
    }
    if (StepUp.missing(identity, requirement, clock.instant()) == null) {
      throw new GatewayException(
          ErrorCode.STEP_UP_FAILED,
          "the policy demands what the session has: " + requirement.reason());
    }
    Wish wish =
        new Wish(null, null, ReturnTo.of(exchange), 0, hint(identity), requirement)
            .with(vouched.settings(), exchange.application().id());
    if (PostedForms.isPosted(exchange)) {
      return form(exchange, wish, List.of(vouched));
    }
    return exchange.isNavigation()
        ? begin(exchange, vouched, wish)
        : Verdict.answer(Pages.stepUpRequired(exchange, wish, requirement));
  }

  /** What tells the provider whose session it is: its own hint if it gave one, else the name. */
  static String hint(Identity identity) {
    return identity.claim("login_hint") instanceof String hint ? hint : identity.name();
  }

  /**
   * Sends the browser to a provider that may sign in users of the application; where there are
   * several, and none was chosen before, answers a page to choose on.
   *
   * @param status of that page
   */
  Verdict begin(Exchange exchange, Wish wish, int status) {
    List<Discovery> candidates = providers.candidates(exchange);
    Discovery chosen = Choice.among(candidates, exchange);
    return chosen == null
        ? Verdict.answer(
            Pages.choose(
                status,
                candidates.stream().map(Discovery::settings).toList(),
                wish,
                exchange.application().id(),
                keepFragments && isDocument(exchange)))
        : status == 401 && keepFragments && isDocument(exchange)
            ? Verdict.answer(
                Pages.keepFragment(wish.with(chosen.settings(), exchange.application().id())))
            : begin(exchange, chosen, wish.with(chosen.settings(), exchange.application().id()));
  }

  private Verdict begin(Exchange exchange, Discovery chosen, Wish wish) {
    OidcClient client = chosen.settings().client(wish.application());
    URI callbackUri = callbackUri(exchange, chosen.settings());
    Function<Provider, Verdict> send =
        provider -> {
          Browser browser = logins.remember(exchange);
          Login login = logins.begin(exchange, browser, wish);
          return Verdict.answer(
              Response.redirect(
                  provider.authenticationRequest(client, login, browser, callbackUri)));
        };
    return Workers.verdict(
        timed(
            chosen,
            chosen
                .provider()
                .thenCompose(
                    provider ->
                        provider.pushes(client)
                            ? CompletableFuture.supplyAsync(() -> send.apply(provider), workers)
                            : CompletableFuture.completedFuture(send.apply(provider)))));
  }

  /**
   * The browser comes back from the provider (OpenID Connect Core §3.1.2.5).
   *
   * @param identity whose session the request has, or null
   */
  Verdict callback(Exchange exchange, @Nullable Identity identity) {
    return attempts.guard(exchange, null, () -> answered(exchange, identity));
  }

  private Verdict answered(Exchange exchange, @Nullable Identity identity) {
    Parameters parameters = Parameters.of(exchange.query());
    Login login = logins.open(exchange, parameters.get("state"));
    Discovery asked = asked(exchange, login);
    Browser browser = logins.browser(exchange);
    if (browser == null || !browser.began(login)) {
      return restart(exchange, login.wish());
    }
    AuthorizationCode code = code(parameters); // before anything is spent on it
    if (!logins.use(login)) {
      if (isMet(login.wish(), identity)) {
        // somebody went back, or reloaded: the code is not looked at
        return Verdict.answer(redirect(exchange, login.wish().returnTo()));
      }
      attempts.replayed(exchange, null);
      throw new GatewayException(ErrorCode.SIGN_IN_FAILED, "this sign-in was completed before");
    }
    OidcClient client = asked.settings().client(login.wish().application());
    URI callbackUri = callbackUri(exchange, asked.settings());
    return Workers.verdict(
        timed(
                asked,
                asked
                    .provider()
                    .thenApplyAsync(
                        provider -> {
                          provider.checkSender(parameters.get("iss"));
                          return withGroups(
                              asked.settings(),
                              provider.redeem(client, code, login, browser, callbackUri));
                        },
                        workers))
            .thenCompose(token -> complete(exchange, asked.settings(), client, login, token)));
  }

  /**
   * The provider that this sign-in asked. An answer that comes to the address of another is of that
   * other, and its code is for nobody else's ears (mix-up, RFC 9700 §4.4).
   */
  private Discovery asked(Exchange exchange, Login login) {
    String name = login.wish().provider();
    Discovery asked = name == null ? null : providers.named(name);
    if (asked == null || !exchange.path().equals(callbackPath(asked.settings()))) {
      throw new GatewayException(
          ErrorCode.SIGN_IN_FAILED, "the response came to the address of another provider");
    }
    return asked;
  }

  /**
   * The code is not for this browser, or the browser lost its secret: tabs that began at the same
   * instant, before there was a cookie, each got one, and the last one won. Beginning anew is safe
   * whoever sent the browser here, and often enough another tab has signed in by now.
   */
  private static Verdict restart(Exchange exchange, Wish wish) {
    if (wish.restarts() >= MAX_RESTARTS) {
      throw new GatewayException(
          ErrorCode.SIGN_IN_FAILED, "the browser does not keep the cookie of the sign-in");
    }
    return Verdict.answer(Response.redirect(URI.create(wish.again().url(exchange))));
  }

  private static AuthorizationCode code(Parameters parameters) {
    String error = parameters.get("error");
    if (error != null) {
      throw new GatewayException(
          switch (error) {
            case "access_denied" -> ErrorCode.SIGN_IN_REFUSED;
            case "unmet_authentication_requirements" -> ErrorCode.STEP_UP_FAILED;
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

  private CompletionStage<Verdict> complete(
      Exchange exchange, OidcProvider provider, OidcClient client, Login login, IdToken token) {
    JWTClaimsSet told = token.claims();
    Map<String, Object> claims = new HashMap<>(told.getClaims());
    claims.keySet().removeAll(PROTOCOL_CLAIMS);
    claims.values().removeIf(value -> value == null);
    claims.keySet().removeAll(Entra.OVERAGE);
    claims.put("aud", client.id().getValue()); // a session counts only where this client does
    Identity proven =
        new Identity(
            told.getIssuer(),
            told.getSubject(),
            "",
            authenticatedAt(provider, login, authTime(told)),
            claims);
    StepUpRequirement demanded = login.wish().requirement();
    String missing = demanded == null ? null : StepUp.missing(proven, demanded, clock.instant());
    if (missing != null) {
      throw new GatewayException(
          ErrorCode.STEP_UP_FAILED, "the provider did not deliver: " + Untrusted.text(missing));
    }
    Identity identity =
        sessions.begin(
            exchange,
            proven.issuer(),
            proven.subject(),
            proven.authenticatedAt(),
            told.getIssueTime().toInstant(), // the verifier demands it
            claims);
    hints.keep(identity, token.token());
    attempts.signedIn(exchange, identity);
    Choice.remember(exchange, provider);
    Verdict done = Verdict.answer(redirect(exchange, login.wish().returnTo()));
    return client.refreshesSessions()
        ? refreshTokens.keep(identity, token.tokens()).thenApply(kept -> done)
        : CompletableFuture.completedFuture(done);
  }

  /** The same token, with the groups that did not fit into it. Blocks. */
  private static IdToken withGroups(OidcProvider provider, IdToken token) {
    Map<String, Object> claims = token.claims().getClaims();
    if (!Entra.leavesGroupsOut(claims)) {
      return token;
    }
    List<String> groups = Entra.groups(claims, provider.groups());
    return new IdToken(
        token.token(),
        new JWTClaimsSet.Builder(token.claims()).claim("groups", groups).build(),
        token.tokens());
  }

  private Instant authenticatedAt(OidcProvider provider, Login login, @Nullable Instant told) {
    Instant now = clock.instant();
    Duration maxAge =
        login.wish().requirement() == null ? null : login.wish().requirement().maxAge();
    if (maxAge == null) {
      return told == null || told.isAfter(now) ? now : told;
    }
    Instant proven = StepUp.authenticatedAt(told, maxAge, login.begun(), now, provider.clockSkew());
    if (proven == null) {
      throw new GatewayException(
          ErrorCode.STEP_UP_FAILED,
          told == null
              ? "the provider does not say when the user signed in (auth_time)"
              : "the provider did not ask for a new sign-in: auth_time is " + told);
    }
    return proven;
  }

  private static @Nullable Instant authTime(JWTClaimsSet token) {
    try {
      Date told = token.getDateClaim("auth_time");
      return told == null ? null : told.toInstant();
    } catch (java.text.ParseException e) {
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, "auth_time is no time", e);
    }
  }

  /** Bounds the wait, the one for a free worker included. What comes later has no effect. */
  private static <T> CompletableFuture<T> timed(Discovery asked, CompletableFuture<T> answer) {
    return answer.orTimeout(asked.settings().timeout().toMillis() * 3, TimeUnit.MILLISECONDS);
  }

  /** A page of its own, of a browser that runs scripts: older ones do not say so. */
  private static boolean isDocument(Exchange exchange) {
    return exchange.method().equals("GET") && "document".equals(exchange.header("Sec-Fetch-Dest"));
  }

  /** A provider's own, unless it is the only one of a gateway that gave it no name. */
  private static String callbackPath(OidcProvider provider) {
    return provider.name().isEmpty() ? CALLBACK : CALLBACK + "/" + provider.name();
  }

  private static URI callbackUri(Exchange exchange, OidcProvider provider) {
    return URI.create(exchange.origin() + callbackPath(provider));
  }

  /** Not by way of a URI, which would refuse characters that browsers send in queries. */
  private static Response redirect(Exchange exchange, String returnTo) {
    if (returnTo.endsWith(Wish.KEPT)) {
      return Pages.restore(returnTo);
    }
    return Response.of(302).with("Location", exchange.origin() + returnTo);
  }
}
