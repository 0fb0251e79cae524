package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import com.sun.net.httpserver.HttpServer;
import io.apprxy.Application;
import io.apprxy.Application.SignedAssertion;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.auth.TestClock;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What {@link SignedAssertions} signs, and what of it and of others {@link AssertionVerifier}
 * takes.
 */
class AssertionsTest {
  private static final String ISSUER = "https://gateway.example.com";
  private static final Identity ALICE =
      new Identity(
          "https://idp.test",
          "a-1",
          "session-1",
          Instant.parse("2025-11-24T11:00:00Z"),
          Map.of(
              "preferred_username",
              "alice",
              "groups",
              List.of("staff"),
              "acr",
              "mfa",
              "amr",
              List.of("pwd", "otp"),
              "salary",
              100));

  private final TestClock clock = new TestClock();
  private final AtomicInteger fetched = new AtomicInteger();
  private volatile Supplier<String> served = () -> "";
  private volatile int status = 200;
  private HttpServer server;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          fetched.incrementAndGet();
          byte[] body = served.get().getBytes(StandardCharsets.UTF_8);
          exchange.getResponseHeaders().add("Location", "/elsewhere");
          exchange.sendResponseHeaders(status, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  // ---- what is signed

  @Test
  void assertion_saysWhatItShould_andNoMore() throws Exception {
    SignedJWT jwt = SignedJWT.parse(signer(Algorithm.ES256).sign(ALICE, wiki()));
    JWTClaimsSet claims = jwt.getJWTClaimsSet();

    assertThat(jwt.getHeader().getAlgorithm()).isEqualTo(JWSAlgorithm.ES256);
    assertThat(claims.getClaims().keySet())
        .containsExactlyInAnyOrder(
            "iss",
            "aud",
            "iat",
            "exp",
            "jti",
            "sub",
            "idp",
            "sid",
            "auth_time",
            "acr",
            "amr",
            "preferred_username",
            "groups");
    assertThat(claims.getIssuer()).isEqualTo(ISSUER);
    assertThat(claims.getAudience()).containsExactly("wiki");
    assertThat(claims.getSubject()).isEqualTo("a-1");
    assertThat(claims.getStringClaim("idp")).isEqualTo("https://idp.test");
    assertThat(claims.getStringClaim("sid")).isEqualTo("session-1");
    assertThat(claims.getLongClaim("auth_time"))
        .isEqualTo(ALICE.authenticatedAt().getEpochSecond());
    assertThat(claims.getStringListClaim("amr")).containsExactly("pwd", "otp");
    assertThat(claims.getExpirationTime().toInstant())
        .isEqualTo(claims.getIssueTime().toInstant().plusSeconds(60));
  }

  @Test
  void audienceAndClaims_areThoseOfTheApplication() throws Exception {
    Application app =
        wiki(SignedAssertion.defaults().forAudience("https://wiki").withClaims("salary", "none"));
    JWTClaimsSet claims =
        SignedJWT.parse(signer(Algorithm.ES256).sign(ALICE, app)).getJWTClaimsSet();

    assertThat(claims.getAudience()).containsExactly("https://wiki");
    assertThat(claims.getLongClaim("salary")).isEqualTo(100);
    assertThat(claims.getClaims()).doesNotContainKeys("groups", "none", "preferred_username");
  }

  /** A provider that may choose claims freely speaks for its users, and not for the gateway. */
  @ParameterizedTest
  @ValueSource(strings = {"sub", "aud", "exp", "sid", "idp", "iss", "jti", "auth_time", " "})
  void claimThatTheGatewaySets_cannotBeChosen(String claim) {
    assertThatThrownBy(() -> SignedAssertion.defaults().withClaims(claim))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void assertion_isReusedWhileFresh_andSignedAnewAfterwards() {
    SignedAssertions signer = signer(Algorithm.ES256);
    String first = signer.sign(ALICE, wiki());

    clock.advance(Duration.ofSeconds(39));
    assertThat(signer.sign(ALICE, wiki())).isEqualTo(first);
    clock.advance(Duration.ofSeconds(1));
    assertThat(signer.sign(ALICE, wiki())).isNotEqualTo(first);
  }

  @Test
  void clockThatIsSetBack_makesANewOne() {
    SignedAssertions signer = signer(Algorithm.ES256);
    String first = signer.sign(ALICE, wiki());
    clock.advance(Duration.ofHours(-1));
    assertThat(signer.sign(ALICE, wiki())).isNotEqualTo(first);
  }

  @Test
  void anotherSessionApplicationSettingOrClaim_getsAnAssertionOfItsOwn() {
    SignedAssertions signer = signer(Algorithm.ES256);
    String first = signer.sign(ALICE, wiki());
    Identity other = identity("session-2", ALICE.claims());
    Identity promoted = identity("session-1", Map.of("groups", List.of("admins")));

    assertThat(signer.sign(other, wiki())).isNotEqualTo(first);
    assertThat(signer.sign(promoted, wiki())).isNotEqualTo(first);
    assertThat(signer.sign(ALICE, wiki(SignedAssertion.defaults().forAudience("x"))))
        .isNotEqualTo(first);
    assertThat(signer.sign(ALICE, application("other", SignedAssertion.defaults())))
        .isNotEqualTo(first);
  }

  @Test
  void assertionThatNoServerCouldTake_isRefused() {
    Identity grouped = identity("s", Map.of("groups", List.of("g".repeat(20_000))));
    assertThatThrownBy(() -> signer(Algorithm.ES256).sign(grouped, wiki()))
        .isInstanceOfSatisfying(
            GatewayException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.SIGN_ON_FAILED));
  }

  @Test
  void lifetime_isAtMostAMinute() {
    assertThatThrownBy(() -> SignedAssertions.builder().lifetime(Duration.ofSeconds(61)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> SignedAssertions.builder().lifetime(Duration.ofSeconds(9)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> SignedAssertions.builder().build())
        .isInstanceOf(IllegalStateException.class);
  }

  // ---- what is verified

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void verifier_getsTheIdentityBack(Algorithm algorithm) {
    String assertion = signer(algorithm).sign(ALICE, wiki());

    Identity identity = verifier().verify(assertion);

    assertThat(identity.issuer()).isEqualTo("https://idp.test");
    assertThat(identity.subject()).isEqualTo("a-1");
    assertThat(identity.sessionId()).isEqualTo("session-1");
    assertThat(identity.authenticatedAt()).isEqualTo(ALICE.authenticatedAt());
    assertThat(identity.claims())
        .containsOnly(
            Map.entry("preferred_username", "alice"),
            Map.entry("groups", List.of("staff")),
            Map.entry("acr", "mfa"),
            Map.entry("amr", List.of("pwd", "otp")));
  }

  @Test
  void assertion_isGoodForAMinuteAndTheSkew_andNotBeforeItIsIssued() {
    String assertion = signer(Algorithm.ES256).sign(ALICE, wiki());
    AssertionVerifier verifier = verifier();

    clock.advance(Duration.ofSeconds(-16));
    assertRefused(verifier, assertion);
    clock.advance(Duration.ofSeconds(16 + 74));
    assertThat(verifier.verify(assertion).subject()).isEqualTo("a-1");
    clock.advance(Duration.ofSeconds(1));
    assertRefused(verifier, assertion);
    assertRefused(verifier(), assertion);
  }

  @Test
  void assertionForAnotherAudience_orOfAnotherIssuer_isRefused() {
    SignedAssertions signer = signer(Algorithm.ES256);
    assertRefused(verifier(), signer.sign(ALICE, application("other", SignedAssertion.defaults())));
    assertRefused(
        verifier(settings -> settings.issuer("https://other")), signer.sign(ALICE, wiki()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "null", "Bearer x", "\u0000"})
  void garbage_isRefused(String garbage) {
    signer(Algorithm.ES256);
    assertRefused(verifier(), garbage);
    assertRefused(verifier(), null);
    assertRefused(verifier(), "a".repeat(20_000));
  }

  @Test
  void unsigned_isRefused() {
    signer(Algorithm.ES256);
    assertRefused(verifier(), new PlainJWT(genuine(claims -> {})).serialize());
  }

  @Test
  void tamperedClaims_areRefused() throws Exception {
    String[] parts = signer(Algorithm.ES256).sign(ALICE, wiki()).split("\\.");
    String forged = Base64URL.encode(genuine(c -> c.subject("root")).toString()).toString();
    assertRefused(verifier(), parts[0] + "." + forged + "." + parts[2]);
  }

  /** CVE-2022-21449: such a signature was right for every message. */
  @Test
  void signatureOfZeros_isRefused() {
    String[] parts = signer(Algorithm.ES256).sign(ALICE, wiki()).split("\\.");
    assertRefused(verifier(), parts[0] + "." + parts[1] + "." + Base64URL.encode(new byte[64]));
  }

  /** RFC 8725 §2.1: the public key must not serve as the secret of an HMAC. */
  @Test
  void publicKeyAsSecret_isRefused() throws Exception {
    signer(Algorithm.RS256);
    JWK published = JWKSet.parse(served.get()).getKeys().get(0);
    SignedJWT forged =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.HS256).keyID(published.getKeyID()).build(),
            genuine(claims -> {}));
    forged.sign(new MACSigner(published.toRSAKey().toRSAPublicKey().getEncoded()));
    assertRefused(verifier(), forged.serialize());
  }

  @Test
  void keyOfTheAssertionItself_isNotBelieved() throws Exception {
    signer(Algorithm.ES256);
    ECKey own = new ECKeyGenerator(Curve.P_256).keyID("own").generate();
    String kid = JWKSet.parse(served.get()).getKeys().get(0).getKeyID();

    assertRefused(verifier(), signed(own, header("own").jwk(own.toPublicJWK()), claims -> {}));
    assertRefused(verifier(), signed(own, header(kid).jwk(own.toPublicJWK()), claims -> {}));
    assertRefused(verifier(), signed(own, header(null), claims -> {}));
  }

  @Test
  void headerThatIsNotUnderstood_isRefused() throws Exception {
    ECKey key = published();
    assertThat(verifier().verify(signed(key, header("k"), c -> {})).subject()).isEqualTo("a-1");

    assertRefused(verifier(), signed(key, header("k").type(new JOSEObjectType("at+jwt")), c -> {}));
    assertRefused(
        verifier(), signed(key, header("k").criticalParams(java.util.Set.of("x")), c -> {}));
  }

  @Test
  void claimsThatDoNotTellWho_orUntilWhen_areRefused() throws Exception {
    ECKey key = published();
    List<Consumer<JWTClaimsSet.Builder>> broken =
        List.of(
            claims -> claims.subject(null),
            claims -> claims.claim("sid", null),
            claims -> claims.claim("sid", 5),
            claims -> claims.claim("idp", null),
            claims -> claims.claim("auth_time", "yesterday"),
            claims -> claims.audience(List.of("wiki", "other")),
            claims -> claims.audience((String) null),
            claims -> claims.issuer(null),
            claims -> claims.issueTime(null),
            claims -> claims.expirationTime(null),
            claims -> claims.expirationTime(Date.from(clock.instant().plusSeconds(61))),
            claims -> claims.issueTime(Date.from(clock.instant().minusSeconds(1))));
    for (Consumer<JWTClaimsSet.Builder> one : broken) {
      assertRefused(verifier(), signed(key, header("k"), one));
    }
  }

  @Test
  void keyOfTheWrongCurve_isRefused() throws Exception {
    ECKey key = new ECKeyGenerator(Curve.P_384).keyID("k").generate();
    served = () -> new JWKSet(key.toPublicJWK()).toString();
    SignedJWT jwt =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.ES384).keyID("k").build(), genuine(c -> {}));
    jwt.sign(new ECDSASigner(key));
    assertRefused(verifier(), jwt.serialize());
  }

  // ---- the keys

  @Test
  void unknownKeys_areNotAskedForWithoutEnd() {
    signer(Algorithm.ES256);
    AssertionVerifier verifier = verifier();
    SignedAssertions stranger = SignedAssertions.builder().issuer(ISSUER).clock(clock).build();
    for (int i = 0; i < 50; i++) {
      assertRefused(verifier, stranger.sign(identity("s" + i, Map.of()), wiki()));
    }
    assertThat(fetched.get()).isLessThanOrEqualTo(3);
  }

  @Test
  void rotatedKey_isFound_andTheOldOneStaysGood() {
    AssertionKeys keys = AssertionKeys.generate(Algorithm.ES256, clock);
    SignedAssertions signer = signer(keys);
    keys.rotate();
    clock.advance(AssertionKeys.ANNOUNCED.minusSeconds(1));
    String old = signer.sign(identity("s1", Map.of()), wiki());
    clock.advance(Duration.ofSeconds(1));
    String anew = signer.sign(identity("s2", Map.of()), wiki());
    AssertionVerifier verifier = verifier(); // which knew none of them

    assertThat(verifier.verify(anew).sessionId()).isEqualTo("s2");
    assertThat(verifier.verify(old).sessionId()).isEqualTo("s1");
    assertThat(fetched).hasValue(1);
  }

  @Test
  void replacedKey_isFound() {
    AssertionKeys keys = AssertionKeys.generate(Algorithm.ES256, clock);
    SignedAssertions signer = signer(keys);
    AssertionVerifier verifier = verifier();
    assertThat(verifier.verify(signer.sign(ALICE, wiki())).subject()).isEqualTo("a-1");

    keys.replace();
    String anew = signer.sign(ALICE, wiki());

    assertThat(verifier.verify(anew).subject()).isEqualTo("a-1");
    assertThat(fetched).hasValue(2);
  }

  @Test
  void keysThatCannotBeHad_areAnErrorOfTheirOwn() {
    String assertion = signer(Algorithm.ES256).sign(ALICE, wiki());
    Supplier<String> right = served;
    AssertionVerifier verifier = verifier();
    for (int wrong : List.of(500, 404, 302)) {
      status = wrong;
      assertUnavailable(verifier(), assertion);
    }
    status = 200;
    served = () -> "{\"keys\":[" + " ".repeat(200_000) + "]}";
    assertUnavailable(verifier(), assertion);
    served = right;
    assertThat(verifier.verify(assertion).subject()).isEqualTo("a-1");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://gateway.example.com/.apprxy/jwks.json",
        "ftp://localhost/",
        "file:///etc/passwd",
        "http://127.0.0.1.evil.test/",
        "https://user@gateway.example.com/",
        "nothing"
      })
  void keys_areAtAnHttpsUrlOnly_orAtALoopbackAddress(String url) {
    assertThatThrownBy(() -> AssertionVerifier.builder().keys(url))
        .isInstanceOf(IllegalArgumentException.class);
    AssertionVerifier.builder().keys("http://127.0.0.1:8080/.apprxy/jwks.json");
    AssertionVerifier.builder().keys("http://localhost/.apprxy/jwks.json");
    AssertionVerifier.builder().keys("https://gateway.example.com/.apprxy/jwks.json");
  }

  @Test
  void verifier_needsToKnowWhomItIsFor() {
    assertThatThrownBy(() -> AssertionVerifier.builder().issuer("i").audience("a").build())
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> AssertionVerifier.builder().audience(" "))
        .isInstanceOf(IllegalArgumentException.class);
  }

  // ---- parts

  private SignedAssertions signer(Algorithm algorithm) {
    return signer(AssertionKeys.generate(algorithm, clock));
  }

  private SignedAssertions signer(AssertionKeys keys) {
    SignedAssertions signer =
        SignedAssertions.builder().issuer(ISSUER).keys(keys).clock(clock).build();
    served = signer::publicKeys;
    return signer;
  }

  private AssertionVerifier verifier() {
    return verifier(settings -> settings);
  }

  private AssertionVerifier verifier(UnaryOperator<AssertionVerifier.Builder> settings) {
    return settings
        .apply(
            AssertionVerifier.builder()
                .keys("http://127.0.0.1:" + server.getAddress().getPort() + "/.apprxy/jwks.json")
                .issuer(ISSUER)
                .audience("wiki")
                .clock(clock))
        .build();
  }

  /** A key of the test's own, as if the gateway had it. */
  private ECKey published() throws Exception {
    ECKey key = new ECKeyGenerator(Curve.P_256).keyID("k").generate();
    served = () -> new JWKSet(key.toPublicJWK()).toString();
    return key;
  }

  private static JWSHeader.Builder header(String keyId) {
    return new JWSHeader.Builder(JWSAlgorithm.ES256).keyID(keyId);
  }

  private String signed(ECKey key, JWSHeader.Builder header, Consumer<JWTClaimsSet.Builder> change)
      throws Exception {
    SignedJWT jwt = new SignedJWT(header.build(), genuine(change));
    jwt.sign(new ECDSASigner(key));
    return jwt.serialize();
  }

  private JWTClaimsSet genuine(Consumer<JWTClaimsSet.Builder> change) {
    JWTClaimsSet.Builder claims =
        new JWTClaimsSet.Builder()
            .issuer(ISSUER)
            .audience("wiki")
            .subject("a-1")
            .claim("idp", "https://idp.test")
            .claim("sid", "session-1")
            .claim("auth_time", 5L)
            .issueTime(Date.from(clock.instant()))
            .expirationTime(Date.from(clock.instant().plusSeconds(60)));
    change.accept(claims);
    return claims.build();
  }

  private static Identity identity(String session, Map<String, Object> claims) {
    return new Identity(ALICE.issuer(), ALICE.subject(), session, ALICE.authenticatedAt(), claims);
  }

  private static Application wiki() {
    return wiki(SignedAssertion.defaults());
  }

  private static Application wiki(SignedAssertion assertion) {
    return application("wiki", assertion);
  }

  private static Application application(String id, SignedAssertion assertion) {
    return Application.builder(id)
        .externalUrl("https://" + id + ".example/")
        .internalUrl("http://" + id + ".corp/")
        .assignEveryone()
        .signedAssertion(assertion)
        .build();
  }

  private static void assertRefused(AssertionVerifier verifier, String assertion) {
    assertCode(verifier, assertion, ErrorCode.NOT_VOUCHED_FOR);
  }

  private static void assertUnavailable(AssertionVerifier verifier, String assertion) {
    assertCode(verifier, assertion, ErrorCode.GATEWAY_KEYS_UNAVAILABLE);
  }

  private static void assertCode(AssertionVerifier verifier, String assertion, ErrorCode code) {
    assertThatThrownBy(() -> verifier.verify(assertion))
        .isInstanceOfSatisfying(GatewayException.class, e -> assertThat(e.code()).isEqualTo(code));
  }
}
