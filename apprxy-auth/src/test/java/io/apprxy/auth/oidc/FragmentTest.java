package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.auth.oidc.TestBrowser.Page;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the gateway does for fragments; that they survive is tried in a real browser. */
class FragmentTest extends OidcTest {
  @BeforeEach
  void keepFragments() {
    browser = new TestBrowser(gateway().keepFragments().build());
  }

  @Test
  void page_isAnsweredByOneScript_thatItsPolicyNames() throws Exception {
    Page page = browser.open("/page?a=b");

    assertThat(page.response().status()).isEqualTo(401);
    Matcher script = Pattern.compile("(?s)<script>(.*)</script>").matcher(page.body());
    assertThat(script.find()).isTrue();
    byte[] hash =
        MessageDigest.getInstance("SHA-256")
            .digest(script.group(1).getBytes(StandardCharsets.UTF_8));
    assertThat(page.header("Content-Security-Policy"))
        .contains("script-src 'sha256-" + Base64.getEncoder().encodeToString(hash) + "'")
        .contains("default-src 'none'");
    assertThat(link(page)).isEqualTo("/.apprxy/sign-in?return=%2Fpage%3Fa%3Db");
  }

  @Test
  void link_beginsTheSignIn_alsoWithoutScript() throws Exception {
    Page start = browser.open(link(browser.open("/page?a=b")));

    assertThat(browser.open(provider.authorize(start.location())).header("Location"))
        .isEqualTo("https://wiki.example/page?a=b");
  }

  /** As the script says that there is a fragment. */
  @Test
  void signInWithAFragment_endsAtAPageThatPutsItBack() throws Exception {
    Page start = browser.open("/.apprxy/sign-in?return=%2Fpage%3Fa%3Db%23");
    Page page = browser.open(provider.authorize(start.location()));

    assertThat(page.response().status()).isEqualTo(200);
    assertThat(link(page)).isEqualTo("/page?a=b");
    assertThat(browser.open("/page?a=b").reachedApplication()).isTrue();
  }

  @Test
  void pageToPutItBackOn_isOneOfThisSite() throws Exception {
    browser.signIn(provider, "/.apprxy/sign-in?return=/");
    for (String wish :
        new String[] {"//evil.test%23", "https://evil.test%23", "/%5Cevil.test%23"}) {
      assertThat(browser.open("/.apprxy/sign-in?return=" + wish).header("Location"))
          .isEqualTo("https://wiki.example/");
    }
    assertThat(browser.open("/.apprxy/sign-in?return=/%22%3E%3Cscript%3E%23").body())
        .doesNotContain("\"><script>");
  }

  @Test
  void browserThatDoesNotSayWhatItOpens_isRedirectedAtOnce() throws Exception {
    Map<String, String> old = new HashMap<>(TestBrowser.NAVIGATION);
    old.remove("Sec-Fetch-Dest");

    assertThat(browser.send("GET", "/", old).response().status()).isEqualTo(302);
  }

  private static String link(Page page) {
    Matcher link = Pattern.compile("<a href=\"([^\"]+)\"").matcher(page.body());
    assertThat(link.find()).isTrue();
    return link.group(1).replace("&amp;", "&");
  }
}
