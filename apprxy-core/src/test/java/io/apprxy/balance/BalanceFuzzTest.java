package io.apprxy.balance;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.Application;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** Whatever a browser sends as the cookie that pins its user. */
class BalanceFuzzTest {
  private static final String A = "http://a.corp.test:80";
  private static final String B = "http://b.corp.test:8080";
  private static final AffinityKeys KEYS = AffinityKeys.generate();
  private static final AffinityCookie COOKIE = cookie("app", KEYS);
  private static final AffinityCookie OF_ANOTHER_KEY = cookie("app", AffinityKeys.generate());
  private static final AffinityCookie OF_ANOTHER_APPLICATION = cookie("other", KEYS);

  @FuzzTest
  void cookie_thatIsNotSigned_pinsNobody(byte[] input) {
    assertThat(COOKIE.read(new String(input, StandardCharsets.ISO_8859_1))).isNull();
    assertThat(COOKIE.read(Base64.getUrlEncoder().withoutPadding().encodeToString(input))).isNull();
  }

  /** One that we made, with what the input changes in it. */
  @FuzzTest
  void cookie_thatWasChanged_pinsNobody(byte[] input) {
    byte[] signed = Base64.getUrlDecoder().decode(value(COOKIE.write(7, B)));
    int changes = 0;
    for (int i = 0; i < Math.min(input.length, signed.length); i++) {
      signed[i] ^= input[i];
      changes |= input[i];
    }
    AffinityCookie.Pin pin =
        COOKIE.read(Base64.getUrlEncoder().withoutPadding().encodeToString(signed));

    assertThat(pin).isEqualTo(changes == 0 ? new AffinityCookie.Pin(7, B, true) : null);
  }

  /** The first eight bytes are the connector, the next one is the instance. */
  @FuzzTest
  void cookie_pinsToWhatItWasMadeFor_andThatOfOthersToNothing(byte[] input) {
    ByteBuffer wanted = ByteBuffer.allocate(9).put(input, 0, Math.min(9, input.length)).rewind();
    long connector = wanted.getLong();
    String instance =
        switch (wanted.get() & 3) {
          case 0 -> null;
          case 1 -> A;
          default -> B;
        };
    String value = value(COOKIE.write(connector, instance));

    assertThat(COOKIE.read(value)).isEqualTo(new AffinityCookie.Pin(connector, instance, true));
    assertThat(OF_ANOTHER_KEY.read(value)).isNull();
    assertThat(OF_ANOTHER_APPLICATION.read(value)).isNull();
  }

  private static String value(String line) {
    return line.substring(line.indexOf('=') + 1, line.indexOf(';'));
  }

  private static AffinityCookie cookie(String id, AffinityKeys keys) {
    return new AffinityCookie(
        Application.builder(id)
            .externalUrl("https://app.test/")
            .internalUrl("http://a.corp.test/")
            .passthrough()
            .originInstance(B)
            .build(),
        keys);
  }
}
