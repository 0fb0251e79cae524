package io.apprxy.auth.oidc;

import static io.apprxy.ErrorCode.ACCESS_TOKEN_REFUSED;
import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.jwk.OctetSequenceKey;
import com.nimbusds.jose.util.Base64URL;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.oidc.ApiClient.Outcome;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import io.apprxy.cluster.SharedState;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/** Tokens that are of no use to whoever steals them: DPoP (RFC 9449) and mutual TLS (RFC 8705). */
class BoundTokensTest extends OidcTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final JOSEObjectType DPOP = new JOSEObjectType("dpop+jwt");
  private static final X509Certificate CERTIFICATE = certificate("client-one.pem");
  private static final X509Certificate OTHER_CERTIFICATE = certificate("client-other.pem");

  private ApiClient client;
  private String bound;

  @BeforeEach
  void startClient() {
    client = new ApiClient(gateway, AccessTokensTest.API);
    bound = token(Map.of("jkt", ApiClient.thumbprint(ApiClient.KEY)));
  }

  private String token(Object cnf) {
    long now = clock.instant().getEpochSecond();
    Map<String, Object> claims = new LinkedHashMap<>();
    claims.put("iss", provider.issuer());
    claims.put("sub", "4711");
    claims.put("aud", "api://wiki");
    claims.put("exp", now + 3_000);
    claims.put("iat", now);
    claims.put("client_id", "mobile app");
    claims.put("scope", "read");
    if (cnf != null) {
      claims.put("cnf", cnf);
    }
    return provider.sign(JSON.writeValueAsString(claims));
  }

  private String proof(Consumer<Map<String, Object>> bend) {
    return ApiClient.proof(bound, clock.instant(), bend);
  }

  private static void assertRefused(Outcome outcome) {
    assertThat(outcome.error()).isEqualTo(ACCESS_TOKEN_REFUSED);
    assertThat(outcome.exchange().identity()).isNull();
    assertThat(outcome.challenges()).singleElement().asString().contains("error=\"invalid_token\"");
  }

  // ---- DPoP

  @Test
  void boundToken_withAProof_authenticates() {
    assertThat(client.dpop(bound, proof(claims -> {})).identity().subject()).isEqualTo("4711");
    assertThat(client.dpop(bound, proof(claims -> {})).identity().subject()).isEqualTo("4711");
  }

  @Test
  void refusal_namesTheScheme_andItsAlgorithms() {
    assertThat(client.dpop(bound, "x").challenges())
        .singleElement()
        .asString()
        .startsWith("DPoP realm=\"apprxy\", algs=\"ES256 ");
  }

  @Test
  void proof_isOfUseOnce_atAllGatewaysThatShareState() {
    String proof = proof(claims -> {});
    assertThat(client.dpop(bound, proof).identity()).isNotNull();
    assertRefused(client.dpop(bound, proof));

    SharedState shared = SharedState.inMemory();
    String another = proof(claims -> {});
    for (int node = 0; node < 2; node++) {
      Sessions sessions =
          Sessions.builder().keys(SessionKeys.generate()).clock(clock).state(shared).build();
      Outcome outcome =
          new ApiClient(gateway().sessions(sessions).build(), AccessTokensTest.API)
              .dpop(bound, another);
      assertThat(outcome.identity() != null).isEqualTo(node == 0);
    }
  }

  @Test
  void nonce_isDemanded_whereTheGatewaySaysSo_andComesWithTheRefusal() {
    client = new ApiClient(gateway().requireDpopNonces().build(), AccessTokensTest.API);
    Outcome refused = client.dpop(bound, proof(claims -> {}));
    assertThat(refused.error()).isEqualTo(ACCESS_TOKEN_REFUSED);
    assertThat(refused.challenges())
        .singleElement()
        .asString()
        .contains("error=\"use_dpop_nonce\"");
    String nonce =
        refused.exchange().responseHeaders().stream()
            .filter(header -> header.name().equals("DPoP-Nonce"))
            .findFirst()
            .orElseThrow()
            .value();

    assertThat(client.dpop(bound, proof(c -> c.put("nonce", nonce))).identity()).isNotNull();
    for (Object other : new Object[] {"", "x", nonce + "x", nonce.substring(1), 1}) {
      assertThat(client.dpop(bound, proof(c -> c.put("nonce", other))).error())
          .isEqualTo(ACCESS_TOKEN_REFUSED);
    }
    clock.advance(Duration.ofMinutes(5));
    assertThat(client.dpop(bound, proof(c -> c.put("nonce", nonce))).error())
        .isEqualTo(ACCESS_TOKEN_REFUSED);
  }

  /** By the same id: the rest of the proof may differ. */
  @Test
  void idOfAProof_isOfUseOnce_forItsKey() {
    assertThat(client.dpop(bound, proof(claims -> claims.put("jti", "same"))).identity())
        .isNotNull();
    clock.advance(Duration.ofSeconds(5));
    assertRefused(client.dpop(bound, proof(claims -> claims.put("jti", "same"))));
  }

  @Test
  void boundToken_isRefused_asABearerToken() {
    assertRefused(client.bearer(bound));
    assertRefused(
        client.send(
            client
                .get("/api")
                .withHeader("Authorization", "Bearer " + bound)
                .withHeader("DPoP", proof(claims -> {}))));
  }

  @Test
  void tokenThatIsNotBound_isRefused_withAProof() {
    String free = token(null);
    assertThat(client.bearer(free).identity()).isNotNull();
    assertRefused(client.dpop(free, ApiClient.proof(free, clock.instant(), claims -> {})));
  }

  @Test
  void bindingThatIsNotKnown_isRefused_ratherThanIgnored() {
    for (Object cnf :
        List.of(
            Map.of(),
            "x",
            Map.of("jwk", Map.of()),
            Map.of("kid", "1"),
            Map.of("jkt", 1),
            Map.of("jkt", ApiClient.thumbprint(ApiClient.KEY), "x5u", "https://evil.test"))) {
      assertRefused(client.bearer(token(cnf)));
    }
  }

  @Test
  void missingProof_orMoreThanOne_isRefused() {
    assertRefused(client.send(client.get("/api").withHeader("Authorization", "DPoP " + bound)));
    assertRefused(
        client.send(
            client
                .get("/api")
                .withHeader("Authorization", "DPoP " + bound)
                .withHeader("DPoP", proof(claims -> {}))
                .withHeader("DPoP", proof(claims -> {}))));
  }

  @Test
  void proofOfAnotherKey_isRefused() {
    JWSHeader other =
        new JWSHeader.Builder(JWSAlgorithm.ES256)
            .type(DPOP)
            .jwk(ApiClient.OTHER_KEY.toPublicJWK())
            .build();
    assertRefused(
        client.dpop(
            bound, ApiClient.proof(ApiClient.OTHER_KEY, other, bound, clock.instant(), c -> {})));
    JWSHeader claimed =
        new JWSHeader.Builder(JWSAlgorithm.ES256)
            .type(DPOP)
            .jwk(ApiClient.KEY.toPublicJWK())
            .build();
    assertRefused(
        client.dpop(
            bound, ApiClient.proof(ApiClient.OTHER_KEY, claimed, bound, clock.instant(), c -> {})));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://wiki.example/api?x=1",
        "https://wiki.example/api#x",
        "HTTPS://WIKI.EXAMPLE:443/api"
      })
  void address_isComparedWithoutQuery_andInItsNormalForm(String htu) {
    assertThat(client.dpop(bound, proof(claims -> claims.put("htu", htu))).identity()).isNotNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://wiki.example/",
        "https://wiki.example/api/",
        "https://wiki.example/API",
        "http://wiki.example/api",
        "https://wiki.example:8443/api",
        "https://other.example/api",
        "https://user@wiki.example/api",
        "/api",
        "",
        "https:///api",
        "https://wiki.example/other/../api",
        "not a url"
      })
  void proofForAnotherAddress_isRefused(String htu) {
    assertRefused(client.dpop(bound, proof(claims -> claims.put("htu", htu))));
  }

  @Test
  void proofForAnotherMethod_isRefused() {
    for (Object htm : new Object[] {"POST", "get", "", 1}) {
      assertRefused(client.dpop(bound, proof(claims -> claims.put("htm", htm))));
    }
  }

  @Test
  void proofForAnotherToken_isRefused() {
    assertRefused(client.dpop(bound, proof(claims -> claims.put("ath", "x"))));
    assertRefused(client.dpop(bound, proof(claims -> claims.remove("ath"))));
    String another = token(Map.of("jkt", ApiClient.thumbprint(ApiClient.KEY), "x5t#S256", "x"));
    assertRefused(client.dpop(bound, ApiClient.proof(another, clock.instant(), claims -> {})));
  }

  @Test
  void proofOutsideItsTime_isRefused() {
    long now = clock.instant().getEpochSecond();
    assertThat(client.dpop(bound, proof(c -> c.put("iat", now - 120))).identity()).isNotNull();
    assertRefused(client.dpop(bound, proof(c -> c.put("iat", now - 121))));
    assertThat(client.dpop(bound, proof(c -> c.put("iat", now + 30))).identity()).isNotNull();
    assertRefused(client.dpop(bound, proof(c -> c.put("iat", now + 31))));
    assertRefused(client.dpop(bound, proof(c -> c.remove("iat"))));
    assertRefused(client.dpop(bound, proof(c -> c.put("iat", "now"))));
  }

  @Test
  void proofWithoutAnId_orWithAHugeOne_isRefused() {
    assertRefused(client.dpop(bound, proof(claims -> claims.remove("jti"))));
    assertRefused(client.dpop(bound, proof(claims -> claims.put("jti", ""))));
    assertRefused(client.dpop(bound, proof(claims -> claims.put("jti", "x".repeat(257)))));
    assertRefused(client.dpop(bound, proof(claims -> claims.put("pad", "x".repeat(9_000)))));
  }

  @Test
  void proofOfAnotherType_orWithACriticalHeader_orAPrivateKey_isRefused() {
    for (JWSHeader header :
        List.of(
            new JWSHeader.Builder(JWSAlgorithm.ES256).jwk(ApiClient.KEY.toPublicJWK()).build(),
            new JWSHeader.Builder(JWSAlgorithm.ES256)
                .type(JOSEObjectType.JWT)
                .jwk(ApiClient.KEY.toPublicJWK())
                .build(),
            new JWSHeader.Builder(JWSAlgorithm.ES256)
                .type(DPOP)
                .jwk(ApiClient.KEY.toPublicJWK())
                .criticalParams(Set.of("exp"))
                .customParam("exp", 1)
                .build(),
            new JWSHeader.Builder(JWSAlgorithm.ES256).type(DPOP).keyID("client").build())) {
      assertRefused(
          client.dpop(
              bound, ApiClient.proof(ApiClient.KEY, header, bound, clock.instant(), c -> {})));
    }
    String privateKey =
        Base64URL.encode(
                "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\",\"jwk\":"
                    + ApiClient.KEY.toJSONString()
                    + "}")
            .toString();
    assertRefused(client.dpop(bound, privateKey + proof(c -> {}).replaceFirst("^[^.]*", "")));
  }

  @Test
  void proofWithoutASignature_orWithASharedSecret_isRefused() throws Exception {
    String claims = proof(c -> {}).split("\\.")[1];
    String jwk = ApiClient.KEY.toPublicJWK().toJSONString();
    assertRefused(
        client.dpop(
            bound,
            Base64URL.encode("{\"alg\":\"none\",\"typ\":\"dpop+jwt\",\"jwk\":" + jwk + "}")
                + "."
                + claims
                + "."));
    byte[] secret = new byte[32];
    String oct = new OctetSequenceKey.Builder(secret).build().toJSONString();
    String input =
        Base64URL.encode("{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\",\"jwk\":" + oct + "}")
            + "."
            + claims;
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(secret, "HmacSHA256"));
    String signature =
        Base64URL.encode(mac.doFinal(input.getBytes(StandardCharsets.US_ASCII))).toString();
    assertRefused(client.dpop(bound, input + "." + signature));
  }

  // ---- certificates

  @Test
  void certificateBoundToken_authenticates_onlyWithItsCertificate() throws Exception {
    String token = token(Map.of("x5t#S256", ApiClient.sha256(CERTIFICATE.getEncoded())));

    assertThat(client.send(bearer(token).withCertificates(CERTIFICATE)).identity()).isNotNull();
    assertRefused(client.send(bearer(token)));
    assertRefused(client.send(bearer(token).withCertificates(OTHER_CERTIFICATE)));
    // Only the client's own certificate counts, not what else is in its chain.
    assertRefused(client.send(bearer(token).withCertificates(OTHER_CERTIFICATE, CERTIFICATE)));
  }

  @Test
  void tokenBoundToBoth_needsBoth() throws Exception {
    bound =
        token(
            Map.of(
                "jkt", ApiClient.thumbprint(ApiClient.KEY),
                "x5t#S256", ApiClient.sha256(CERTIFICATE.getEncoded())));

    assertRefused(client.dpop(bound, proof(claims -> {})));
    assertRefused(client.send(bearer(bound).withCertificates(CERTIFICATE)));
    assertThat(
            client
                .send(
                    client
                        .get("/api")
                        .withHeader("Authorization", "DPoP " + bound)
                        .withHeader("DPoP", proof(claims -> {}))
                        .withCertificates(CERTIFICATE))
                .identity())
        .isNotNull();
  }

  private TestExchange bearer(String token) {
    return client.get("/api").withHeader("Authorization", "Bearer " + token);
  }

  private static X509Certificate certificate(String name) {
    try (InputStream pem = BoundTokensTest.class.getResourceAsStream(name)) {
      return (X509Certificate)
          CertificateFactory.getInstance("X.509").generateCertificate(Objects.requireNonNull(pem));
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
