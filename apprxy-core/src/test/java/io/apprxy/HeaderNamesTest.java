package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HeaderNamesTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-User", "x-user", "X_User", "x_user", "X_USER", "x-UsEr", "X.User", "X~User", "x'user",
        "X|User"
      })
  void names_thatCgiCouldMix_areTheSame(String name) {
    assertThat(HeaderNames.sameSpelling("X-User", name)).isTrue();
    assertThat(HeaderNames.sameSpelling(name, "x_user")).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"XUser", "X-Users", "X--User", "-X-User", "X-User-", "", "X-U\u017fer"})
  void otherNames_areDifferent(String name) {
    assertThat(HeaderNames.sameSpelling("X-User", name)).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "apprxy-assertion, true",
    "Apprxy_Assertion, true",
    "APPRXY-x, true",
    "X-Apprxy-User, true",
    "x_apprxy.user, true",
    "apprxy, false",
    "apprxyx-a, false",
    "X-App, false"
  })
  void internalName_isKnownInAnySpelling(String name, boolean internal) {
    assertThat(HeaderNames.isInternal(name)).isEqualTo(internal);
  }
}
