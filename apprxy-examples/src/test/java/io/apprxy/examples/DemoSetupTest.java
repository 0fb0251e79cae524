package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DemoSetupTest {
  /** Whoever asks a system for any port would get it before the server that it was meant for. */
  @Test
  void freePort_isNoneThatSystemsHandOut_andGivenOnce() throws Exception {
    Set<Integer> given = new HashSet<>();
    for (int i = 0; i < 200; i++) {
      int port = DemoSetup.portOrFree(0);
      assertThat(port).isBetween(1_024, 32_767);
      assertThat(given.add(port)).as("%d is given for the first time", port).isTrue();
    }
  }

  @Test
  void portThatIsNamed_isTaken() throws Exception {
    assertThat(DemoSetup.portOrFree(8443)).isEqualTo(8443);
  }
}
