package io.apprxy.balance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.LoadBalancing.CircuitBreaker;
import io.apprxy.balance.TestBalancer.Request;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class BreakerTest {
  private static final Duration WINDOW = Duration.ofSeconds(10);
  private static final Duration PAUSE = Duration.ofSeconds(5);

  private static TestBalancer of(String... ids) {
    return new TestBalancer(
        settings -> settings.circuitBreaker(new CircuitBreaker(0.5, 20, WINDOW, PAUSE, 2)),
        TestBalancer.members(ids));
  }

  private static void assertOpen(TestBalancer balancer) {
    assertThatThrownBy(() -> balancer.begin().attempt())
        .isInstanceOfSatisfying(
            GatewayException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CIRCUIT_OPEN));
  }

  @Test
  void circuit_opensOnTheShareOfFailures_andNotBeforeTheMinimum() {
    TestBalancer balancer = of("a");
    balancer.fail("a", 19);
    assertThat(balancer.balancer.isCircuitOpen()).isFalse();
    balancer.fail("a", 1);

    assertThat(balancer.balancer.isCircuitOpen()).isTrue();
    assertOpen(balancer);
    assertThat(balancer.openings).isEqualTo(1);
  }

  @Test
  void answers_keepItClosed() {
    TestBalancer balancer = of("a");
    for (int i = 0; i < 200; i++) {
      balancer.answer("a");
    }
    balancer.fail("a", 199);
    assertThat(balancer.balancer.isCircuitOpen()).isFalse();
    balancer.fail("a", 1);
    assertThat(balancer.balancer.isCircuitOpen()).isTrue();
  }

  @Test
  void failuresOutsideTheWindow_doNotCount() {
    TestBalancer balancer = of("a");
    balancer.fail("a", 19);
    balancer.pass(WINDOW.plusSeconds(1));
    balancer.fail("a", 19);

    assertThat(balancer.balancer.isCircuitOpen()).isFalse();
  }

  @Test
  void answerThatTurnsAway_isOne() {
    TestBalancer balancer = of("a");
    balancer.fail("a", 100, Outcome.TURNED_AWAY);

    assertThat(balancer.balancer.isCircuitOpen()).isFalse();
  }

  @Test
  void failuresBehind_count() {
    TestBalancer balancer = of("a");
    balancer.fail("a", 20, Outcome.FAILED_BEHIND);

    assertThat(balancer.balancer.isCircuitOpen()).isTrue();
  }

  @Test
  void endpointThatHasGone_whileOthersServe_doesNotOpenIt() {
    TestBalancer ejected = of("a", "b");
    ejected.fail("a", 100);
    assertThat(ejected.state("a").ejected()).isTrue();
    assertThat(ejected.balancer.isCircuitOpen()).isFalse();

    TestBalancer lost = of("a", "b");
    var inFlight = new java.util.ArrayList<Selection.Slot<TestMember>>();
    for (int i = 0; i < 100; i++) {
      inFlight.add(lost.at("a"));
    }
    lost.members.get(0).usable = false;
    inFlight.forEach(slot -> slot.report(Outcome.FAILED));
    assertThat(lost.balancer.isCircuitOpen()).isFalse();
  }

  @Test
  void trials_areLetThroughAfterThePause_andCloseIt() {
    TestBalancer balancer = of("a");
    balancer.fail("a", 20);
    balancer.pass(PAUSE.minusNanos(1));
    assertOpen(balancer);
    balancer.pass(Duration.ofNanos(1));

    Request first = balancer.begin().attempt();
    Request second = balancer.begin().attempt();
    assertOpen(balancer);
    first.end(Outcome.ANSWERED);
    assertThat(balancer.balancer.isCircuitOpen()).isTrue();
    second.end(Outcome.ANSWERED);

    assertThat(balancer.balancer.isCircuitOpen()).isFalse();
    balancer.fail("a", 19);
    assertThat(balancer.balancer.isCircuitOpen()).as("it starts to count anew").isFalse();
  }

  @Test
  void trialThatFails_opensItAgain_forAnotherPause() {
    TestBalancer balancer = of("a");
    balancer.fail("a", 20);
    balancer.pass(PAUSE);
    balancer.begin().attempt().end(Outcome.FAILED);

    assertOpen(balancer);
    balancer.pass(PAUSE.minusNanos(1));
    assertOpen(balancer);
    balancer.pass(Duration.ofNanos(1));
    balancer.begin().attempt().end(Outcome.ANSWERED);
    balancer.begin().attempt().end(Outcome.ANSWERED);
    assertThat(balancer.balancer.isCircuitOpen()).isFalse();
  }

  @Test
  void trialsWhoseClientsLeft_areReplaced() {
    TestBalancer balancer = of("a");
    balancer.fail("a", 20);
    balancer.pass(PAUSE);
    balancer.begin().attempt().end(null);
    balancer.begin().attempt().end(null);
    assertOpen(balancer);

    balancer.pass(PAUSE);
    balancer.begin().attempt().end(Outcome.ANSWERED);
    balancer.begin().attempt().end(Outcome.ANSWERED);
    assertThat(balancer.balancer.isCircuitOpen()).isFalse();
  }

  @Test
  void requestsThatWereUnderWay_whenItOpened_doNotCountAsTrials() {
    TestBalancer balancer = of("a");
    Request slow = balancer.begin().attempt();
    balancer.fail("a", 20);
    slow.end(Outcome.ANSWERED);

    assertThat(balancer.balancer.isCircuitOpen()).isTrue();
  }
}
