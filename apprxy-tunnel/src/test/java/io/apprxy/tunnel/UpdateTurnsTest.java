package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.tunnel.TunnelEvent.Type;
import io.apprxy.tunnel.UpdateReport.State;
import io.apprxy.tunnel.UpdateTurns.Member;
import io.apprxy.tunnel.UpdateTurns.Order;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One connector of a group at a time, and none that others would be missing for. */
class UpdateTurnsTest {
  private static final Version OLD = new Version("1.0.0");
  private static final Version NEW = new Version("1.1.0");
  private static final Duration TIME = Duration.ofMinutes(15);

  private final TestClock clock = new TestClock();
  private final List<String> events = new ArrayList<>();
  private final List<String> details = new ArrayList<>();
  private final UpdateTurns turns = turns(false);
  private final Map<String, Member> group = new LinkedHashMap<>();

  private UpdateTurns turns(boolean onlyOneToo) {
    return new UpdateTurns(
        TIME,
        onlyOneToo,
        clock,
        (type, id, detail) -> {
          events.add(type + " " + id);
          details.add(detail);
        });
  }

  private void connect(String id, Version version) {
    group.put(
        id,
        new Member(
            id, "connector " + id, id + "-" + version, version, true, true, UpdateReport.NONE));
  }

  private void disconnect(String id) {
    group.remove(id);
  }

  private void set(String id, boolean able, boolean usable, UpdateReport said) {
    Member was = group.get(id);
    group.put(id, new Member(id, was.label(), was.instance(), was.version(), able, usable, said));
  }

  private void reports(String id, int attempt, State state) {
    set(id, true, true, new UpdateReport(attempt, "1.1.0", state, "SIGNATURE: bad"));
  }

  /** Who is told that it is its turn. */
  private String advance() {
    return turns.advance(group.values(), NEW).map(Order::id).orElse("");
  }

  @Test
  void connectors_areUpdatedOneAfterTheOther() {
    connect("a", OLD);
    connect("b", OLD);
    connect("c", OLD);

    for (String id : List.of("a", "b", "c")) {
      assertThat(advance()).isEqualTo(id);
      assertThat(advance()).as("told again, since it may not have heard").isEqualTo(id);
      reports(id, 1, State.STARTED);
      assertThat(advance()).as("while %s is at it", id).isEmpty();
      disconnect(id);
      assertThat(advance()).as("while %s restarts", id).isEmpty();
      connect(id, NEW);
    }

    assertThat(advance()).isEmpty();
    assertThat(events)
        .containsExactly(
            "UPDATE_STARTED a",
            "UPDATED a",
            "UPDATE_STARTED b",
            "UPDATED b",
            "UPDATE_STARTED c",
            "UPDATED c");
    assertThat(details.get(0))
        .isEqualTo("connector a runs 1.0.0, and is to update itself to 1.1.0");
    assertThat(details.get(1)).isEqualTo("connector a runs 1.1.0 now");
  }

  @Test
  void connectors_thatRunTheVersion_orANewerOne_getNoTurn() {
    connect("a", NEW);
    connect("b", new Version("1.2.0-rc.1"));

    assertThat(advance()).isEmpty();
    assertThat(events).isEmpty();
  }

  @Test
  void onlyConnectorOfAGroup_getsNoTurn_untilAnotherIsUsable() {
    connect("a", OLD);
    assertThat(advance()).isEmpty();

    connect("b", NEW);
    set("b", true, false, UpdateReport.NONE);
    assertThat(advance()).as("the other takes no requests").isEmpty();

    set("b", true, true, UpdateReport.NONE);
    assertThat(advance()).isEqualTo("a");
  }

  @Test
  void onlyConnectorOfAGroup_getsItsTurn_whereTheOperatorAllowsIt() {
    connect("a", OLD);

    assertThat(turns(true).advance(group.values(), NEW)).isPresent();
  }

  @Test
  void connector_thatCannotUpdateItself_orLeaves_isPassedOver() {
    connect("a", OLD);
    set("a", false, true, UpdateReport.NONE);
    connect("b", OLD);
    set("b", true, false, UpdateReport.NONE);
    connect("c", OLD);

    assertThat(advance()).isEqualTo("c");
  }

  @Test
  void connector_thatRefusesTheRelease_isTold_andOthersGetTheirTurn() {
    connect("a", OLD);
    connect("b", OLD);
    advance();

    reports("a", 1, State.REFUSED);

    assertThat(advance()).isEqualTo("b");
    assertThat(events).containsExactly("UPDATE_STARTED a", "UPDATE_REFUSED a", "UPDATE_STARTED b");
    assertThat(details.get(1)).isEqualTo("connector a was not updated: SIGNATURE: bad");
  }

  @Test
  void connector_thatFails_isTriedAgain_afterAWhile() {
    connect("a", OLD);
    connect("b", NEW);
    advance();
    reports("a", 1, State.FAILED);
    assertThat(advance()).isEmpty();

    clock.advance(UpdateTurns.PASSED_OVER.minusSeconds(1));
    assertThat(advance()).isEmpty();
    clock.advance(Duration.ofSeconds(1));
    assertThat(turns.advance(group.values(), NEW)).contains(new Order("a", "a-1.0.0", 2, NEW));

    assertThat(advance()).as("what it reports still is of the former turn").isEqualTo("a");
    assertThat(events).containsExactly("UPDATE_STARTED a", "UPDATE_FAILED a", "UPDATE_STARTED a");
    reports("a", 2, State.FAILED);
    advance();
    assertThat(events).last().isEqualTo("UPDATE_FAILED a");
  }

  @Test
  void connector_thatComesBackAsItWas_hasFailed() {
    connect("a", OLD);
    connect("b", NEW);
    advance();
    disconnect("a");
    advance();

    group.put(
        "a", new Member("a", "connector a", "another run", OLD, true, true, UpdateReport.NONE));

    assertThat(advance()).isEmpty();
    assertThat(events).containsExactly("UPDATE_STARTED a", "UPDATE_FAILED a");
    assertThat(details.get(1)).contains("it is back, and runs 1.0.0 again");
  }

  @Test
  void connector_thatDoesNotComeBack_blocksNobody() {
    connect("a", OLD);
    connect("b", OLD);
    connect("c", OLD);
    advance();
    disconnect("a");

    clock.advance(TIME.minusSeconds(1));
    assertThat(advance()).isEmpty();
    clock.advance(Duration.ofSeconds(1));
    assertThat(advance()).isEqualTo("b");
    assertThat(details.get(1))
        .isEqualTo("connector a was not updated: it was not back after PT15M");
    assertThat(events).containsExactly("UPDATE_STARTED a", "UPDATE_FAILED a", "UPDATE_STARTED b");
  }

  @Test
  void connector_thatHangs_isPassedOver_thoughItSaysThatItIsAtIt() {
    connect("a", OLD);
    connect("b", OLD);
    advance();
    reports("a", 1, State.STARTED);

    clock.advance(TIME);

    assertThat(advance()).isEqualTo("b");
  }

  @Test
  void turnThatAnotherGatewayGave_isWaitedFor() {
    connect("a", OLD);
    connect("b", OLD);
    reports("b", 1, State.STARTED);

    assertThat(advance()).isEmpty();
    assertThat(events).containsExactly("UPDATE_STARTED b");

    reports("b", 1, State.REFUSED);
    assertThat(advance()).isEqualTo("a");
    assertThat(events).containsExactly("UPDATE_STARTED b", "UPDATE_REFUSED b", "UPDATE_STARTED a");
  }

  @Test
  void turnThatAnotherGatewayGave_whileOursWasUnderWay_isWaitedFor_thoughItsConnectorIsGone() {
    connect("a", OLD);
    connect("b", OLD);
    connect("c", OLD);
    assertThat(advance()).isEqualTo("a");
    disconnect("a");
    reports("b", 1, State.STARTED); // at the other gateway a is back already
    assertThat(advance()).isEmpty();
    disconnect("b");
    connect("a", NEW);

    assertThat(advance()).as("while b restarts").isEmpty();

    connect("b", NEW);
    assertThat(advance()).isEqualTo("c");
    assertThat(events)
        .containsExactly(
            "UPDATE_STARTED a", "UPDATE_STARTED b", "UPDATED a", "UPDATED b", "UPDATE_STARTED c");
  }

  /** As a gateway that is told of the version later than the others. */
  @Test
  void failureThatAnotherGatewaySaw_isNotRepeated_untilTheWhileIsOver() {
    connect("a", OLD);
    connect("b", OLD);
    reports("a", 1, State.REFUSED);

    assertThat(advance()).isEqualTo("b");
    reports("b", 1, State.FAILED);
    assertThat(advance()).isEmpty();

    clock.advance(UpdateTurns.PASSED_OVER);
    assertThat(turns.advance(group.values(), NEW)).contains(new Order("a", "a-1.0.0", 2, NEW));
  }

  @Test
  void connectorThatReportsAttemptAfterAttempt_holdsUpNobody_andIsToldOfOnce() {
    connect("a", OLD);
    connect("b", OLD);
    reports("a", 1, State.STARTED);
    assertThat(advance()).isEmpty();
    reports("a", 1, State.FAILED);

    for (int attempt = 2; attempt < 10; attempt++) {
      assertThat(advance()).isEqualTo("b");
      reports("a", attempt, attempt % 2 == 0 ? State.STARTED : State.REFUSED);
    }

    assertThat(events).containsExactly("UPDATE_STARTED a", "UPDATE_FAILED a", "UPDATE_STARTED b");
  }

  @Test
  void connectorThatAnotherGatewayTriesAgain_whenTheWhileIsOver_isWaitedFor() {
    connect("a", OLD);
    connect("b", OLD);
    advance();
    reports("a", 1, State.REFUSED);
    assertThat(advance()).isEqualTo("b");
    reports("b", 1, State.REFUSED);
    advance();
    clock.advance(UpdateTurns.PASSED_OVER);
    reports("b", 2, State.STARTED);

    assertThat(advance()).as("though a would be the first").isEmpty();
  }

  @Test
  void failureToUpdateToAnotherVersion_keepsNobodyFromThisOne() {
    connect("a", OLD);
    connect("b", OLD);
    set("a", true, true, new UpdateReport(1, "1.0.9", State.REFUSED, "SIGNATURE: bad"));

    assertThat(advance()).isEqualTo("a");
  }

  /** Whatever is lost or late between them. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
  void twoGateways_haveOneConnectorUpdateItself_eachOnce(long seed) {
    Random random = new Random(seed);
    List<String> ids = List.of("a", "b", "c", "d");
    List<Map<String, Member>> seen = List.of(new LinkedHashMap<>(), new LinkedHashMap<>());
    List<UpdateTurns> gateways = List.of(turns, turns(false));
    ids.forEach(id -> connect(id, OLD));
    seen.forEach(each -> each.putAll(group));
    List<String> begun = new ArrayList<>();
    String away = "";

    for (int step = 0; step < 2_000; step++) {
      int which = random.nextInt(2);
      Map<String, Member> view = seen.get(which);
      switch (random.nextInt(3)) {
        case 0 -> { // what one connector says arrives
          String id = ids.get(random.nextInt(ids.size()));
          if (group.containsKey(id)) {
            view.put(id, group.get(id));
          } else {
            view.remove(id);
          }
        }
        case 1 -> { // the one that is away restarts, when both gateways know what it does
          if (!away.isEmpty()) {
            String id = away;
            if (group.containsKey(id)
                && seen.stream().allMatch(v -> group.get(id).equals(v.get(id)))) {
              disconnect(id);
            } else if (!group.containsKey(id) && seen.stream().noneMatch(v -> v.containsKey(id))) {
              connect(id, NEW);
              away = "";
            }
          }
        }
        default -> {
          Order order = gateways.get(which).advance(List.copyOf(view.values()), NEW).orElse(null);
          Member told = order == null ? null : group.get(order.id());
          if (order != null
              && told != null
              && told.instance().equals(order.instance())
              && told.said().attempt() + 1 == order.attempt()) {
            assertThat(away).as("is away while %s gets the turn", order.id()).isEmpty();
            away = order.id();
            begun.add(away);
            reports(away, order.attempt(), State.STARTED);
          }
        }
      }
    }

    assertThat(begun).containsExactlyInAnyOrderElementsOf(ids);
    assertThat(events).noneMatch(event -> event.startsWith("UPDATE_FAILED"));
  }

  @Test
  void connector_thatIsBack_isNotTakenForItsFormerRun_whichIsNotGoneYet() {
    connect("a", OLD);
    connect("b", OLD);
    advance();

    group.put("the former run of a", group.get("a"));
    connect("a", NEW);

    assertThat(advance()).isEqualTo("b");
    assertThat(events).containsExactly("UPDATE_STARTED a", "UPDATED a", "UPDATE_STARTED b");
  }

  @Test
  void anotherRecommendation_beginsAnew() {
    connect("a", OLD);
    connect("b", OLD);
    advance();
    reports("a", 1, State.REFUSED);
    advance();

    assertThat(turns.advance(group.values(), new Version("1.1.1")))
        .contains(new Order("a", "a-1.0.0", 2, new Version("1.1.1")));
    assertThat(events).last().isEqualTo(Type.UPDATE_STARTED + " a");
  }

  @Test
  void order_isReadAsItWasWritten() {
    Order order = new Order("a", "run-1", 3, NEW);

    assertThat(Order.fromJson(order.toJson())).isEqualTo(order);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "{}",
        "[]",
        "null",
        "{\"id\":\"a\",\"instance\":\"b\",\"attempt\":1,\"version\":null}",
        "{\"id\":null,\"instance\":\"b\",\"attempt\":1,\"version\":\"1.0.0\"}",
        "{\"id\":\"a\",\"instance\":\"b\",\"attempt\":\"1\",\"version\":\"1.0.0\"}"
      })
  void text_thatIsNoOrder_isRefused(String json) {
    assertThatThrownBy(() -> Order.fromJson(json)).isInstanceOf(IllegalArgumentException.class);
  }
}
