package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A gateway, its provider and a browser. */
abstract class OidcTest {
  static final String SESSION = "__Host-apprxy-session";
  static final String LOGIN = "__Host-apprxy-login";

  final TestClock clock = new TestClock();
  TestProvider provider;
  OidcPreAuthentication gateway;
  TestBrowser browser;

  @BeforeEach
  void start() throws Exception {
    provider = new TestProvider(clock);
    gateway = gateway().build();
    browser = new TestBrowser(gateway);
  }

  @AfterEach
  void stop() {
    provider.close();
  }

  OidcPreAuthentication.Builder gateway() {
    return OidcPreAuthentication.builder()
        .issuer(provider.issuer())
        .clientId(TestProvider.CLIENT)
        .clientSecret(TestProvider.SECRET)
        .sessions(Sessions.builder().keys(SessionKeys.generate()).clock(clock).build());
  }

  /** The address to which the provider sends the browser back after a sign-in for this page. */
  URI callbackFor(String page) throws Exception {
    return provider.authorize(browser.open(page).location());
  }

  void assertSignedOut() throws Exception {
    assertThat(browser.open("/").reachedApplication()).isFalse();
  }

  static void assertRefused(Callable<?> request, ErrorCode code) {
    assertThatThrownBy(request::call)
        .isInstanceOfSatisfying(
            GatewayException.class, refusal -> assertThat(refusal.code()).isEqualTo(code));
  }
}
