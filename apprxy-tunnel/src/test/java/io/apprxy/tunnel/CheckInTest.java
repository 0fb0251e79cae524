package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a connector says of itself is not trusted. */
class CheckInTest {
  private static final String GOOD =
      "{\"name\":\"cellar\",\"instance\":\"i-1\",\"version\":\"1.2.0\",\"host\":\"h.corp\","
          + "\"uptime\":60,\"load\":0.5,\"active\":3,\"draining\":false}";

  @Test
  void checkIn_crossesWhole() {
    CheckIn sent =
        new CheckIn(
            "cellar",
            "i-1",
            "1.2.0",
            "h.corp",
            Duration.ofSeconds(60),
            0.5,
            3,
            true,
            true,
            UpdateReport.NONE.started("1.3.0"));

    assertThat(CheckIn.fromJson(sent.toJson())).isEqualTo(sent);
    assertThat(sent.toJson()).doesNotContain("\n");
  }

  @Test
  void whatIsNotKnown_isPassedOver() {
    assertThat(CheckIn.fromJson(GOOD.replace("{", "{\"mood\":\"fine\",")).name())
        .isEqualTo("cellar");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '^',
      value = {
        "\"cellar\"|\"\"",
        "\"cellar\"|\"a b\"",
        "\"cellar\"|\"a\\u000ab\"",
        "\"cellar\"|\"../../etc\"",
        "\"cellar\"|1",
        "\"cellar\"|null",
        "\"i-1\"|\"i/1\"",
        "\"1.2.0\"|\"new\"",
        "\"1.2.0\"|1.2",
        "\"h.corp\"|\"h corp\"",
        "\"h.corp\"|\"<b>\"",
        "60|-1",
        "60|\"60\"",
        "60|9223372036854775807",
        "60|99999999999999999999",
        "0.5|-0.1",
        "0.5|1e300",
        "0.5|NaN",
        "0.5|\"0.5\"",
        "3|-1",
        "3|2000000000",
        "3|99999999999",
        "false|\"no\"",
        "false|0",
        "\"draining\"|\"drained\"",
        "}|",
        "{|[",
      })
  void checkInWithAValueOutOfBounds_isRefused_andNotRepeated(String good, String bad) {
    String line = GOOD.replace(good, bad == null ? "" : bad);
    assertThat(line).isNotEqualTo(GOOD);

    assertThatThrownBy(() -> CheckIn.fromJson(line))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("check-in");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "null", "[]", "1", "\"text\"", "{}", "{\"name\":"})
  void garbage_isRefused(String line) {
    assertThatThrownBy(() -> CheckIn.fromJson(line)).isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "pc-7.corp.test,pc-7.corp.test",
    "Anna's Mac,Anna-s-Mac",
    "'',unknown",
    "fe80::1,fe80::1"
  })
  void nameOfAnyMachine_canBeSaid(String system, String said) {
    assertThat(CheckIn.hostName(system)).isEqualTo(said);
    assertThat(CheckIn.hostName("x".repeat(1000))).hasSize(253);
  }
}
