package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A person at a browser, in front of the quickstart. */
class QuickstartBrowserIT {
  private static Quickstart quickstart;

  @TempDir private Path profile;
  private Chromium browser;
  private String home;
  private String deep;

  @BeforeAll
  static void start(@TempDir Path directory) throws Exception {
    quickstart =
        Quickstart.start(
            "--port=0",
            "--tunnel-port=0",
            "--provider-port=0",
            "--application-port=0",
            "--directory=" + directory.resolve("demo"));
  }

  @AfterAll
  static void stop() {
    quickstart.close();
  }

  @BeforeEach
  void open() {
    browser = new Chromium(profile);
    home = quickstart.url().toString();
    deep = home + "reports/2026?quarter=4";
  }

  @AfterEach
  void close() {
    browser.close();
  }

  @Test
  void alice_openingADeepLink_signsInAndIsGreetedOnThatPage() throws Exception {
    browser.open(deep);
    assertThat(browser.url()).startsWith(quickstart.issuer() + "/authorize");
    browser.picture("sign-in");

    signIn("alice", "wonderland");

    browser.awaitUrl(home);
    assertThat(browser.url()).isEqualTo(deep);
    assertThat(browser.text("#greeting")).isEqualTo("Hello, Alice Liddell");
    assertThat(browser.text("#request")).isEqualTo("GET /reports/2026?quarter=4");
    assertThat(browser.text("#headers")).contains("X-User alice", "X-User-Groups staff");
    assertThat(browser.text("#headers")).doesNotContain("__Host-");
    browser.picture("greeting");
  }

  @Test
  void alice_afterSignOut_isAskedToSignInAgain() throws Exception {
    browser.open(home);
    signIn("alice", "wonderland");
    browser.text("#greeting");

    browser.click("#sign-out");
    browser.picture("signed-out");
    browser.open(deep);

    assertThat(browser.shows("#password")).isTrue();
    assertThat(browser.url()).startsWith(quickstart.issuer().toString());
  }

  @Test
  void bob_isRefusedWithThePageThatSaysWhy() throws Exception {
    browser.open(home);
    signIn("bob", "builder");

    browser.awaitUrl(home);
    assertThat(browser.page()).contains("You are not assigned to this application.", "APX-301");
    assertThat(browser.shows("#greeting")).isFalse();
    browser.picture("refused");
  }

  @Test
  void secondFactor_whenChosen_isAskedForBeforeTheGreeting() throws Exception {
    browser.open(home);
    browser.click("#mfa");
    signIn("alice", "wonderland");
    browser.picture("one-time-code");
    browser.type("#code", browser.text("#demo-code"));
    browser.click("#submit");

    assertThat(browser.text("#greeting")).isEqualTo("Hello, Alice Liddell");
  }

  @Test
  void wrongPassword_isToldOnThePage() {
    browser.open(home);
    signIn("alice", "guess");

    assertThat(browser.text("[role=alert]")).isEqualTo("User or password is wrong.");
  }

  private void signIn(String user, String password) {
    browser.type("#username", user);
    browser.type("#password", password);
    browser.click("#submit");
  }
}
