package io.apprxy.balance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AffinityCookieTest {
  private static final String A = "http://a.corp.test:80";
  private static final String B = "http://b.corp.test:8080";
  private static final String KEY_1 = Base64.getEncoder().encodeToString(new byte[32]);
  private static final String KEY_2 =
      Base64.getEncoder().encodeToString("0123456789abcdef0123456789abcdef".getBytes());
  private static final long CONNECTOR = AffinityCookie.tag("connector-1");

  private final AffinityCookie cookie = cookie("app", AffinityKeys.of(KEY_1));

  private static AffinityCookie cookie(String id, AffinityKeys keys, String... instances) {
    Application.Builder application =
        Application.builder(id)
            .externalUrl("https://app.test/")
            .internalUrl("http://a.corp.test/")
            .passthrough();
    for (String instance : instances.length == 0 ? new String[] {B} : instances) {
      application.originInstance(instance);
    }
    return new AffinityCookie(application.build(), keys);
  }

  private static String value(String line) {
    return line.substring(line.indexOf('=') + 1, line.indexOf(';'));
  }

  @Test
  void cookie_carriesConnectorAndInstance() {
    String line = cookie.write(CONNECTOR, B);

    assertThat(line)
        .matches("__Host-apprxy-pin-app=[A-Za-z0-9_-]{64}; Path=/; Secure; HttpOnly; SameSite=Lax");
    assertThat(cookie.read(value(line))).isEqualTo(new AffinityCookie.Pin(CONNECTOR, B, true));
    assertThat(cookie.read(value(cookie.write(0, A))))
        .isEqualTo(new AffinityCookie.Pin(0, A, true));
    assertThat(cookie.read(value(cookie.write(CONNECTOR, null))))
        .isEqualTo(new AffinityCookie.Pin(CONNECTOR, null, true));
  }

  @Test
  void cookie_namesNoHost_notEvenToWhoGuessesIt() {
    byte[] bytes = Base64.getUrlDecoder().decode(value(cookie.write(CONNECTOR, B)));
    long tag = java.nio.ByteBuffer.wrap(bytes).getLong(8);

    assertThat(tag).isNotEqualTo(AffinityCookie.tag(B));
    byte[] withOtherKey =
        Base64.getUrlDecoder()
            .decode(value(cookie("app", AffinityKeys.of(KEY_2)).write(CONNECTOR, B)));
    assertThat(java.nio.ByteBuffer.wrap(withOtherKey).getLong(8)).isNotEqualTo(tag);
  }

  @Test
  void everyChangedCharacter_makesItWorthless() {
    String value = value(cookie.write(CONNECTOR, B));
    for (int i = 0; i < value.length(); i++) {
      char changed = value.charAt(i) == 'A' ? 'B' : 'A';
      assertThat(cookie.read(value.substring(0, i) + changed + value.substring(i + 1)))
          .as("character " + i)
          .isNull();
    }
  }

  @Test
  void truncatedOrLongerCookie_isIgnored() {
    String value = value(cookie.write(CONNECTOR, B));
    for (int i = 0; i < value.length(); i++) {
      assertThat(cookie.read(value.substring(0, i))).isNull();
    }
    assertThat(cookie.read(value + "A")).isNull();
    assertThat(cookie.read(value + "=")).isNull();
    assertThat(cookie.read(value.repeat(10_000))).isNull();
    assertThat(cookie.read(null)).isNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "%41AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "++++////++++////++++////++++////++++////++++////++++////++++////",
        "\u00e9AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
      })
  void valueThatIsNoBase64Url_isIgnored(String value) {
    assertThat(cookie.read(value)).isNull();
  }

  @Test
  void cookieOfAnotherApplication_orAnotherKey_isIgnored() {
    String value = value(cookie.write(CONNECTOR, B));

    assertThat(cookie("other", AffinityKeys.of(KEY_1)).read(value)).isNull();
    assertThat(cookie("app", AffinityKeys.of(KEY_2)).read(value)).isNull();
    assertThat(cookie("app", AffinityKeys.generate()).read(value)).isNull();
  }

  @Test
  void previousKey_isStillAccepted_andKnownToBeOne() {
    String value = value(cookie.write(CONNECTOR, B));

    assertThat(cookie("app", AffinityKeys.of(KEY_2, KEY_1)).read(value))
        .isEqualTo(new AffinityCookie.Pin(CONNECTOR, B, false));
  }

  @Test
  void gatewaysThatShareTheKey_knowEachOthersCookies() {
    assertThat(cookie("app", AffinityKeys.of(KEY_1)).read(value(cookie.write(CONNECTOR, B))))
        .isEqualTo(new AffinityCookie.Pin(CONNECTOR, B, true));
  }

  @Test
  void instanceThatIsConfiguredNoMore_orNeverWas_isNone() {
    String value = value(cookie.write(CONNECTOR, B));

    assertThat(cookie("app", AffinityKeys.of(KEY_1), "http://c.corp.test").read(value).instance())
        .isNull();
    assertThat(cookie.read(value(cookie.write(CONNECTOR, "http://evil.test:80"))).instance())
        .isNull();
  }

  // ---- keys

  @ParameterizedTest
  @ValueSource(strings = {"", "secret!", "c2VjcmV0"})
  void keyThatIsNot32Bytes_isRefused_andNotTold(String key) {
    assertThatThrownBy(() -> AffinityKeys.of(key))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("must be 32 bytes in Base64")
        .satisfies(e -> assertThat(key.isEmpty() || !e.getMessage().contains(key)).isTrue());
    assertThatThrownBy(() -> AffinityKeys.of(KEY_1, key))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void keys_areNotTold() {
    assertThat(AffinityKeys.of(KEY_1, KEY_2)).hasToString("AffinityKeys[2]");
  }
}
