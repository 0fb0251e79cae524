package io.apprxy.balance;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.LoadBalancing.Algorithm;
import io.apprxy.balance.TestBalancer.Request;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AlgorithmTest {
  private static TestBalancer by(Algorithm algorithm, TestMember... members) {
    return new TestBalancer(settings -> settings.algorithm(algorithm), members);
  }

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void everyAlgorithm_spreadsOverAllEqualEndpoints(Algorithm algorithm) {
    TestBalancer balancer = by(algorithm, TestBalancer.members("a", "b", "c", "d"));

    assertThat(balancer.serve(8_000).values())
        .allSatisfy(served -> assertThat(served).isCloseTo(2_000, Percentage.withPercentage(12)));
  }

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void everyAlgorithm_passesOverWhatIsNotUsable(Algorithm algorithm) {
    TestBalancer balancer = by(algorithm, TestBalancer.members("a", "b", "c", "d", "e", "f"));
    balancer.members.forEach(member -> member.usable = member.id.equals("e"));

    assertThat(balancer.serve(200)).containsEntry("e", 200);
  }

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void everyAlgorithm_servesByTheOnlyEndpoint(Algorithm algorithm) {
    assertThat(by(algorithm, new TestMember("a")).serve(10)).containsEntry("a", 10);
  }

  @Test
  void leastRequests_prefersTheLessBusyOfTwo() {
    TestBalancer balancer = by(Algorithm.LEAST_REQUESTS, TestBalancer.members("a", "b"));
    List<Request> held = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      held.add(balancer.begin().attempt());
    }

    assertThat(balancer.state("a").activeRequests()).isEqualTo(50);
    assertThat(balancer.state("b").activeRequests()).isEqualTo(50);

    held.stream().filter(request -> request.id().equals("b")).forEach(r -> r.end(null));
    assertThat(balancer.serve(50)).containsEntry("b", 50);
  }

  @Test
  void leastRequests_keepsManyEndpointsEven_asNoSingleDrawWould() {
    String[] ids = new String[50];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = "e" + i;
    }
    TestBalancer balancer = by(Algorithm.LEAST_REQUESTS, TestBalancer.members(ids));
    for (int i = 0; i < 5_000; i++) {
      balancer.begin().attempt();
    }

    // 5,000 balls in 50 bins: at random the fullest has about 125, of two choices about 102.
    assertThat(balancer.balancer.states())
        .allSatisfy(state -> assertThat(state.activeRequests()).isBetween(95, 105));
  }

  @Test
  void leastRequests_takesWeightsIntoAccount() {
    TestBalancer balancer =
        by(Algorithm.LEAST_REQUESTS, new TestMember("a", 0, 3), new TestMember("b", 0, 1));
    for (int i = 0; i < 400; i++) {
      balancer.begin().attempt();
    }

    assertThat(balancer.state("a").activeRequests()).isBetween(298, 302);
  }

  @Test
  void roundRobin_goesFromOneToTheNext() {
    TestBalancer balancer = by(Algorithm.ROUND_ROBIN, TestBalancer.members("a", "b", "c"));

    assertThat(List.of(balancer.serve(), balancer.serve(), balancer.serve(), balancer.serve()))
        .containsExactly("a", "b", "c", "a");
  }

  @Test
  void weighted_servesInProportion() {
    TestBalancer balancer =
        by(
            Algorithm.WEIGHTED,
            new TestMember("a", 0, 7),
            new TestMember("b", 0, 2),
            new TestMember("c", 0, 1));
    Map<String, Integer> served = balancer.serve(10_000);

    assertThat(served.get("a")).isCloseTo(7_000, Percentage.withPercentage(5));
    assertThat(served.get("b")).isCloseTo(2_000, Percentage.withPercentage(10));
    assertThat(served.get("c")).isCloseTo(1_000, Percentage.withPercentage(15));
  }

  @Test
  void consistentHash_keepsAUserWhereHeIs_onEveryGateway() {
    TestBalancer one = by(Algorithm.CONSISTENT_HASH, TestBalancer.members("a", "b", "c"));
    TestBalancer other = by(Algorithm.CONSISTENT_HASH, TestBalancer.members("c", "a", "b"));

    for (int i = 0; i < 200; i++) {
      String user = "user-" + i;
      assertThat(List.of(one.serve(user), one.serve(user))).containsOnly(other.serve(user));
    }
  }

  @Test
  void consistentHash_movesOnlyTheUsersOfTheEndpointThatGoes() {
    TestBalancer balancer = by(Algorithm.CONSISTENT_HASH, TestBalancer.members("a", "b", "c", "d"));
    Map<String, String> before = new HashMap<>();
    for (int i = 0; i < 1_000; i++) {
      before.put("user-" + i, balancer.serve("user-" + i));
    }
    balancer.members.get(1).usable = false;

    before.forEach(
        (user, endpoint) -> {
          if (!endpoint.equals("b")) {
            assertThat(balancer.serve(user)).isEqualTo(endpoint);
          }
        });
  }

  @Test
  void consistentHash_takesWeightsIntoAccount() {
    TestBalancer balancer =
        by(Algorithm.CONSISTENT_HASH, new TestMember("a", 0, 3), new TestMember("b", 0, 1));

    assertThat(balancer.serve(8_000).get("a")).isCloseTo(6_000, Percentage.withPercentage(5));
  }

  // ---- tiers

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void nearestTier_servesAlone_whileOneOfItServes(Algorithm algorithm) {
    TestBalancer balancer =
        by(
            algorithm,
            new TestMember("far", 1, 1),
            new TestMember("near-1"),
            new TestMember("near-2"));

    assertThat(balancer.serve(500)).containsEntry("far", 0);

    balancer.members.get(1).usable = false;
    assertThat(balancer.serve(100)).containsEntry("near-2", 100);

    balancer.members.get(2).usable = false;
    assertThat(balancer.serve(100)).containsEntry("far", 100);

    balancer.members.get(1).usable = true;
    assertThat(balancer.serve(100)).containsEntry("near-1", 100);
  }

  @Test
  void nearestTierThatIsBusy_isHelpedByTheNext() {
    TestBalancer balancer =
        new TestBalancer(
            settings -> settings.maxConcurrentRequests(2),
            new TestMember("near"),
            new TestMember("far", 1, 1));
    List<String> served = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      served.add(balancer.begin().attempt().id());
    }

    assertThat(served).containsExactly("near", "near", "far", "far");
  }

  // ---- slow start

  @ParameterizedTest
  @EnumSource(value = Algorithm.class)
  void slowStart_givesANewEndpointLess_andThenItsShare(Algorithm algorithm) {
    TestBalancer balancer =
        new TestBalancer(
            settings -> settings.algorithm(algorithm).slowStart(Duration.ofSeconds(60)),
            new TestMember("a"));
    TestMember late = new TestMember("late");
    balancer.balancer.update(List.of(balancer.members.get(0), late));

    assertThat(balancer.serve(4_000).getOrDefault("late", 0)).isBetween(100, 700);
    balancer.pass(Duration.ofSeconds(30));
    assertThat(balancer.serve(4_000).get("late")).isBetween(700, 1_700);
    balancer.pass(Duration.ofSeconds(30));
    assertThat(balancer.serve(4_000).get("late")).isCloseTo(2_000, Percentage.withPercentage(12));
  }

  @Test
  void slowStart_isNotForThoseThatAreThereFromTheBeginning_orAlone() {
    TestBalancer balancer =
        new TestBalancer(
            settings -> settings.slowStart(Duration.ofSeconds(60)), TestBalancer.members("a", "b"));

    assertThat(balancer.serve(2_000).get("b")).isCloseTo(1_000, Percentage.withPercentage(12));

    TestMember late = new TestMember("late");
    balancer.balancer.update(List.of(late));
    assertThat(balancer.serve()).isEqualTo("late");
  }

  @Test
  void update_keepsWhatIsKnownOfThoseThatStay() {
    TestBalancer balancer = TestBalancer.of("a", "b", "c");
    Request held = balancer.begin().attempt();
    balancer.balancer.update(balancer.members.subList(0, 2));
    balancer.balancer.update(balancer.members);

    int active = balancer.balancer.states().stream().mapToInt(EndpointState::activeRequests).sum();
    assertThat(active).isEqualTo(held.id().equals("c") ? 0 : 1);
    held.end(Outcome.ANSWERED);
    assertThat(balancer.balancer.states()).allMatch(state -> state.activeRequests() == 0);
  }
}
