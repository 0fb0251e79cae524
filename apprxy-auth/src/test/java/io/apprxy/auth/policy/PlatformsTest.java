package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.policy.Policy.DevicePlatform;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlatformsTest {
  private static final String WINDOWS =
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 | WINDOWS",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0 | WINDOWS",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15 | MACOS",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1 | IOS",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36 | ANDROID",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 | LINUX",
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 | ",
        "Mozilla/5.0 (Windows Phone 10.0; Android 4.2.1; Microsoft; Lumia 950) AppleWebKit/537.36 | ",
        "Mozilla/5.0 (Windows NT 10.0; Linux; Android 10; iPhone) | ",
        "curl/8.5.0 | ",
        "curl/8.5.0 Windows NT 10.0 | ",
        "x) (Windows NT 10.0 | ",
        "() (Windows NT 10.0) | ",
      })
  void platform_isThatOfTheFirstComment_ofTheUserAgent(String agent, DevicePlatform platform) {
    assertThat(platform(Map.of("User-Agent", agent))).isEqualTo(platform);
  }

  @Test
  void clientHint_thatAgreesWithTheUserAgent_changesNothing() {
    assertThat(platform(Map.of("User-Agent", WINDOWS, "Sec-CH-UA-Platform", "\"Windows\"")))
        .isEqualTo(DevicePlatform.WINDOWS);
  }

  /** Whoever forges one of them, only. */
  @ParameterizedTest
  @CsvSource({"'\"macOS\"'", "'\"Chrome OS\"'", "Windows", "''", "'\"Windows\", \"Linux\"'"})
  void clientHint_thatContradictsTheUserAgent_leavesNothingKnown(String hint) {
    assertThat(platform(Map.of("User-Agent", WINDOWS, "Sec-CH-UA-Platform", hint))).isNull();
  }

  @Test
  void nothing_isSaidByWhoeverSaysNothing() {
    assertThat(platform(Map.of())).isNull();
  }

  @Test
  void headerThatComesTwice_saysNothing() {
    Application wiki = wiki();
    TestExchange twice =
        new TestExchange("wiki.example", "GET", "/", new HashMap<>(), Map.of(), wiki) {
          @Override
          public List<String> headers(String name) {
            return name.equals("User-Agent") ? List.of(WINDOWS, WINDOWS) : List.of();
          }
        };

    assertThat(Platforms.of(twice)).isNull();
  }

  private static DevicePlatform platform(Map<String, String> headers) {
    return Platforms.of(new TestExchange("wiki.example", "GET", "/", headers, Map.of(), wiki()));
  }

  private static Application wiki() {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example/")
        .internalUrl("http://wiki.corp/")
        .assignEveryone()
        .build();
  }
}
