package io.apprxy.balance;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.ErrorCode;
import io.apprxy.LoadBalancing.Affinity;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.balance.TestBalancer.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WaitingTest {
  private static TestBalancer of(int concurrent, int waiting, String... ids) {
    return new TestBalancer(
        settings ->
            settings
                .maxConcurrentRequests(concurrent)
                .maxWaitingRequests(waiting)
                .affinity(Affinity.FAIL)
                .healthCheck(HealthCheck.of("/").thresholds(1, 1)),
        TestBalancer.members(ids));
  }

  @Test
  void busyEndpoint_letsRequestsWait_andServesThemInOrder() {
    TestBalancer balancer = of(1, 10, "a");
    Request served = balancer.begin().attempt();
    Request first = balancer.begin().attempt();
    Request second = balancer.begin().attempt();
    assertThat(first.isWaiting()).isTrue();
    assertThat(balancer.balancer.waitingRequests()).isEqualTo(2);

    served.end(Outcome.ANSWERED);
    first.run();
    second.run();
    assertThat(first.id()).isEqualTo("a");
    assertThat(second.isWaiting()).isTrue();

    first.end(Outcome.ANSWERED);
    second.run();
    assertThat(second.id()).isEqualTo("a");
    second.end(Outcome.ANSWERED);
    assertThat(balancer.state("a").activeRequests()).isZero();
  }

  @Test
  void turn_isTakenOnTheRequestsOwnThread() {
    TestBalancer balancer = of(1, 10, "a");
    Request served = balancer.begin().attempt();
    Request waiting = balancer.begin().attempt();
    served.end(Outcome.ANSWERED);

    assertThat(waiting.isWaiting()).isTrue();
    assertThat(waiting.tasks).hasSize(1);
  }

  @Test
  void queueThatIsFull_refusesAtOnce_andForGood() {
    TestBalancer balancer = of(1, 2, "a");
    balancer.begin().attempt();
    balancer.begin().attempt();
    balancer.begin().attempt();
    Request tooMany = balancer.begin().attempt();

    assertThat(tooMany.refusal.code()).isEqualTo(ErrorCode.ORIGIN_OVERLOADED);
    assertThat(tooMany.selection.attempt()).isFalse();
  }

  @Test
  void requestThatLeaves_givesItsPlaceBack() {
    TestBalancer balancer = of(1, 1, "a");
    Request served = balancer.begin().attempt();
    Request leaving = balancer.begin().attempt();
    assertThat(leaving.waiter.leave()).isTrue();
    Request next = balancer.begin().attempt();
    assertThat(next.isWaiting()).isTrue();

    served.end(Outcome.ANSWERED);
    next.run();
    leaving.run();
    assertThat(next.slot).isNotNull();
    assertThat(leaving.slot).isNull();
  }

  @Test
  void requestThatLeavesWhenItsTurnHasCome_isTold_andMustGiveItBack() {
    TestBalancer balancer = of(1, 1, "a");
    Request served = balancer.begin().attempt();
    Request leaving = balancer.begin().attempt();
    served.end(Outcome.ANSWERED);

    assertThat(leaving.waiter.leave()).isFalse();
    leaving.run();
    assertThat(leaving.slot).isNotNull();
  }

  @Test
  void newcomer_doesNotOvertake() {
    TestBalancer balancer = of(1, 10, "a");
    Request served = balancer.begin().attempt();
    Request waiting = balancer.begin().attempt();
    Request newcomer = balancer.begin().attempt();
    served.end(Outcome.ANSWERED);

    waiting.run();
    newcomer.run();
    assertThat(waiting.slot).isNotNull();
    assertThat(newcomer.isWaiting()).isTrue();
  }

  @Test
  void pinnedRequest_waitsForItsEndpoint_andHoldsUpNobodyElse() {
    TestBalancer balancer = of(1, 10, "a", "b");
    Request atA = balancer.begin("user", member -> member.id.equals("a")).attempt();
    Request forA = balancer.begin("user", member -> member.id.equals("a")).attempt();
    assertThat(forA.isWaiting()).isTrue();

    Request other = balancer.begin().attempt();
    other.run();
    assertThat(other.id()).isEqualTo("b");
    other.end(Outcome.ANSWERED);
    forA.run();
    assertThat(forA.isWaiting()).isTrue();
    atA.end(Outcome.ANSWERED);
    forA.run();
    assertThat(forA.id()).isEqualTo("a");
  }

  @Test
  void queueFullOfThosePinnedElsewhere_refusesNobodyWhoFindsAFreeEndpoint() {
    TestBalancer balancer = of(1, 1, "a", "b");
    balancer.begin("user", member -> member.id.equals("a")).attempt();
    assertThat(balancer.begin("user", member -> member.id.equals("a")).attempt().isWaiting())
        .isTrue();
    Request other = balancer.begin().attempt();

    assertThat(other.id()).isEqualTo("b");
  }

  @Test
  void endpointThatComes_servesThoseThatWait() {
    TestBalancer balancer = of(1, 10, "a");
    balancer.begin().attempt();
    Request waiting = balancer.begin().attempt();
    balancer.balancer.update(List.of(balancer.members.get(0), new TestMember("b")));
    waiting.run();

    assertThat(waiting.id()).isEqualTo("b");
  }

  @Test
  void endpointThatGetsWell_servesThoseThatWait() {
    TestBalancer balancer = of(1, 10, "a", "b");
    balancer.balancer.checked(balancer.members.get(1), false);
    balancer.begin().attempt();
    Request waiting = balancer.begin().attempt();
    assertThat(waiting.isWaiting()).isTrue();
    balancer.balancer.checked(balancer.members.get(1), true);
    waiting.run();

    assertThat(waiting.id()).isEqualTo("b");
  }

  @Test
  void waitingRequest_isNotServedByAnEndpointThatItHasTried() {
    TestBalancer balancer = of(1, 10, "a", "b");
    Request held = balancer.begin().attempt();
    Request retrying = balancer.begin().attempt();
    String tried = retrying.id();
    retrying.end(Outcome.FAILED);
    retrying.attempt();
    assertThat(retrying.isWaiting()).isTrue();
    retrying.run();
    assertThat(retrying.isWaiting()).isTrue();

    held.end(Outcome.ANSWERED);
    retrying.run();
    assertThat(retrying.id()).isNotEqualTo(tried);
  }

  @Test
  void threadThatHasEnded_losesNoSlot() {
    TestBalancer balancer = of(1, 10, "a");
    Request served = balancer.begin().attempt();
    Selection<TestMember> dead = balancer.balancer.begin("user", null);
    assertThat(dead.attempt()).isTrue();
    dead.acquire(
        task -> {
          throw new java.util.concurrent.RejectedExecutionException();
        },
        balancer.begin());
    served.end(Outcome.ANSWERED);

    assertThat(balancer.state("a").activeRequests()).isZero();
  }

  /** Whoever waits is seen by whoever frees an endpoint, however the two meet. */
  @Test
  void noTurnIsLost_andNoLimitIsPassed_underContention() throws Exception {
    int threads = 8;
    int each = 5_000;
    TestBalancer balancer = of(2, 10_000, "a", "b");
    AtomicInteger most = new AtomicInteger();
    AtomicInteger now = new AtomicInteger();
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    List<Future<?>> done = new ArrayList<>();
    for (int t = 0; t < threads; t++) {
      done.add(
          pool.submit(
              () -> {
                for (int i = 0; i < each; i++) {
                  CountDownLatch turn = new CountDownLatch(1);
                  Request request = balancer.begin();
                  request.selection.attempt();
                  request.selection.acquire(
                      Runnable::run,
                      new Selection.Granted<>() {
                        @Override
                        public void granted(Selection.Slot<TestMember> slot) {
                          request.slot = slot;
                          turn.countDown();
                        }

                        @Override
                        public void refused(io.apprxy.GatewayException cause) {
                          throw cause;
                        }
                      });
                  assertThat(turn.await(60, TimeUnit.SECONDS)).isTrue();
                  most.accumulateAndGet(now.incrementAndGet(), Math::max);
                  now.decrementAndGet();
                  request.end(Outcome.ANSWERED);
                }
                return null;
              }));
    }
    for (Future<?> future : done) {
      future.get(120, TimeUnit.SECONDS);
    }
    pool.shutdown();

    assertThat(most.get()).isLessThanOrEqualTo(4);
    assertThat(balancer.balancer.states()).allMatch(state -> state.activeRequests() == 0);
    assertThat(balancer.balancer.waitingRequests()).isZero();
  }
}
