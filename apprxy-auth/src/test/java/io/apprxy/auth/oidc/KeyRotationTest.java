package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JWSAlgorithm;
import io.apprxy.ErrorCode;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The provider's keys change, and forged tokens name keys that never were. */
class KeyRotationTest extends OidcTest {

  @Test
  void keys_areFetchedOnce_forManySignIns() throws Exception {
    for (int i = 0; i < 5; i++) {
      new TestBrowser(gateway).signIn(provider, "/");
    }

    assertThat(provider.keyFetches).hasValue(1);
  }

  @Test
  void newKey_isFetchedWhenItFirstSigns() throws Exception {
    browser.signIn(provider, "/");
    provider.keys = List.of(TestProvider.OTHER_RSA);
    provider.kid = "other";
    TestBrowser another = new TestBrowser(gateway);

    another.signIn(provider, "/");

    assertThat(another.open("/").reachedApplication()).isTrue();
    assertThat(provider.keyFetches).hasValue(2);
  }

  @Test
  void sessions_outliveTheKeyThatSignedThemIn() throws Exception {
    browser.signIn(provider, "/");
    provider.keys = List.of(TestProvider.OTHER_RSA);

    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  /** Too soon to ask for keys once more, so whether the token is genuine cannot be found out. */
  @Test
  void keyThatTheProviderWithdrew_signsNobodyIn_onceThatIsKnown() throws Exception {
    browser.signIn(provider, "/");
    provider.keys = List.of(TestProvider.OTHER_RSA);
    provider.kid = "other";
    new TestBrowser(gateway).signIn(provider, "/");
    provider.kid = "rsa";

    assertRefused(
        () -> new TestBrowser(gateway).signIn(provider, "/"), ErrorCode.PROVIDER_UNAVAILABLE);
  }

  @Test
  void unknownKeys_causeFewFetches_howeverManyTokensNameThem() throws Exception {
    browser.signIn(provider, "/");
    for (int i = 0; i < 20; i++) {
      provider.kid = "made-up-" + i;
      try {
        new TestBrowser(gateway).signIn(provider, "/");
        throw new AssertionError("a token of an unknown key was taken");
      } catch (io.apprxy.GatewayException expected) {
        assertThat(expected.code())
            .isIn(ErrorCode.PROVIDER_INVALID, ErrorCode.PROVIDER_UNAVAILABLE);
      }
    }

    assertThat(provider.keyFetches.get()).isLessThanOrEqualTo(3);
  }

  @Test
  void keysThatCannotBeHad_areTheProvidersUnavailability() throws Exception {
    provider.keys = null;

    assertRefused(() -> browser.signIn(provider, "/"), ErrorCode.PROVIDER_UNAVAILABLE);
  }

  @Test
  void keyOfAnotherType_thanTheAlgorithmNeeds_isRefused() throws Exception {
    provider.algorithm = JWSAlgorithm.RS256;
    provider.kid = "ec";

    assertRefused(() -> browser.signIn(provider, "/"), ErrorCode.PROVIDER_INVALID);
  }
}
