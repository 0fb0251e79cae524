package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.auth.TestClock;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;

/** What holds for any cookie that a browser can be made to send. */
class SessionFuzzTest {
  private static final Seal SEAL = new Seal(SessionKeys.generate(), "fuzz", new TestClock());

  @FuzzTest
  void cookie_thatWasNotSealed_doesNotOpen(byte[] input) {
    assertThat(SEAL.open(new String(input, StandardCharsets.ISO_8859_1))).isNull();
  }

  /**
   * A byte that is another, wherever it stands. Bits that base64 leaves over at the end of a part
   * say nothing, and change nothing.
   */
  @FuzzTest
  void cookie_thatWasChanged_opensToWhatWasSealed_orNotAtAll(byte[] input) {
    String sealed = SEAL.seal(Map.of("name", "alice"), Duration.ofHours(1));
    StringBuilder changed = new StringBuilder(sealed);
    for (int i = 0; i + 1 < input.length; i += 2) {
      changed.setCharAt((input[i] & 0xff) * 7 % changed.length(), (char) (input[i + 1] & 0x7f));
    }
    Map<String, Object> opened = SEAL.open(changed.toString());
    assertThat(opened).isIn(null, SEAL.open(sealed));
    if (changed.toString().equals(sealed)) {
      assertThat(opened).isNotNull();
    }
  }
}
