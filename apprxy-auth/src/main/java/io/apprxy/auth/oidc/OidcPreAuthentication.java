package io.apprxy.auth.oidc;

import io.apprxy.Application;
import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.PreAuthentication;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.policy.SignInAttempts;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Signs users in with OpenID Connect providers: authorization code flow with PKCE, state, nonce
 * (OpenID Connect Core §3.1, RFC 7636) and the issuer's identification (RFC 9207). Thread-safe;
 * never blocks.
 *
 * <p>A provider must know {@code https://<host of each application>/.apprxy/callback/<its name>} as
 * a redirect URI (without the name if it is the only one and has none), and {@code
 * …/.apprxy/signed-out} as one for after the sign-out. Users are redirected only where a page is
 * being opened; other requests without a session get 401 with a {@code sign_in_url}. Answered here,
 * on every host: {@code /.apprxy/sign-in?return=/path}, {@code /.apprxy/sign-out}, {@code
 * /.apprxy/signed-out}, {@code /.apprxy/user} (JSON), the callbacks, {@code /.apprxy/form} (below),
 * and what a provider calls to end sessions: {@code /.apprxy/backchannel-logout} (OpenID Connect
 * Back-Channel Logout 1.0) and {@code /.apprxy/frontchannel-logout} (Front-Channel Logout 1.0, with
 * {@code iss} and {@code sid}), and {@code /.apprxy/events} for security events ({@link
 * SecurityEventTransmitter}).
 *
 * <p>A form that a page of an application sends after the session has ended waits in the browser's
 * tab, encrypted, for 15 minutes at most; after the sign-in its user is asked whether to send it.
 * What cannot wait (a file, more than 64 KiB, what a script or another site sends) is answered 401.
 *
 * <p>Of applications that take them ({@code Application.bearerTokens}), API clients are
 * authenticated by access tokens of the same providers: JWT (RFC 9068, and plain ones), bound to a
 * key (RFC 9449), to a certificate (RFC 8705), or to nothing. A request with a token is judged by
 * it alone, whatever session it has. What clients need to know is told at {@code
 * /.well-known/oauth-protected-resource} (RFC 9728).
 */
public final class OidcPreAuthentication implements PreAuthentication {
  private static final String USER = Exchange.RESERVED_PREFIX + "user";
  private static final String TERMS = Exchange.RESERVED_PREFIX + "terms";

  private final Providers providers;
  private final Sessions sessions;
  private final RefreshTokens refreshTokens;
  private final SignIn signIn;
  private final PostedForms forms;
  private final SignOut signOut;
  private final AccessTokens accessTokens;
  private final OriginTokens originTokens;
  private final ProvidersLogout providersLogout;
  private final SecurityEvents securityEvents;

  private OidcPreAuthentication(
      List<OidcProvider> settings,
      List<SecurityEventTransmitter> transmitters,
      Sessions sessions,
      SignInAttempts attempts,
      boolean keepFragments,
      Clock clock,
      boolean dpopNonces) {
    Executor workers = Workers.start();
    Logins logins = new Logins(sessions);
    IdTokenHints hints = new IdTokenHints();
    this.providers = new Providers(settings, clock, workers);
    this.sessions = sessions;
    this.refreshTokens = new RefreshTokens(sessions, workers, clock);
    this.forms = new PostedForms(sessions, logins);
    this.signIn =
        new SignIn(
            sessions,
            logins,
            providers,
            workers,
            hints,
            refreshTokens,
            attempts,
            forms,
            keepFragments,
            clock);
    this.signOut = new SignOut(sessions, logins, providers, hints);
    this.accessTokens =
        new AccessTokens(
            providers,
            workers,
            clock,
            sessions,
            attempts,
            DpopNonces.of(dpopNonces, sessions.keys(), clock));
    this.originTokens = new OriginTokens(refreshTokens, workers, clock);
    this.providersLogout = new ProvidersLogout(providers, sessions, workers);
    this.securityEvents = new SecurityEvents(transmitters, sessions, workers, clock);
    sessions.whenEnded(hints::forget);
    sessions.whenEnded(originTokens::forget);
  }

  @Override
  public void whenEnded(Consumer<EndedSessions> listener) {
    sessions.whenEnded(listener);
  }

  public static Builder builder() {
    return new Builder();
  }

  @Override
  public Verdict authenticate(Exchange exchange) {
    if (exchange.isReserved()) {
      return reserved(exchange);
    }
    if (exchange.passesThrough()) {
      return Verdict.proceed();
    }
    if (exchange.application().bearerTokens() != null) {
      Verdict byToken = byToken(exchange);
      if (byToken != null) {
        return byToken;
      }
    }
    if (sessions.identify(exchange, identity -> providers.of(identity, exchange) != null)) {
      return refreshed(exchange);
    }
    return signIn(exchange);
  }

  /** A page is sent to the provider; a program is told where. */
  private Verdict signIn(Exchange exchange) {
    Wish wish = Wish.of(ReturnTo.of(exchange));
    if (exchange.isNavigation()) {
      return signIn.begin(exchange, wish, 401);
    }
    if (PostedForms.isPosted(exchange)) {
      return signIn.form(exchange, wish);
    }
    AccessTokens.invite(exchange);
    return Verdict.answer(signIn.required(exchange, wish));
  }

  /** A session that is refreshed from time to time goes on only while the provider lets it. */
  private Verdict refreshed(Exchange exchange) {
    Identity identity = Objects.requireNonNull(exchange.identity());
    Discovery of = Objects.requireNonNull(providers.of(identity, exchange));
    OidcClient client = of.settings().client(exchange.application().id());
    CompletableFuture<Boolean> pending =
        client.refreshesSessions() ? refreshTokens.check(identity, of, client) : null;
    return pending == null
        ? Verdict.proceed()
        : Workers.verdict(
            pending.thenApply(goesOn -> goesOn ? Verdict.proceed() : again(exchange)));
  }

  /** The session has just ended: a page comes back without one, and a program is told. */
  private Verdict again(Exchange exchange) {
    if (PostedForms.isPosted(exchange)) {
      return signIn.form(exchange, Wish.of(ReturnTo.of(exchange)));
    }
    return Verdict.answer(
        exchange.isNavigation()
            ? Response.of(302).with("Location", exchange.origin() + ReturnTo.of(exchange))
            : signIn.required(exchange, Wish.of(ReturnTo.of(exchange))));
  }

  /** Of an application that takes access tokens: null if the request has none. */
  private @Nullable Verdict byToken(Exchange exchange) {
    if (exchange.path().equals(exchange.application().resourceMetadataPath())) {
      return only(exchange, "GET", "HEAD")
          ? Verdict.answer(
              ProtectedResource.metadata(exchange.application(), providers.candidates(exchange)))
          : notAllowed("GET, HEAD");
    }
    return accessTokens.authenticate(exchange);
  }

  @Override
  public Verdict stepUp(Exchange exchange, StepUpRequirement requirement) {
    return accessTokens.isPresented(exchange)
        ? accessTokens.stepUp(exchange, requirement)
        : signIn.stepUp(exchange, Objects.requireNonNull(exchange.identity()), requirement);
  }

  @Override
  public Verdict tokenForOrigin(Exchange exchange) {
    Discovery of = providers.issuing(Objects.requireNonNull(exchange.identity()));
    if (of == null) {
      throw new GatewayException(ErrorCode.SIGN_ON_FAILED, "nobody here vouched for the user");
    }
    return Workers.verdict(
        originTokens
            .of(exchange, of)
            .thenApply(
                token -> {
                  if (token == null) { // it has ended, and the provider gave no refresh token
                    return signIn(exchange);
                  }
                  exchange.passToOrigin(token);
                  return Verdict.proceed();
                })
            .toCompletableFuture());
  }

  @Override
  public void tokenWasRefused(Exchange exchange) {
    originTokens.forget(exchange);
  }

  @Override
  public void check(Application application) {
    providers.check(application);
    accessTokens.check(application);
    if (application.singleSignOn().token() != null) {
      providers.checkTokensAreKept(application);
    }
  }

  /** Whose session this is, whichever application of the host it counts for. */
  private @Nullable Identity anybody(Exchange exchange) {
    Identity identity = sessions.find(exchange);
    return identity != null && providers.issuing(identity) != null ? identity : null;
  }

  private Verdict reserved(Exchange exchange) {
    if (exchange.path().equals(SignIn.CALLBACK)
        || exchange.path().startsWith(SignIn.CALLBACK + "/")) {
      return only(exchange, "GET")
          ? signIn.callback(exchange, anybody(exchange))
          : notAllowed("GET");
    }
    return switch (exchange.path()) {
      case SignIn.PATH ->
          only(exchange, "GET") ? signIn.page(exchange, anybody(exchange)) : notAllowed("GET");
      case SignOut.PATH ->
          only(exchange, "GET", "POST")
              ? signOut.page(exchange, anybody(exchange))
              : notAllowed("GET, POST");
      case SignOut.DONE ->
          only(exchange, "GET", "HEAD")
              ? Verdict.answer(Pages.signedOut())
              : notAllowed("GET, HEAD");
      case ProvidersLogout.BACK_CHANNEL ->
          only(exchange, "POST") ? providersLogout.backChannel(exchange) : notAllowed("POST");
      case SecurityEvents.PATH ->
          only(exchange, "POST") ? securityEvents.receive(exchange) : notAllowed("POST");
      case ProvidersLogout.FRONT_CHANNEL ->
          only(exchange, "GET") ? providersLogout.frontChannel(exchange) : notAllowed("GET");
      case PostedForms.PATH ->
          only(exchange, "POST") ? forms.ask(exchange, anybody(exchange)) : notAllowed("POST");
      case USER ->
          only(exchange, "GET", "HEAD") ? Verdict.answer(user(exchange)) : notAllowed("GET, HEAD");
      case TERMS -> {
        if (exchange.identity() == null) {
          sessions.identify(exchange, identity -> providers.of(identity, exchange) != null);
        }
        yield Verdict.proceed(); // the policy answers
      }
      default ->
          throw new GatewayException(
              ErrorCode.NO_SUCH_PAGE, "no such page: " + Untrusted.text(exchange.path()));
    };
  }

  private static boolean only(Exchange exchange, String... methods) {
    return List.of(methods).contains(exchange.method());
  }

  private static Verdict notAllowed(String allowed) {
    return Verdict.answer(Response.of(405).with("Allow", allowed));
  }

  private Response user(Exchange exchange) {
    Identity byCertificate = exchange.identity();
    Identity identity = byCertificate == null ? anybody(exchange) : byCertificate;
    return identity == null ? Pages.signInRequired(exchange, Wish.of("/")) : Pages.user(identity);
  }

  /**
   * Settings. Not thread-safe. Each setter checks at once; {@link #build} checks what belongs
   * together and opens no connection.
   */
  public static final class Builder {
    private final List<OidcProvider> providers = new ArrayList<>();
    private final OidcProvider.Builder only = OidcProvider.unnamed();
    private final OidcClient.Builder client = OidcClient.unnamed();
    private boolean shortForm;
    private boolean keepFragments;
    private @Nullable Sessions sessions;
    private @Nullable SignInAttempts attempts;
    private @Nullable Clock clock;
    private final List<SecurityEventTransmitter> transmitters = new ArrayList<>();
    private boolean dpopNonces;

    private Builder() {}

    /**
     * Adds a provider that may sign users in. Which of several does is up to the application
     * ({@code Application.identityProviders}), the host ({@link OidcProvider.Builder#hosts}), and
     * last the user, who chooses on a page once; the browser remembers it.
     */
    public Builder provider(OidcProvider provider) {
      providers.add(Objects.requireNonNull(provider, "provider"));
      return this;
    }

    /**
     * The issuer of the only provider, which needs no name then. This and the settings down to
     * {@link #timeout} are the short form of {@link #provider}; the redirect URI is {@code
     * https://<host>/.apprxy/callback}. See {@link OidcProvider.Builder#issuer}.
     */
    public Builder issuer(String url) {
      only.issuer(url);
      return shortForm();
    }

    /** How the only provider names this gateway ({@code client_id}), not blank. */
    public Builder clientId(String id) {
      client.id(id);
      return shortForm();
    }

    /** See {@link OidcClient.Builder#secret}. */
    public Builder clientSecret(String secret) {
      client.secret(secret);
      return shortForm();
    }

    /** See {@link OidcClient.Builder#scopes}. */
    public Builder scopes(String... names) {
      client.scopes(names);
      return shortForm();
    }

    /** See {@link OidcProvider.Builder#algorithms}. */
    public Builder algorithms(String... names) {
      only.algorithms(names);
      return shortForm();
    }

    /** See {@link OidcProvider.Builder#trust}. */
    public Builder trust(SSLContext context) {
      only.trust(context);
      return shortForm();
    }

    /** See {@link OidcProvider.Builder#clockSkew}. */
    public Builder clockSkew(Duration skew) {
      only.clockSkew(skew);
      return shortForm();
    }

    /** See {@link OidcProvider.Builder#timeout}. */
    public Builder timeout(Duration wait) {
      only.timeout(wait);
      return shortForm();
    }

    private Builder shortForm() {
      shortForm = true;
      return this;
    }

    /**
     * The sessions of those who signed in. Default: with generated keys, so that they end with a
     * restart.
     */
    public Builder sessions(Sessions keeper) {
      sessions = Objects.requireNonNull(keeper, "sessions");
      return this;
    }

    /**
     * Counts what fails, locks out who goes on, and records who signs in. Default: with the
     * defaults of {@link SignInAttempts#builder}, so that each gateway counts alone.
     */
    public Builder attempts(SignInAttempts counter) {
      attempts = Objects.requireNonNull(counter, "counter");
      return this;
    }

    /**
     * Demands of the proofs of API clients that they have a nonce of the last 5 minutes (RFC 9449
     * §9), so that none can be made ahead of time: each client is refused once to get one. Default:
     * not demanded.
     */
    public Builder requireDpopNonces() {
      dpopNonces = true;
      return this;
    }

    /** Adds somebody whose security events end sessions. Default: none. */
    public Builder transmitter(SecurityEventTransmitter transmitter) {
      transmitters.add(Objects.requireNonNull(transmitter, "transmitter"));
      return this;
    }

    /**
     * Lets the fragment of a page ({@code #…}) survive the sign-in, as applications need it that
     * keep their place there: by one small page with a script, whose hash its policy names, before
     * a sign-in, and one after it if there was a fragment. The fragment stays in the browser.
     * Default: no; browsers carry a fragment along where the provider answers without a page.
     */
    public Builder keepFragments() {
      keepFragments = true;
      return this;
    }

    /** The time. Default: the clock of the sessions. */
    public Builder clock(Clock time) {
      clock = Objects.requireNonNull(time, "clock");
      return this;
    }

    /**
     * The stage, which looks for a provider when it first needs it.
     *
     * @throws IllegalStateException if there is no provider, issuer or clientId is missing, or the
     *     short form is used beside {@link #provider}
     * @throws IllegalArgumentException if two providers have the same name or issuer, or two
     *     transmitters the same issuer
     */
    public OidcPreAuthentication build() {
      if (shortForm && !providers.isEmpty()) {
        throw new IllegalStateException(
            "issuer, clientId and what belongs to them are the settings of an only provider: with"
                + " provider(…), make them there");
      }
      Sessions kept = sessions == null ? defaultSessions() : sessions;
      Clock time = clock == null ? kept.clock() : clock;
      return new OidcPreAuthentication(
          providers.isEmpty() ? List.of(only.client(client).build()) : List.copyOf(providers),
          List.copyOf(transmitters),
          kept,
          attempts == null ? SignInAttempts.builder().clock(time).build() : attempts,
          keepFragments,
          time,
          dpopNonces);
    }

    private Sessions defaultSessions() {
      Sessions.Builder builder = Sessions.builder().keys(SessionKeys.generate());
      return (clock == null ? builder : builder.clock(clock)).build();
    }
  }
}
