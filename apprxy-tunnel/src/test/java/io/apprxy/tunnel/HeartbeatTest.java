package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.tunnel.Heartbeat.Step;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A turn is a second. */
class HeartbeatTest {
  private final Heartbeat heartbeat = new Heartbeat();

  @Test
  void silentPeer_isAsked_andGivenUpBeforeTenSeconds() {
    heartbeat.step(1);

    assertThat(turns(1, 8))
        .containsExactly(
            Step.NOTHING,
            Step.NOTHING,
            Step.ASK,
            Step.ASK,
            Step.ASK,
            Step.ASK,
            Step.ASK,
            Step.GIVE_UP);
  }

  @Test
  void peerThatSendsAnything_isNotEvenAsked() {
    for (int arrived = 1; arrived < 100; arrived++) {
      assertThat(heartbeat.step(arrived)).isEqualTo(Step.NOTHING);
    }
  }

  /** As when the answer to a PING waits behind bulk data. */
  @Test
  void peerThatIsHeardAtLast_isAliveAsBefore() {
    heartbeat.step(1);
    turns(1, 7);

    assertThat(heartbeat.step(2)).isEqualTo(Step.NOTHING);
    assertThat(turns(2, 3)).containsExactly(Step.NOTHING, Step.NOTHING, Step.ASK);
  }

  @Test
  void peerInDoubt_isAskedAtOnce_andHasToBeHeardSoon() {
    heartbeat.step(1);
    heartbeat.doubt();

    assertThat(turns(1, 3)).containsExactly(Step.ASK, Step.ASK, Step.GIVE_UP);
  }

  @Test
  void peerInDoubt_thatIsHeard_isAliveAsBefore() {
    heartbeat.step(1);
    heartbeat.doubt();

    assertThat(heartbeat.step(2)).isEqualTo(Step.NOTHING);
    assertThat(turns(2, 2)).containsExactly(Step.NOTHING, Step.NOTHING);
  }

  private List<Step> turns(long arrived, int count) {
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      steps.add(heartbeat.step(arrived));
    }
    return steps;
  }
}
