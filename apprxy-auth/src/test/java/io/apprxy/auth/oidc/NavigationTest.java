package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.oidc.TestBrowser.Page;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Who is redirected to sign in, who is told to, and where both come back to. */
class NavigationTest extends OidcTest {

  static Map<String, String>[] programs() {
    @SuppressWarnings({"unchecked", "rawtypes"})
    Map<String, String>[] headers =
        new Map[] {
          Map.of(),
          Map.of("Accept", "application/json"),
          Map.of("Accept", "*/*"),
          Map.of("Accept", "text/html", "Sec-Fetch-Mode", "cors"),
          Map.of("Accept", "text/html", "Sec-Fetch-Mode", "no-cors"),
          Map.of("Accept", "text/html", "Sec-Fetch-Mode", "websocket"),
          Map.of("Accept", "text/html", "X-Requested-With", "XMLHttpRequest"),
        };
    return headers;
  }

  @ParameterizedTest
  @MethodSource("programs")
  void program_isToldWhereToSignIn(Map<String, String> headers) throws Exception {
    Page page = browser.send("GET", "/api/items?id=7", headers);

    assertThat(page.response().status()).isEqualTo(401);
    assertThat(page.header("Content-Type")).startsWith("application/problem+json");
    assertThat(page.header("WWW-Authenticate")).isNotEmpty();
    assertThat(page.header("Cache-Control")).isEqualTo("no-store");
    JsonNode problem = new JsonMapper().readTree(page.body());
    assertThat(problem.get("code").asString()).isEqualTo("APX-201");
    assertThat(problem.get("status").asInt()).isEqualTo(401);
    assertThat(problem.get("sign_in_url").asString())
        .isEqualTo("https://wiki.example/.apprxy/sign-in?return=%2Fapi%2Fitems%3Fid%3D7");
  }

  @ParameterizedTest
  @ValueSource(strings = {"POST", "PUT", "DELETE", "OPTIONS"})
  void requestThatIsNoNavigation_isNotRedirected_whateverItAccepts(String method) throws Exception {
    Page page =
        browser.send(method, "/", Map.of("Accept", "text/html", "Sec-Fetch-Mode", "navigate"));

    assertThat(page.response().status()).isEqualTo(401);
  }

  @ParameterizedTest
  @ValueSource(strings = {"GET", "HEAD"})
  void oldBrowserThatOpensAPage_isRedirected(String method) throws Exception {
    Page page = browser.send(method, "/", Map.of("Accept", "text/html,*/*;q=0.8"));

    assertThat(page.response().status()).isEqualTo(302);
    assertThat(page.header("Location")).startsWith(provider.issuer());
  }

  @Test
  void expiredSession_ofAProgram_is401() throws Exception {
    browser.signIn(provider, "/");
    clock.advance(java.time.Duration.ofHours(13));

    assertThat(browser.send("GET", "/", Map.of()).response().status()).isEqualTo(401);
  }

  @Test
  void signInUrl_leadsThroughTheProvider_andBack() throws Exception {
    JsonNode problem = new JsonMapper().readTree(browser.send("GET", "/api?a=b", Map.of()).body());
    java.net.URI signIn = java.net.URI.create(problem.get("sign_in_url").asString());

    Page callback = browser.open(provider.authorize(browser.open(signIn).location()));

    assertThat(callback.header("Location")).isEqualTo("https://wiki.example/api?a=b");
  }

  // ---- open redirects

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://evil.test/",
        "//evil.test",
        "///evil.test",
        "/%5Cevil.test",
        "/%5C/evil.test",
        "%5C%5Cevil.test",
        "/%2Fevil.test",
        "/%252Fevil.test",
        "/%255Cevil.test",
        "/%09/evil.test",
        "%09//evil.test",
        "/%0d%0aLocation:%20https://evil.test",
        "/a%0d%0aSet-Cookie:%20a=b",
        "javascript:alert(1)",
        "@evil.test",
        ".evil.test",
        "evil.test",
        "/../..//evil.test",
        "/.//evil.test",
        "/%252e%252e//evil.test",
        "/a/../.apprxy/sign-out",
        "/.apprxy/sign-out",
        "/%252eapprxy/sign-out",
        "/.%2561pprxy/sign-out",
        "/.APPRXY/sign-out",
        "/caf%C3%A9",
        "/%00",
        "/%20x",
        "",
      })
  void returnElsewhere_isReturnToTheRoot(String wish) throws Exception {
    Page start = browser.open("/.apprxy/sign-in?return=" + wish);

    Page callback = browser.open(provider.authorize(start.location()));

    assertThat(callback.header("Location")).isEqualTo("https://wiki.example/");
  }

  @Test
  void returnElsewhere_isNoRedirect_forWhoIsSignedInAlready() throws Exception {
    browser.signIn(provider, "/");

    assertThat(browser.open("/.apprxy/sign-in?return=%2F%2Fevil.test").header("Location"))
        .isEqualTo("https://wiki.example/");
  }

  @ParameterizedTest
  @CsvSource({
    "/page, /page",
    "/a/b?c=d%26e, /a/b?c=d&e",
    "/a?u=https%3A%2F%2Fother.test%2F, /a?u=https://other.test/",
  })
  void returnToAPageOfTheHost_isPossible(String wish, String page) throws Exception {
    browser.signIn(provider, "/");

    assertThat(
            browser
                .open(
                    "/.apprxy/sign-in?return="
                        + java.net.URLEncoder.encode(
                            java.net.URLDecoder.decode(
                                wish, java.nio.charset.StandardCharsets.UTF_8),
                            java.nio.charset.StandardCharsets.UTF_8))
                .header("Location"))
        .isEqualTo("https://wiki.example" + page);
  }

  @Test
  void pageThatIsTooLongToRemember_isForgotten_andItsQueryFirst() throws Exception {
    assertThat(browser.signIn(provider, "/page?" + "x".repeat(2_100)).header("Location"))
        .isEqualTo("https://wiki.example/page");
    browser.cookies.clear();
    assertThat(browser.signIn(provider, "/" + "x".repeat(2_100)).header("Location"))
        .isEqualTo("https://wiki.example/");
  }

  // ---- passthrough

  @Test
  void passthroughApplication_isReachedByAnybody() throws Exception {
    browser.application =
        Application.builder("public")
            .externalUrl("https://wiki.example/")
            .internalUrl("http://wiki.corp/")
            .passthrough()
            .build();

    Page page = browser.open("/");
    assertThat(page.reachedApplication()).isTrue();
    assertThat(page.identity()).isNull();
  }

  // ---- who is signed in

  @Test
  void userPage_tellsWhoIsSignedIn() throws Exception {
    browser.signIn(provider, "/");

    JsonNode user = new JsonMapper().readTree(browser.open("/.apprxy/user").body());

    assertThat(user.get("name").asString()).isEqualTo("ada");
    assertThat(user.get("groups").get(0).asString()).isEqualTo("mathematicians");
  }

  @Test
  void userPage_withoutSession_is401() throws Exception {
    assertThat(browser.open("/.apprxy/user").response().status()).isEqualTo(401);
  }

  @Test
  void userPage_tellsWhoseTheCertificateIs_whateverTheSession() throws Exception {
    browser.signIn(provider, "/");
    TestExchange exchange =
        new TestExchange(
            "wiki.example", "GET", "/.apprxy/user", Map.of(), browser.cookies, TestBrowser.WIKI);
    exchange.identify(
        new Identity(
            "CN=users", "CN=grace", "s", Instant.EPOCH, Map.of("preferred_username", "grace")));

    Verdict.Answer answer = (Verdict.Answer) gateway.authenticate(exchange);

    assertThat(new JsonMapper().readTree(answer.response().body()).get("name").asString())
        .isEqualTo("grace");
  }
}
