package io.apprxy.auth.oidc;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.any;
import static com.github.tomakehurst.wiremock.client.WireMock.anyUrl;
import static com.github.tomakehurst.wiremock.client.WireMock.get;
import static com.github.tomakehurst.wiremock.client.WireMock.getRequestedFor;
import static com.github.tomakehurst.wiremock.client.WireMock.okJson;
import static com.github.tomakehurst.wiremock.client.WireMock.urlEqualTo;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.tomakehurst.wiremock.WireMockServer;
import com.github.tomakehurst.wiremock.client.ResponseDefinitionBuilder;
import com.github.tomakehurst.wiremock.core.WireMockConfiguration;
import com.github.tomakehurst.wiremock.http.Fault;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.TestClock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/** The provider is found by its issuer alone, and misbehaves. */
class DiscoveryTest {
  private static final String METADATA = "/.well-known/openid-configuration";

  private final WireMockServer provider =
      new WireMockServer(WireMockConfiguration.options().bindAddress("127.0.0.1").dynamicPort());
  private final TestClock clock = new TestClock();
  private TestBrowser browser;

  @BeforeEach
  void start() {
    provider.start();
    browser = browser(Duration.ofSeconds(20));
  }

  @AfterEach
  void stop() {
    provider.stop();
  }

  private TestBrowser browser(Duration timeout) {
    return new TestBrowser(
        OidcPreAuthentication.builder()
            .issuer(provider.baseUrl())
            .clientId("gateway")
            .clock(clock)
            .timeout(timeout)
            .build());
  }

  // ---- found

  @Test
  void provider_isFoundByItsIssuer() throws Exception {
    metadata(Map.of());

    assertThat(browser.open("/").location().toString())
        .startsWith(provider.baseUrl() + "/authorize?");
  }

  @Test
  void provider_isAskedOnce_byManyWhoComeAtTheSameTime() {
    metadata(Map.of());

    IntStream.range(0, 20)
        .mapToObj(i -> CompletableFuture.runAsync(() -> assertRedirected(browser)))
        .toList()
        .forEach(CompletableFuture::join);

    provider.verify(1, getRequestedFor(urlEqualTo(METADATA)));
  }

  @Test
  void providerThatIsDownAtFirst_isFoundWhenItIsUp() throws Exception {
    provider.stubFor(get(METADATA).willReturn(aResponse().withStatus(503)));
    assertRefused(browser, ErrorCode.PROVIDER_UNAVAILABLE);

    metadata(Map.of());
    assertRedirected(browser);
  }

  @Test
  void providerThatGoesDown_staysKnown() throws Exception {
    metadata(Map.of());
    assertRedirected(browser);
    clock.advance(Duration.ofHours(1));
    provider.stop();

    for (int i = 0; i < 3; i++) {
      assertRedirected(browser);
    }
  }

  @Test
  void providerThatMoves_isFoundAgain() throws Exception {
    metadata(Map.of());
    assertRedirected(browser);
    metadata(Map.of("authorization_endpoint", provider.baseUrl() + "/moved"));
    clock.advance(Duration.ofHours(1));

    long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    while (!browser.open("/").location().getPath().equals("/moved")) {
      assertThat(System.nanoTime()).isLessThan(deadline);
    }
  }

  @Test
  void nothing_isAskedOfTheProvider_beforeSomebodySignsIn() {
    provider.verify(0, getRequestedFor(urlEqualTo(METADATA)));
  }

  // ---- metadata that cannot be trusted

  @ParameterizedTest
  @CsvSource({
    "issuer, https://other.test",
    "issuer, ''",
    "authorization_endpoint, ftp://127.0.0.1/",
    "authorization_endpoint, http://provider.test/authorize",
    "authorization_endpoint, 'javascript:alert(1)'",
    "token_endpoint, http://provider.test/token",
    "token_endpoint, https://user:password@provider.test/token",
    "token_endpoint, https://provider.test/token#fragment",
    "jwks_uri, http://provider.test/keys",
    "jwks_uri, file:///etc/passwd",
    "end_session_endpoint, http://provider.test/logout",
  })
  void metadata_thatLeadsElsewhere_isRefused(String name, String value) {
    metadata(Map.of(name, value));

    assertRefused(browser, ErrorCode.PROVIDER_INVALID);
  }

  @Test
  void metadata_ofTheIssuerWithASlash_isOfAnother() {
    metadata(Map.of("issuer", provider.baseUrl() + "/"));

    assertRefused(browser, ErrorCode.PROVIDER_INVALID);
  }

  @ParameterizedTest
  @ValueSource(strings = {"authorization_endpoint", "token_endpoint", "jwks_uri", "issuer"})
  void metadata_thatLacksWhatASignInNeeds_isRefused(String name) {
    Map<String, Object> all = honest();
    all.remove(name);
    answer(okJson(new JsonMapper().writeValueAsString(all)));

    assertRefused(browser, ErrorCode.PROVIDER_INVALID);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "[]", "null", "<html>", "{", "{\"issuer\":1}"})
  void metadata_thatCannotBeRead_isRefused(String body) {
    answer(okJson(body));

    assertRefused(browser, ErrorCode.PROVIDER_INVALID);
  }

  @Test
  void metadata_thatIsTooLarge_isRefused() {
    answer(okJson("{\"a\":\"" + "x".repeat(ProviderHttp.MAX_BODY_BYTES) + "\"}"));

    assertRefused(browser, ErrorCode.PROVIDER_INVALID);
  }

  @Test
  void redirect_isNotFollowed() {
    provider.stubFor(
        any(anyUrl()).willReturn(okJson(new JsonMapper().writeValueAsString(honest()))));
    answer(aResponse().withStatus(302).withHeader("Location", provider.baseUrl() + "/moved"));

    assertRefused(browser, ErrorCode.PROVIDER_INVALID);
    provider.verify(0, getRequestedFor(urlEqualTo("/moved")));
  }

  // ---- a provider that is not there

  @ParameterizedTest
  @ValueSource(ints = {500, 502, 503, 429})
  void overloadedProvider_isUnavailable(int status) {
    answer(aResponse().withStatus(status));

    assertRefused(browser, ErrorCode.PROVIDER_UNAVAILABLE);
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void brokenAnswer_isNone(Fault fault) {
    answer(aResponse().withFault(fault));

    assertThatThrownBy(() -> browser.open("/"))
        .isInstanceOfSatisfying(
            GatewayException.class,
            e ->
                assertThat(e.code())
                    .isIn(ErrorCode.PROVIDER_UNAVAILABLE, ErrorCode.PROVIDER_INVALID));
  }

  @Test
  void providerThatDoesNotAnswer_isUnavailable() {
    answer(aResponse().withFixedDelay(60_000));

    assertRefused(browser(Duration.ofMillis(200)), ErrorCode.PROVIDER_UNAVAILABLE);
  }

  /** A timeout of each read would let it go on. */
  @Test
  void providerThatAnswersByteByByte_isUnavailable() {
    answer(
        okJson(new JsonMapper().writeValueAsString(honest())).withChunkedDribbleDelay(200, 60_000));

    assertRefused(browser(Duration.ofMillis(500)), ErrorCode.PROVIDER_UNAVAILABLE);
  }

  @Test
  void providerThatIsGone_isUnavailable() {
    provider.stop();

    assertRefused(browser, ErrorCode.PROVIDER_UNAVAILABLE);
  }

  // ---- settings

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://provider.test",
        "ftp://127.0.0.1",
        "https://",
        "provider.test",
        "",
        "https://provider.test?a=b",
        "https://provider.test#a",
        "https://user@provider.test",
        "http://127.0.0.1.evil.test",
        "http://localhost.evil.test"
      })
  void issuer_thatIsNoSafeUrl_isRefusedAtOnce(String issuer) {
    assertThatThrownBy(() -> OidcPreAuthentication.builder().issuer(issuer))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("issuer must be");
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "HS256", "RS1", ""})
  void algorithm_thatIsNotSafe_isRefusedAtOnce(String algorithm) {
    assertThatThrownBy(() -> OidcPreAuthentication.builder().algorithms(algorithm))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("algorithms must be");
  }

  @Test
  void scopes_withoutOpenid_areRefusedAtOnce() {
    assertThatThrownBy(() -> OidcPreAuthentication.builder().scopes("profile"))
        .hasMessageContaining("scopes must be a list with openid");
  }

  @Test
  void missingSettings_areNamed() {
    assertThatThrownBy(() -> OidcPreAuthentication.builder().build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("issuer is missing");
    assertThatThrownBy(() -> OidcPreAuthentication.builder().issuer("https://a.test").build())
        .hasMessageContaining("clientId is missing");
  }

  // ---- the provider

  private Map<String, Object> honest() {
    Map<String, Object> metadata = new LinkedHashMap<>();
    metadata.put("issuer", provider.baseUrl());
    metadata.put("authorization_endpoint", provider.baseUrl() + "/authorize");
    metadata.put("token_endpoint", provider.baseUrl() + "/token");
    metadata.put("jwks_uri", provider.baseUrl() + "/keys");
    metadata.put("response_types_supported", List.of("code"));
    metadata.put("subject_types_supported", List.of("public"));
    metadata.put("id_token_signing_alg_values_supported", List.of("RS256"));
    return metadata;
  }

  private void metadata(Map<String, Object> changes) {
    Map<String, Object> all = honest();
    all.putAll(changes);
    answer(okJson(new JsonMapper().writeValueAsString(all)));
  }

  private void answer(ResponseDefinitionBuilder answer) {
    provider.stubFor(get(METADATA).willReturn(answer));
  }

  private static void assertRedirected(TestBrowser browser) {
    try {
      assertThat(browser.open("/").response().status()).isEqualTo(302);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private static void assertRefused(TestBrowser browser, ErrorCode code) {
    OidcTest.assertRefused(() -> browser.open("/"), code);
  }
}
