package io.apprxy.balance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.LoadBalancing.Affinity;
import io.apprxy.LoadBalancing.Retries;
import io.apprxy.balance.TestBalancer.Request;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RetryTest {
  private static TestBalancer of(Retries retries, String... ids) {
    return new TestBalancer(
        settings -> settings.retries(retries).circuitBreaker(null), TestBalancer.members(ids));
  }

  @Test
  void furtherAttempts_areAtOtherEndpoints_andAsManyAsAllowed() {
    TestBalancer balancer = of(new Retries(3, 1, 10), "a", "b", "c", "d");
    Request request = balancer.begin();
    Set<String> tried = new LinkedHashSet<>();
    for (int i = 0; i < 3; i++) {
      request.attempt();
      tried.add(request.id());
      request.end(Outcome.FAILED);
    }

    assertThat(tried).hasSize(3);
    assertThat(request.selection.attempt()).isFalse();
  }

  @Test
  void noEndpointIsTriedTwice() {
    TestBalancer balancer = of(new Retries(10, 1, 10), "a", "b");
    Request request = balancer.begin();
    request.attempt().end(Outcome.FAILED);
    request.attempt().end(Outcome.FAILED);

    assertThat(request.selection.attempt()).isFalse();
  }

  @Test
  void keptConnectionThatHadBeenClosed_isNoFailure_andTriedAgainThere() {
    TestBalancer balancer = of(new Retries(3, 1, 10), "a", "b");
    Request request = balancer.begin().attempt();
    String first = request.id();
    request.slot.repeat(true);
    request.slot.report(Outcome.FAILED);
    request.slot.release();

    assertThat(balancer.state(first).consecutiveFailures()).isZero();
    request.attempt();
    assertThat(request.id()).isEqualTo(first);
    assertThat(request.slot.isRepeated()).isTrue();
    request.end(Outcome.FAILED);
    request.attempt();
    assertThat(request.id()).isNotEqualTo(first);
    assertThat(request.slot.isRepeated()).isFalse();
  }

  @Test
  void connectionOfManyThatHasEnded_isNoFailure_andOthersAreTriedBeforeTheRestOfThem() {
    TestBalancer balancer = of(new Retries(3, 1, 10), "a", "b");
    Request request = balancer.begin().attempt();
    String first = request.id();
    request.slot.repeat(false);
    request.slot.release();
    request.attempt();
    assertThat(request.id()).isNotEqualTo(first);

    TestBalancer alone = of(new Retries(3, 1, 10), "a");
    Request again = alone.begin().attempt();
    again.slot.repeat(false);
    again.slot.release();
    assertThat(alone.state("a").consecutiveFailures()).isZero();
    assertThat(again.attempt().id()).isEqualTo("a");
    again.slot.repeat(false);
    again.slot.release();
    alone.members.get(0).usable = false;
    assertThat(again.selection.attempt()).isFalse();
  }

  @Test
  void budget_boundsRetriesByTheShareOfRequests_andTheMinimum() {
    TestBalancer balancer = of(new Retries(2, 0.1, 2), "a", "b");
    int retried = 0;
    for (int i = 0; i < 1_000; i++) {
      Request request = balancer.begin().attempt();
      request.end(Outcome.TURNED_AWAY);
      retried += request.selection.attempt() ? 1 : 0;
    }

    assertThat(retried).isEqualTo(120); // 2 a second for 10 seconds, and 0.1 of 1,000
    assertThat(balancer.retries).isEqualTo(120);
    assertThat(balancer.refusedRetries).isEqualTo(880);

    balancer.pass(Duration.ofSeconds(11));
    Request later = balancer.begin().attempt();
    later.end(Outcome.FAILED);
    assertThat(later.selection.attempt()).isTrue();
  }

  @Test
  void requestsThatWereCutOff_needNoBudget() {
    TestBalancer balancer = of(new Retries(3, 0, 0), "a", "b");
    for (boolean first : new boolean[] {true, false}) {
      Request request = balancer.begin().attempt();
      request.slot.repeat(first);
      request.slot.release();
      assertThat(request.selection.attempt()).isTrue();
      request.acquire();
      request.end(Outcome.FAILED);
      assertThat(request.selection.attempt()).isFalse();
    }
  }

  @Test
  void requestThatWasCutOff_isNotRepeatedWhereOthersHaveFailedSince() {
    TestBalancer balancer = of(new Retries(3, 0, 0), "a", "b");
    Request request = balancer.begin().attempt();
    String first = request.id();
    request.slot.repeat(true);
    request.slot.release();
    balancer.fail(first, 5);
    assertThat(balancer.state(first).ejected()).isTrue();

    assertThat(request.attempt().id()).isNotEqualTo(first);
  }

  @Test
  void budgetOfNothing_retriesNothing() {
    TestBalancer balancer = of(new Retries(3, 0, 0), "a", "b");
    Request request = balancer.begin().attempt();
    request.end(Outcome.FAILED);

    assertThat(request.selection.attempt()).isFalse();
  }

  @Test
  void noUsableEndpoint_isSaidAtOnce() {
    TestBalancer balancer = TestBalancer.of("a");
    balancer.members.get(0).usable = false;

    assertThatThrownBy(() -> balancer.begin().attempt())
        .isInstanceOfSatisfying(
            GatewayException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.NO_CONNECTOR));
  }

  @Test
  void endpointThatGoesBetweenTheTwoSteps_isNotAwaited() {
    TestBalancer balancer = TestBalancer.of("a");
    Request request = balancer.begin();
    assertThat(request.selection.attempt()).isTrue();
    balancer.members.get(0).usable = false;
    request.acquire();

    assertThat(request.refusal.code()).isEqualTo(ErrorCode.NO_CONNECTOR);
  }

  // ---- affinity

  private static TestBalancer pinned(Affinity affinity) {
    return new TestBalancer(
        settings -> settings.affinity(affinity), TestBalancer.members("a", "b", "c"));
  }

  private static Request pinnedTo(TestBalancer balancer, String id) {
    return balancer.begin("user", member -> member.id.equals(id));
  }

  @Test
  void pinnedUser_staysWhereHeIs() {
    for (Affinity affinity : new Affinity[] {Affinity.RE_PIN, Affinity.FAIL}) {
      TestBalancer balancer = pinned(affinity);
      for (int i = 0; i < 100; i++) {
        assertThat(pinnedTo(balancer, "b").attempt().id()).isEqualTo("b");
      }
    }
  }

  @Test
  void pinnedEndpointThatIsOutOfService_isReplaced_whereUsersMayBeRePinned() {
    TestBalancer ejected = pinned(Affinity.RE_PIN);
    ejected.fail("b", 5);
    assertThat(pinnedTo(ejected, "b").attempt().id()).isNotEqualTo("b");

    TestBalancer gone = pinned(Affinity.RE_PIN);
    gone.members.get(1).usable = false;
    assertThat(pinnedTo(gone, "b").attempt().id()).isNotEqualTo("b");
    assertThat(pinnedTo(gone, "unknown").attempt().id()).isNotNull();
  }

  @Test
  void pinnedEndpointThatFails_isReplacedForTheNextAttempt_whereUsersMayBeRePinned() {
    TestBalancer balancer = pinned(Affinity.RE_PIN);
    Request request = pinnedTo(balancer, "b").attempt();
    request.end(Outcome.FAILED);

    assertThat(request.attempt().id()).isNotEqualTo("b");
  }

  @Test
  void pinnedEndpointThatIsGone_failsTheRequest_whereUsersMustNotBeRePinned() {
    TestBalancer balancer = pinned(Affinity.FAIL);
    balancer.members.get(1).usable = false;

    for (String id : new String[] {"b", "unknown"}) {
      Request request = pinnedTo(balancer, id).attempt();
      assertThat(request.refusal.code()).isEqualTo(ErrorCode.PINNED_ENDPOINT_GONE);
      assertThat(request.selection.attempt()).isFalse();
    }
  }

  @Test
  void pinnedEndpointThatFails_isTheOnlyOne_whereUsersMustNotBeRePinned() {
    TestBalancer balancer = pinned(Affinity.FAIL);
    balancer.fail("b", 5);
    assertThat(balancer.state("b").ejected()).isTrue();
    Request request = pinnedTo(balancer, "b").attempt();

    assertThat(request.id()).isEqualTo("b");
    request.end(Outcome.FAILED);
    assertThat(request.selection.attempt()).isFalse();
  }

  @Test
  void userWithoutPin_isBalanced_whateverThePolicy() {
    TestBalancer balancer = pinned(Affinity.FAIL);
    Request request = balancer.begin().attempt();
    request.end(Outcome.FAILED);

    assertThat(request.attempt().slot).isNotNull();
  }
}
