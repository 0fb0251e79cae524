package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.RSAKey;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import io.apprxy.cluster.SharedState;
import io.apprxy.observe.SignInEvent;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** RFC 8935, 8417 and 9493; OpenID SSF, CAEP and RISC 1.0. */
class SecurityEventsTest extends OidcTest {
  private static final String CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
  private static final String RISC = "https://schemas.openid.net/secevent/risc/event-type/";
  private static final String VERIFICATION =
      "https://schemas.openid.net/secevent/ssf/event-type/verification";
  private static final String TRANSMITTER = "https://signals.example";
  private static final String AUDIENCE = "https://gateway.example";
  private static final String BEARER = "b3arer-of-the-transmitter";

  private final SessionKeys keys = SessionKeys.generate();
  private final AtomicBoolean reachable = new AtomicBoolean(true);
  private final SharedState state = reachableWhile(reachable, SharedState.inMemory());
  private final List<SignInEvent> events = new ArrayList<>();

  @Override
  OidcPreAuthentication.Builder gateway() {
    return super.gateway()
        .sessions(
            Sessions.builder().keys(keys).state(state).signInLog(events::add).clock(clock).build())
        .transmitter(transmitter(TRANSMITTER, BEARER).speaksFor(provider.issuer()).build())
        .transmitter(transmitter("https://other.example", "b3arer-of-the-other-one").build());
  }

  private SecurityEventTransmitter.Builder transmitter(String issuer, String bearer) {
    return SecurityEventTransmitter.builder(issuer)
        .jwksUri(provider.issuer() + "/keys")
        .audience(AUDIENCE)
        .bearer(bearer);
  }

  @BeforeEach
  void signIn() throws Exception {
    provider.claims =
        claims -> {
          claims.put("sid", "s-1");
          claims.put("email", "ada@example.com");
          claims.put("deviceid", "d-1");
        };
    browser.signIn(provider, "/");
    assertSignedIn();
    clock.advance(Duration.ofSeconds(1));
  }

  // ---- what ends sessions

  @ParameterizedTest
  @ValueSource(
      strings = {
        CAEP + "session-revoked",
        CAEP + "token-claims-change",
        CAEP + "credential-change",
        CAEP + "assurance-level-change",
        CAEP + "device-compliance-change",
        RISC + "account-disabled",
        RISC + "account-purged",
        RISC + "account-credential-change-required",
        RISC + "credential-compromise",
        RISC + "sessions-revoked",
        RISC + "identifier-changed",
        RISC + "identifier-recycled"
      })
  void event_endsTheSessionsOfItsUser(String kind) throws Exception {
    Response accepted = push(event(kind, Map.of(), user("4711")));

    assertThat(accepted.status()).isEqualTo(202);
    assertThat(accepted.body()).isEmpty();
    assertSignedOut();
    assertThat(events)
        .filteredOn(event -> event.kind() == SignInEvent.Kind.SESSION_ENDED)
        .singleElement()
        .satisfies(
            event ->
                assertThat(event.details())
                    .containsEntry("reason", kind.substring(kind.lastIndexOf('/') + 1)));
  }

  @ParameterizedTest
  @CsvSource({
    "credential-change, change_type, create, true",
    "credential-change, change_type, revoke, false",
    "credential-change, change_type, update, false",
    "assurance-level-change, change_direction, increase, true",
    "assurance-level-change, change_direction, decrease, false",
    "device-compliance-change, current_status, compliant, true",
    "device-compliance-change, current_status, not-compliant, false",
    "risk-level-change, current_level, LOW, true",
    "risk-level-change, current_level, MEDIUM, true",
    "risk-level-change, current_level, HIGH, false",
    "session-established, x, y, true",
    "session-presented, x, y, true",
    "something-new, x, y, true"
  })
  void event_isReadForWhatItSays(String kind, String member, String value, boolean stays)
      throws Exception {
    assertThat(push(event(CAEP + kind, Map.of(member, value), user("4711"))).status())
        .isEqualTo(202);
    assertThat(browser.open("/").reachedApplication()).isEqualTo(stays);
  }

  @ParameterizedTest
  @ValueSource(strings = {"account-enabled", "opt-in", "recovery-activated"})
  void eventOfRisc_thatTakesNothingAway_endsNothing(String kind) throws Exception {
    assertThat(push(event(RISC + kind, Map.of(), user("4711"))).status()).isEqualTo(202);
    assertSignedIn();
  }

  @Test
  void verification_isTaken_andEndsNothing() throws Exception {
    String token =
        event(VERIFICATION, Map.of("state", "x"), Map.of("format", "opaque", "id", "stream-1"));
    assertThat(push(token).status()).isEqualTo(202);
    assertSignedIn();
  }

  // ---- whose

  private Map<String, Object> user(String subject) {
    return Map.of("format", "iss_sub", "iss", provider.issuer(), "sub", subject);
  }

  private static Map<String, Object> opaque(String id) {
    return Map.of("format", "opaque", "id", id);
  }

  private Map<String, Object> complex(String what, Map<String, Object> part) {
    return Map.of("format", "complex", "user", user("4711"), what, part);
  }

  @Test
  void subject_isFoundInAllItsForms() throws Exception {
    List<Map<String, Object>> forms =
        List.of(
            user("4711"),
            Map.of("format", "email", "email", "Ada@Example.com"),
            opaque("4711"),
            opaque("s-1"),
            Map.of("format", "aliases", "identifiers", List.of(user("x"), user("4711"))),
            complex("tenant", opaque("t")),
            complex("session", opaque("s-1")),
            complex("device", opaque("d-1")),
            Map.of("format", "complex", "session", opaque("s-1")),
            Map.of("format", "complex", "device", opaque("d-1")),
            Map.of("user", user("4711"), "session", opaque("s-1")),
            Map.of(
                "format",
                "complex",
                "user",
                Map.of("format", "email", "email", "ada@example.com"),
                "session",
                opaque("s-other")));
    for (Map<String, Object> form : forms) {
      assertThat(push(event(CAEP + "session-revoked", Map.of(), form)).status())
          .as(form.toString())
          .isEqualTo(202);
      assertThat(browser.open("/").reachedApplication()).as(form.toString()).isFalse();
      clock.advance(Duration.ofSeconds(1));
      browser.signIn(provider, "/");
      assertSignedIn();
      clock.advance(Duration.ofSeconds(1));
    }
  }

  @Test
  void subjectOfOthers_isNotMistaken() throws Exception {
    List<Map<String, Object>> forms =
        List.of(
            user("4712"),
            Map.of("format", "email", "email", "eve@example.com"),
            opaque("s-2"),
            complex("session", opaque("s-2")),
            complex("device", opaque("d-2")));
    for (Map<String, Object> form : forms) {
      assertThat(push(event(CAEP + "session-revoked", Map.of(), form)).status()).isEqualTo(202);
    }
    assertSignedIn();
  }

  /** What concerns the account is not only about the session that it was seen in. */
  @Test
  void accountThatIsDisabled_losesAllSessions_whateverSessionIsNamed() throws Exception {
    assertThat(
            push(event(RISC + "account-disabled", Map.of(), complex("session", opaque("s-2"))))
                .status())
        .isEqualTo(202);
    assertSignedOut();
  }

  @Test
  void subjectInTheEvent_asInDrafts_isFound() throws Exception {
    String token =
        token(
            claims -> {
              claims.remove("sub_id");
              claims.put(
                  "events", Map.of(CAEP + "session-revoked", Map.of("subject", user("4711"))));
            });
    assertThat(push(token).status()).isEqualTo(202);
    assertSignedOut();
  }

  // ---- what is refused

  static List<Arguments> refused() {
    List<Arguments> all = new ArrayList<>();
    refused(all, "invalid_issuer", c -> c.put("iss", "https://evil.example"));
    refused(all, "invalid_issuer", c -> c.remove("iss"));
    refused(all, "authentication_failed", c -> c.put("iss", "https://other.example"));
    refused(all, "invalid_audience", c -> c.put("aud", "https://evil.example"));
    refused(all, "invalid_audience", c -> c.remove("aud"));
    refused(all, "invalid_request", c -> c.remove("iat"));
    refused(all, "invalid_request", c -> c.put("iat", 4_000_000_000L));
    refused(all, "invalid_request", c -> c.put("iat", 1_000_000_000L));
    refused(all, "invalid_request", c -> c.put("exp", 1_000_000_000L));
    refused(all, "invalid_request", c -> c.remove("jti"));
    refused(all, "invalid_request", c -> c.remove("events"));
    refused(all, "invalid_request", c -> c.put("events", Map.of()));
    refused(all, "invalid_request", c -> c.put("events", Map.of(CAEP + "session-revoked", "x")));
    refused(all, "invalid_request", c -> c.put("nonce", "n"));
    refused(all, "invalid_request", c -> c.remove("sub_id"));
    refused(all, "invalid_request", c -> c.put("sub_id", "4711"));
    refused(all, "invalid_request", c -> c.put("sub_id", Map.of()));
    refused(all, "invalid_request", c -> c.put("sub_id", Map.of("format", "did", "url", "did:x")));
    refused(all, "invalid_request", c -> c.put("sub_id", Map.of("format", "opaque")));
    refused(all, "invalid_request", c -> c.put("sub_id", opaque("x".repeat(600))));
    refused(all, "invalid_request", c -> c.put("sub_id", Map.of("format", "complex")));
    refused(
        all,
        "invalid_request",
        c -> c.put("sub_id", Map.of("format", "complex", "tenant", opaque("t"))));
    refused(
        all,
        "invalid_request",
        c ->
            c.put(
                "sub_id",
                Map.of(
                    "format",
                    "aliases",
                    "identifiers",
                    List.of(Map.of("format", "aliases", "identifiers", List.of())))));
    refused(
        all,
        "access_denied",
        c ->
            c.put(
                "sub_id",
                Map.of("format", "iss_sub", "iss", "https://elsewhere.example", "sub", "4711")));
    return all;
  }

  private static void refused(List<Arguments> all, String code, Consumer<Map<String, Object>> how) {
    all.add(Arguments.of(code, how));
  }

  @ParameterizedTest
  @MethodSource("refused")
  void eventThatIsNotAsItMustBe_isRefused_withACode(String code, Consumer<Map<String, Object>> how)
      throws Exception {
    assertRefused(push(token(how)), code);
  }

  @ParameterizedTest
  @ValueSource(strings = {"JWT", "logout+jwt", "at+jwt", ""})
  void tokenOfAnotherType_isRefused(String type) throws Exception {
    assertRefused(push(sign(type, TestProvider.RSA, claims())), "invalid_key");
  }

  @Test
  void tokenOfAnotherKey_isRefused() throws Exception {
    RSAKey forged =
        new RSAKey.Builder(TestProvider.OTHER_RSA).keyID(TestProvider.RSA.getKeyID()).build();
    assertRefused(push(sign("secevent+jwt", forged, claims())), "invalid_key");
    assertRefused(push("not a token"), "invalid_request");
  }

  @Test
  void transmitterThatProvesNothing_isRefused_beforeAnythingIsRead() throws Exception {
    String token = token(claims -> {});
    for (List<String> headers :
        List.of(
            List.<String>of(),
            List.of("Bearer wrong"),
            List.of("Bearer "),
            List.of(BEARER),
            List.of("Basic " + BEARER))) {
      assertRefused(push(token, headers, "application/secevent+jwt"), "authentication_failed");
    }
  }

  @Test
  void otherContent_isRefused() throws Exception {
    String token = token(claims -> {});
    assertRefused(push(token, List.of("Bearer " + BEARER), "application/jwt"), "invalid_request");
    assertRefused(push("x".repeat(70_000)), "invalid_request");
    assertThat(browser.open("/.apprxy/events").response().status()).isEqualTo(405);
  }

  @Test
  void eventThatWasTaken_isTakenAgain_andDoesNothing() throws Exception {
    String token = token(claims -> {});
    assertThat(push(token).status()).isEqualTo(202);
    clock.advance(Duration.ofSeconds(1));
    browser.signIn(provider, "/");

    assertThat(push(token).status()).isEqualTo(202);
    gateway = gateway().build();
    assertThat(push(token).status()).isEqualTo(202);

    browser = withSameCookies();
    assertSignedIn();
  }

  private TestBrowser withSameCookies() {
    TestBrowser same = new TestBrowser(gateway);
    same.cookies.putAll(browser.cookies);
    return same;
  }

  @Test
  void eventThatComesLate_counts() throws Exception {
    String token = token(claims -> {});
    clock.advance(Duration.ofMinutes(50));
    assertThat(push(token).status()).isEqualTo(202);
    assertSignedOut();
  }

  /** RFC 8935 §2.4 has no code for that: the transmitter sends it again, and then it counts. */
  @Test
  void eventWhoseSignatureCannotBeVerified_isForLater() throws Exception {
    String token = token(claims -> {});
    provider.keys = null;

    Response later = push(token);

    assertThat(later.status()).isEqualTo(503);
    assertThat(later.headers()).contains(new Response.Header("Retry-After", "5"));
    assertSignedIn();
    provider.keys = List.of(TestProvider.RSA);
    clock.advance(Duration.ofSeconds(31));
    gateway = gateway().build(); // by another node, which has not asked for keys
    browser = withSameCookies();
    assertThat(push(token).status()).isEqualTo(202);
    assertSignedOut();
  }

  @Test
  void eventThatCouldNotBeCarriedOut_isForLater_andThenCounts() throws Exception {
    String token = token(claims -> {});
    reachable.set(false);
    assertThat(push(token).status()).isEqualTo(503);
    reachable.set(true);

    assertThat(push(token).status()).isEqualTo(202);

    assertSignedOut();
  }

  @Test
  void gatewayWithoutTransmitters_hasNoSuchPage() throws Exception {
    gateway = super.gateway().build();
    assertRefused(() -> push(token(claims -> {})), io.apprxy.ErrorCode.NO_SUCH_PAGE);
  }

  // ---- access tokens

  @Test
  void accessTokenFromBefore_isRefused_oneFromAfterwardsIsNot() throws Exception {
    ApiClient client = new ApiClient(gateway, AccessTokensTest.API);
    String before = accessToken();
    ApiClient.Outcome open = client.bearer(before);
    assertThat(open.identity()).isNotNull();
    assertThat(open.exchange().identityStands()).isTrue();
    clock.advance(Duration.ofSeconds(1));

    assertThat(push(token(claims -> {})).status()).isEqualTo(202);

    assertThat(open.exchange().identityStands()).isFalse();
    assertThat(client.bearer(before).identity()).isNull();
    clock.advance(Duration.ofSeconds(1));
    assertThat(client.bearer(accessToken()).identity()).isNotNull();
  }

  private String accessToken() throws Exception {
    long now = clock.instant().getEpochSecond();
    Map<String, Object> claims = new HashMap<>();
    claims.put("iss", provider.issuer());
    claims.put("sub", "4711");
    claims.put("aud", "api://wiki");
    claims.put("iat", now);
    claims.put("exp", now + 3_600);
    claims.put("client_id", "mobile app");
    claims.put("scope", "read");
    return sign("at+jwt", TestProvider.RSA, claims);
  }

  // ---- configuration

  @Test
  void configuration_isCheckedWhenItIsBuilt() {
    assertThatThrownBy(() -> SecurityEventTransmitter.builder("http://signals.example"))
        .hasMessageContaining("issuer must be an https URL");
    assertThatThrownBy(
            () -> SecurityEventTransmitter.builder(TRANSMITTER).jwksUri("http://signals.example/k"))
        .hasMessageContaining("jwksUri must be an https URL");
    assertThatThrownBy(() -> SecurityEventTransmitter.builder(TRANSMITTER).bearer("short"))
        .hasMessageContaining("16 or more")
        .hasMessageNotContaining("short");
    assertThatThrownBy(() -> SecurityEventTransmitter.builder(TRANSMITTER).audience())
        .hasMessageContaining("audience must be one or more");
    assertThatThrownBy(() -> SecurityEventTransmitter.builder(TRANSMITTER).build())
        .hasMessageContaining("is missing");
    assertThatThrownBy(
            () -> gateway().transmitter(transmitter(TRANSMITTER, BEARER).build()).build())
        .hasMessageContaining("two transmitters");
    assertThat(transmitter(TRANSMITTER, BEARER).build().toString()).doesNotContain(BEARER);
  }

  // ---- parts

  private static SharedState reachableWhile(AtomicBoolean reachable, SharedState state) {
    return (SharedState)
        Proxy.newProxyInstance(
            SharedState.class.getClassLoader(),
            new Class<?>[] {SharedState.class},
            (proxy, method, arguments) ->
                reachable.get() || method.getReturnType() != CompletionStage.class
                    ? method.invoke(state, arguments)
                    : CompletableFuture.failedFuture(new IllegalStateException("unreachable")));
  }

  private Map<String, Object> claims() {
    Map<String, Object> claims = new HashMap<>();
    claims.put("iss", TRANSMITTER);
    claims.put("aud", AUDIENCE);
    claims.put("iat", clock.instant().getEpochSecond());
    claims.put("jti", UUID.randomUUID().toString());
    claims.put("sub_id", user("4711"));
    claims.put("events", Map.of(CAEP + "session-revoked", Map.of()));
    return claims;
  }

  private String event(String kind, Map<String, Object> event, Map<String, Object> subject)
      throws Exception {
    return token(
        claims -> {
          claims.put("sub_id", subject);
          claims.put("events", Map.of(kind, event));
        });
  }

  private String token(Consumer<Map<String, Object>> bend) throws Exception {
    Map<String, Object> claims = claims();
    bend.accept(claims);
    return sign("secevent+jwt", TestProvider.RSA, claims);
  }

  private static String sign(String type, RSAKey key, Map<String, Object> claims) throws Exception {
    JWSHeader.Builder header = new JWSHeader.Builder(JWSAlgorithm.RS256).keyID(key.getKeyID());
    if (!type.isEmpty()) {
      header.type(new JOSEObjectType(type));
    }
    JWSObject token = new JWSObject(header.build(), new Payload(claims));
    token.sign(new RSASSASigner(key));
    return token.serialize();
  }

  private Response push(String token) throws Exception {
    return push(token, List.of("Bearer " + BEARER), "application/secevent+jwt");
  }

  private Response push(String token, List<String> authorization, String type) throws Exception {
    Map<String, String> headers = new HashMap<>(Map.of("Content-Type", type));
    authorization.forEach(value -> headers.put("Authorization", value));
    TestExchange request =
        new TestExchange(
                "wiki.example", "POST", "/.apprxy/events", headers, Map.of(), browser.application)
            .withBody(token);
    Verdict verdict = gateway.authenticate(request);
    if (verdict instanceof Verdict.Later later) {
      verdict = later.outcome().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }
    return ((Verdict.Answer) verdict).response();
  }

  private void assertRefused(Response refused, String code) throws Exception {
    assertThat(refused.status()).isEqualTo(400);
    assertThat(new String(refused.body(), StandardCharsets.UTF_8))
        .contains("\"err\":\"" + code + "\"")
        .contains("\"description\"");
    assertSignedIn();
  }

  private void assertSignedIn() throws Exception {
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }
}
