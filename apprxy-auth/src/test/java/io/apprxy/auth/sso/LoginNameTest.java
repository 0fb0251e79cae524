package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application.KerberosDelegation;
import io.apprxy.Application.LoginIdentity;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LoginNameTest {
  private static final KerberosDelegation DELEGATION = KerberosDelegation.to("HTTP/app.corp.test");

  private static String name(KerberosDelegation delegation, Map<String, Object> claims) {
    return LoginName.of(
        new Identity("https://idp.test", "4711", "s", Instant.EPOCH, claims),
        delegation,
        "CORP.TEST");
  }

  @ParameterizedTest
  @CsvSource({
    "USER_PRINCIPAL_NAME, alice@EXAMPLE.COM",
    "ON_PREMISES_USER_PRINCIPAL_NAME, al@SUB.CORP.TEST",
    "USER_PRINCIPAL_USERNAME, alice@CORP.TEST",
    "ON_PREMISES_USER_PRINCIPAL_USERNAME, al@CORP.TEST",
    "ON_PREMISES_SAM_ACCOUNT_NAME, alice.l@CORP.TEST"
  })
  void name_isThatOfTheLoginIdentity(LoginIdentity identity, String expected) {
    Map<String, Object> claims =
        Map.of(
            "upn", "Alice@example.com",
            "onpremisesuserprincipalname", "al@sub.corp.test",
            "onpremisessamaccountname", "ALICE.L");

    assertThat(name(DELEGATION.as(identity), claims)).isEqualTo(expected);
  }

  @Test
  void claim_canBeAnother() {
    assertThat(name(DELEGATION.fromClaim("mail"), Map.of("mail", "a@corp.test", "upn", "b@x")))
        .isEqualTo("a@CORP.TEST");
  }

  @ParameterizedTest
  @EnumSource
  void userWithoutTheClaim_isRefused(LoginIdentity identity) {
    assertRefused(DELEGATION.as(identity), Map.of("preferred_username", "alice@corp.test"));
  }

  @Test
  void claimWithSeveralValues_isRefused() {
    assertRefused(DELEGATION, Map.of("upn", List.of("a@corp.test", "b@corp.test")));
  }

  /** None of them may name another principal than the user that the claim is of. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "@corp.test",
        "alice@",
        "alice",
        "a b@corp.test",
        "alice/admin@corp.test",
        "krbtgt/CORP.TEST@corp.test",
        "CORP\\alice@corp.test",
        "alice\\@x@corp.test",
        "alice@else.test@corp.test",
        "alice@corp.test/x",
        "alice@corp\u0000.test",
        "alice\n@corp.test",
        "alice@-corp.test",
        "alice@corp.test.",
        "a:b@corp.test",
        "*@corp.test",
        "dc1$@corp.test",
        "\u212aate@corp.test",
        "\uff21dmin@corp.test",
        "ali\u200bce@corp.test",
        "a\u202eb@corp.test",
        "a\u00a0b@corp.test"
      })
  void nameThatIsNoUsers_isRefused(String name) {
    assertRefused(DELEGATION, Map.of("upn", name));
  }

  @Test
  void lettersOfOtherLanguages_areLetters() {
    assertThat(name(DELEGATION, Map.of("upn", "J\u00dcRGEN@corp.test")))
        .isEqualTo("j\u00fcrgen@CORP.TEST");
  }

  @Test
  void longName_isRefused() {
    assertRefused(DELEGATION, Map.of("upn", "a".repeat(300) + "@corp.test"));
  }

  private static void assertRefused(KerberosDelegation delegation, Map<String, Object> claims) {
    assertThatThrownBy(() -> name(delegation, claims))
        .isInstanceOfSatisfying(
            GatewayException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.NO_LOGIN_IDENTITY));
  }
}
