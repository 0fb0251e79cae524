package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.Prompt;
import com.nimbusds.openid.connect.sdk.claims.ACR;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import java.net.URI;
import java.net.http.HttpClient.Redirect;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoProviderTest {
  private static final URI GATEWAY = URI.create("https://localhost:8443/");
  private static final URI CALLBACK = GATEWAY.resolve("/.apprxy/callback");
  private static final DemoProvider.User ALICE = DemoProvider.USERS.get(0);
  private static final String SECRET = DemoSetup.randomSecret();

  private static SSLContext trust;
  private static DemoProvider provider;

  private final DemoBrowser browser = new DemoBrowser(trust, Redirect.NEVER);
  private final CodeVerifier verifier = new CodeVerifier();

  @BeforeAll
  static void start(@TempDir Path directory) throws Exception {
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    trust = certificates.trust();
    provider =
        DemoProvider.start(
            0, certificates.server(), DemoProvider.Client.gateway("gateway", SECRET, GATEWAY));
  }

  @AfterAll
  static void stop() {
    provider.close();
  }

  @Test
  void discovery_namesWhatTheProviderDoes() throws Exception {
    OIDCProviderMetadata metadata =
        OIDCProviderMetadata.parse(
            browser.open(endpoint("/.well-known/openid-configuration")).body());

    assertThat(metadata.getIssuer().getValue()).isEqualTo(provider.issuer().toString());
    assertThat(metadata.getCodeChallengeMethods()).containsExactly(CodeChallengeMethod.S256);
    assertThat(metadata.supportsAuthorizationResponseIssuerParam()).isTrue();
    assertThat(browser.open(metadata.getJWKSetURI()).body()).doesNotContain("\"d\"");
  }

  @Test
  void signIn_withPassword_givesASignedIdTokenWithTheGroups() throws Exception {
    HttpResponse<String> answer = browser.signIn(authorize(r -> r), ALICE, false);

    assertThat(parameter(answer, "state")).isEqualTo("state");
    assertThat(parameter(answer, "iss")).isEqualTo(provider.issuer().toString());
    SignedJWT token = idToken(redeem(parameter(answer, "code"), verifier, SECRET));
    JWKSet keys = JWKSet.parse(browser.open(endpoint("/jwks")).body());
    assertThat(token.verify(new ECDSAVerifier(keys.getKeys().get(0).toECKey()))).isTrue();
    assertThat(token.getJWTClaimsSet().getClaims())
        .containsEntry("nonce", "nonce")
        .containsEntry("preferred_username", "alice")
        .containsEntry("groups", List.of("staff"))
        .containsEntry("acr", "pwd");
  }

  @Test
  void signIn_whenTheRelyingPartyWantsMfa_asksForASecondFactor() throws Exception {
    HttpResponse<String> answer =
        browser.signIn(authorize(r -> r.acrValues(List.of(new ACR("mfa")))), ALICE, false);

    SignedJWT token = idToken(redeem(parameter(answer, "code"), verifier, SECRET));
    assertThat(token.getJWTClaimsSet().getStringClaim("acr")).isEqualTo("mfa");
    assertThat(token.getJWTClaimsSet().getStringListClaim("amr"))
        .containsExactly("pwd", "otp", "mfa");
  }

  @Test
  void session_isEnoughForTheNextSignIn_butNotForAHigherOne() throws Exception {
    browser.signIn(authorize(r -> r), ALICE, false);

    assertThat(parameter(browser.open(authorize(r -> r)), "code")).isNotBlank();
    assertThat(
            DemoBrowser.ticket(browser.open(authorize(r -> r.acrValues(List.of(new ACR("mfa")))))))
        .isNotNull();
    assertThat(DemoBrowser.ticket(browser.open(authorize(r -> r.prompt(Prompt.Type.LOGIN)))))
        .isNotNull();
  }

  @Test
  void wrongPassword_isAskedAgain_andRefusedInTheEnd() throws Exception {
    Map<String, String> wrong = Map.of("username", "alice", "password", "guess");
    HttpResponse<String> page = browser.open(authorize(r -> r));
    for (int i = 0; i < 4; i++) {
      page = browser.submit(page, wrong);
      assertThat(page.statusCode()).isEqualTo(401);
      assertThat(page.body()).contains("User or password is wrong.");
    }

    assertThat(parameter(browser.submit(page, wrong), "error")).isEqualTo("access_denied");
  }

  @Test
  void userName_withMarkup_isEscaped() throws Exception {
    HttpResponse<String> page =
        browser.submit(
            browser.open(authorize(r -> r)),
            Map.of("username", "\"><script>x</script>", "password", "x"));

    assertThat(page.body()).contains("&quot;&gt;&lt;script&gt;").doesNotContain("<script>");
    assertThat(page.headers().firstValue("Content-Security-Policy"))
        .get()
        .asString()
        .startsWith("default-src 'none'");
  }

  @Test
  void form_ofAnotherBrowser_isRefused() throws Exception {
    HttpResponse<String> attackersForm =
        new DemoBrowser(trust, Redirect.NEVER).open(authorize(r -> r));
    browser.open(authorize(r -> r));

    HttpResponse<String> page =
        browser.submit(attackersForm, Map.of("username", "alice", "password", ALICE.password()));

    assertThat(page.statusCode()).isEqualTo(400);
  }

  @Test
  void redirectUri_thatIsNotRegistered_isNeverRedirectedTo() throws Exception {
    HttpResponse<String> page =
        browser.open(
            authorize(
                r ->
                    r.redirectionURI(
                        URI.create("https://localhost:8443.evil.example/.apprxy/callback"))));

    assertThat(page.statusCode()).isEqualTo(400);
    assertThat(page.headers().firstValue("Location")).isEmpty();
  }

  @Test
  void request_withoutPkce_isRefused() throws Exception {
    HttpResponse<String> answer =
        browser.open(authorize(r -> r.codeChallenge((CodeVerifier) null, null)));

    assertThat(parameter(answer, "error")).isEqualTo("invalid_request");
  }

  @Test
  void request_thatMustNotPrompt_isRefusedWithoutASession() throws Exception {
    assertThat(parameter(browser.open(authorize(r -> r.prompt(Prompt.Type.NONE))), "error"))
        .isEqualTo("login_required");
  }

  @Test
  void code_isGoodOnce() throws Exception {
    String code = parameter(browser.signIn(authorize(r -> r), ALICE, false), "code");

    assertThat(redeem(code, verifier, SECRET).getStatusCode()).isEqualTo(200);
    assertThat(redeem(code, verifier, SECRET).getBody()).contains("invalid_grant");
  }

  @Test
  void code_withAnotherVerifier_isRefused() throws Exception {
    String code = parameter(browser.signIn(authorize(r -> r), ALICE, false), "code");

    assertThat(redeem(code, new CodeVerifier(), SECRET).getBody()).contains("invalid_grant");
  }

  @Test
  void code_withAWrongClientSecret_isRefused() throws Exception {
    String code = parameter(browser.signIn(authorize(r -> r), ALICE, false), "code");

    assertThat(redeem(code, verifier, "guess").getStatusCode()).isEqualTo(401);
  }

  @Test
  void signOut_withTheIdToken_endsTheSessionAndReturns() throws Exception {
    String token =
        idToken(
                redeem(
                    parameter(browser.signIn(authorize(r -> r), ALICE, false), "code"),
                    verifier,
                    SECRET))
            .serialize();

    HttpResponse<String> answer =
        browser.open(
            endpoint(
                "/end-session?id_token_hint="
                    + token
                    + "&post_logout_redirect_uri="
                    + GATEWAY
                    + "&state=s"));

    assertThat(answer.headers().firstValue("Location")).contains(GATEWAY + "?state=s");
    assertThat(DemoBrowser.ticket(browser.open(authorize(r -> r)))).isNotNull();
  }

  @Test
  void signOut_withoutTheIdToken_asksTheUser() throws Exception {
    browser.signIn(authorize(r -> r), ALICE, false);

    HttpResponse<String> page = browser.open(endpoint("/end-session?client_id=gateway"));
    assertThat(page.body()).contains("Sign out?");
    assertThat(parameter(browser.open(authorize(r -> r)), "code")).isNotBlank();

    assertThat(browser.submit(page, Map.of()).body()).contains("You are signed out");
    assertThat(DemoBrowser.ticket(browser.open(authorize(r -> r)))).isNotNull();
  }

  @Test
  void signOut_toAForeignAddress_staysHere() throws Exception {
    HttpResponse<String> page =
        browser.open(
            endpoint(
                "/end-session?client_id=gateway&post_logout_redirect_uri=https://evil.example/"));

    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.headers().firstValue("Location")).isEmpty();
  }

  private URI authorize(UnaryOperator<AuthenticationRequest.Builder> change) {
    return change
        .apply(
            new AuthenticationRequest.Builder(
                    ResponseType.CODE, new Scope("openid"), new ClientID("gateway"), CALLBACK)
                .endpointURI(endpoint("/authorize"))
                .state(new State("state"))
                .nonce(new Nonce("nonce"))
                .codeChallenge(verifier, CodeChallengeMethod.S256))
        .build()
        .toURI();
  }

  private static HTTPResponse redeem(String code, CodeVerifier verifier, String secret)
      throws Exception {
    HTTPRequest request =
        new TokenRequest.Builder(
                endpoint("/token"),
                new ClientSecretBasic(new ClientID("gateway"), new Secret(secret)),
                new AuthorizationCodeGrant(new AuthorizationCode(code), CALLBACK, verifier))
            .build()
            .toHTTPRequest();
    request.setSSLSocketFactory(trust.getSocketFactory());
    return request.send();
  }

  private static SignedJWT idToken(HTTPResponse response) throws Exception {
    return (SignedJWT) OIDCTokenResponse.parse(response).getOIDCTokens().getIDToken();
  }

  private static String parameter(HttpResponse<String> answer, String name) {
    URI location = URI.create(answer.headers().firstValue("Location").orElseThrow());
    assertThat(location.toString()).startsWith(CALLBACK.toString());
    return URLUtils.parseParameters(location.getRawQuery()).getOrDefault(name, List.of("")).get(0);
  }

  private static URI endpoint(String path) {
    return provider.issuer().resolve(path);
  }
}
