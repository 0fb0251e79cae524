package io.apprxy.auth.oidc;

import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWT;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.ErrorObject;
import com.nimbusds.oauth2.sdk.JWTBearerGrant;
import com.nimbusds.oauth2.sdk.ParseException;
import com.nimbusds.oauth2.sdk.PushedAuthorizationRequest;
import com.nimbusds.oauth2.sdk.PushedAuthorizationResponse;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.Audience;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.RefreshToken;
import com.nimbusds.oauth2.sdk.token.Token;
import com.nimbusds.oauth2.sdk.token.TokenTypeURI;
import com.nimbusds.oauth2.sdk.token.Tokens;
import com.nimbusds.oauth2.sdk.tokenexchange.TokenExchangeGrant;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.LogoutRequest;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCClaimsRequest;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.claims.ACR;
import com.nimbusds.openid.connect.sdk.claims.ClaimRequirement;
import com.nimbusds.openid.connect.sdk.claims.ClaimsSetRequest;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.OriginToken;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.oidc.Logins.Browser;
import io.apprxy.auth.oidc.Logins.Login;
import java.net.MalformedURLException;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The provider as its metadata describes it. Immutable but for its cache of keys; thread-safe. */
final class Provider {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.auth");

  private static final Duration KEYS_LIFETIME = Duration.ofMinutes(10);

  /** An unknown key id causes a fetch, but no more than two in this time. */
  private static final Duration KEYS_INTERVAL = Duration.ofSeconds(30);

  /** What a provider says to a refresh token of which nothing comes any more without the user. */
  private static final Set<String> ENDED =
      Set.of(
          "invalid_grant",
          "access_denied",
          "login_required",
          "interaction_required",
          "consent_required");

  static final String TENANT_IN_URI = "%7Btenantid%7D";

  /** How long a user may take to arrive at the provider with a signed request. */
  private static final Duration REQUEST_LIFETIME = Duration.ofMinutes(5);

  /** Ample: a provider is to make a new token when it tries again. */
  private static final Duration LOGOUT_UNDER_WAY = Duration.ofHours(1);

  /** A token, what it says, which has been verified, and the tokens that came with it. */
  record IdToken(JWT token, JWTClaimsSet claims, Tokens tokens) {
    /** Tells none of it. */
    @Override
    public String toString() {
      return "IdToken";
    }
  }

  private final OidcProvider settings;
  private final Clock clock;
  private final OIDCProviderMetadata metadata;
  private final ClientProof proof;
  private final ProviderHttp http;
  private final JWKSource<SecurityContext> keys;

  private Provider(
      OidcProvider settings,
      Clock clock,
      OIDCProviderMetadata metadata,
      ProviderHttp http,
      JWKSource<SecurityContext> keys) {
    this.settings = settings;
    this.clock = clock;
    this.metadata = metadata;
    this.proof = new ClientProof(settings.issuer(), metadata, clock);
    this.http = http;
    this.keys = keys;
  }

  /**
   * The provider of this metadata.
   *
   * @param before what was known until now: its keys are kept if they are at the same place
   * @throws GatewayException {@link ErrorCode#PROVIDER_INVALID} if the metadata is of another
   *     issuer, or lacks what a sign-in needs
   */
  static Provider of(
      OidcProvider settings,
      Clock clock,
      OIDCProviderMetadata metadata,
      ProviderHttp http,
      @Nullable Provider before) {
    // OpenID Connect Discovery §4.3: must be identical
    require(
        settings
            .issuer()
            .equals(metadata.getIssuer().getValue().replace(TENANT_IN_URI, "{tenantid}")),
        "the metadata is of another issuer");
    require(
        settings.trusts(metadata.getAuthorizationEndpointURI()),
        "authorization_endpoint must be an https URL");
    require(metadata.getTokenEndpointURI() != null, "token_endpoint is missing");
    for (URI endpoint : ClientProof.endpoints(metadata)) {
      require(
          endpoint == null || settings.trusts(endpoint),
          "an endpoint must be an https URL: " + Untrusted.text(String.valueOf(endpoint)));
    }
    require(settings.trusts(metadata.getJWKSetURI()), "jwks_uri must be an https URL");
    URI endSession = metadata.getEndSessionEndpointURI();
    require(
        endSession == null || settings.trusts(endSession),
        "end_session_endpoint must be an https URL");
    return before != null && before.metadata.getJWKSetURI().equals(metadata.getJWKSetURI())
        ? new Provider(settings, clock, metadata, http, before.keys)
        : new Provider(settings, clock, metadata, http, keys(settings, metadata, http));
  }

  private static JWKSource<SecurityContext> keys(
      OidcProvider settings, OIDCProviderMetadata metadata, ProviderHttp http) {
    try {
      return JWKSourceBuilder.<SecurityContext>create(metadata.getJWKSetURI().toURL(), http)
          .cache(KEYS_LIFETIME.toMillis(), settings.timeout().toMillis())
          .refreshAheadCache(false) // would start threads of its own
          .rateLimited(KEYS_INTERVAL.toMillis())
          .build();
    } catch (MalformedURLException | IllegalArgumentException e) {
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, "jwks_uri is no URL", e);
    }
  }

  /**
   * What it says of users when none of them is here.
   *
   * @param issuer by this name of its: one for many tenants has several
   */
  SecurityEventTokens events(String issuer) {
    return new SecurityEventTokens(
        issuer, settings.algorithms(), keys, clock, settings.clockSkew(), LOGOUT_UNDER_WAY);
  }

  private static void require(boolean met, String rule) {
    if (!met) {
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, rule);
    }
  }

  /** Where to send the browser to sign in. Blocks if {@link #pushes} says so. */
  URI authenticationRequest(OidcClient client, Login login, Browser browser, URI redirectUri) {
    AuthenticationRequest.Builder request =
        new AuthenticationRequest.Builder(
            ResponseType.CODE, client.scopes(), client.id(), redirectUri);
    String loginHint = login.wish().loginHint();
    if (loginHint != null) {
      request.loginHint(loginHint);
    }
    String domainHint = settings.domainHint();
    if (domainHint != null) {
      request.customParameter("domain_hint", domainHint);
    }
    OIDCClaimsRequest claims = client.claims();
    StepUpRequirement demanded = login.wish().requirement();
    if (demanded != null) {
      claims = demand(request, demanded, claims);
    }
    AuthenticationRequest asked =
        request
            .claims(claims)
            .endpointURI(metadata.getAuthorizationEndpointURI())
            .state(new State(login.state()))
            .nonce(new Nonce(browser.nonce(login)))
            .codeChallenge(new CodeVerifier(browser.codeVerifier(login)), CodeChallengeMethod.S256)
            .build();
    AuthenticationRequest sealed =
        client.signsRequests() || metadata.requiresSignedRequestObject()
            ? signed(client, asked)
            : asked;
    return pushes(client) ? pushed(client, sealed).toURI() : sealed.toURI();
  }

  /** Whether {@link #authenticationRequest} asks the provider, and so blocks. */
  boolean pushes(OidcClient client) {
    return client.pushesRequests() || metadata.requiresPushedAuthorizationRequests();
  }

  /** RFC 9101. What stands outside is what OpenID Connect Core §6.1 demands there. */
  private AuthenticationRequest signed(OidcClient client, AuthenticationRequest asked) {
    SigningKey key = client.key();
    if (key == null) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID,
          "the provider demands signed requests: privateKey is missing");
    }
    Instant now = clock.instant();
    OIDCClaimsRequest wanted = asked.getOIDCClaims();
    JWTClaimsSet claims =
        new JWTClaimsSet.Builder(asked.toJWTClaimsSet())
            // An object in a token (OpenID Connect Core §6.1), where it is a text in an address.
            .claim("claims", wanted == null ? null : wanted.toJSONObject())
            .issuer(client.id().getValue())
            .audience(settings.issuer())
            .jwtID(UUID.randomUUID().toString())
            .issueTime(Date.from(now))
            .notBeforeTime(Date.from(now))
            .expirationTime(Date.from(now.plus(REQUEST_LIFETIME)))
            .build();
    return new AuthenticationRequest.Builder(
            key.sign(claims, "oauth-authz-req+jwt", metadata.getRequestObjectJWSAlgs()),
            client.id())
        .responseType(asked.getResponseType())
        .scope(asked.getScope())
        .endpointURI(metadata.getAuthorizationEndpointURI())
        .build();
  }

  /** RFC 9126. */
  private AuthenticationRequest pushed(OidcClient client, AuthenticationRequest asked) {
    URI endpoint = proof.pushEndpoint(client);
    if (endpoint == null) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID,
          "requests are to be pushed, but the provider has no pushed_authorization_request_endpoint");
    }
    ClientAuthentication authentication = proof.of(client);
    PushedAuthorizationRequest push =
        authentication == null
            ? new PushedAuthorizationRequest(endpoint, asked)
            : new PushedAuthorizationRequest(endpoint, authentication, asked);
    PushedAuthorizationResponse response;
    try {
      response = PushedAuthorizationResponse.parse(http.send(push.toHTTPRequest()));
    } catch (ParseException | IllegalArgumentException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID, "the answer to a pushed request cannot be read", e);
    }
    if (!response.indicatesSuccess()) {
      throw refused("request", response.toErrorResponse().getErrorObject());
    }
    return new AuthenticationRequest.Builder(
            response.toSuccessResponse().getRequestURI(), client.id())
        .endpointURI(metadata.getAuthorizationEndpointURI())
        .build();
  }

  /**
   * Adds what a step-up demands: {@code acr_values}, {@code max_age}, and Entra's authentication
   * context as an essential claim.
   */
  private @Nullable OIDCClaimsRequest demand(
      AuthenticationRequest.Builder request,
      StepUpRequirement demanded,
      @Nullable OIDCClaimsRequest claims) {
    if (!demanded.acrValues().isEmpty()) {
      request.acrValues(demanded.acrValues().stream().map(ACR::new).toList());
    }
    Duration maxAge = demanded.maxAge();
    if (maxAge != null) {
      request.maxAge(StepUp.maxAgeToAsk(maxAge, settings.clockSkew()));
    }
    String context = demanded.authenticationContext();
    if (context == null) {
      return claims;
    }
    ClaimsSetRequest acrs =
        new ClaimsSetRequest()
            .add(
                new ClaimsSetRequest.Entry("acrs")
                    .withClaimRequirement(ClaimRequirement.ESSENTIAL)
                    .withValue(context));
    OIDCClaimsRequest extra = new OIDCClaimsRequest().withIDTokenClaimsRequest(acrs);
    return claims == null ? extra : claims.add(extra);
  }

  /**
   * Refuses a response that another provider may have sent (RFC 9207 §2.4).
   *
   * @param issuer the response's {@code iss}
   */
  void checkSender(@Nullable String issuer) {
    if (issuer == null
        ? metadata.supportsAuthorizationResponseIssuerParam()
        : !settings.isIssuer(issuer)) {
      throw new GatewayException(
          ErrorCode.SIGN_IN_FAILED, "the response is of another issuer: " + Untrusted.text(issuer));
    }
  }

  /** Turns a code into a genuine ID token. Blocks. */
  IdToken redeem(
      OidcClient client, AuthorizationCode code, Login login, Browser browser, URI redirectUri) {
    AuthorizationCodeGrant grant =
        new AuthorizationCodeGrant(
            code, redirectUri, new CodeVerifier(browser.codeVerifier(login)));
    TokenResponse response;
    try {
      response =
          OIDCTokenResponseParser.parse(http.send(tokenRequest(client, grant).toHTTPRequest()));
    } catch (ParseException | IllegalArgumentException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID, "the token response cannot be read", e);
    }
    if (!response.indicatesSuccess()) {
      throw refused("code", response.toErrorResponse().getErrorObject());
    }
    JWT idToken =
        response instanceof OIDCTokenResponse oidc ? oidc.getOIDCTokens().getIDToken() : null;
    if (idToken == null) {
      throw new GatewayException(ErrorCode.PROVIDER_INVALID, "the token response has no ID token");
    }
    return new IdToken(
        idToken,
        new IdTokenVerifier(settings, client, clock, keys).verify(idToken, browser.nonce(login)),
        response.toSuccessResponse().getTokens());
  }

  /**
   * New tokens for a refresh token; null if the provider takes it no more. Blocks.
   *
   * @throws GatewayException if that cannot be found out
   */
  @Nullable Tokens refresh(OidcClient client, RefreshToken token) {
    TokenResponse response = send(tokenRequest(client, new RefreshTokenGrant(token)));
    if (response.indicatesSuccess()) {
      return response.toSuccessResponse().getTokens();
    }
    ErrorObject error = response.toErrorResponse().getErrorObject();
    if (error != null && ENDED.contains(String.valueOf(error.getCode()))) {
      return null;
    }
    throw refused("refresh token", error);
  }

  /**
   * A token for an origin, for the user's own (RFC 8693 §2.1; Entra: On-Behalf-Of). Blocks.
   *
   * @throws GatewayException {@link ErrorCode#ORIGIN_TOKEN_REFUSED} if the provider gives none, or
   *     one that is of no use
   */
  com.nimbusds.oauth2.sdk.token.AccessToken exchange(
      OidcClient client, String own, OriginToken wanted) {
    TokenRequest.Builder request = tokenRequestBuilder(client, grant(own, wanted));
    if (!wanted.scopes().isEmpty()) {
      request.scope(new Scope(wanted.scopes().toArray(String[]::new)));
    }
    if (wanted.resource() != null) {
      request.resource(wanted.resource());
    }
    if (wanted.grant() == OriginToken.Grant.ON_BEHALF_OF) {
      request.customParameter("requested_token_use", "on_behalf_of");
    }
    TokenResponse response = send(request.build());
    if (!response.indicatesSuccess()) {
      ErrorObject error = response.toErrorResponse().getErrorObject();
      throw originTokenRefused(
          "the provider refused it: " + Untrusted.text(error == null ? null : error.getCode()));
    }
    if (!(response.toSuccessResponse().getTokens().getAccessToken()
        instanceof BearerAccessToken token)) {
      throw originTokenRefused("the provider gave one that is bound to the gateway");
    }
    return token;
  }

  private static AuthorizationGrant grant(String own, OriginToken wanted) {
    if (wanted.grant() == OriginToken.Grant.TOKEN_EXCHANGE) {
      return new TokenExchangeGrant(
          new BearerAccessToken(own),
          TokenTypeURI.ACCESS_TOKEN,
          null,
          null,
          TokenTypeURI.ACCESS_TOKEN,
          wanted.audience() == null ? null : List.of(new Audience(wanted.audience())));
    }
    try {
      return new JWTBearerGrant(SignedJWT.parse(own));
    } catch (java.text.ParseException | IllegalArgumentException e) {
      throw originTokenRefused("the user's own token is no JWT");
    }
  }

  private static GatewayException originTokenRefused(String why) {
    LOG.warn("There is no token for an origin: {}", why);
    return new GatewayException(ErrorCode.ORIGIN_TOKEN_REFUSED, "no token for the origin: " + why);
  }

  /**
   * What the provider says of an access token (RFC 7662 §2); null if it is not active. Blocks.
   *
   * @throws GatewayException if it says nothing of use
   */
  @Nullable AccessToken introspect(OidcClient client, String token, String digest) {
    URI endpoint = proof.introspectionEndpoint(client);
    if (endpoint == null) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID,
          "tokens are to be introspected, but the provider has no introspection_endpoint");
    }
    ClientAuthentication authentication = proof.of(client);
    Token asked = new BearerAccessToken(token);
    HTTPRequest request =
        (authentication == null
                ? new TokenIntrospectionRequest(
                    endpoint, asked, Map.of("client_id", List.of(client.id().getValue())))
                : new TokenIntrospectionRequest(endpoint, authentication, asked))
            .toHTTPRequest();
    return new IntrospectionAnswer(settings, clock).read(http.send(request), digest);
  }

  /** What a genuine access token says. May block for keys. */
  AccessToken verify(SignedJWT accessToken, String digest) {
    return new AccessTokenVerifier(settings, clock, keys).verify(accessToken, digest);
  }

  private TokenResponse send(TokenRequest request) {
    try {
      return TokenResponse.parse(http.send(request.toHTTPRequest()));
    } catch (ParseException | IllegalArgumentException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID, "the token response cannot be read", e);
    }
  }

  private TokenRequest tokenRequest(OidcClient client, AuthorizationGrant grant) {
    return tokenRequestBuilder(client, grant).build();
  }

  private TokenRequest.Builder tokenRequestBuilder(OidcClient client, AuthorizationGrant grant) {
    URI endpoint = proof.tokenEndpoint(client);
    ClientAuthentication authentication = proof.of(client);
    return authentication == null
        ? new TokenRequest.Builder(endpoint, client.id(), grant)
        : new TokenRequest.Builder(endpoint, authentication, grant);
  }

  private static GatewayException refused(String what, @Nullable ErrorObject error) {
    String code = error == null ? null : error.getCode();
    if ("invalid_client".equals(code) || "unauthorized_client".equals(code)) {
      LOG.warn("The provider does not accept this client: check its id and its proof ({})", code);
    }
    return new GatewayException(
        ErrorCode.SIGN_IN_FAILED, "the provider refused the " + what + ": " + Untrusted.text(code));
  }

  /**
   * Where to end the provider's own session (RP-Initiated Logout §2), or null if it has no such
   * place.
   *
   * @param token of the session, if it is known still
   * @param user a hint at whose session it is
   */
  @Nullable URI logoutRequest(
      String clientId, URI returnTo, @Nullable JWT token, @Nullable String user) {
    URI endpoint = metadata.getEndSessionEndpointURI();
    return endpoint == null
        ? null
        : new LogoutRequest(endpoint, token, user, new ClientID(clientId), returnTo, null, null)
            .toURI();
  }
}
