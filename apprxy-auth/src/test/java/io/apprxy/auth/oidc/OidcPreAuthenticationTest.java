package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JWSAlgorithm;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.oidc.TestBrowser.Page;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OidcPreAuthenticationTest {
  private static final String LOGIN = "__Host-apprxy-login";
  private static final String SESSION = "__Host-apprxy-session";

  private final TestClock clock = new TestClock();
  private TestProvider provider;
  private OidcPreAuthentication gateway;
  private TestBrowser browser;

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

  private OidcPreAuthentication.Builder gateway() {
    return OidcPreAuthentication.builder()
        .issuer(provider.issuer())
        .clientId(TestProvider.CLIENT)
        .clientSecret(TestProvider.SECRET)
        .sessions(Sessions.builder().keys(SessionKeys.generate()).clock(clock).build());
  }

  private static void assertRefused(Callable<?> request, ErrorCode code) {
    assertThatThrownBy(request::call)
        .isInstanceOfSatisfying(
            GatewayException.class, refusal -> assertThat(refusal.code()).isEqualTo(code));
  }

  // ---- signing in

  @ParameterizedTest
  @ValueSource(strings = {"RS256", "PS256", "ES256", "EdDSA"})
  void signIn_withEachDefaultAlgorithm_endsAtThePage(String algorithm) throws Exception {
    provider.algorithm = JWSAlgorithm.parse(algorithm);
    Page callback = browser.signIn(provider, "/page?a=b%20c");
    assertThat(callback.response().status()).isEqualTo(302);
    assertThat(callback.header("Location")).isEqualTo("https://wiki.example/page?a=b%20c");
    Page page = browser.open("/page?a=b%20c");
    assertThat(page.reachedApplication()).isTrue();
    assertThat(page.identity().subject()).isEqualTo("4711");
    assertThat(page.identity().issuer()).isEqualTo(provider.issuer());
    assertThat(page.identity().name()).isEqualTo("ada");
    assertThat(page.identity().groups()).containsExactly("mathematicians");
    assertThat(page.identity().claims()).containsOnlyKeys("preferred_username", "groups");
  }
}
