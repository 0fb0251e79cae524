package io.apprxy.auth.oidc;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.PreAuthentication;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Signs users in with an OpenID Connect provider: authorization code flow with PKCE, state, nonce
 * (OpenID Connect Core §3.1, RFC 7636) and the issuer's identification (RFC 9207). Thread-safe;
 * never blocks.
 *
 * <p>The provider must know {@code https://<host of each application>/.apprxy/callback} as a
 * redirect URI, and {@code …/.apprxy/signed-out} as one for after the sign-out. Users are
 * redirected only where a page is being opened; other requests without a session get 401 with a
 * {@code sign_in_url}. Answered here, on every host: {@code /.apprxy/sign-in?return=/path}, {@code
 * /.apprxy/sign-out}, {@code /.apprxy/signed-out}, {@code /.apprxy/user} (JSON) and the callback.
 */
public final class OidcPreAuthentication implements PreAuthentication {
  private static final String USER = Exchange.RESERVED_PREFIX + "user";

  private final String issuer;
  private final Sessions sessions;
  private final SignIn signIn;
  private final SignOut signOut;

  private OidcPreAuthentication(RelyingParty self, Sessions sessions, @Nullable SSLContext trust) {
    Executor workers = Workers.start();
    Discovery discovery = new Discovery(self, new ProviderHttp(trust, self.timeout()), workers);
    Logins logins = new Logins(sessions);
    IdTokenHints hints = new IdTokenHints();
    this.issuer = self.issuer().getValue();
    this.sessions = sessions;
    this.signIn = new SignIn(self, sessions, logins, discovery, workers, hints);
    this.signOut = new SignOut(self, sessions, logins, discovery, hints);
  }

  public static Builder builder() {
    return new Builder();
  }

  @Override
  public Verdict authenticate(Exchange exchange) {
    if (exchange.isReserved()) {
      return reserved(exchange);
    }
    if (exchange.application().externalAuthentication()
        == Application.ExternalAuthentication.PASSTHROUGH) {
      return Verdict.proceed();
    }
    Identity identity = find(exchange);
    if (identity != null) {
      exchange.identify(identity);
      return Verdict.proceed();
    }
    String returnTo = ReturnTo.of(exchange);
    return exchange.isNavigation()
        ? signIn.begin(exchange, returnTo, 0)
        : Verdict.answer(Pages.signInRequired(exchange, returnTo));
  }

  /**
   * Whoever signed in with this provider; a session that another one vouched for, with the same
   * keys, is none.
   */
  private @Nullable Identity find(Exchange exchange) {
    Identity identity = sessions.find(exchange);
    return identity != null && identity.issuer().equals(issuer) ? identity : null;
  }

  private Verdict reserved(Exchange exchange) {
    return switch (exchange.path()) {
      case SignIn.CALLBACK ->
          only(exchange, "GET")
              ? signIn.callback(exchange, find(exchange) != null)
              : notAllowed("GET");
      case SignIn.PATH ->
          only(exchange, "GET") ? signIn.page(exchange, find(exchange) != null) : notAllowed("GET");
      case SignOut.PATH ->
          only(exchange, "GET", "POST")
              ? signOut.page(exchange, find(exchange))
              : notAllowed("GET, POST");
      case SignOut.DONE ->
          only(exchange, "GET", "HEAD")
              ? Verdict.answer(Pages.signedOut())
              : notAllowed("GET, HEAD");
      case USER ->
          only(exchange, "GET", "HEAD") ? Verdict.answer(user(exchange)) : notAllowed("GET, HEAD");
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
    Identity identity = find(exchange);
    return identity == null ? Pages.signInRequired(exchange, "/") : Pages.user(identity);
  }

  /**
   * Settings. Not thread-safe. Each setter checks at once; {@link #build} checks what belongs
   * together and opens no connection.
   */
  public static final class Builder {
    private static final Set<String> ALGORITHMS =
        Set.of(
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
            "EdDSA", "Ed25519");

    private @Nullable Issuer issuer;
    private @Nullable ClientID clientId;
    private @Nullable Secret clientSecret;
    private @Nullable Sessions sessions;
    private @Nullable SSLContext trust;
    private @Nullable Clock clock;
    private Scope scopes = new Scope("openid", "profile", "email");
    private Set<JWSAlgorithm> algorithms = parse(List.of("RS256", "PS256", "ES256", "EdDSA"));
    private Duration clockSkew = Duration.ofSeconds(60);
    private Duration timeout = Duration.ofSeconds(10);

    private Builder() {}

    /**
     * The provider's issuer identifier, exactly as in its metadata and tokens. Required.
     *
     * @throws IllegalArgumentException unless it is an https URL without query and fragment; http
     *     is taken for {@code localhost}, {@code 127.x.x.x} and {@code [::1]}
     */
    public Builder issuer(String url) {
      URI uri;
      try {
        uri = URI.create(url);
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException("issuer must be a URL: " + url, e);
      }
      boolean secure =
          "https".equalsIgnoreCase(uri.getScheme()) || RelyingParty.isPlainLoopback(uri);
      require(
          secure
              && uri.getHost() != null
              && uri.getRawQuery() == null
              && uri.getRawFragment() == null
              && uri.getRawUserInfo() == null,
          "issuer",
          url,
          "an https URL (http only for loopback hosts) without user, query and fragment");
      issuer = new Issuer(url);
      return this;
    }

    /**
     * How the provider names this gateway ({@code client_id}). Required.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder clientId(String id) {
      require(!id.isBlank(), "clientId", id, "not blank");
      clientId = new ClientID(id);
      return this;
    }

    /**
     * The secret shared with the provider ({@code client_secret}). Default: none, a public client.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder clientSecret(String secret) {
      require(!secret.isBlank(), "clientSecret", "(blank)", "not blank");
      clientSecret = new Secret(secret);
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
     * What to ask the provider for ({@code scope}). Default: {@code openid profile email}.
     *
     * @throws IllegalArgumentException if {@code openid} is not among them, or one is no scope (RFC
     *     6749 §3.3)
     */
    public Builder scopes(String... names) {
      for (String name : names) {
        require(
            name.matches("[\\x21\\x23-\\x5B\\x5D-\\x7E]+"),
            "scopes",
            name,
            "visible ASCII without space, quote and backslash");
      }
      require(
          List.of(names).contains("openid"),
          "scopes",
          String.join(" ", names),
          "a list with openid");
      scopes = new Scope(names);
      return this;
    }

    /**
     * The signature algorithms of ID tokens that are accepted, whatever the provider announces (RFC
     * 8725 §3.1). Default: {@code RS256 PS256 ES256 EdDSA}.
     *
     * @throws IllegalArgumentException if there is none, or one is not asymmetric or not known here
     */
    public Builder algorithms(String... names) {
      require(names.length > 0, "algorithms", "(none)", "at least one");
      algorithms = parse(List.of(names));
      return this;
    }

    private static Set<JWSAlgorithm> parse(List<String> names) {
      for (String name : names) {
        require(
            ALGORITHMS.contains(name),
            "algorithms",
            name,
            "RS, PS or ES with 256, 384 or 512, EdDSA or Ed25519");
      }
      return names.stream()
          .map(JWSAlgorithm::parse)
          .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /**
     * Whom to trust as the provider, and perhaps a client certificate. Default: the JDK's
     * certificate authorities.
     */
    public Builder trust(SSLContext context) {
      trust = Objects.requireNonNull(context, "trust");
      return this;
    }

    /** The time. Default: the clock of the sessions. */
    public Builder clock(Clock time) {
      clock = Objects.requireNonNull(time, "clock");
      return this;
    }

    /**
     * How far the provider's clock may differ. Default: 60 s.
     *
     * @throws IllegalArgumentException unless it is from 0 to 10 minutes
     */
    public Builder clockSkew(Duration skew) {
      require(
          !skew.isNegative() && skew.compareTo(Duration.ofMinutes(10)) <= 0,
          "clockSkew",
          skew,
          "from 0 to 10 minutes");
      clockSkew = skew;
      return this;
    }

    /**
     * How long one answer of the provider may take, to its last byte. Default: 10 s.
     *
     * @throws IllegalArgumentException unless it is from 1 ms to 2 minutes
     */
    public Builder timeout(Duration wait) {
      require(
          wait.toMillis() > 0 && wait.compareTo(Duration.ofMinutes(2)) <= 0,
          "timeout",
          wait,
          "from 1 ms to 2 minutes");
      timeout = wait;
      return this;
    }

    /**
     * The stage, which looks for the provider when it first needs it.
     *
     * @throws IllegalStateException if issuer or clientId is missing
     */
    public OidcPreAuthentication build() {
      if (issuer == null || clientId == null) {
        throw new IllegalStateException(
            (issuer == null ? "issuer" : "clientId") + " is missing: it is required");
      }
      Sessions kept = sessions == null ? defaultSessions() : sessions;
      Clock time = clock == null ? kept.clock() : clock;
      return new OidcPreAuthentication(
          new RelyingParty(
              issuer,
              clientId,
              clientSecret,
              scopes,
              Set.copyOf(algorithms),
              time,
              clockSkew,
              timeout),
          kept,
          trust);
    }

    private Sessions defaultSessions() {
      Sessions.Builder builder = Sessions.builder().keys(SessionKeys.generate());
      return (clock == null ? builder : builder.clock(clock)).build();
    }

    private static void require(boolean met, String setting, Object value, String rule) {
      if (!met) {
        throw new IllegalArgumentException(setting + " must be " + rule + ": " + value);
      }
    }
  }
}
