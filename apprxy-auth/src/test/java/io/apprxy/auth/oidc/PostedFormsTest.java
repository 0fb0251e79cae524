package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.ErrorCode;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.oidc.TestBrowser.Page;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the gateway does for forms; that they survive is tried in a real browser. */
class PostedFormsTest extends OidcTest {
  private static final Map<String, String> FORM =
      Map.of(
          "Sec-Fetch-Site", "same-origin",
          "Sec-Fetch-Mode", "navigate",
          "Sec-Fetch-Dest", "document",
          "Accept", "text/html",
          "Content-Type", "application/x-www-form-urlencoded");

  private static final String FIELDS = "text=%3Cb%3E%22%0D%0A%27&to=bob&to=eve";

  @Test
  void form_waitsForTheSignIn_andItsUserIsAskedWhetherToSendIt() throws Exception {
    Page kept = browser.post("/save?id=7", FORM, FIELDS);
    assertThat(kept.response().status()).isEqualTo(401);
    assertThat(kept.header("WWW-Authenticate")).startsWith("Session");
    assertThat(kept.header("Cache-Control")).isEqualTo("no-store");

    Page back = browser.open(provider.authorize(browser.open(link(kept)).location()));
    assertThat(back.body()).contains("<a href=\"/save?id=7\">", "action=\"/.apprxy/form\"");

    Page question = ask(sealed(kept));
    assertThat(question.response().status()).isEqualTo(200);
    assertThat(question.body())
        .contains(
            "signed in as <b>ada</b>",
            "<form method=\"post\" action=\"/save?id=7\">",
            "<input type=\"hidden\" name=\"text\" value=\"&lt;b&gt;&quot;&#13;&#10;&#39;\">\n"
                + "<input type=\"hidden\" name=\"to\" value=\"bob\">\n"
                + "<input type=\"hidden\" name=\"to\" value=\"eve\">\n")
        .doesNotContain("<script");
    assertThat(question.header("Cache-Control")).isEqualTo("no-store");
    assertThat(question.header("Content-Security-Policy")).contains("frame-ancestors 'none'");
  }

  /** What the user wrote may be a secret, and the tab is the application's, too. */
  @Test
  void formThatWaits_isEncrypted() throws Exception {
    Page kept = browser.post("/save", FORM, "password=wonderland");

    assertThat(kept.body()).doesNotContain("wonderland", "password");
    assertThat(sealed(kept).split("\\.", -1)).as("JWE, RFC 7516 §3.1").hasSize(5);
  }

  @Test
  void form_isAskedForOnce() throws Exception {
    String sealed = sealed(browser.post("/save", FORM, FIELDS));
    browser.signIn(provider, "/");
    ask(sealed);

    assertRefused(() -> ask(sealed), ErrorCode.FORM_GONE);
  }

  @Test
  void form_waitsNoLongerThanASignIn() throws Exception {
    String sealed = sealed(browser.post("/save", FORM, FIELDS));
    clock.advance(Duration.ofMinutes(14));
    browser.signIn(provider, "/");
    clock.advance(Duration.ofMinutes(1));

    assertRefused(() -> ask(sealed), ErrorCode.FORM_GONE);
  }

  /** An attacker would have the victim send what the attacker wrote. */
  @Test
  void formOfAnotherBrowser_isRefused() throws Exception {
    String sealed = sealed(new TestBrowser(gateway).post("/save", FORM, FIELDS));
    browser.signIn(provider, "/");

    assertRefused(() -> ask(sealed), ErrorCode.FORM_GONE);
  }

  @Test
  void formOfAnotherHost_isRefused() throws Exception {
    TestBrowser other = new TestBrowser(gateway, "other.example");
    browser.cookies.putAll(other.cookies);
    Page kept = browser.post("/save", FORM, FIELDS);
    other.cookies.putAll(browser.cookies);
    other.signIn(provider, "/");

    assertRefused(
        () -> other.post(PostedForms.PATH, FORM, "form=" + sealed(kept)), ErrorCode.FORM_GONE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "form=", "form=a.b.c.d.e", "other=x", "form=a&form=b", "form"})
  void whatIsNoFormOfOurs_isRefused(String body) throws Exception {
    browser.signIn(provider, "/");

    assertRefused(() -> browser.post(PostedForms.PATH, FORM, body), ErrorCode.FORM_GONE);
  }

  /** A state of a sign-in is sealed with the same keys. */
  @Test
  void whatWasSealedForSomethingElse_isRefused() throws Exception {
    Page start = browser.open("/");
    Matcher state = Pattern.compile("state=([^&]+)").matcher(start.header("Location"));
    assertThat(state.find()).isTrue();
    browser.open(provider.authorize(start.location()));

    assertRefused(() -> ask(state.group(1)), ErrorCode.FORM_GONE);
  }

  @Test
  void whoIsNotSignedIn_isNotAsked() throws Exception {
    String sealed = sealed(browser.post("/save", FORM, FIELDS));

    Page answer = ask(sealed);

    assertThat(answer.response().status()).isEqualTo(401);
    assertThat(answer.body()).contains("APX-201").doesNotContain("bob");
  }

  @Test
  void anotherSite_cannotHaveTheUserAsked() throws Exception {
    String sealed = sealed(browser.post("/save", FORM, FIELDS));
    browser.signIn(provider, "/");

    for (String site : new String[] {"cross-site", "same-site", "none"}) {
      assertRefused(
          () -> browser.post(PostedForms.PATH, with("Sec-Fetch-Site", site), "form=" + sealed),
          ErrorCode.FORM_GONE);
    }
    assertThat(ask(sealed).response().status()).as("nor use it up").isEqualTo(200);
  }

  @Test
  void pageOfTheForm_isThereForPostsOnly() throws Exception {
    assertThat(browser.open(PostedForms.PATH).response().status()).isEqualTo(405);
  }

  /** SameSite keeps the session from them; a question must not take its place. */
  @ParameterizedTest
  @CsvSource({
    "Sec-Fetch-Site, cross-site",
    "Sec-Fetch-Site, same-site",
    "Sec-Fetch-Site, none",
    "Sec-Fetch-Mode, cors",
    "Sec-Fetch-Dest, iframe"
  })
  void whatNoPageOfTheApplicationSent_orNobodyLooksAt_doesNotWait(String name, String value)
      throws Exception {
    Page answer = browser.post("/save", with(name, value), FIELDS);

    assertThat(answer.response().status()).isEqualTo(401);
    assertThat(answer.header("Content-Type")).isEqualTo("application/problem+json");
  }

  @ParameterizedTest
  @CsvSource({"https://wiki.example, true", "https://evil.test, false", "null, false"})
  void browserThatTellsItsOriginOnly_isJudgedByThat(String origin, boolean waits) throws Exception {
    Map<String, String> old =
        Map.of(
            "Origin", origin,
            "Accept", "text/html",
            "Content-Type", "application/x-www-form-urlencoded");

    assertThat(browser.post("/save", old, FIELDS).header("Content-Type").startsWith("text/html"))
        .isEqualTo(waits);
  }

  @Test
  void requestOfAScript_doesNotWait() throws Exception {
    Map<String, String> script =
        Map.of(
            "Origin", "https://wiki.example",
            "Accept", "text/html",
            "X-Requested-With", "XMLHttpRequest",
            "Content-Type", "application/x-www-form-urlencoded");

    assertThat(browser.post("/save", script, FIELDS).header("Content-Type"))
        .isEqualTo("application/problem+json");
  }

  @Test
  void formThatCannotWait_isToldHowItGetsThere() throws Exception {
    Map<String, String> files = with("Content-Type", "multipart/form-data; boundary=x");
    for (Page page :
        List.of(
            browser.post("/save", files, "--x--"),
            browser.post("/save", with("Content-Type", "text/plain"), "a=b"),
            browser.post("/save", FORM, "a=" + "b".repeat(64 * 1024)),
            browser.post("/save", FORM, "a=%E4"),
            browser.post("/save", with("Content-Length", "99"), "a=b"),
            browser.post("/save?q=" + "x".repeat(3000), FORM, "a=b"))) {
      assertThat(page.response().status()).isEqualTo(401);
      assertThat(page.body())
          .contains("cannot be kept", "reload this page", "target=\"_blank\" rel=\"noopener\"")
          .doesNotContain("<script", "<input");
    }
  }

  @Test
  void formOfTheGreatestSize_waits() throws Exception {
    String fields = "a=" + "b".repeat(64 * 1024 - 2);
    String sealed = sealed(browser.post("/save", FORM, fields));
    browser.signIn(provider, "/");

    assertThat(ask(sealed).body()).contains("b".repeat(64 * 1024 - 2));
  }

  @Test
  void formThatAPolicyDemandsMoreFor_waits() throws Exception {
    browser.signIn(provider, "/");
    Page kept =
        browser.sendDemanding(
            "POST",
            "/save",
            FORM,
            FIELDS,
            new StepUpRequirement(List.of("mfa"), null, null, "A second factor is needed."));
    assertThat(kept.response().status()).isEqualTo(401);
    assertThat(link(kept)).contains("acr_values=mfa", "return=%2Fsave%23");
    provider.claims = claims -> claims.put("acr", "mfa");

    Page back = browser.open(provider.authorize(browser.open(link(kept)).location()));

    assertThat(back.body()).contains("<a href=\"/save\">");
    assertThat(ask(sealed(kept)).body()).contains("bob");
  }

  @Test
  void whereThereAreSeveralProviders_theUserChooses() throws Exception {
    OidcPreAuthentication.Builder two =
        OidcPreAuthentication.builder()
            .sessions(Sessions.builder().keys(SessionKeys.generate()).clock(clock).build());
    for (String name : new String[] {"staff", "guests"}) {
      two.provider(
          OidcProvider.builder(name)
              .issuer(provider.issuer() + (name.equals("staff") ? "" : "/guests"))
              .client(OidcClient.builder(TestProvider.CLIENT).secret(TestProvider.SECRET).build())
              .build());
    }

    Page page = new TestBrowser(two.build()).post("/save", FORM, FIELDS);

    assertThat(page.body())
        .contains("return=%2Fsave%23&amp;provider=staff", "return=%2Fsave%23&amp;provider=guests");
  }

  private Page ask(String sealed) throws Exception {
    return browser.post(PostedForms.PATH, FORM, "form=" + sealed);
  }

  private static Map<String, String> with(String name, String value) {
    Map<String, String> headers = new HashMap<>(FORM);
    headers.put(name, value);
    return headers;
  }

  private static String sealed(Page page) {
    return found("<input type=\"hidden\" name=\"[^\"]+\" value=\"([^\"]+)\"", page);
  }

  private static String link(Page page) {
    return found("<a href=\"([^\"]+)\"", page).replace("&amp;", "&");
  }

  private static String found(String pattern, Page page) {
    Matcher found = Pattern.compile(pattern).matcher(page.body());
    assertThat(found.find()).as(page.body()).isTrue();
    return found.group(1);
  }
}
