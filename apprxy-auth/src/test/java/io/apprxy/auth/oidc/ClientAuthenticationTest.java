package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.AsymmetricJWK;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.ErrorCode;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How the gateway proves to the provider which client it is, and what it asks for. */
class ClientAuthenticationTest extends OidcTest {

  private void client(UnaryOperator<OidcClient.Builder> settings) {
    OidcClient client = settings.apply(OidcClient.builder(TestProvider.CLIENT)).build();
    browser =
        new TestBrowser(
            OidcPreAuthentication.builder()
                .provider(
                    OidcProvider.builder("staff").issuer(provider.issuer()).client(client).build())
                .sessions(Sessions.builder().clock(clock).build())
                .build());
  }

  // ---- a secret

  @Test
  void secret_isSentInTheHeader() throws Exception {
    client(client -> client.secret(TestProvider.SECRET));
    browser.signIn(provider, "/");

    assertThat(provider.lastAuthorization).startsWith("Basic ");
    assertThat(provider.lastForm).doesNotContainKeys("client_secret", "client_id");
  }

  @Test
  void secret_isSentInTheForm_ifTheProviderTakesItOnlyThere() throws Exception {
    provider.metadata =
        map -> map.put("token_endpoint_auth_methods_supported", List.of("client_secret_post"));
    client(client -> client.secret(TestProvider.SECRET));
    browser.signIn(provider, "/");

    assertThat(provider.lastAuthorization).isNull();
    assertThat(provider.lastForm).containsEntry("client_secret", List.of(TestProvider.SECRET));
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  // ---- a key (private_key_jwt)

  @ParameterizedTest
  @CsvSource({"RS256 PS256, PS256", "RS256, RS256", "'', RS256"})
  void assertion_isForThisProvider_once_andForAMinute(String taken, JWSAlgorithm algorithm)
      throws Exception {
    provider.believesClients = true;
    provider.metadata =
        map -> {
          map.put("token_endpoint_auth_methods_supported", List.of("private_key_jwt"));
          if (!taken.isEmpty()) {
            map.put("token_endpoint_auth_signing_alg_values_supported", List.of(taken.split(" ")));
          }
        };
    client(client -> client.privateKey(privateKey(TestProvider.OTHER_RSA), "k1"));
    browser.signIn(provider, "/");

    SignedJWT assertion = SignedJWT.parse(sent("client_assertion"));
    assertThat(sent("client_assertion_type"))
        .isEqualTo("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assertThat(assertion.verify(new RSASSAVerifier(TestProvider.OTHER_RSA))).isTrue();
    assertThat(assertion.getHeader().getAlgorithm()).isEqualTo(algorithm);
    assertThat(assertion.getHeader().getKeyID()).isEqualTo("k1");
    JWTClaimsSet claims = assertion.getJWTClaimsSet();
    assertThat(claims.getIssuer()).isEqualTo(TestProvider.CLIENT);
    assertThat(claims.getSubject()).isEqualTo(TestProvider.CLIENT);
    assertThat(claims.getAudience()).containsExactly(provider.issuer());
    assertThat(claims.getExpirationTime())
        .isEqualTo(Date.from(clock.instant().plus(Duration.ofMinutes(1))));
    String first = claims.getJWTID();

    browser.cookies.clear();
    browser.signIn(provider, "/");
    assertThat(SignedJWT.parse(sent("client_assertion")).getJWTClaimsSet().getJWTID())
        .isNotEqualTo(first);
  }

  @Test
  void assertion_ofAnEcKey_isVerifiable() throws Exception {
    provider.believesClients = true;
    client(client -> client.privateKey(privateKey(TestProvider.EC), "ec"));
    browser.signIn(provider, "/");

    assertThat(SignedJWT.parse(sent("client_assertion")).verify(new ECDSAVerifier(TestProvider.EC)))
        .isTrue();
  }

  @Test
  void keyThatTheProviderTakesNoSignatureOf_isNotUsed() throws Exception {
    provider.metadata =
        map ->
            map.put("token_endpoint_auth_signing_alg_values_supported", List.of("HS256", "ES512"));
    client(client -> client.privateKey(privateKey(TestProvider.EC), "ec"));

    assertRefused(() -> browser.signIn(provider, "/"), ErrorCode.PROVIDER_INVALID);
  }

  // ---- TLS

  @Test
  void clientThatProvesItselfByTls_goesToTheEndpointForThat_withItsId() throws Exception {
    provider.believesClients = true;
    provider.metadata =
        map -> {
          map.put("mtls_endpoint_aliases", Map.of("token_endpoint", provider.issuer() + "/token"));
          map.put("token_endpoint", provider.issuer() + "/elsewhere");
        };
    client(OidcClient.Builder::mutualTls);
    browser.signIn(provider, "/");

    assertThat(sent("client_id")).isEqualTo(TestProvider.CLIENT);
    assertThat(provider.lastForm).doesNotContainKeys("client_secret", "client_assertion");
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  @Test
  void endpointForTls_thatLeadsElsewhere_isRefused() {
    provider.metadata =
        map ->
            map.put("mtls_endpoint_aliases", Map.of("token_endpoint", "http://other.test/token"));
    client(OidcClient.Builder::mutualTls);

    assertRefused(() -> browser.open("/"), ErrorCode.PROVIDER_INVALID);
  }

  // ---- pushed and signed requests

  @Test
  void pushedRequest_leavesTheBrowserNothingButItsReference() throws Exception {
    client(client -> client.secret(TestProvider.SECRET).pushRequests());
    URI request = browser.open("/page").location();

    assertThat(URLUtils.parseParameters(request.getRawQuery()))
        .containsOnlyKeys("client_id", "request_uri", "tenant");
    assertThat(provider.lastAuthorization).startsWith("Basic ");
    assertThat(provider.lastForm)
        .containsKeys("state", "nonce", "code_challenge", "redirect_uri", "scope");
    assertThat(browser.open(provider.authorize(request)).header("Location"))
        .isEqualTo("https://wiki.example/page");
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  @Test
  void request_isPushed_ifTheProviderDemandsIt() throws Exception {
    provider.metadata = map -> map.put("require_pushed_authorization_requests", true);
    client(client -> client.secret(TestProvider.SECRET));
    browser.signIn(provider, "/");

    assertThat(provider.pushes).hasValue(1);
  }

  @Test
  void requestThatCannotBePushed_isAnError_andNotSentOpenly() {
    provider.pushError = "invalid_request";
    client(client -> client.secret(TestProvider.SECRET).pushRequests());
    assertRefused(() -> browser.open("/"), ErrorCode.SIGN_IN_FAILED);

    provider.metadata = map -> map.remove("pushed_authorization_request_endpoint");
    client(client -> client.secret(TestProvider.SECRET).pushRequests());
    assertRefused(() -> browser.open("/"), ErrorCode.PROVIDER_INVALID);
  }

  @Test
  void signedRequest_saysAllInOneToken_forThisProvider() throws Exception {
    provider.believesClients = true;
    client(
        client ->
            client
                .privateKey(privateKey(TestProvider.EC), "ec")
                .claims("{\"id_token\":{\"email\":null}}")
                .signRequests());
    URI request = browser.open("/page").location();

    Map<String, List<String>> open = URLUtils.parseParameters(request.getRawQuery());
    assertThat(open).containsOnlyKeys("client_id", "response_type", "scope", "request", "tenant");
    SignedJWT signed = SignedJWT.parse(open.get("request").get(0));
    assertThat(signed.verify(new ECDSAVerifier(TestProvider.EC))).isTrue();
    assertThat(signed.getHeader().getType().getType()).isEqualTo("oauth-authz-req+jwt");
    JWTClaimsSet claims = signed.getJWTClaimsSet();
    assertThat(claims.getIssuer()).isEqualTo(TestProvider.CLIENT);
    assertThat(claims.getAudience()).containsExactly(provider.issuer());
    assertThat(claims.getExpirationTime()).isAfter(Date.from(clock.instant()));
    assertThat(claims.getClaims()).containsKeys("state", "nonce", "code_challenge", "jti");
    assertThat(claims.getJSONObjectClaim("claims")).containsKey("id_token");
    assertThat(browser.open(provider.authorize(request)).header("Location"))
        .isEqualTo("https://wiki.example/page");
  }

  @Test
  void signedRequest_hasWhatAStepUpDemands_inItsTypes() throws Exception {
    provider.believesClients = true;
    client(client -> client.privateKey(privateKey(TestProvider.EC), "ec").signRequests());
    browser.signIn(provider, "/");
    clock.advance(Duration.ofHours(1).minusMinutes(1));

    URI request =
        browser
            .openDemanding(
                "/", new StepUpRequirement(List.of("mfa"), "c1", Duration.ofMinutes(10), "More."))
            .location();

    JWTClaimsSet claims =
        SignedJWT.parse(URLUtils.parseParameters(request.getRawQuery()).get("request").get(0))
            .getJWTClaimsSet();
    assertThat(claims.getIntegerClaim("max_age")).isEqualTo(540);
    assertThat(claims.getStringClaim("acr_values")).isEqualTo("mfa");
    assertThat(claims.getJSONObjectClaim("claims").toString()).contains("acrs");
  }

  // ---- settings

  @Test
  void severalProofs_areRefused() {
    assertThatThrownBy(
            () ->
                OidcClient.builder("a")
                    .secret("x")
                    .privateKey(privateKey(TestProvider.EC), "k")
                    .build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("exclude each other");
    assertThatThrownBy(() -> OidcClient.builder("a").secret("x").mutualTls().build())
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void signedRequests_withoutAKey_areRefused() {
    assertThatThrownBy(() -> OidcClient.builder("a").secret("x").signRequests().build())
        .hasMessageContaining("signRequests needs a privateKey");
  }

  @ParameterizedTest
  @CsvSource({"RSA, 1024", "EC, 521", "Ed25519, 0"})
  void keyThatIsTooWeak_orOfAnUnknownKind_isRefusedAtOnce(String type, int bits) throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance(type);
    if (type.equals("EC")) {
      generator.initialize(new ECGenParameterSpec("secp521r1"));
    } else if (bits > 0) {
      generator.initialize(bits);
    }
    PrivateKey key = generator.generateKeyPair().getPrivate();

    assertThatThrownBy(() -> OidcClient.builder("a").privateKey(key, "k"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("privateKey must be");
  }

  private static PrivateKey privateKey(AsymmetricJWK key) {
    try {
      return key.toPrivateKey();
    } catch (JOSEException e) {
      throw new IllegalStateException(e);
    }
  }

  private String sent(String parameter) {
    return TestProvider.one(provider.lastForm, parameter);
  }
}
