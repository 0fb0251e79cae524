package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.GatewayException;
import io.apprxy.auth.oidc.TestBrowser.Page;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/**
 * Every way that is known to make a page to return to one of somebody else's. What a real browser
 * makes of each is shown by OpenRedirectBrowserIT of the examples.
 */
class OpenRedirectTest extends OidcTest {
  private static final String HOST = "https://wiki.example";

  private static List<String> corpus() throws IOException {
    try (InputStream file =
        Objects.requireNonNull(OpenRedirectTest.class.getResourceAsStream("open-redirects.txt"))) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .distinct()
          .toList();
    }
  }

  @Test
  void corpus_isNoSmallOne() throws IOException {
    assertThat(corpus()).hasSizeGreaterThanOrEqualTo(150);
  }

  @Test
  void pageToReturnTo_isOfThisHost() throws Exception {
    for (String wish : corpus()) {
      assertLeadsNowhereElse(wish, ReturnTo.checked(decoded(wish)));
      assertLeadsNowhereElse(wish, ReturnTo.checked(wish)); // that was decoded before
      assertLeadsNowhereElse(wish, ReturnTo.checked(decoded(decoded(wish)))); // and twice
    }
  }

  /** NavigationTest has whole sign-ins with some of those that end at the root. */
  @Test
  void location_afterASignIn_isOfThisHost() throws Exception {
    for (String wish : corpus()) {
      if (!ReturnTo.checked(decoded(wish)).equals("/")) {
        browser.cookies.remove(SESSION);
        assertLocation(wish, browser.signIn(provider, "/.apprxy/sign-in?return=" + wish));
      }
    }
  }

  @Test
  void location_forWhoIsSignedIn_isOfThisHost() throws Exception {
    browser.signIn(provider, "/");
    for (String wish : corpus()) {
      try {
        assertLocation(wish, browser.open("/.apprxy/sign-in?return=" + wish));
      } catch (GatewayException refused) {
        assertThat(wish).as("parameters that come twice").contains("&");
      }
    }
  }

  private static void assertLocation(String wish, Page page) {
    assertThat(page.header("Location")).as(wish).startsWith(HOST + "/");
    assertLeadsNowhereElse(wish, page.header("Location").substring(HOST.length()));
  }

  /** As browsers and servers read it, in all the ways that they differ in. */
  private static void assertLeadsNowhereElse(String wish, String page) {
    assertThat(page).as(wish).startsWith("/").matches("[\\x21-\\x7e]+").doesNotContain("\\");
    String read = page;
    for (int i = 0; i < 4; i++) {
      String path = read.split("[?#]", 2)[0].toLowerCase(Locale.ROOT).replace('\\', '/');
      if (i < 2) { // a path that is an escape twice over is refused when it is asked for
        assertThat(path).as(wish).doesNotStartWith("//").doesNotStartWith("/.apprxy/");
        assertThat(path).as(wish).doesNotContain("/../", "/./");
      }
      read = decoded(read);
    }
    try {
      URI seen = URI.create(HOST + "/page").resolve(new URI(page));
      assertThat(seen.getScheme() + "://" + seen.getRawAuthority()).as(wish).isEqualTo(HOST);
      assertThat(new URI(HOST + page).getRawAuthority()).as(wish).isEqualTo("wiki.example");
    } catch (URISyntaxException e) {
      // what is no URI to java.net has a host by the characters above alone
    }
  }

  private static String decoded(String text) {
    try {
      return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      return text;
    }
  }
}
