package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the gateway signs, and what the connector believes. */
class AssertionsTest {
  private static final Application WIKI = application("wiki").assignEveryone().build();
  private static final Application MAIL = application("mail").assignEveryone().build();
  private static final Application PUBLIC = application("public").passthrough().build();

  private final TestClock clock = new TestClock();
  private final AssertionIssuer issuer = new AssertionIssuer(clock);
  private final Assertions connector = new Assertions(issuer.publicKeys(), clock);
  private final Identity alice = identity("alice", Map.of("groups", List.of("staff"), "n", 7L));

  /** A key that the connector trusts and this test has. */
  private final ECKey key = newKey("known");

  private final Assertions trusting =
      new Assertions(new JWKSet(key.toPublicJWK()).toString(), clock);

  // ---- believed

  @Test
  void identity_crossesWhole() {
    assertThat(connector.verify(issuer.issue(alice, WIKI), WIKI, false)).isEqualTo(alice);
  }

  @Test
  void nobody_crossesToAPassthroughApplication() {
    assertThat(connector.verify(issuer.issue(null, PUBLIC), PUBLIC, true)).isNull();
  }

  @Test
  void assertion_isReusedWhileFresh_andRenewedBeforeItEnds() {
    String first = issuer.issue(alice, WIKI);
    clock.advance(Duration.ofSeconds(39));
    assertThat(issuer.issue(alice, WIKI)).isEqualTo(first);

    clock.advance(Duration.ofSeconds(1));
    assertThat(issuer.issue(alice, WIKI)).isNotEqualTo(first);
    assertThat(connector.verify(first, WIKI, false)).isEqualTo(alice);
  }

  @Test
  void clockOfTheGateway_thatIsSetBack_hasAssertionsSignedAnew() {
    clock.advance(Duration.ofHours(2));
    String ahead = issuer.issue(alice, WIKI);
    clock.advance(Duration.ofHours(-2));

    assertThat(issuer.issue(alice, WIKI)).isNotEqualTo(ahead);
    assertThat(connector.verify(issuer.issue(alice, WIKI), WIKI, false)).isEqualTo(alice);
  }

  @Test
  void identitiesOfOneSession_thatDiffer_shareNoAssertion() {
    Identity promoted = identity("alice", Map.of("groups", List.of("admins")));

    assertThat(connector.verify(issuer.issue(alice, WIKI), WIKI, false)).isEqualTo(alice);
    assertThat(connector.verify(issuer.issue(promoted, WIKI), WIKI, false)).isEqualTo(promoted);
  }

  @Test
  void rotatedKey_isBelievedByWhoKnowsIt_andSoIsTheOneBefore() {
    String before = issuer.issue(alice, WIKI);
    issuer.addKey();
    assertThat(connector.verify(issuer.issue(alice, WIKI), WIKI, false)).isEqualTo(alice);
    Assertions informed = new Assertions(issuer.publicKeys(), clock);
    issuer.useNewestKey();

    assertThat(informed.verify(issuer.issue(alice, WIKI), WIKI, false)).isEqualTo(alice);
    assertThat(informed.verify(before, WIKI, false)).isEqualTo(alice);
    assertRefused(() -> connector.verify(issuer.issue(alice, WIKI), WIKI, false));
  }

  @Test
  void publishedKeys_arePublic() {
    assertThat(issuer.publicKeys()).doesNotContain("\"d\"");
  }

  // ---- not meant for this

  @Test
  void assertionForAnotherApplication_isRefused_alsoOnceItWasSeen() {
    String forWiki = issuer.issue(alice, WIKI);
    connector.verify(forWiki, WIKI, false);

    assertRefused(() -> connector.verify(forWiki, MAIL, false));
  }

  @Test
  void nobody_isRefused_whereAUserIsNeeded() {
    assertRefused(() -> connector.verify(issuer.issue(null, WIKI), WIKI, false));
  }

  @Test
  void nobody_crosses_whereTheRequestPassesThrough_andNoUserDoes() {
    assertThat(connector.verify(issuer.issue(null, WIKI), WIKI, true)).isNull();
    assertRefused(() -> connector.verify(issuer.issue(alice, WIKI), WIKI, true));
  }

  @Test
  void user_isRefused_wherePassthroughIsConfigured() {
    assertRefused(() -> connector.verify(issuer.issue(alice, PUBLIC), PUBLIC, true));
  }

  @Test
  void assertion_afterItsTime_isRefused_alsoOnceItWasSeen() {
    String old = issuer.issue(alice, WIKI);
    connector.verify(old, WIKI, false);
    clock.advance(Duration.ofSeconds(74));
    connector.verify(old, WIKI, false);
    clock.advance(Duration.ofSeconds(1));

    assertRefused(() -> connector.verify(old, WIKI, false));
    assertRefused(() -> new Assertions(issuer.publicKeys(), clock).verify(old, WIKI, false));
  }

  @Test
  void assertion_beforeItsTime_isRefused_alsoOnceItWasSeen() {
    String early = issuer.issue(alice, WIKI);
    connector.verify(early, WIKI, false);
    clock.advance(Duration.ofSeconds(-15));
    connector.verify(early, WIKI, false);
    clock.advance(Duration.ofSeconds(-1));

    assertRefused(() -> connector.verify(early, WIKI, false));
    assertRefused(() -> new Assertions(issuer.publicKeys(), clock).verify(early, WIKI, false));
  }

  // ---- forged

  @Test
  void noAssertion_isRefused() {
    assertRefused(() -> connector.verify(null, WIKI, false));
    assertRefused(() -> connector.verify("", WIKI, false));
  }

  @Test
  void assertionOfAnotherGateway_isRefused() {
    assertRefused(
        () -> connector.verify(new AssertionIssuer(clock).issue(alice, WIKI), WIKI, false));
  }

  @Test
  void anotherKeyWithAKnownName_isRefused() {
    ECKey forger = newKey("known");

    assertRefused(
        () -> trusting.verify(signed(forger, JWSAlgorithm.ES256, claims -> {}), WIKI, false));
  }

  @Test
  void honestTestKey_isBelieved() throws Exception {
    assertThat(trusting.verify(signed(key, JWSAlgorithm.ES256, claims -> {}), WIKI, false))
        .isEqualTo(alice);
  }

  @Test
  void publicKeyTakenForASecret_isRefused() throws Exception {
    byte[] known = key.toPublicJWK().toJSONString().getBytes(StandardCharsets.UTF_8);

    assertRefused(
        () ->
            trusting.verify(
                signed(JWSAlgorithm.HS256, new MACSigner(known), c -> {}), WIKI, false));
  }

  @Test
  void unsigned_isRefused() {
    String genuine = issuer.issue(alice, WIKI);
    String payload = genuine.split("\\.")[1];
    String none = Base64URL.encode("{\"alg\":\"none\",\"kid\":\"known\"}") + "." + payload + ".";

    assertRefused(() -> connector.verify(none, WIKI, false));
    assertRefused(
        () -> connector.verify(genuine.substring(0, genuine.lastIndexOf('.') + 1), WIKI, false));
  }

  @Test
  void truncatedAnywhere_isRefused() {
    String genuine = issuer.issue(alice, WIKI);
    for (int length = 0; length < genuine.length(); length++) {
      String part = genuine.substring(0, length);
      assertRefused(() -> connector.verify(part, WIKI, false));
    }
  }

  @Test
  void claimsChangedAfterSigning_areRefused() {
    String[] parts = issuer.issue(alice, WIKI).split("\\.");
    String changed = Base64URL.from(parts[1]).decodeToString().replace("staff", "admin");

    assertRefused(
        () ->
            connector.verify(
                parts[0] + "." + Base64URL.encode(changed) + "." + parts[2], WIKI, false));
  }

  @Test
  void oversized_isNotLookedAt() {
    Identity many = identity("many", Map.of("groups", List.of("x".repeat(70_000))));

    assertRefused(() -> connector.verify(issuer.issue(many, WIKI), WIKI, false));
  }

  // ---- signed by the gateway's key, and wrong nevertheless

  @ParameterizedTest
  @ValueSource(strings = {"iss", "aud", "iat", "exp", "sub", "idp", "sid", "auth_time", "claims"})
  void claimThatIsMissing_refusesTheAssertion(String name) {
    assertRefused(
        () ->
            trusting.verify(
                signed(key, JWSAlgorithm.ES256, claims -> claims.claim(name, null)), WIKI, false));
  }

  @Test
  void severalAudiences_areRefused() {
    assertRefused(
        () ->
            trusting.verify(
                signed(key, JWSAlgorithm.ES256, claims -> claims.audience(List.of("wiki", "mail"))),
                WIKI,
                false));
  }

  @Test
  void anotherIssuer_isRefused() {
    assertRefused(
        () ->
            trusting.verify(
                signed(key, JWSAlgorithm.ES256, claims -> claims.issuer("https://other.test")),
                WIKI,
                false));
  }

  @Test
  void lifetimeBeyondAMinute_isRefused() {
    assertRefused(
        () ->
            trusting.verify(
                signed(
                    key,
                    JWSAlgorithm.ES256,
                    claims -> claims.expirationTime(at(Duration.ofSeconds(61)))),
                WIKI,
                false));
  }

  @Test
  void assertionFromTheFuture_isRefused() {
    assertRefused(
        () ->
            trusting.verify(
                signed(
                    key,
                    JWSAlgorithm.ES256,
                    claims ->
                        claims
                            .issueTime(at(Duration.ofSeconds(16)))
                            .expirationTime(at(Duration.ofSeconds(60)))),
                WIKI,
                false));
  }

  @ParameterizedTest
  @ValueSource(strings = {"JWT", "apprxy-nobody+jwt", "apprxy-login", "at+jwt"})
  void anotherType_isRefused(String type) throws Exception {
    SignedJWT typed =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.ES256)
                .keyID("known")
                .type(new JOSEObjectType(type))
                .build(),
            claims(c -> {}));
    typed.sign(new ECDSASigner(key));

    assertRefused(() -> trusting.verify(typed.serialize(), WIKI, false));
  }

  @Test
  void garbageForKeys_isRefusedAtOnce() {
    assertThatThrownBy(() -> new Assertions("{}", clock))
        .isInstanceOf(IllegalArgumentException.class);
  }

  // ---- parts

  private interface Verification {
    void run() throws Exception;
  }

  private static void assertRefused(Verification verification) {
    assertThatThrownBy(verification::run)
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.ASSERTION_REFUSED));
  }

  private String signed(ECKey with, JWSAlgorithm algorithm, Consumer<JWTClaimsSet.Builder> change)
      throws Exception {
    return signed(algorithm, new ECDSASigner(with), change);
  }

  private String signed(
      JWSAlgorithm algorithm, JWSSigner signer, Consumer<JWTClaimsSet.Builder> change)
      throws Exception {
    SignedJWT jwt =
        new SignedJWT(
            new JWSHeader.Builder(algorithm).keyID("known").type(Assertions.OF_USER).build(),
            claims(change));
    jwt.sign(signer);
    return jwt.serialize();
  }

  private JWTClaimsSet claims(Consumer<JWTClaimsSet.Builder> change) {
    JWTClaimsSet.Builder claims =
        new JWTClaimsSet.Builder()
            .issuer(Assertions.ISSUER)
            .audience("wiki")
            .issueTime(at(Duration.ZERO))
            .expirationTime(at(Duration.ofSeconds(60)))
            .subject(alice.subject())
            .claim("idp", alice.issuer())
            .claim("sid", alice.sessionId())
            .claim("auth_time", alice.authenticatedAt().getEpochSecond())
            .claim("claims", alice.claims());
    change.accept(claims);
    return claims.build();
  }

  private Date at(Duration fromNow) {
    return Date.from(clock.instant().plus(fromNow));
  }

  private static Identity identity(String subject, Map<String, Object> claims) {
    return new Identity(
        "https://issuer.test", subject, "session-1", Instant.parse("2026-01-01T00:00:00Z"), claims);
  }

  private static ECKey newKey(String id) {
    try {
      return new ECKeyGenerator(Curve.P_256).keyID(id).generate();
    } catch (com.nimbusds.jose.JOSEException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Application.Builder application(String id) {
    return Application.builder(id)
        .externalUrl("https://" + id + ".example/")
        .internalUrl("http://" + id + ".corp/")
        .connectorGroup("corp");
  }
}
