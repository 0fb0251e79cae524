package io.apprxy.tunnel;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.balance.AffinityCookie;
import io.apprxy.balance.Member;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A connector as its gateway sees it: one run of one, with all its connections. It is what requests
 * are balanced among. Thread-safe.
 */
final class RemoteConnector implements Member {
  final TunnelServer.Key key;
  final String id;
  final String group;

  /** What affinity cookies say of it. */
  final long tag;

  private final int tier;
  private final String address;
  private final List<TunnelConnection> connections = new CopyOnWriteArrayList<>();

  /** By clients' own connections, as long as the last hop keeps theirs to the origin. */
  private final Cache<String, TunnelConnection> bound =
      Caffeine.newBuilder().maximumSize(10_000).expireAfterAccess(Duration.ofMinutes(2)).build();

  final Endings endings;

  private final AtomicBoolean up = new AtomicBoolean();
  private final AtomicBoolean draining = new AtomicBoolean();
  private volatile CheckIn latest;
  private volatile Instant lastSeen;

  /**
   * @param tier 0, or more if it is farther away
   * @param endings what this run of the connector has still to be told, if it was here before
   */
  RemoteConnector(
      TunnelServer.Key key, int tier, String address, CheckIn first, Instant now, Endings endings) {
    this.key = key;
    this.id = key.id();
    this.group = key.group();
    this.tag = AffinityCookie.tag(id);
    this.tier = tier;
    this.address = address;
    this.latest = first;
    this.lastSeen = now;
    this.endings = endings;
    endings.goBy(() -> connections.stream().filter(TunnelConnection::isOpen));
  }

  String name() {
    return latest.name();
  }

  String version() {
    return latest.version();
  }

  // ---- for requests

  @Override
  public String id() {
    return id;
  }

  @Override
  public int tier() {
    return tier;
  }

  /** Of all applications: it does not matter to a connector whose requests they are. */
  @Override
  public int load(int here) {
    return active();
  }

  @Override
  public boolean isUsable() {
    for (TunnelConnection connection : connections) {
      if (connection.isUsable()) {
        return true;
      }
    }
    return false;
  }

  /** The requests of this gateway that are under way. */
  int active() {
    int sum = 0;
    for (TunnelConnection connection : connections) {
      sum += connection.active();
    }
    return sum;
  }

  /** The usable connection with the least burden for the calling thread. */
  @Nullable TunnelConnection connection() {
    TunnelConnection best = null;
    for (TunnelConnection connection : connections) {
      if (connection.isUsable() && (best == null || connection.burden() < best.burden())) {
        best = connection;
      }
    }
    return best;
  }

  /**
   * The one that the requests of a client's own connection go by, as long as it is usable: they are
   * to meet on one thread of the connector, where the origin's connection is.
   */
  @Nullable TunnelConnection connection(String clientConnection) {
    TunnelConnection known = bound.getIfPresent(clientConnection);
    if (known == null || !known.isUsable()) {
      known = connection();
      if (known != null) {
        bound.put(clientConnection, known);
      }
    }
    return known;
  }

  Stream<TunnelConnection> connections() {
    return connections.stream();
  }

  int usableConnections() {
    return (int) connections.stream().filter(TunnelConnection::isUsable).count();
  }

  // ---- for updates

  UpdateTurns.Member member() {
    CheckIn said = latest;
    return new UpdateTurns.Member(
        id,
        toString(),
        key.instance(),
        new Version(said.version()),
        said.updates(),
        isUsable(),
        said.update());
  }

  /** Tells it that it is its turn; if that does not arrive, it will be told again. */
  void update(UpdateTurns.Order order) {
    connections.stream()
        .filter(TunnelConnection::isUsable)
        .findFirst()
        .ifPresent(
            connection -> {
              var unused = connection.update(order).exceptionally(failed -> null);
            });
  }

  // ---- what becomes of it

  void add(TunnelConnection connection) {
    connections.add(connection);
    endings.send();
  }

  /** The answer is whether it was the last. */
  boolean remove(TunnelConnection connection) {
    connections.remove(connection);
    return connections.isEmpty();
  }

  void checkedIn(CheckIn checkIn, Instant now) {
    latest = checkIn;
    lastSeen = now;
  }

  /**
   * It can be sent requests.
   *
   * @return whether it could not before
   */
  boolean setUp() {
    draining.set(false);
    return up.compareAndSet(false, true);
  }

  boolean isUp() {
    return up.get();
  }

  /** Whether it leaves by all of its connections; told once. */
  boolean beginsToDrain() {
    return up.get() && isDraining() && draining.compareAndSet(false, true);
  }

  private boolean isDraining() {
    return connections.stream().allMatch(TunnelConnection::isDraining);
  }

  /** A connection that was to be replaced has served its time when another one is there. */
  void replaceRetired() {
    connections.stream().filter(TunnelConnection::isRetired).forEach(TunnelConnection::drain);
  }

  ConnectorState state() {
    CheckIn said = latest;
    return new ConnectorState(
        id,
        said.name(),
        group,
        said.version(),
        said.host(),
        address,
        said.uptime(),
        said.load(),
        said.active(),
        usableConnections(),
        lastSeen,
        isDraining() ? ConnectorState.Phase.DRAINING : ConnectorState.Phase.UP);
  }

  @Override
  public String toString() {
    return "connector " + name() + " of group " + group;
  }
}
