package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.auth.oidc.TestBrowser.Page;
import java.net.URI;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SignOutTest extends OidcTest {
  private static final String PAGE = "/.apprxy/sign-out";

  @BeforeEach
  void signIn() throws Exception {
    browser.signIn(provider, "/");
  }

  @Test
  void signOut_endsTheSession_alsoForACopyOfItsCookie() throws Exception {
    String stolen = browser.cookies.get(SESSION);

    browser.open(PAGE);

    assertThat(browser.cookies).isEmpty();
    browser.cookies.put(SESSION, stolen);
    assertSignedOut();
  }

  @Test
  void signOut_goesOnToTheProvider_withProofOfWhoseSessionEnds() throws Exception {
    Page answer = browser.open(PAGE);

    assertThat(answer.response().status()).isEqualTo(303);
    assertThat(answer.header("Location")).startsWith(provider.issuer() + "/logout?");
    Map<String, List<String>> request = URLUtils.parseParameters(answer.location().getRawQuery());
    assertThat(request)
        .containsEntry(
            "post_logout_redirect_uri", List.of("https://wiki.example/.apprxy/signed-out"))
        .containsEntry("client_id", List.of(TestProvider.CLIENT))
        .containsEntry("logout_hint", List.of("ada"));
    assertThat(SignedJWT.parse(request.get("id_token_hint").get(0)).getJWTClaimsSet().getSubject())
        .isEqualTo("4711");
  }

  @Test
  void signOut_whereTheProviderHasNone_endsAtThePageThatSaysSo() throws Exception {
    provider.metadata = map -> map.remove("end_session_endpoint");
    gateway = gateway().build();
    browser = new TestBrowser(gateway);
    browser.signIn(provider, "/");

    assertThat(browser.open(PAGE).header("Location"))
        .isEqualTo("https://wiki.example/.apprxy/signed-out");
    assertSignedOut();
  }

  @Test
  void signOut_whileTheProviderIsDown_endsTheSession() throws Exception {
    String session = browser.cookies.get(SESSION);
    provider.close();

    browser.open(PAGE);

    assertThat(browser.cookies).doesNotContainKey(SESSION);
    browser.cookies.put(SESSION, session);
    assertThat(browser.send("GET", "/", Map.of()).response().status()).isEqualTo(401);
  }

  @Test
  void signOut_withoutSession_isNoError() throws Exception {
    browser.cookies.clear();

    assertThat(browser.open(PAGE).response().status()).isEqualTo(303);
  }

  @Test
  void pageAfterTheSignOut_offersToSignIn() throws Exception {
    Page page = browser.open("/.apprxy/signed-out");

    assertThat(page.response().status()).isEqualTo(200);
    assertThat(page.body()).contains("You are signed out", "/.apprxy/sign-in");
    assertThat(page.header("Content-Security-Policy")).contains("default-src 'none'");
  }

  // ---- whose wish it is

  @ParameterizedTest
  @CsvSource({
    "GET, cross-site",
    "GET, same-site",
    "POST, cross-site",
    "POST, same-site",
    "POST, none"
  })
  void signOut_thatAnotherSiteWants_isAskedFor(String method, String site) throws Exception {
    Page page = browser.send(method, PAGE, Map.of("Sec-Fetch-Site", site));

    assertThat(page.response().status()).isEqualTo(200);
    assertThat(page.body()).contains("<form method=\"post\" action=\"/.apprxy/sign-out\">");
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  /** A page may be written by users, who embed what they like. */
  @ParameterizedTest
  @CsvSource({
    "same-origin, no-cors, image",
    "same-origin, cors, empty",
    "same-origin, navigate, iframe",
    "none, no-cors, image"
  })
  void signOut_thatAPageEmbeds_isAskedFor(String site, String mode, String destination)
      throws Exception {
    browser.send(
        "GET",
        PAGE,
        Map.of("Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", destination));

    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({"GET, same-origin", "GET, none", "POST, same-origin"})
  void signOut_thatTheUserWants_isDone(String method, String site) throws Exception {
    browser.send(
        method,
        PAGE,
        Map.of("Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"));

    assertSignedOut();
  }

  @Test
  void signOut_byAFormOfAnOldBrowser_isDone_ifTheFormIsOurs() throws Exception {
    browser.send("POST", PAGE, Map.of("Origin", "https://evil.test"));
    assertThat(browser.open("/").reachedApplication()).isTrue();

    browser.send("POST", PAGE, Map.of("Origin", "https://wiki.example"));
    assertSignedOut();
  }

  @Test
  void signOut_ofOneHost_leavesOthersAlone() throws Exception {
    TestBrowser mail = new TestBrowser(gateway, "mail.example");
    URI login = mail.open("/").location();
    mail.open(provider.authorize(login));

    browser.open(PAGE);

    assertThat(mail.open("/").reachedApplication()).isTrue();
  }
}
