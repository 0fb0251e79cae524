package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Keeps connections up, and spares a gateway that comes back. Time is the test's own. */
class NodeTest {
  private static final Duration ROUND_TRIP = Duration.ofMillis(20);

  private final PriorityQueue<Task> tasks =
      new PriorityQueue<>(Comparator.comparing((Task task) -> task.at).thenComparing(t -> t.order));
  private final List<Dialled> dialled = new ArrayList<>();
  private Duration now = Duration.ZERO;
  private boolean gatewayIsUp = true;
  private boolean gatewayRefuses;
  private int order;

  // ---- one connector

  @Test
  void node_dialsOneConnectionAfterTheOther_eachWhenTheOneBeforeIsOfUse() {
    Node node = node(4, 1);
    node.keepUp();

    assertThat(dialled).hasSize(1);
    run(Duration.ofSeconds(1));
    assertThat(dialled).hasSize(4);
    assertThat(node.isServing()).isTrue();
    for (int i = 1; i < 4; i++) {
      assertThat(dialled.get(i).at.minus(dialled.get(i - 1).at)).isEqualTo(ROUND_TRIP);
    }
  }

  @Test
  void connectionThatIsLost_isDialledAgain_withinASecond() {
    Node node = upAndSound(2, 1);

    dialled.get(0).end(false);
    run(Node.FIRST_WAIT.plus(ROUND_TRIP));

    assertThat(dialled).hasSize(3);
    assertThat(dialled.get(2).serving).isTrue();
    assertThat(node.isServing()).isTrue();
  }

  /** A gateway that restarts loses all of them at once, and is back soon. */
  @Test
  void connectionsThatAreLostTogether_makeTheNextWaitNoLonger_thanOneDoes() {
    upAndSound(16, 1);
    int before = dialled.size();
    gatewayIsUp = false;
    List.copyOf(dialled).forEach(each -> each.end(false));

    run(Node.FIRST_WAIT.plus(Node.FIRST_WAIT.multipliedBy(2)).plus(ROUND_TRIP.multipliedBy(2)));

    assertThat(dialled).hasSizeGreaterThanOrEqualTo(before + 2);
  }

  @Test
  void gatewayThatIsDown_isDialledLessAndLess_andFoundWhenItIsBack() {
    gatewayIsUp = false;
    node(4, 1).keepUp();

    run(Duration.ofMinutes(10));
    // Full jitter: half of the longest wait on average, so that 10 minutes are about 40 dials.
    assertThat(dialled).hasSizeBetween(25, 80);

    gatewayIsUp = true;
    run(Node.LONGEST_WAIT.plusSeconds(1));
    assertThat(serving()).isEqualTo(4);
  }

  /** It would be dialled four times a second for ever, if being configured were enough. */
  @Test
  void gatewayThatTakesConnections_andDropsThemAtOnce_isDialledLessAndLess() {
    Node node = node(1, 1);
    node.keepUp();
    for (int i = 0; i < 600; i++) {
      run(Duration.ofSeconds(1));
      dialled.stream().filter(each -> each.serving).forEach(each -> each.end(false));
    }

    assertThat(dialled).hasSizeLessThan(100);
    assertThat(node.isServing()).isFalse();
  }

  @Test
  void gatewayThatWasSound_isDialledSoon_whateverWasBefore() {
    gatewayIsUp = false;
    Node node = node(1, 1);
    node.keepUp();
    run(Duration.ofMinutes(5));
    gatewayIsUp = true;
    run(Node.LONGEST_WAIT.plus(Node.PROOF).plusSeconds(1));
    assertThat(node.isServing()).isTrue();
    int before = dialled.size();

    dialled.get(before - 1).end(false);
    run(Node.FIRST_WAIT.plus(ROUND_TRIP));

    assertThat(dialled).hasSize(before + 1);
    assertThat(node.isServing()).isTrue();
  }

  @Test
  void connectorThatWasRefused_dialsAtOnce_whenItHasAnotherIdentity() {
    gatewayRefuses = true;
    Node node = node(1, 1);
    node.keepUp();
    run(ROUND_TRIP);
    assertThat(dialled).hasSize(1);

    gatewayRefuses = false;
    node.replaceAll();
    run(ROUND_TRIP);
    assertThat(node.isServing()).isTrue();
    assertThat(dialled).hasSize(2);
  }

  @Test
  void connectionsThatAreMadeAnew_leaveOneByOne_eachWhenAnotherServesInItsPlace() {
    Node node = upAndSound(4, 1);
    node.replaceAll();
    run(Duration.ofSeconds(1));

    assertThat(dialled).hasSize(8);
    assertThat(dialled.subList(0, 4)).allMatch(each -> each.servingWhenItLeft == 4);
    assertThat(dialled.subList(4, 8)).allMatch(each -> each.serving);
  }

  @Test
  void connectionThatWasOnItsWay_isMadeAnew_too() {
    Node node = node(1, 1);
    node.keepUp();
    node.replaceAll();
    run(Duration.ofSeconds(1));

    assertThat(dialled).hasSize(2);
    assertThat(dialled.get(0).servingWhenItLeft).isEqualTo(1);
    assertThat(dialled.get(1).serving).isTrue();
  }

  @Test
  void connectionsServe_whileNoneCanBeMadeAnew() {
    Node node = upAndSound(2, 1);
    gatewayRefuses = true;
    node.replaceAll();
    run(Duration.ofMinutes(5));
    assertThat(serving()).isEqualTo(2);

    gatewayRefuses = false;
    run(Node.REFUSED_WAIT.plus(Node.LONGEST_WAIT).multipliedBy(2));
    assertThat(dialled.subList(0, 2)).allMatch(each -> each.servingWhenItLeft == 2);
    assertThat(serving()).isEqualTo(2);
  }

  @Test
  void gatewayThatRefuses_isLeftAloneForAWhile() {
    gatewayRefuses = true;
    node(4, 1).keepUp();

    run(Duration.ofMinutes(10));

    assertThat(dialled).hasSizeLessThan(31);
    for (int i = 1; i < dialled.size(); i++) {
      assertThat(dialled.get(i).at.minus(dialled.get(i - 1).at))
          .isGreaterThanOrEqualTo(Node.REFUSED_WAIT);
    }
  }

  @Test
  void connectionToBeReplaced_servesOn_besideANewOne() {
    Node node = upAndSound(1, 1);

    node.toBeReplaced(dialled.get(0));
    run(ROUND_TRIP);

    assertThat(dialled).hasSize(2);
    assertThat(serving()).isEqualTo(2);
  }

  @Test
  void gatewayThatLeaves_isNotDialled_beforeItHasClosedAll() {
    Node node = upAndSound(2, 1);

    node.gatewayLeaves();
    dialled.get(0).end(false);
    run(Duration.ofSeconds(20));
    assertThat(dialled).hasSize(2);
    assertThat(node.isServing()).isFalse();

    dialled.get(1).end(false);
    run(Duration.ofSeconds(20));
    assertThat(serving()).isEqualTo(2);
  }

  @Test
  void timeThatWasLost_endsTheWait_andPutsConnectionsInDoubt() {
    gatewayIsUp = false;
    Node node = node(1, 1);
    node.keepUp();
    run(Duration.ofMinutes(5));
    gatewayIsUp = true;
    int before = dialled.size();

    node.wake();
    run(Node.FIRST_WAIT.plus(ROUND_TRIP));
    assertThat(dialled).hasSize(before + 1);

    node.wake();
    assertThat(dialled.get(before).doubted).isTrue();
  }

  @Test
  void nodeThatIsStopped_dialsNoMore_andAgainWhenItIsWanted() {
    Node node = upAndSound(2, 1);
    node.stop();
    dialled.get(0).end(false);
    run(Duration.ofMinutes(1));
    assertThat(dialled).hasSize(2);

    node.resume();
    run(Duration.ofSeconds(2));
    assertThat(serving()).isEqualTo(2);
  }

  // ---- many connectors of one gateway

  @Test
  void gatewayThatIsLostByAThousandConnectors_isDialledByFewAtATime_whenItComesBack() {
    int connectors = 1_000;
    int connections = 4;
    for (int i = 0; i < connectors; i++) {
      node(connections, i).keepUp();
    }
    run(Node.PROOF.plusSeconds(1));
    assertThat(serving()).isEqualTo(connectors * connections);

    gatewayIsUp = false;
    Duration lost = now;
    List.copyOf(dialled).forEach(each -> each.end(false));
    dialled.clear();
    run(Duration.ofSeconds(12));
    // While it is down, no connector has more than one dial under way, whatever it lost.
    assertThat(dialled.size()).isLessThan(connectors * 12);
    assertThat(most(Duration.ofMillis(100), lost)).isLessThan(connectors / 5);

    gatewayIsUp = true;
    Duration back = now;
    run(Node.LONGEST_WAIT.plusSeconds(2));
    assertThat(serving()).isEqualTo(connectors * connections);
    // All 4,000 at once would be 4,000 in the first 100 ms.
    assertThat(most(Duration.ofMillis(100), back)).isLessThan(connectors * connections / 20);
  }

  /** The most dials of any period of this length since then. */
  private long most(Duration period, Duration since) {
    long most = 0;
    List<Long> times =
        dialled.stream()
            .map(each -> each.at.toMillis())
            .filter(at -> at >= since.toMillis())
            .sorted()
            .toList();
    int begin = 0;
    for (int end = 0; end < times.size(); end++) {
      while (times.get(end) - times.get(begin) >= period.toMillis()) {
        begin++;
      }
      most = Math.max(most, end - begin + 1);
    }
    return most;
  }

  // ---- parts

  private Node upAndSound(int wanted, long seed) {
    Node node = node(wanted, seed);
    node.keepUp();
    run(Node.PROOF.plusSeconds(1));
    assertThat(serving()).isEqualTo(wanted);
    return node;
  }

  private Node node(int wanted, long seed) {
    Node[] self = new Node[1];
    self[0] = new Node(wanted, this::after, new Random(seed), () -> dial(self));
    return self[0];
  }

  private Dialled dial(Node[] node) {
    Dialled connection = new Dialled(node, now);
    dialled.add(connection);
    after(ROUND_TRIP, connection::answered);
    return connection;
  }

  private long serving() {
    return dialled.stream().filter(each -> each.serving).count();
  }

  private Runnable after(Duration wait, Runnable task) {
    Task later = new Task(now.plus(wait), order++, task);
    tasks.add(later);
    return () -> tasks.remove(later);
  }

  private void run(Duration time) {
    Duration end = now.plus(time);
    while (!tasks.isEmpty() && tasks.peek().at.compareTo(end) <= 0) {
      Task next = tasks.remove();
      now = next.at;
      next.task.run();
    }
    now = end;
  }

  private record Task(Duration at, int order, Runnable task) {}

  private final class Dialled implements Node.Connection {
    private final Node[] node;
    private final Duration at;
    private boolean serving;
    private boolean ended;
    private boolean doubted;
    private long servingWhenItLeft = -1;

    Dialled(Node[] node, Duration at) {
      this.node = node;
      this.at = at;
    }

    void answered() {
      if (gatewayRefuses) {
        end(true);
      } else if (gatewayIsUp) {
        serving = true;
        node[0].serves(this);
      } else {
        end(false);
      }
    }

    void end(boolean refused) {
      if (!ended) {
        ended = true;
        serving = false;
        node[0].ended(this, refused);
      }
    }

    @Override
    public void close() {
      end(false);
    }

    @Override
    public void leave() {
      serving = false;
      servingWhenItLeft = serving();
    }

    @Override
    public void doubt() {
      doubted = true;
    }
  }
}
