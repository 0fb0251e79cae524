package io.apprxy.balance;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.LoadBalancing.OutlierEjection;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EjectionTest {
  private static final Duration BASE = Duration.ofSeconds(30);

  private static TestBalancer of(double maxShare, String... ids) {
    return new TestBalancer(
        settings ->
            settings.circuitBreaker(null).outlierEjection(new OutlierEjection(5, BASE, maxShare)),
        TestBalancer.members(ids));
  }

  @ParameterizedTest
  @EnumSource(
      value = Outcome.class,
      names = {"FAILED", "TURNED_AWAY"})
  void failuresInARow_takeAnEndpointOut(Outcome failure) {
    TestBalancer balancer = of(0.5, "a", "b");

    balancer.fail("a", 4, failure);
    assertThat(balancer.state("a").inService()).isTrue();
    balancer.fail("a", 1, failure);

    assertThat(balancer.state("a").ejected()).isTrue();
    assertThat(balancer.serve(100)).containsEntry("a", 0);
    assertThat(balancer.ejections).isEqualTo(1);
  }

  @Test
  void answerInBetween_startsTheCountAnew() {
    TestBalancer balancer = of(0.5, "a", "b");

    for (int i = 0; i < 10; i++) {
      balancer.fail("a", 4);
      balancer.answer("a");
    }

    assertThat(balancer.state("a").ejected()).isFalse();
    assertThat(balancer.state("a").consecutiveFailures()).isZero();
  }

  @Test
  void ejectedEndpoint_comesBackAfterItsTime_onTrial() {
    TestBalancer balancer = of(0.5, "a", "b");
    balancer.fail("a", 5);

    balancer.pass(BASE.minusNanos(1));
    assertThat(balancer.state("a").ejected()).isTrue();
    balancer.pass(Duration.ofNanos(1));
    assertThat(balancer.state("a").ejected()).isFalse();

    balancer.fail("a", 1);
    assertThat(balancer.state("a").ejected()).as("the first failure ends the trial").isTrue();
  }

  @Test
  void answerOnTrial_bringsItBackForGood() {
    TestBalancer balancer = of(0.5, "a", "b");
    balancer.fail("a", 5);
    balancer.pass(BASE);
    assertThat(balancer.state("a").ejected()).isFalse();

    balancer.answer("a");
    balancer.fail("a", 4);

    assertThat(balancer.state("a").ejected()).isFalse();
  }

  @Test
  void ejectionTime_growsWithEachEjection_upToTenfold_andStartsAnewAfterAGoodWhile() {
    TestBalancer balancer = of(0.5, "a", "b");
    balancer.fail("a", 5);
    for (int i = 1; i <= 12; i++) {
      Duration time = BASE.multipliedBy(Math.min(i, 10));
      balancer.pass(time.minusNanos(1));
      assertThat(balancer.state("a").ejected()).as("ejection " + i).isTrue();
      balancer.pass(Duration.ofNanos(1));
      assertThat(balancer.state("a").ejected()).as("ejection " + i).isFalse();
      balancer.fail("a", 1);
    }
    balancer.pass(BASE.multipliedBy(10));
    assertThat(balancer.state("a").ejected()).isFalse();
    balancer.answer("a");

    balancer.pass(BASE.multipliedBy(10).plusNanos(1));
    balancer.fail("a", 5);
    balancer.pass(BASE);
    assertThat(balancer.state("a").ejected()).isFalse();
  }

  @Test
  void share_boundsHowManyAreOutAtOnce() {
    TestBalancer balancer = of(0.5, "a", "b", "c", "d");
    for (String id : new String[] {"a", "b", "c", "d"}) {
      balancer.fail(id, 20);
    }

    assertThat(balancer.balancer.states()).filteredOn(EndpointState::ejected).hasSize(2);
  }

  @Test
  void lastEndpointInService_stays_whateverTheShare() {
    TestBalancer all = of(1, "a", "b", "c");
    for (String id : new String[] {"a", "b", "c"}) {
      all.fail(id, 20);
    }
    assertThat(all.balancer.states()).filteredOn(EndpointState::inService).hasSize(1);

    TestBalancer one = of(1, "a");
    one.fail("a", 100);
    assertThat(one.state("a").ejected()).isFalse();

    TestBalancer gone = of(1, "a", "b");
    gone.members.get(0).usable = false;
    gone.fail("b", 100);
    assertThat(gone.state("b").ejected()).isFalse();
  }

  @Test
  void oneOfFew_mayBeOut_howeverSmallTheShare() {
    TestBalancer balancer = of(0.01, "a", "b", "c");
    balancer.fail("a", 5);
    balancer.fail("b", 5);

    assertThat(balancer.balancer.states()).filteredOn(EndpointState::ejected).hasSize(1);
  }

  // ---- what fails behind a connector

  @Test
  void originThatNobodyReaches_ejectsNoConnector() {
    TestBalancer balancer = of(1, "a", "b");
    balancer.answer("b");
    balancer.pass(Duration.ofSeconds(1));

    balancer.fail("a", 50, Outcome.FAILED_BEHIND);
    balancer.fail("b", 50, Outcome.FAILED_BEHIND);

    assertThat(balancer.balancer.states()).noneMatch(EndpointState::ejected);
  }

  @Test
  void originThatAnotherConnectorReaches_ejectsTheOneThatDoesNot() {
    TestBalancer balancer = of(1, "a", "b");
    balancer.fail("a", 5, Outcome.FAILED_BEHIND);
    assertThat(balancer.state("a").ejected()).isFalse();

    balancer.pass(Duration.ofSeconds(1));
    balancer.answer("b");
    balancer.fail("a", 1, Outcome.FAILED_BEHIND);

    assertThat(balancer.state("a").ejected()).isTrue();
  }

  // ---- health checks

  private static TestBalancer checked(String... ids) {
    return new TestBalancer(
        settings -> settings.healthCheck(HealthCheck.of("/up").thresholds(2, 3)),
        TestBalancer.members(ids));
  }

  @Test
  void endpoint_isHealthyUntilEnoughChecksHaveFailed_andUntilEnoughWereGoodAgain() {
    TestBalancer balancer = checked("a", "b");
    TestMember a = balancer.members.get(0);

    balancer.balancer.checked(a, false);
    balancer.balancer.checked(a, false);
    balancer.balancer.checked(a, true);
    balancer.balancer.checked(a, false);
    balancer.balancer.checked(a, false);
    assertThat(balancer.state("a").healthy()).isTrue();
    balancer.balancer.checked(a, false);
    assertThat(balancer.state("a").healthy()).isFalse();
    assertThat(balancer.serve(50)).containsEntry("a", 0);

    balancer.balancer.checked(a, true);
    balancer.balancer.checked(a, false);
    balancer.balancer.checked(a, true);
    assertThat(balancer.state("a").healthy()).isFalse();
    balancer.balancer.checked(a, true);
    assertThat(balancer.state("a").healthy()).isTrue();
  }

  @Test
  void checkThatNobodyPasses_takesNothingDown() {
    TestBalancer balancer = checked("a", "b");
    for (TestMember member : balancer.members) {
      for (int i = 0; i < 3; i++) {
        balancer.balancer.checked(member, false);
      }
    }

    assertThat(balancer.balancer.states()).noneMatch(EndpointState::healthy);
    assertThat(balancer.serve(100).values()).allSatisfy(served -> assertThat(served).isPositive());
  }
}
