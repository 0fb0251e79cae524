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

  /** A byte that is another, wherever it stands. */
  @FuzzTest
  void cookie_thatWasChanged_doesNotOpen(byte[] input) {
    String sealed = SEAL.seal(Map.of("name", "alice"), Duration.ofHours(1));
    StringBuilder changed = new StringBuilder(sealed);
    for (int i = 0; i + 1 < input.length; i += 2) {
      changed.setCharAt((input[i] & 0xff) * 7 % changed.length(), (char) (input[i + 1] & 0x7f));
    }
    boolean same = changed.toString().equals(sealed);
    assertThat(SEAL.open(changed.toString()) != null).isEqualTo(same);
  }
}
