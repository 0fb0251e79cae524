package io.apprxy.examples;

import static io.apprxy.examples.DemoPage.escape;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWT;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.ErrorObject;
import com.nimbusds.oauth2.sdk.GrantType;
import com.nimbusds.oauth2.sdk.OAuth2Error;
import com.nimbusds.oauth2.sdk.ParseException;
import com.nimbusds.oauth2.sdk.ResponseMode;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenErrorResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.auth.ClientAuthenticationMethod;
import com.nimbusds.oauth2.sdk.auth.PlainClientSecret;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.Audience;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.id.Subject;
import com.nimbusds.oauth2.sdk.pkce.CodeChallenge;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import com.nimbusds.openid.connect.sdk.AuthenticationErrorResponse;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationSuccessResponse;
import com.nimbusds.openid.connect.sdk.LogoutRequest;
import com.nimbusds.openid.connect.sdk.OIDCError;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.Prompt;
import com.nimbusds.openid.connect.sdk.SubjectType;
import com.nimbusds.openid.connect.sdk.claims.ACR;
import com.nimbusds.openid.connect.sdk.claims.AMR;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.claims.SessionID;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.RoutingHandler;
import io.undertow.server.handlers.Cookie;
import io.undertow.server.handlers.CookieImpl;
import io.undertow.util.Headers;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A demo of an OpenID provider, for trying out and for tests: it shows the passwords of its users
 * on its sign-in page. It speaks the authorization code flow of OpenID Connect Core 1.0 with PKCE
 * S256 (RFC 7636) and the {@code iss} parameter of RFC 9207, discovery, a JWK set, and sign-out
 * started by the relying party. A second factor is asked for when the relying party sends {@code
 * acr_values=mfa}, or when the user ticks the box.
 *
 * <p>It listens on 127.0.0.1 by that name. Cookies are not separated by port, so it has to have
 * another name than the gateway on {@code localhost}; and this name needs no resolver.
 */
public final class DemoProvider implements AutoCloseable {
  /** Tells that a user proved who they are by password. */
  static final ACR PASSWORD = new ACR("pwd");

  /** Tells that a user proved who they are by password and a one-time code. */
  static final ACR MFA = new ACR("mfa");

  /** The users, whose passwords are no secret. */
  static final List<User> USERS =
      List.of(
          new User("alice", "wonderland", "Alice Liddell", "alice@example.com", List.of("staff")),
          new User("bob", "builder", "Bob Baumeister", "bob@example.com", List.of("guests")));

  private static final String BROWSER_COOKIE = "__Host-demo-browser";
  private static final String SESSION_COOKIE = "__Host-demo-session";
  private static final int MAX_FAILURES = 5;
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Undertow server;
  private final Issuer issuer;
  private final Client client;
  private final ECKey key;
  private final Clock clock = Clock.systemUTC();

  // Whatever a browser can make the provider remember is bounded, and forgotten soon.
  private final Cache<String, SignIn> signIns = bounded(Duration.ofMinutes(10));
  private final Cache<String, SignOut> signOuts = bounded(Duration.ofMinutes(10));
  private final Cache<String, Session> sessions = bounded(Duration.ofHours(1));
  // RFC 6749 §4.1.2: a code is used once, and lives for ten minutes at most
  private final Cache<String, Grant> grants = bounded(Duration.ofMinutes(1));

  private DemoProvider(int port, SSLContext tls, Client client) throws JOSEException {
    this.client = client;
    this.key =
        new ECKeyGenerator(Curve.P_256)
            .keyUse(KeyUse.SIGNATURE)
            .keyIDFromThumbprint(true)
            .generate();
    this.server =
        Undertow.builder()
            .addHttpsListener(port, "127.0.0.1", tls)
            .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, 64L * 1024)
            .setIoThreads(1)
            .setWorkerThreads(2)
            .setHandler(
                new RoutingHandler()
                    .get("/.well-known/openid-configuration", e -> sendJson(e, 200, metadata()))
                    .get("/jwks", e -> sendJson(e, 200, jwks()))
                    .get("/authorize", this::authorize)
                    .post("/sign-in", e -> e.getRequestReceiver().receiveFullString(this::signIn))
                    .post("/token", e -> e.getRequestReceiver().receiveFullString(this::token))
                    .get("/end-session", this::endSession)
                    .post(
                        "/end-session",
                        e -> e.getRequestReceiver().receiveFullString(this::confirmSignOut)))
            .build();
    server.start();
    InetSocketAddress address = (InetSocketAddress) server.getListenerInfo().get(0).getAddress();
    this.issuer = new Issuer("https://127.0.0.1:" + address.getPort());
  }

  /** A user of the demo. */
  record User(String name, String password, String fullName, String email, List<String> groups) {}

  /**
   * The one relying party that is registered; {@code home} is where it may have users sent after
   * sign-out.
   */
  record Client(String id, String secret, Set<URI> redirectUris, URI home) {
    /** Registers a gateway at this address, under which all redirect URIs of apprxy lie. */
    static Client gateway(String id, String secret, URI externalUrl) {
      return new Client(id, secret, Set.of(externalUrl.resolve("/.apprxy/callback")), externalUrl);
    }

    @Override
    public String toString() {
      return "Client[" + id + "]";
    }
  }

  /**
   * A sign-in under way. Its ticket is good for one form post, from the browser that it was given
   * to.
   */
  private record SignIn(
      AuthenticationRequest request,
      String browser,
      @Nullable User user,
      @Nullable String oneTimeCode,
      int failures) {}

  /** A sign-out that the user has yet to confirm. */
  private record SignOut(String browser, @Nullable URI target) {}

  private record Session(User user, String sid, boolean mfa, Instant authenticatedAt) {}

  private record Grant(AuthenticationRequest request, Session session) {}

  /**
   * Starts it.
   *
   * @param port the port on 127.0.0.1; 0 takes a free one
   * @param tls with a certificate for 127.0.0.1
   */
  static DemoProvider start(int port, SSLContext tls, Client client) throws JOSEException {
    return new DemoProvider(port, tls, client);
  }

  /** The issuer URL. */
  URI issuer() {
    return URI.create(issuer.getValue());
  }

  @Override
  public void close() {
    server.stop();
  }

  private String metadata() {
    OIDCProviderMetadata metadata =
        new OIDCProviderMetadata(issuer, List.of(SubjectType.PUBLIC), endpoint("/jwks"));
    metadata.setAuthorizationEndpointURI(endpoint("/authorize"));
    metadata.setTokenEndpointURI(endpoint("/token"));
    metadata.setEndSessionEndpointURI(endpoint("/end-session"));
    metadata.setScopes(new Scope("openid", "profile", "email", "groups"));
    metadata.setResponseTypes(List.of(ResponseType.CODE));
    metadata.setResponseModes(List.of(ResponseMode.QUERY));
    metadata.setGrantTypes(List.of(GrantType.AUTHORIZATION_CODE));
    metadata.setCodeChallengeMethods(List.of(CodeChallengeMethod.S256));
    metadata.setTokenEndpointAuthMethods(
        List.of(
            ClientAuthenticationMethod.CLIENT_SECRET_BASIC,
            ClientAuthenticationMethod.CLIENT_SECRET_POST));
    metadata.setIDTokenJWSAlgs(List.of(JWSAlgorithm.ES256));
    metadata.setACRs(List.of(PASSWORD, MFA));
    metadata.setSupportsAuthorizationResponseIssuerParam(true);
    return metadata.toJSONObject().toJSONString();
  }

  private String jwks() {
    return new JWKSet(key.toPublicJWK()).toString();
  }

  private URI endpoint(String path) {
    return URI.create(issuer.getValue() + path);
  }

  // ---- the authorization endpoint: OpenID Connect Core 1.0 §3.1.2

  private void authorize(HttpServerExchange exchange) {
    AuthenticationRequest request;
    try {
      request = AuthenticationRequest.parse(exchange.getQueryString());
    } catch (ParseException e) {
      sendMessage(
          exchange, 400, "This is no sign-in request", "Start from the application's address.");
      return;
    }
    // RFC 6749 §4.1.2.1: never redirect to an address that was not registered
    if (!request.getClientID().getValue().equals(client.id())
        || !client.redirectUris().contains(request.getRedirectionURI())) {
      sendMessage(
          exchange,
          400,
          "Unknown application",
          "The client id or the redirect URI is not registered here.");
      return;
    }
    ErrorObject problem = problem(request);
    if (problem != null) {
      refuse(exchange, request, problem);
      return;
    }
    Session session = session(exchange);
    if (session != null && isEnough(session, request)) {
      finish(exchange, request, session);
    } else if (prompts(request, Prompt.Type.NONE)) {
      refuse(exchange, request, OIDCError.LOGIN_REQUIRED);
    } else {
      askPassword(exchange, new SignIn(request, browser(exchange), null, null, 0), "");
    }
  }

  private static @Nullable ErrorObject problem(AuthenticationRequest request) {
    if (!request.getResponseType().equals(ResponseType.CODE)) {
      return OAuth2Error.UNSUPPORTED_RESPONSE_TYPE;
    }
    if (request.getCodeChallenge() == null
        || !CodeChallengeMethod.S256.equals(request.getCodeChallengeMethod())) {
      return OAuth2Error.INVALID_REQUEST.setDescription("PKCE with S256 is required");
    }
    if (request.getRequestObject() != null) {
      return OAuth2Error.REQUEST_NOT_SUPPORTED;
    }
    return request.getRequestURI() == null ? null : OAuth2Error.REQUEST_URI_NOT_SUPPORTED;
  }

  private boolean isEnough(Session session, AuthenticationRequest request) {
    boolean fresh =
        request.getMaxAge() < 0
            || session.authenticatedAt().plusSeconds(request.getMaxAge()).isAfter(clock.instant());
    return fresh && !prompts(request, Prompt.Type.LOGIN) && (session.mfa() || !wantsMfa(request));
  }

  private static boolean prompts(AuthenticationRequest request, Prompt.Type type) {
    return request.getPrompt() != null && request.getPrompt().contains(type);
  }

  private static boolean wantsMfa(AuthenticationRequest request) {
    return request.getACRValues() != null && request.getACRValues().contains(MFA);
  }

  // ---- the sign-in page, in one step or two

  private void signIn(HttpServerExchange exchange, String body) {
    Map<String, List<String>> form = URLUtils.parseParameters(body);
    SignIn signIn = signIns.asMap().remove(field(form, "ticket"));
    // The ticket ties the form to the request, and the cookie ties it to the browser: nobody can
    // sign someone else in here
    // (RFC 6749 §10.12).
    if (signIn == null || !signIn.browser().equals(cookie(exchange, BROWSER_COOKIE))) {
      sendMessage(
          exchange, 400, "This page is too old", "Start again from the application's address.");
    } else if (signIn.user() == null) {
      checkPassword(exchange, form, signIn);
    } else {
      checkOneTimeCode(exchange, form, signIn, signIn.user());
    }
  }

  private void checkPassword(
      HttpServerExchange exchange, Map<String, List<String>> form, SignIn signIn) {
    String name = field(form, "username").strip().toLowerCase(Locale.ROOT);
    User user =
        USERS.stream()
            .filter(u -> u.name().equals(name) && u.password().equals(field(form, "password")))
            .findFirst()
            .orElse(null);
    if (user == null) {
      failed(exchange, signIn, next -> askPassword(exchange, next, name));
    } else if (wantsMfa(signIn.request()) || form.containsKey("mfa")) {
      String code = String.format(Locale.ROOT, "%06d", RANDOM.nextInt(1_000_000));
      askOneTimeCode(exchange, new SignIn(signIn.request(), signIn.browser(), user, code, 0));
    } else {
      signedIn(exchange, signIn.request(), user, false);
    }
  }

  private void checkOneTimeCode(
      HttpServerExchange exchange, Map<String, List<String>> form, SignIn signIn, User user) {
    if (field(form, "code").strip().equals(signIn.oneTimeCode())) {
      signedIn(exchange, signIn.request(), user, true);
    } else {
      failed(exchange, signIn, next -> askOneTimeCode(exchange, next));
    }
  }

  private void failed(HttpServerExchange exchange, SignIn signIn, Consumer<SignIn> again) {
    int failures = signIn.failures() + 1;
    if (failures < MAX_FAILURES) {
      again.accept(
          new SignIn(
              signIn.request(), signIn.browser(), signIn.user(), signIn.oneTimeCode(), failures));
    } else {
      refuse(exchange, signIn.request(), OAuth2Error.ACCESS_DENIED);
    }
  }

  private void signedIn(
      HttpServerExchange exchange, AuthenticationRequest request, User user, boolean mfa) {
    String old = cookie(exchange, SESSION_COOKIE);
    if (old != null) {
      sessions.invalidate(old);
    }
    String id =
        DemoSetup.randomSecret(); // a new one at each sign-in, so that nobody can have planted it
    Session session = new Session(user, DemoSetup.randomSecret(), mfa, clock.instant());
    sessions.put(id, session);
    setCookie(exchange, SESSION_COOKIE, id);
    finish(exchange, request, session);
  }

  private void askPassword(HttpServerExchange exchange, SignIn signIn, String name) {
    String users =
        USERS.stream()
            .map(
                u ->
                    "<tr><td>%s</td><td><code>%s</code></td><td>%s</td></tr>"
                        .formatted(u.name(), u.password(), String.join(", ", u.groups())))
            .collect(Collectors.joining());
    String body =
        """
        <main><section><p class="kind">Demo identity provider</p><h1>Sign in</h1>%s
        <form method="post" action="/sign-in"><input type="hidden" name="ticket" value="%s">
        <label for="username">User</label>
        <input type="text" id="username" name="username" value="%s" autocomplete="username" autocapitalize="none" required autofocus>
        <label for="password">Password</label>
        <input type="password" id="password" name="password" autocomplete="current-password" required>
        <label class="check"><input type="checkbox" id="mfa" name="mfa"%s> Use a second factor</label>
        <button id="submit">Sign in</button></form></section>
        <section><h2>Users of this demo</h2><table><thead><tr><th>User</th><th>Password</th><th>Groups</th></tr></thead>
        <tbody>%s</tbody></table></section></main>
        """
            .formatted(
                signIn.failures() == 0
                    ? ""
                    : "<p class=\"bad\" role=\"alert\">User or password is wrong.</p>",
                remember(signIn),
                escape(name),
                wantsMfa(signIn.request()) ? " checked disabled" : "",
                users);
    sendForm(
        exchange,
        signIn.failures() == 0 ? 200 : 401,
        "Sign in",
        body,
        signIn.request().getRedirectionURI());
  }

  private void askOneTimeCode(HttpServerExchange exchange, SignIn signIn) {
    String body =
        """
        <main><section><p class="kind">Demo identity provider</p><h1>One-time code</h1>%s
        <p>A real provider would have sent it to your device. Here it is: <code id="demo-code">%s</code></p>
        <form method="post" action="/sign-in"><input type="hidden" name="ticket" value="%s">
        <label for="code">Code</label>
        <input type="text" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="6" required autofocus>
        <button id="submit">Continue</button></form></section></main>
        """
            .formatted(
                signIn.failures() == 0
                    ? ""
                    : "<p class=\"bad\" role=\"alert\">This is not the code.</p>",
                signIn.oneTimeCode(),
                remember(signIn));
    sendForm(
        exchange,
        signIn.failures() == 0 ? 200 : 401,
        "One-time code",
        body,
        signIn.request().getRedirectionURI());
  }

  private String remember(SignIn signIn) {
    String ticket = DemoSetup.randomSecret();
    signIns.put(ticket, signIn);
    return ticket;
  }

  private void finish(HttpServerExchange exchange, AuthenticationRequest request, Session session) {
    AuthorizationCode code = new AuthorizationCode(32);
    grants.put(code.getValue(), new Grant(request, session));
    redirect(
        exchange,
        new AuthenticationSuccessResponse(
                request.getRedirectionURI(),
                code,
                null,
                null,
                request.getState(),
                null,
                issuer,
                ResponseMode.QUERY)
            .toURI());
  }

  private void refuse(
      HttpServerExchange exchange, AuthenticationRequest request, ErrorObject error) {
    redirect(
        exchange,
        new AuthenticationErrorResponse(
                request.getRedirectionURI(), error, request.getState(), issuer, ResponseMode.QUERY)
            .toURI());
  }

  // ---- the token endpoint: OpenID Connect Core 1.0 §3.1.3

  private void token(HttpServerExchange exchange, String body) {
    try {
      HTTPRequest http = new HTTPRequest(HTTPRequest.Method.POST, endpoint("/token"));
      http.setContentType(
          Objects.requireNonNullElse(
              exchange.getRequestHeaders().getFirst(Headers.CONTENT_TYPE), ""));
      String authorization = exchange.getRequestHeaders().getFirst(Headers.AUTHORIZATION);
      if (authorization != null) {
        http.setAuthorization(authorization);
      }
      http.setBody(body);
      answerToken(exchange, TokenRequest.parse(http));
    } catch (ParseException e) {
      refuseToken(
          exchange, e.getErrorObject() == null ? OAuth2Error.INVALID_REQUEST : e.getErrorObject());
    } catch (JOSEException e) {
      refuseToken(exchange, OAuth2Error.SERVER_ERROR);
    }
  }

  private void answerToken(HttpServerExchange exchange, TokenRequest request)
      throws JOSEException, ParseException {
    if (!(request.getClientAuthentication() instanceof PlainClientSecret credentials)
        || !credentials.getClientID().equals(new ClientID(client.id()))
        || !credentials.getClientSecret().equals(new Secret(client.secret()))) {
      refuseToken(exchange, OAuth2Error.INVALID_CLIENT);
    } else if (!(request.getAuthorizationGrant() instanceof AuthorizationCodeGrant code)) {
      refuseToken(exchange, OAuth2Error.UNSUPPORTED_GRANT_TYPE);
    } else {
      Grant grant = grants.asMap().remove(code.getAuthorizationCode().getValue());
      if (grant == null
          || !matches(grant.request(), code.getRedirectionURI(), code.getCodeVerifier())) {
        refuseToken(exchange, OAuth2Error.INVALID_GRANT);
      } else {
        OIDCTokens tokens =
            new OIDCTokens(idToken(grant), new BearerAccessToken(60, new Scope("openid")), null);
        sendJson(exchange, 200, new OIDCTokenResponse(tokens).toJSONObject().toJSONString());
      }
    }
  }

  private static boolean matches(
      AuthenticationRequest request, @Nullable URI redirectUri, @Nullable CodeVerifier verifier) {
    return request.getRedirectionURI().equals(redirectUri)
        && verifier != null
        && CodeChallenge.compute(CodeChallengeMethod.S256, verifier)
            .equals(request.getCodeChallenge());
  }

  private SignedJWT idToken(Grant grant) throws JOSEException, ParseException {
    Session session = grant.session();
    User user = session.user();
    Instant now = clock.instant();
    IDTokenClaimsSet claims =
        new IDTokenClaimsSet(
            issuer,
            new Subject("demo-" + user.name()),
            List.of(new Audience(client.id())),
            Date.from(now.plus(Duration.ofMinutes(5))),
            Date.from(now));
    claims.setNonce(grant.request().getNonce());
    claims.setAuthenticationTime(Date.from(session.authenticatedAt()));
    claims.setACR(session.mfa() ? MFA : PASSWORD);
    // the method names of RFC 8176
    claims.setAMR(session.mfa() ? List.of(AMR.PWD, AMR.OTP, AMR.MFA) : List.of(AMR.PWD));
    claims.setSessionID(new SessionID(session.sid()));
    claims.setClaim("preferred_username", user.name());
    claims.setClaim("name", user.fullName());
    claims.setClaim("email", user.email());
    claims.setClaim("groups", user.groups());
    SignedJWT token =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.ES256).keyID(key.getKeyID()).build(),
            claims.toJWTClaimsSet());
    token.sign(new ECDSASigner(key));
    return token;
  }

  private static void refuseToken(HttpServerExchange exchange, ErrorObject error) {
    sendJson(
        exchange,
        error.equals(OAuth2Error.INVALID_CLIENT) ? 401 : 400,
        new TokenErrorResponse(error).toJSONObject().toJSONString());
  }

  // ---- sign-out started by the relying party: OpenID Connect RP-Initiated Logout 1.0

  private void endSession(HttpServerExchange exchange) {
    try {
      LogoutRequest request = LogoutRequest.parse(exchange.getQueryString());
      URI target = target(request.getPostLogoutRedirectionURI(), request.getState());
      Session session = session(exchange);
      if (session == null || session.sid().equals(sessionOf(request.getIDTokenHint()))) {
        signOut(exchange, target);
      } else {
        askSignOut(exchange, session, new SignOut(browser(exchange), target));
      }
    } catch (ParseException e) {
      sendMessage(exchange, 400, "This is no sign-out request", "Start from the application.");
    }
  }

  private void confirmSignOut(HttpServerExchange exchange, String body) {
    SignOut signOut = signOuts.asMap().remove(field(URLUtils.parseParameters(body), "ticket"));
    if (signOut == null || !signOut.browser().equals(cookie(exchange, BROWSER_COOKIE))) {
      sendMessage(exchange, 400, "This page is too old", "Start again from the application.");
    } else {
      signOut(exchange, signOut.target());
    }
  }

  /**
   * Without proof that the relying party knows the session, the user decides: RP-Initiated Logout
   * 1.0 §2.
   */
  private void askSignOut(HttpServerExchange exchange, Session session, SignOut signOut) {
    String ticket = DemoSetup.randomSecret();
    signOuts.put(ticket, signOut);
    String body =
        """
        <main><section><p class="kind">Demo identity provider</p><h1>Sign out?</h1>
        <p>You are signed in as <b>%s</b>.</p>
        <form method="post" action="/end-session"><input type="hidden" name="ticket" value="%s">
        <button id="submit">Sign out</button></form></section></main>
        """
            .formatted(escape(session.user().name()), ticket);
    sendForm(exchange, 200, "Sign out", body, signOut.target());
  }

  private void signOut(HttpServerExchange exchange, @Nullable URI target) {
    String id = cookie(exchange, SESSION_COOKIE);
    if (id != null) {
      sessions.invalidate(id);
    }
    if (target == null) {
      sendMessage(exchange, 200, "You are signed out", "You can close this window.");
    } else {
      redirect(exchange, target);
    }
  }

  private @Nullable URI target(@Nullable URI wanted, @Nullable State state) {
    // only within the one gateway that is registered, so that this is no open redirect
    if (wanted == null
        || wanted.getRawUserInfo() != null
        || wanted.getRawFragment() != null
        || !origin(wanted).equals(origin(client.home()))) {
      return null;
    }
    if (state == null) {
      return wanted;
    }
    String parameter = URLUtils.serializeParameters(Map.of("state", List.of(state.getValue())));
    return URI.create(wanted + (wanted.getRawQuery() == null ? "?" : "&") + parameter);
  }

  /** The session that a token of ours speaks of, expired or not; null if it is not ours. */
  private @Nullable String sessionOf(@Nullable JWT hint) {
    try {
      return hint instanceof SignedJWT token && token.verify(new ECDSAVerifier(key.toECPublicKey()))
          ? token.getJWTClaimsSet().getStringClaim("sid")
          : null;
    } catch (JOSEException | java.text.ParseException e) {
      return null;
    }
  }

  // ---- what the endpoints share

  private @Nullable Session session(HttpServerExchange exchange) {
    String id = cookie(exchange, SESSION_COOKIE);
    return id == null ? null : sessions.getIfPresent(id);
  }

  /**
   * The random name of this browser; the same for all its tabs, so that several can sign in at
   * once.
   */
  private static String browser(HttpServerExchange exchange) {
    String known = cookie(exchange, BROWSER_COOKIE);
    if (known != null) {
      return known;
    }
    String fresh = DemoSetup.randomSecret();
    setCookie(exchange, BROWSER_COOKIE, fresh);
    return fresh;
  }

  private static @Nullable String cookie(HttpServerExchange exchange, String name) {
    Cookie cookie = exchange.getRequestCookie(name);
    return cookie == null ? null : cookie.getValue();
  }

  private static void setCookie(HttpServerExchange exchange, String name, String value) {
    exchange.setResponseCookie(
        new CookieImpl(name, value)
            .setPath("/")
            .setSecure(true)
            .setHttpOnly(true)
            .setSameSiteMode("Lax"));
  }

  private static String field(Map<String, List<String>> form, String name) {
    List<String> values = form.getOrDefault(name, List.of());
    return values.isEmpty() ? "" : values.get(0);
  }

  private static void sendForm(
      HttpServerExchange exchange, int status, String title, String body, @Nullable URI target) {
    // Chromium applies form-action to the redirects that follow a form post, too
    if (target == null) {
      DemoPage.send(exchange, status, title, body, "'self'");
    } else {
      DemoPage.send(exchange, status, title, body, "'self'", origin(target));
    }
  }

  private static String origin(URI uri) {
    return uri.getScheme() + "://" + uri.getRawAuthority();
  }

  private static void sendMessage(
      HttpServerExchange exchange, int status, String title, String text) {
    String body =
        "<main><section><p class=\"kind\">Demo identity provider</p><h1>%s</h1><p>%s</p></section></main>"
            .formatted(escape(title), escape(text));
    DemoPage.send(exchange, status, title, body);
  }

  private static void sendJson(HttpServerExchange exchange, int status, String json) {
    exchange
        .setStatusCode(status)
        .getResponseHeaders()
        .put(Headers.CONTENT_TYPE, "application/json")
        .put(Headers.CACHE_CONTROL, "no-store"); // RFC 6749 §5.1
    exchange.getResponseSender().send(json);
  }

  private static void redirect(HttpServerExchange exchange, URI location) {
    exchange
        .setStatusCode(303) // RFC 9700 §4.12: never 307, which would hand the password on
        .getResponseHeaders()
        .put(Headers.LOCATION, location.toString())
        .put(Headers.CACHE_CONTROL, "no-store");
    exchange.endExchange();
  }

  private static <V> Cache<String, V> bounded(Duration lifetime) {
    return Caffeine.newBuilder().maximumSize(1000).expireAfterWrite(lifetime).build();
  }

  @Command(
      name = "DemoProvider",
      description = "Starts the demo OpenID provider alone, on loopback.",
      mixinStandardHelpOptions = true)
  private static final class Arguments implements Callable<Integer> {
    @Option(
        names = "--port",
        description = "Port on 127.0.0.1. Default: ${DEFAULT-VALUE}",
        defaultValue = "9443")
    int port;

    @Option(
        names = "--client-id",
        description = "The gateway's client id. Default: ${DEFAULT-VALUE}",
        defaultValue = "apprxy-demo")
    String clientId = "";

    @Option(
        names = "--gateway",
        description = "The gateway's external URL. Default: ${DEFAULT-VALUE}",
        defaultValue = "https://localhost:8443/")
    URI gateway = URI.create("https://localhost:8443/");

    @Option(
        names = "--directory",
        description = "Where the demo's CA and secrets are kept. Default: ~/.apprxy-quickstart")
    Path directory = DemoSetup.defaultDirectory();

    @Override
    public Integer call() throws Exception {
      DemoSetup.privateDirectory(directory);
      String secret = DemoSetup.sharedSecret(directory.resolve("client-secret"));
      SSLContext tls = DemoCertificates.in(directory).server();
      DemoProvider provider = start(port, tls, Client.gateway(clientId, secret, gateway));
      System.out.println("The demo provider's issuer is " + provider.issuer());
      return DemoSetup.serveUntilStopped(provider);
    }
  }

  /** Starts the demo provider alone; the client secret is shared through the directory. */
  public static void main(String[] args) {
    System.exit(DemoSetup.run(new Arguments(), args));
  }
}
