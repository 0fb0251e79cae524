package io.apprxy.auth.servlet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class IdentityPrincipalTest {
  private static final Identity ALICE =
      new Identity(
          "https://idp.test",
          "a-1",
          "session-1",
          Instant.EPOCH,
          Map.of(
              "preferred_username", "alice",
              "groups", List.of("staff", "admins"),
              "roles", "Reader",
              "nicknames", List.of("al", "root"),
              "blank", " "));

  /** A name that others could choose is taken only if the operator says so. */
  @Test
  void name_isTheSubject_andRolesAreTheGroups_unlessOtherClaimsAreNamed() {
    IdentityPrincipal principal = IdentityPrincipal.Claims.DEFAULT.principal(ALICE, () -> true);
    assertThat(principal.getName()).isEqualTo("a-1");
    assertThat(principal.hasRole("staff")).isTrue();
    assertThat(principal.hasRole("Reader")).isFalse();

    IdentityPrincipal other =
        new IdentityPrincipal.Claims("preferred_username", List.of("groups", "roles"))
            .principal(ALICE, () -> true);
    assertThat(other.getName()).isEqualTo("alice");
    assertThat(other.hasRole("admins")).isTrue();
    assertThat(other.hasRole("Reader")).isTrue();
    assertThat(other.identity()).isEqualTo(ALICE);
  }

  @Test
  void userWithoutExactlyOneName_isNobody() {
    for (String claim : List.of("missing", "nicknames", "blank")) {
      assertThatThrownBy(
              () ->
                  new IdentityPrincipal.Claims(claim, List.of("groups"))
                      .principal(ALICE, () -> true))
          .isInstanceOfSatisfying(
              GatewayException.class,
              e -> assertThat(e.code()).isEqualTo(ErrorCode.SIGN_ON_FAILED));
    }
  }

  @Test
  void claimWithoutAName_isRefused() {
    assertThatThrownBy(() -> new IdentityPrincipal.Claims(" ", List.of()))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new IdentityPrincipal.Claims("sub", List.of("")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void identityOfWhichNobodyCanTell_doesNotStand() {
    AtomicBoolean stands = new AtomicBoolean(true);
    IdentityPrincipal principal = IdentityPrincipal.Claims.DEFAULT.principal(ALICE, stands::get);
    assertThat(principal.stands()).isTrue();
    stands.set(false);
    assertThat(principal.stands()).isFalse();
    assertThat(
            IdentityPrincipal.Claims.DEFAULT
                .principal(
                    ALICE,
                    () -> {
                      throw new IllegalStateException();
                    })
                .stands())
        .isFalse();
  }

  @Test
  void text_tellsNoValueOfAClaim() {
    assertThat(IdentityPrincipal.Claims.DEFAULT.principal(ALICE, () -> true).toString())
        .contains("a-1")
        .doesNotContain("alice", "staff");
  }
}
