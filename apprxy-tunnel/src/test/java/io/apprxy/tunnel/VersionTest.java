package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Semantic Versioning 2.0.0, by its sections. */
class VersionTest {
  /** Each is older than the next: the example of §11.4, and what goes wrong easily. */
  private static final List<String> ASCENDING =
      List.of(
          "0.0.0-0",
          "0.0.0",
          "0.1.0-SNAPSHOT",
          "0.1.0",
          "0.9.0",
          "0.10.0",
          "1.0.0-1",
          "1.0.0-2",
          "1.0.0-10",
          "1.0.0-99999999999999999999",
          "1.0.0-100000000000000000000",
          "1.0.0--",
          "1.0.0-1a",
          "1.0.0-ALPHA",
          "1.0.0-alpha",
          "1.0.0-alpha.1",
          "1.0.0-alpha.1.0",
          "1.0.0-alpha.beta",
          "1.0.0-beta",
          "1.0.0-beta.2",
          "1.0.0-beta.11",
          "1.0.0-rc.1",
          "1.0.0-rc-1",
          "1.0.0",
          "1.0.1",
          "1.2.0",
          "1.10.0",
          "2.0.0",
          "2.1.0",
          "2.1.1",
          "10.0.0",
          "2147483648.0.0",
          "9223372036854775808.0.0",
          "99999999999999999999.0.0");

  @Test
  void versions_areOrdered_eachWithEveryOther() {
    for (int i = 0; i < ASCENDING.size(); i++) {
      for (int j = 0; j < ASCENDING.size(); j++) {
        assertThat(
                Integer.signum(
                    new Version(ASCENDING.get(i)).compareTo(new Version(ASCENDING.get(j)))))
            .as("%s to %s", ASCENDING.get(i), ASCENDING.get(j))
            .isEqualTo(Integer.compare(i, j));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1.0.0+1, 1.0.0+2", "1.0.0, 1.0.0+2026.1", "1.0.0-rc.1+a, 1.0.0-rc.1+b"})
  void buildMetadata_countsForNothing(String one, String other) {
    assertThat(new Version(one)).isEqualByComparingTo(new Version(other));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "1.0.0-0A.is.legal",
        "1.1.2-prerelease+meta",
        "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
        "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay",
        "1.0.0+001",
        "1.2.3----R-S.12.9.1--.12"
      })
  void version_ofTheForm_isOne(String text) {
    assertThat(new Version(text)).hasToString(text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "v1.2.3",
        "01.2.3",
        "1.02.3",
        "1.2.03",
        "-1.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3+",
        "1.2.3+a+b",
        "1.2.3-ä",
        "1.2.3 ",
        "1.2.3\n",
        "1.2.３",
        "../1.2.3",
        "1.2.3-../x"
      })
  void version_ofAnotherForm_isRefused_beingNamed(String text) {
    assertThatThrownBy(() -> new Version(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(text);
  }

  @Test
  void version_longerThanAnyIs_isRefused_whateverItsForm() {
    assertThatThrownBy(() -> new Version("1.2.3-" + "1".repeat(10_000)))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
