package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.ErrorCode;
import io.apprxy.auth.oidc.TestBrowser.Page;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The browser comes back from the provider, or says so. */
class CallbackTest extends OidcTest {

  // ---- as it should be

  @Test
  void signIn_endsAtThePageFirstAskedFor() throws Exception {
    Page callback = browser.signIn(provider, "/page?a=b%20c&d");

    assertThat(callback.response().status()).isEqualTo(302);
    assertThat(callback.header("Location")).isEqualTo("https://wiki.example/page?a=b%20c&d");
    assertThat(browser.open("/page").identity().subject()).isEqualTo("4711");
  }

  @Test
  void identity_hasTheClaimsAboutTheUser_andNoneAboutTheToken() throws Exception {
    browser.signIn(provider, "/");

    assertThat(browser.open("/").identity().claims())
        .containsOnlyKeys("preferred_username", "groups", "aud")
        .containsEntry("aud", TestProvider.CLIENT);
  }

  @Test
  void request_toTheProvider_isTheCodeFlowWithPkceStateAndNonce() throws Exception {
    Map<String, List<String>> request =
        URLUtils.parseParameters(browser.open("/").location().getRawQuery());

    assertThat(request)
        .containsEntry("response_type", List.of("code"))
        .containsEntry("client_id", List.of(TestProvider.CLIENT))
        .containsEntry("redirect_uri", List.of("https://wiki.example/.apprxy/callback"))
        .containsEntry("code_challenge_method", List.of("S256"))
        .containsEntry("tenant", List.of("1"))
        .containsKeys("state", "nonce", "code_challenge", "scope");
  }

  @Test
  void twoSignIns_shareNeitherStateNorNonceNorChallenge() throws Exception {
    String first = browser.open("/").location().getRawQuery();
    String second = browser.open("/").location().getRawQuery();
    for (String name : List.of("state", "nonce", "code_challenge")) {
      assertThat(parameter(first, name)).isNotEqualTo(parameter(second, name));
    }
  }

  // ---- many tabs

  @Test
  void tenTabs_allSignIn_inWhateverOrderTheyComeBack() throws Exception {
    List<URI> callbacks = new ArrayList<>();
    for (int tab = 0; tab < 10; tab++) {
      callbacks.add(callbackFor("/tab/" + tab));
    }
    Collections.shuffle(callbacks, new Random(1));

    List<String> pages = new ArrayList<>();
    for (URI callback : callbacks) {
      pages.add(browser.open(callback).header("Location"));
    }
    assertThat(pages)
        .containsExactlyInAnyOrderElementsOf(
            IntStream.range(0, 10).mapToObj(tab -> "https://wiki.example/tab/" + tab).toList());
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  /** None of them has a cookie yet, and the browser keeps that of one. */
  @Test
  void tenTabs_thatBeginAtTheSameInstant_allSignIn() throws Exception {
    List<CompletableFuture<String>> tabs = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      int tab = i;
      tabs.add(CompletableFuture.supplyAsync(() -> followToThePage("/tab/" + tab)));
    }
    for (int tab = 0; tab < 10; tab++) {
      assertThat(tabs.get(tab).join()).isEqualTo("/tab/" + tab);
    }
  }

  /** What a browser does: follows redirects, and the provider signs in without a question. */
  private String followToThePage(String path) {
    try {
      Page page = browser.open(path);
      String at = path;
      for (int hop = 0; !page.reachedApplication(); hop++) {
        assertThat(hop).as("redirects of " + path).isLessThan(20);
        URI next = page.location();
        if (next.toString().startsWith(provider.issuer())) {
          next = provider.authorize(next);
        }
        at = next.getRawPath();
        page = browser.open(next);
      }
      return at;
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  // ---- state

  @Test
  void callback_withoutState_isRefused() {
    assertRefused(() -> browser.open("/.apprxy/callback?code=x"), ErrorCode.SIGN_IN_FAILED);
  }

  @ParameterizedTest
  @ValueSource(strings = {"x", "..", "eyJhbGciOiJub25lIn0.e30."})
  void callback_withAForgedState_isRefused(String state) {
    assertRefused(
        () -> browser.open("/.apprxy/callback?code=x&state=" + state), ErrorCode.SIGN_IN_FAILED);
  }

  @Test
  void callback_withTheLoginCookieAsState_isRefused() throws Exception {
    browser.open("/");
    assertRefused(
        () -> browser.open("/.apprxy/callback?code=x&state=" + browser.cookies.get(LOGIN)),
        ErrorCode.SIGN_IN_FAILED);
  }

  @Test
  void callback_afterAQuarterOfAnHour_isRefused() throws Exception {
    URI callback = callbackFor("/");
    clock.advance(Duration.ofMinutes(15));

    assertRefused(() -> browser.open(callback), ErrorCode.SIGN_IN_FAILED);
    assertThat(provider.tokenRequests).hasValue(0);
  }

  /** Login CSRF: an attacker has a victim's browser complete the attacker's sign-in. */
  @Test
  void callbackOfAnotherBrowser_signsNobodyIn() throws Exception {
    URI attackers = callbackFor("/");
    TestBrowser victim = new TestBrowser(gateway);

    Page answer = victim.open(attackers);

    assertThat(answer.location().getPath()).isEqualTo("/.apprxy/sign-in");
    assertThat(victim.cookies).doesNotContainKey(SESSION);
    assertThat(provider.tokenRequests).hasValue(0);
  }

  @Test
  void callbackOfAnotherBrowser_signsNobodyIn_alsoWhereTheVictimIsSigningInToo() throws Exception {
    URI attackers = callbackFor("/");
    TestBrowser victim = new TestBrowser(gateway);
    victim.open("/");

    assertThat(victim.open(attackers).location().getPath()).isEqualTo("/.apprxy/sign-in");
    assertThat(victim.cookies).doesNotContainKey(SESSION);
  }

  @Test
  void browserThatKeepsNoCookies_isToldSo_andNotRedirectedForever() throws Exception {
    URI next = callbackFor("/");
    for (int i = 0; i < 3; i++) {
      browser.cookies.clear();
      URI again = browser.open(next).location();
      browser.cookies.clear();
      next = provider.authorize(browser.open(again).location());
    }
    browser.cookies.clear();
    URI last = next;
    assertRefused(() -> browser.open(last), ErrorCode.SIGN_IN_FAILED);
  }

  @Test
  void callbackOnAnotherHost_isRefused() throws Exception {
    URI callback = callbackFor("/");
    TestBrowser elsewhere = new TestBrowser(gateway, "mail.example");
    elsewhere.cookies.putAll(browser.cookies);

    assertRefused(() -> elsewhere.open(callback), ErrorCode.SIGN_IN_FAILED);
  }

  // ---- replay

  @Test
  void callback_whenReloaded_leadsToThePage_withoutASecondLookAtTheCode() throws Exception {
    URI callback = callbackFor("/page");
    browser.open(callback);

    assertThat(browser.open(callback).header("Location")).isEqualTo("https://wiki.example/page");
    assertThat(provider.tokenRequests).hasValue(1);
  }

  @Test
  void callback_whenReplayedAfterTheSession_isRefused() throws Exception {
    URI callback = callbackFor("/");
    browser.open(callback);
    browser.cookies.remove(SESSION);

    assertRefused(() -> browser.open(callback), ErrorCode.SIGN_IN_FAILED);
  }

  @Test
  void codeThatWasRedeemed_signsInNobodyElse() throws Exception {
    URI first = callbackFor("/");
    browser.open(first);
    browser.cookies.remove(SESSION);
    String secondState = parameter(browser.open("/").location().getRawQuery(), "state");
    String code = parameter(first.getRawQuery(), "code");

    assertRefused(() -> browser.open(callback(code, secondState)), ErrorCode.SIGN_IN_FAILED);
  }

  /** The code of one sign-in with the state of another: PKCE tells them apart. */
  @Test
  void codeOfAnotherSignIn_isRefused() throws Exception {
    String stolen = parameter(callbackFor("/").getRawQuery(), "code");
    TestBrowser attacker = new TestBrowser(gateway);
    String state = parameter(attacker.open("/").location().getRawQuery(), "state");

    assertRefused(() -> attacker.open(callback(stolen, state)), ErrorCode.SIGN_IN_FAILED);
    assertThat(attacker.cookies).doesNotContainKey(SESSION);
  }

  private URI callback(String code, String state) {
    return URI.create(
        "https://wiki.example/.apprxy/callback?code="
            + code
            + "&state="
            + state
            + "&iss="
            + URLEncoder.encode(provider.issuer(), StandardCharsets.UTF_8));
  }

  // ---- the issuer (RFC 9207)

  @Test
  void responseOfAnotherIssuer_isRefused_beforeTheCodeIsSentAnywhere() throws Exception {
    provider.issuerParameter = "https://other.test";

    assertRefused(() -> browser.signIn(provider, "/"), ErrorCode.SIGN_IN_FAILED);
    assertThat(provider.tokenRequests).hasValue(0);
  }

  @Test
  void responseWithoutIssuer_isRefused_ifTheProviderSaysThatItNamesItself() throws Exception {
    provider.issuerParameter = null;

    assertRefused(() -> browser.signIn(provider, "/"), ErrorCode.SIGN_IN_FAILED);
  }

  @Test
  void responseWithoutIssuer_isTaken_ifTheProviderDoesNotNameItself() throws Exception {
    provider.issuerParameter = null;
    provider.metadata = map -> map.remove("authorization_response_iss_parameter_supported");
    browser.signIn(provider, "/");

    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  // ---- errors of the provider

  @ParameterizedTest
  @CsvSource({
    "access_denied, SIGN_IN_REFUSED",
    "login_required, SIGN_IN_FAILED",
    "invalid_request, SIGN_IN_FAILED",
    "temporarily_unavailable, PROVIDER_UNAVAILABLE",
    "server_error, PROVIDER_UNAVAILABLE",
    "made-up, SIGN_IN_FAILED",
  })
  void errorOfTheProvider_hasItsCode(String error, ErrorCode code) throws Exception {
    URI answer = provider.refuse(browser.open("/").location(), error);

    assertRefused(() -> browser.open(answer), code);
    assertThat(browser.cookies).doesNotContainKey(SESSION);
  }

  @Test
  void errorDescription_cannotForgeALineOfALog() throws Exception {
    URI answer = provider.refuse(browser.open("/").location(), "access_denied");

    assertThatThrownBy(() -> browser.open(answer)).hasMessageNotContainingAny("\r", "\n");
  }

  @Test
  void codeThatTheProviderRefuses_isAFailedSignIn() throws Exception {
    provider.tokenError = "invalid_grant";

    assertRefused(() -> browser.signIn(provider, "/"), ErrorCode.SIGN_IN_FAILED);
  }

  // ---- what is no callback

  @Test
  void parameterThatComesTwice_isRefused() throws Exception {
    URI callback = callbackFor("/");

    assertRefused(
        () -> browser.open(URI.create(callback + "&code=another")), ErrorCode.SIGN_IN_FAILED);
  }

  @ParameterizedTest
  @ValueSource(strings = {"POST", "HEAD", "PUT", "OPTIONS"})
  void callback_byAnotherMethod_isNotAllowed(String method) throws Exception {
    URI callback = callbackFor("/");
    Page answer =
        browser.send(method, callback.getRawPath() + "?" + callback.getRawQuery(), Map.of());

    assertThat(answer.response().status()).isEqualTo(405);
    assertThat(provider.tokenRequests).hasValue(0);
  }

  @Test
  void pageThatDoesNotExist_isSaidNotToExist() {
    assertRefused(() -> browser.open("/.apprxy/other"), ErrorCode.NO_SUCH_PAGE);
  }

  // ---- fixation

  /** The victim goes on with the sign-in page; what the attacker put there is of no use. */
  @Test
  void sessionThatAnAttackerPlanted_isReplacedAtTheSignIn() throws Exception {
    URI victims = callbackFor("/");
    TestBrowser attacker = new TestBrowser(gateway);
    attacker.signIn(provider, "/");
    String planted = attacker.open("/").identity().sessionId();
    browser.cookies.put(SESSION, attacker.cookies.get(SESSION));

    browser.open(victims);

    assertThat(browser.open("/").identity().sessionId()).isNotEqualTo(planted);
  }

  private static String parameter(String query, String name) {
    return URLUtils.parseParameters(query).get(name).get(0);
  }
}
