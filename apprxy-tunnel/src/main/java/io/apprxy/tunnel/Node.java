package io.apprxy.tunnel;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One gateway node, and the connections to it, which are kept up. They are dialled one after the
 * other, each when the one before is of use: a gateway that comes back meets one dial of each
 * connector, at a random time, and not all that its connectors had. Confined to an I/O thread.
 */
final class Node {
  /** A connection that was lost is dialled again within this, at random; then within its double. */
  static final Duration FIRST_WAIT = Duration.ofSeconds(1);

  static final Duration LONGEST_WAIT = Duration.ofSeconds(30);

  /** A gateway that refuses us will hardly think better of it soon. */
  static final Duration REFUSED_WAIT = Duration.ofSeconds(20);

  /** A gateway is sound again when a connection has lasted as long. */
  static final Duration PROOF = Duration.ofSeconds(10);

  private final int wanted;
  private final Dial dial;
  private final Timer timer;
  private final Backoff backoff;
  private final Set<Connection> serving = new HashSet<>();

  /** They serve until the gateway closes them, and count no more. */
  private final Set<Connection> retired = new HashSet<>();

  /** Those of {@link #serving} that leave, each as soon as another is there in its place. */
  private final Set<Connection> outdated = new HashSet<>();

  private @Nullable Connection dialling;
  private @Nullable Runnable cancelWait;
  private boolean gatewayLeaves;
  private boolean stopped;

  /** A connection, as far as it concerns its node. */
  interface Connection {
    void close();

    /** Tells the gateway to close it after the last request; is dialled no more. */
    void leave();

    /** Finds out soon whether the gateway is still there. */
    void doubt();
  }

  /** Dials a connection; tells the node of it on the node's thread, later. */
  interface Dial {
    Connection start();
  }

  /** Runs a task on the node's thread, later. */
  interface Timer {
    /** The answer cancels it. */
    Runnable after(Duration wait, Runnable task);
  }

  Node(int wanted, Timer timer, RandomGenerator random, Dial dial) {
    this.wanted = wanted;
    this.timer = timer;
    this.backoff = new Backoff(FIRST_WAIT, LONGEST_WAIT, random);
    this.dial = dial;
  }

  /** Dials, if there are fewer connections than there should be. */
  void keepUp() {
    if (!stopped
        && !gatewayLeaves
        && dialling == null
        && cancelWait == null
        && (serving.size() < wanted || !outdated.isEmpty())) {
      dialling = dial.start();
    }
  }

  private void dialIn(Duration wait) {
    if (cancelWait == null) {
      cancelWait =
          timer.after(
              wait,
              () -> {
                cancelWait = null;
                keepUp();
              });
    }
  }

  // ---- what becomes of connections

  /** A connection is of use: the next one may be dialled. */
  void serves(Connection connection) {
    if (connection.equals(dialling)) {
      dialling = null;
      serving.add(connection);
      letOneLeaveFor(connection);
      var unused =
          timer.after(
              PROOF,
              () -> {
                if (serving.contains(connection)) {
                  backoff.reset();
                }
              });
      keepUp();
    }
  }

  private void letOneLeaveFor(Connection another) {
    for (Connection old : outdated) {
      if (!old.equals(another)) {
        outdated.remove(old);
        serving.remove(old);
        retired.add(old);
        old.leave();
        return;
      }
    }
  }

  void toBeReplaced(Connection connection) {
    outdated.remove(connection);
    if (serving.remove(connection)) {
      retired.add(connection);
      keepUp();
    }
  }

  /** Its connections end soon, and none is dialled before: then it may be back. */
  void gatewayLeaves() {
    gatewayLeaves = true;
  }

  /**
   * @param refused whether the gateway does not want it
   */
  void ended(Connection connection, boolean refused) {
    serving.remove(connection);
    outdated.remove(connection);
    retired.remove(connection);
    if (connection.equals(dialling)) {
      dialling = null;
    }
    if (serving.isEmpty() && retired.isEmpty()) {
      gatewayLeaves = false;
    }
    if (dialling == null && cancelWait == null) { // else several lost at once would count as tries
      Duration wait = backoff.next();
      dialIn(refused ? REFUSED_WAIT.plus(wait) : wait);
    }
  }

  boolean isServing() {
    return !gatewayLeaves && !serving.isEmpty();
  }

  boolean mayServe() {
    return !stopped && !gatewayLeaves;
  }

  boolean isEmpty() {
    return dialling == null && serving.isEmpty() && retired.isEmpty();
  }

  // ---- what the connector wants

  /**
   * Replaces all connections, one by one, with no time at which there are fewer. If one was waited
   * for, it was in vain that it was dialled as who the connector is no more.
   */
  void replaceAll() {
    outdated.addAll(serving);
    if (dialling != null) {
      outdated.add(dialling);
    }
    waitNoMore();
    keepUp();
  }

  /** Time was lost: what was waited for may be over, and what was open may be dead. */
  void wake() {
    connections().forEach(Connection::doubt);
    backoff.reset();
    if (cancelWait != null) {
      cancelWait.run();
      cancelWait = null;
      dialIn(backoff.next());
    }
  }

  /** Dials no more; open connections go on. */
  void stop() {
    stopped = true;
    waitNoMore();
    if (dialling != null) {
      dialling.leave(); // it may be of use to the gateway already
    }
  }

  private void waitNoMore() {
    if (cancelWait != null) {
      cancelWait.run();
      cancelWait = null;
    }
  }

  /** Dials again. */
  void resume() {
    stopped = false;
    keepUp();
  }

  /** Has the gateway close the connections, each after its last request. */
  void leave() {
    stop();
    connections().forEach(Connection::leave);
  }

  void close() {
    stop();
    connections().forEach(Connection::close);
  }

  private List<Connection> connections() {
    return Stream.of(serving, retired, dialling == null ? Set.<Connection>of() : Set.of(dialling))
        .flatMap(Set::stream)
        .toList();
  }
}
