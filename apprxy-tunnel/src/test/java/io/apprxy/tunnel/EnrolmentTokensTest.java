package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullAndEmptySource;
import org.junit.jupiter.params.provider.ValueSource;

class EnrolmentTokensTest {
  private static final String CORP = "corp-token-of-32-characters-0001";
  private static final String LAB = "lab-token-of-32-characters--0002";

  private final EnrolmentTokens tokens = new EnrolmentTokens();

  @BeforeEach
  void add() {
    tokens.add("corp", CORP);
    tokens.add("lab", LAB);
  }

  @Test
  void token_tellsItsGroup() {
    assertThat(tokens.group("Bearer " + CORP)).isEqualTo("corp");
    assertThat(tokens.group("Bearer " + LAB)).isEqualTo("lab");
  }

  @ParameterizedTest
  @NullAndEmptySource
  @ValueSource(
      strings = {
        "Bearer ",
        "Bearer",
        "Bearer corp",
        CORP,
        "Basic " + CORP,
        "Bearer  " + CORP,
        "Bearer " + CORP + " ",
        "Bearer corp-token-of-32-characters-000",
        "Bearer corp-token-of-32-characters-00011",
        "Bearer CORP-TOKEN-OF-32-CHARACTERS-0001",
        "Bearer " + CORP + "," + LAB,
      })
  void anythingElse_isOfNoGroup(String authorization) {
    assertThat(tokens.group(authorization)).isNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "short",
        "thirty-one-characters-long-0001",
        "a space in it of 32 characters 1",
        "not-ascii-töken-of-32-characters",
        "line-break-of-32-characters-000\n"
      })
  void weakToken_isRefused_withoutBeingTold(String weak) {
    assertThatThrownBy(() -> tokens.add("weak", weak))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("32 visible ASCII characters")
        .satisfies(e -> assertThat(weak.isEmpty() || !e.getMessage().contains(weak)).isTrue());
  }

  @Test
  void secondTokenOfAGroup_isRefused() {
    assertThatThrownBy(() -> tokens.add("corp", LAB))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("corp");
  }
}
