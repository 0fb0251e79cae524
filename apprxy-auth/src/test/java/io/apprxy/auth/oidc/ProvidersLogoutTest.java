package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import io.apprxy.cluster.SharedState;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** OpenID Connect Back-Channel Logout 1.0 and Front-Channel Logout 1.0. */
class ProvidersLogoutTest extends OidcTest {
  private static final String BACK = "/.apprxy/backchannel-logout";
  private static final String FRONT = "/.apprxy/frontchannel-logout";
  private static final String EVENT = "http://schemas.openid.net/event/backchannel-logout";

  private final SessionKeys keys = SessionKeys.generate();
  private final SharedState state = SharedState.inMemory();

  @Override
  OidcPreAuthentication.Builder gateway() {
    return super.gateway()
        .sessions(Sessions.builder().keys(keys).state(state).clock(clock).build());
  }

  @BeforeEach
  void signIn() throws Exception {
    provider.claims = claims -> claims.put("sid", "s-1");
    browser.signIn(provider, "/");
    assertSignedIn();
    clock.advance(Duration.ofSeconds(1));
  }

  // ---- what it ends

  @Test
  void logoutOfAProvidersSession_endsOurs_onAllGateways() throws Exception {
    TestBrowser atTheOther = new TestBrowser(gateway().build());
    atTheOther.cookies.putAll(browser.cookies);
    assertThat(atTheOther.open("/").reachedApplication()).isTrue();

    Response done = logOut(token(claims -> {}));

    assertThat(done.status()).isEqualTo(200);
    assertThat(header(done, "Cache-Control")).isEqualTo("no-store");
    assertSignedOut();
    assertThat(atTheOther.open("/").reachedApplication()).isFalse();
  }

  @Test
  void logoutOfAUser_endsAllTheirSessions() throws Exception {
    provider.claims = claims -> claims.put("sid", "s-2");
    TestBrowser second = new TestBrowser(gateway);
    second.signIn(provider, "/");
    clock.advance(Duration.ofSeconds(1));

    assertThat(logOut(token(claims -> claims.remove("sid"))).status()).isEqualTo(200);

    assertSignedOut();
    assertThat(second.open("/").reachedApplication()).isFalse();
  }

  @Test
  void logoutOfOneSession_leavesTheUsersOthers() throws Exception {
    provider.claims = claims -> claims.put("sid", "s-2");
    TestBrowser second = new TestBrowser(gateway);
    second.signIn(provider, "/");

    assertThat(logOut(token(claims -> claims.remove("sub"))).status()).isEqualTo(200);

    assertSignedOut();
    assertThat(second.open("/").reachedApplication()).isTrue();
  }

  @Test
  void logoutOfAnotherUser_orSession_endsNothingHere() throws Exception {
    assertThat(logOut(token(claims -> claims.put("sid", "s-9"))).status()).isEqualTo(200);
    assertThat(
            logOut(
                    token(
                        claims -> {
                          claims.remove("sid");
                          claims.put("sub", "somebody else");
                        }))
                .status())
        .isEqualTo(200);
    assertSignedIn();
  }

  @ParameterizedTest
  @ValueSource(strings = {"logout+jwt", "application/logout+jwt", "JWT", ""})
  void typesThatProvidersUse_areTaken(String type) throws Exception {
    assertThat(logOut(sign(type, claims())).status()).isEqualTo(200);
    assertSignedOut();
  }

  @Test
  void severalAudiences_withUsAmongThem_areTaken() throws Exception {
    assertThat(logOut(token(c -> c.put("aud", List.of("other", TestProvider.CLIENT)))).status())
        .isEqualTo(200);
    assertSignedOut();
  }

  // ---- what is refused

  static List<Arguments> refusedClaims() {
    List<Arguments> all = new ArrayList<>();
    refused(all, "of another issuer", claims -> claims.put("iss", "https://evil.example"));
    refused(all, "without an issuer", claims -> claims.remove("iss"));
    refused(all, "for another client", claims -> claims.put("aud", "another"));
    refused(all, "without an audience", claims -> claims.remove("aud"));
    refused(all, "with a nonce", claims -> claims.put("nonce", "n"));
    refused(all, "without events", claims -> claims.remove("events"));
    refused(all, "with no event", claims -> claims.put("events", Map.of()));
    refused(all, "with a list of events", claims -> claims.put("events", List.of(EVENT)));
    refused(all, "of another event", claims -> claims.put("events", Map.of("urn:x", Map.of())));
    refused(all, "with an event that is none", claims -> claims.put("events", Map.of(EVENT, "x")));
    refused(all, "of nobody", claims -> claims.keySet().removeAll(List.of("sub", "sid")));
    refused(all, "with a sub that is no text", claims -> claims.put("sub", List.of("4711")));
    refused(all, "with a sid that is no text", claims -> claims.put("sid", List.of("s-1")));
    refused(all, "with an empty sid", claims -> claims.put("sid", ""));
    refused(all, "with a long sid", claims -> claims.put("sid", "s".repeat(600)));
    refused(all, "without iat", claims -> claims.remove("iat"));
    refused(all, "with an iat that is no time", claims -> claims.put("iat", "now"));
    refused(all, "without exp", claims -> claims.remove("exp"));
    refused(all, "without jti", claims -> claims.remove("jti"));
    refused(all, "with a long jti", claims -> claims.put("jti", "j".repeat(600)));
    return all;
  }

  private static void refused(List<Arguments> all, String what, Consumer<Map<String, Object>> how) {
    all.add(Arguments.of(what, how));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refusedClaims")
  void token_thatIsNotAsItMustBe_isRefused(String what, Consumer<Map<String, Object>> how)
      throws Exception {
    assertRefused(token(how));
  }

  @Test
  void tokenFromTheFuture_orThatHasExpired_isRefused() throws Exception {
    long now = clock.instant().getEpochSecond();
    assertRefused(token(claims -> claims.put("iat", now + 61)));
    assertRefused(token(claims -> claims.put("exp", now - 61)));
    assertRefused(token(claims -> claims.put("nbf", now + 61)));
    assertRefused(
        token(
            claims -> {
              claims.put("iat", now - 3_700);
              claims.put("exp", now + 1_000_000);
            }));
    assertThat(logOut(token(claims -> claims.put("iat", now + 59))).status()).isEqualTo(200);
  }

  @ParameterizedTest
  @ValueSource(strings = {"at+jwt", "secevent+jwt", "dpop+jwt", "id_token"})
  void tokenOfAnotherType_isRefused(String type) throws Exception {
    assertRefused(sign(type, claims()));
  }

  @Test
  void tokenThatIsNotSigned_orByAnotherKey_isRefused() throws Exception {
    JWTClaimsSet claims = JWTClaimsSet.parse(claims());
    assertRefused(new PlainJWT(claims).serialize());
    SignedJWT other =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.RS256)
                .keyID(TestProvider.RSA.getKeyID())
                .type(new JOSEObjectType("logout+jwt"))
                .build(),
            claims);
    other.sign(new RSASSASigner(TestProvider.OTHER_RSA));
    assertRefused(other.serialize());
    SignedJWT confused =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.HS256).keyID(TestProvider.RSA.getKeyID()).build(),
            claims);
    confused.sign(new MACSigner(TestProvider.RSA.toRSAPublicKey().getEncoded()));
    assertRefused(confused.serialize());
    String whole = token(c -> {});
    assertRefused(whole.substring(0, whole.length() - 4) + "AAAA");
    assertRefused("not a token");
    assertRefused("");
  }

  @Test
  void idToken_isNoLogoutToken() throws Exception {
    assertRefused(
        sign(
            "JWT",
            Map.of(
                "iss",
                provider.issuer(),
                "sub",
                "4711",
                "aud",
                TestProvider.CLIENT,
                "iat",
                clock.instant().getEpochSecond(),
                "exp",
                clock.instant().getEpochSecond() + 60,
                "jti",
                "1",
                "sid",
                "s-1")));
  }

  @Test
  void tokenThatWasUsed_isRefused_onAllGateways_untilItHasExpired() throws Exception {
    String token = token(claims -> claims.put("sid", "s-9"));
    assertThat(logOut(token).status()).isEqualTo(200);

    assertRefused(token);
    gateway = gateway().build();
    assertRefused(token);
    clock.advance(Duration.ofSeconds(121 + 60));
    assertRefused(token);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "token=x", "logout_token=", "logout_token=a&logout_token=b", "%%%"})
  void formThatIsNotWhole_isRefused(String form) throws Exception {
    assertThat(post(form, "application/x-www-form-urlencoded").status()).isEqualTo(400);
    assertSignedIn();
  }

  @Test
  void otherFormsOfRequest_areRefused() throws Exception {
    String form = "logout_token=" + token(claims -> {});
    assertThat(post(form, "application/json").status()).isEqualTo(400);
    assertThat(post("x".repeat(100_000), "application/x-www-form-urlencoded").status())
        .isEqualTo(400);
    assertThat(browser.open(BACK + "?" + form).response().status()).isEqualTo(405);
    assertSignedIn();
  }

  @Test
  void providerWhoseKeysCannotBeHad_mayTryAgainWithTheSameToken() throws Exception {
    provider.keys = List.of();
    gateway = gateway().build();
    String token = token(claims -> {});
    assertThat(logOut(token).status()).isEqualTo(400);
    provider.keys = List.of(TestProvider.RSA);
    gateway = gateway().build();
    assertThat(logOut(token).status()).isEqualTo(200);
    assertSignedOut();
  }

  /** The user is on the way back from the provider when it logs them out. */
  @Test
  void signInThatIsUnderWay_whenItsSessionIsLoggedOut_comesToNothing() throws Exception {
    TestBrowser late = new TestBrowser(gateway);
    java.net.URI callback = provider.authorize(late.open("/").location());
    assertThat(
            logOut(token(claims -> claims.put("iat", clock.instant().getEpochSecond() + 30)))
                .status())
        .isEqualTo(200);
    clock.advance(Duration.ofMillis(10));

    assertRefused(() -> late.open(callback), io.apprxy.ErrorCode.SESSION_ENDED);
  }

  // ---- the front channel

  @Test
  void frameOfTheProvider_endsTheSession_withoutItsCookieToo() throws Exception {
    TestBrowser frame = new TestBrowser(gateway);

    Response answer = frame.open(FRONT + "?" + issAndSid(provider.issuer(), "s-1")).response();

    assertThat(answer.status()).isEqualTo(200);
    assertThat(header(answer, "Cache-Control")).isEqualTo("no-store");
    assertThat(header(answer, "Content-Security-Policy"))
        .contains("frame-ancestors " + provider.issuer());
    assertSignedOut();
  }

  @Test
  void frameWithTheCookie_takesItAway() throws Exception {
    browser.open(FRONT + "?" + issAndSid(provider.issuer(), "s-1"));
    assertThat(browser.cookies).doesNotContainKey(SESSION);
  }

  @Test
  void frameOfAnotherSession_endsNothing_andIsNotRemembered() throws Exception {
    browser.open(FRONT + "?" + issAndSid(provider.issuer(), "s-2"));
    assertSignedIn();
    assertThat(state.entries("ended/").toCompletableFuture().join()).isEmpty();
  }

  @Test
  void frameThatDoesNotSayWhose_isRefused() throws Exception {
    for (String query :
        List.of(
            "",
            "?sid=s-1",
            "?iss=" + encode(provider.issuer()),
            "?" + issAndSid("https://evil.example", "s-1"))) {
      assertThat(browser.open(FRONT + query).response().status()).as(query).isEqualTo(400);
    }
    assertSignedIn();
  }

  // ---- parts

  private static String issAndSid(String issuer, String sid) {
    return "iss=" + encode(issuer) + "&sid=" + encode(sid);
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  private Map<String, Object> claims() {
    long now = clock.instant().getEpochSecond();
    Map<String, Object> claims = new HashMap<>();
    claims.put("iss", provider.issuer());
    claims.put("aud", TestProvider.CLIENT);
    claims.put("iat", now);
    claims.put("exp", now + 120);
    claims.put("jti", UUID.randomUUID().toString());
    claims.put("sub", "4711");
    claims.put("sid", "s-1");
    claims.put("events", Map.of(EVENT, Map.of()));
    return claims;
  }

  private String token(Consumer<Map<String, Object>> bend) throws Exception {
    Map<String, Object> claims = claims();
    bend.accept(claims);
    return sign("logout+jwt", claims);
  }

  private static String sign(String type, Map<String, Object> claims) throws Exception {
    JWSHeader.Builder header =
        new JWSHeader.Builder(JWSAlgorithm.RS256).keyID(TestProvider.RSA.getKeyID());
    if (!type.isEmpty()) {
      header.type(new JOSEObjectType(type));
    }
    com.nimbusds.jose.JWSObject token =
        new com.nimbusds.jose.JWSObject(header.build(), new com.nimbusds.jose.Payload(claims));
    token.sign(new RSASSASigner(TestProvider.RSA));
    return token.serialize();
  }

  private void assertRefused(String token) throws Exception {
    Response refused = logOut(token);
    assertThat(refused.status()).isEqualTo(400);
    assertThat(header(refused, "Cache-Control")).isEqualTo("no-store");
    assertThat(new String(refused.body(), StandardCharsets.UTF_8)).contains("\"error\"");
    assertSignedIn();
  }

  private void assertSignedIn() throws Exception {
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  private Response logOut(String token) throws Exception {
    return post("logout_token=" + encode(token), "application/x-www-form-urlencoded");
  }

  private Response post(String body, String type) throws Exception {
    TestExchange request =
        new TestExchange(
                "wiki.example",
                "POST",
                BACK,
                Map.of("Content-Type", type),
                Map.of(),
                browser.application)
            .withBody(body);
    Verdict verdict = gateway.authenticate(request);
    if (verdict instanceof Verdict.Later later) {
      verdict = later.outcome().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }
    return ((Verdict.Answer) verdict).response();
  }

  private static String header(Response response, String name) {
    return response.headers().stream()
        .filter(header -> header.name().equals(name))
        .map(Response.Header::value)
        .findFirst()
        .orElse(null);
  }
}
