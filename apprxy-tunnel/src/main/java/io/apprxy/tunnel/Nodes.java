package io.apprxy.tunnel;

import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;

/**
 * The gateway nodes that a connector is connected to: every address of the gateways that it was
 * given, and of those that gateways advertise. Confined to an I/O thread.
 */
final class Nodes {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");

  private static final Duration TICK = Duration.ofSeconds(1);

  /** More time than this between two ticks was slept through. */
  private static final Duration SLEPT = Duration.ofSeconds(5);

  private static final Duration RESOLVE_AGAIN = Duration.ofSeconds(30);

  /** A gateway that was broken into cannot have a connector dial the whole world. */
  private static final int MAX_NODES = 64;

  private final Connector connector;
  private final Dialer dialer;
  private final XnioIoThread thread;
  private final Set<URI> given;
  private final Map<URI, Name> names = new LinkedHashMap<>();

  /** The names, for other threads. */
  private volatile List<URI> known;

  private final Map<InetSocketAddress, Entry> nodes = new LinkedHashMap<>();

  /** Of each node, what it advertised last. */
  private final Map<InetSocketAddress, List<URI>> advertised = new HashMap<>();

  /** Answers to gateways that leave, which wait for another gateway. */
  private final List<Runnable> leaving = new ArrayList<>();

  private long lastTick = System.nanoTime();
  private long lastTime;
  private boolean stopped;

  /** A gateway's address, and what it is resolved to. */
  private static final class Name {
    List<InetSocketAddress> addresses = List.of();
    long dueAt = System.nanoTime();
    boolean resolving;
  }

  private record Entry(Node node, URI gateway) {}

  Nodes(Connector connector, Dialer dialer, XnioIoThread thread, Collection<URI> given) {
    this.connector = connector;
    this.dialer = dialer;
    this.thread = thread;
    this.given = new LinkedHashSet<>(given);
    this.known = List.copyOf(this.given);
    this.lastTime = connector.clock().millis();
  }

  /** Any thread. */
  void start() {
    onThread(
        () -> {
          given.forEach(gateway -> names.put(gateway, new Name()));
          tick();
        });
  }

  // ---- time

  private void tick() {
    noticeLostTime();
    long now = System.nanoTime();
    if (!stopped) {
      names.forEach(
          (gateway, name) -> {
            if (now - name.dueAt >= 0 && !name.resolving) {
              resolve(gateway, name);
            }
          });
    }
    after(TICK, this::tick);
  }

  /**
   * A process that was paused, or a machine that slept: one of the two clocks shows it. What was
   * waited for until now need not be waited for any longer.
   */
  private void noticeLostTime() {
    long tick = System.nanoTime();
    long time = connector.clock().millis();
    if (tick - lastTick > SLEPT.toNanos() || time - lastTime > SLEPT.toMillis()) {
      LOG.info("time was lost, as by sleep: connections are looked after");
      nodes.values().forEach(entry -> entry.node.wake());
      names.values().forEach(name -> name.dueAt = tick);
    }
    lastTick = tick;
    lastTime = time;
  }

  private Runnable after(Duration wait, Runnable task) {
    try {
      XnioExecutor.Key key = thread.executeAfter(task, wait.toMillis(), TimeUnit.MILLISECONDS);
      return key::remove;
    } catch (RejectedExecutionException e) {
      LOG.debug("the connector is closing", e);
      return () -> {};
    }
  }

  private void onThread(Runnable task) {
    try {
      thread.execute(task);
    } catch (RejectedExecutionException e) {
      LOG.debug("the connector is closing", e);
    }
  }

  // ---- names

  private void resolve(URI gateway, Name name) {
    name.resolving = true;
    var unused =
        dialer
            .resolve(gateway)
            .whenComplete(
                (found, failed) -> onThread(() -> resolved(gateway, name, found, failed)));
  }

  private void resolved(
      URI gateway, Name name, @Nullable List<InetSocketAddress> found, @Nullable Throwable failed) {
    name.resolving = false;
    Duration wait = found != null || !name.addresses.isEmpty() ? RESOLVE_AGAIN : Node.FIRST_WAIT;
    name.dueAt =
        System.nanoTime()
            + wait.toNanos()
            + ThreadLocalRandom.current().nextLong(wait.toNanos() / 2);
    if (found != null) {
      name.addresses = found;
      update();
    } else if (failed != null) {
      connector.trouble("gateway %s cannot be reached: %s".formatted(gateway, failed.getMessage()));
    }
  }

  /** Connects to addresses that are new, and lets go of those that are none any more. */
  private void update() {
    if (stopped) {
      return;
    }
    Map<InetSocketAddress, URI> wanted = new LinkedHashMap<>();
    names.forEach(
        (gateway, name) ->
            name.addresses.forEach(
                address -> {
                  if (wanted.size() < MAX_NODES) {
                    wanted.putIfAbsent(address, gateway);
                  }
                }));
    wanted.forEach(
        (address, gateway) -> {
          Entry known = nodes.get(address);
          if (known == null) {
            nodes.put(address, new Entry(newNode(gateway, address), gateway));
            nodes.get(address).node.keepUp();
          } else {
            known.node.resume();
          }
        });
    nodes.forEach(
        (address, entry) -> {
          if (!wanted.containsKey(address)) {
            letGo(entry);
          }
        });
    nodes
        .entrySet()
        .removeIf(each -> !wanted.containsKey(each.getKey()) && each.getValue().node.isEmpty());
    advertised.keySet().retainAll(nodes.keySet());
  }

  /**
   * What a name does not resolve to any more may still be good, since some name servers tell a part
   * only; a gateway that is advertised no more is none of ours.
   */
  private void letGo(Entry entry) {
    if (names.containsKey(entry.gateway)) {
      entry.node.stop();
    } else {
      entry.node.leave();
    }
  }

  private Node newNode(URI gateway, InetSocketAddress address) {
    LinkEvents events = new LinkEvents(address);
    return new Node(
        connector.connectionsPerNode(),
        this::after,
        ThreadLocalRandom.current(),
        () -> {
          Link link = new Link(gateway, address, connector, events, connector.nextThread());
          link.start();
          return link;
        });
  }

  // ---- what gateways tell

  private final class LinkEvents implements Link.Owner {
    private final InetSocketAddress address;

    LinkEvents(InetSocketAddress address) {
      this.address = address;
    }

    @Override
    public void serves(Link link, Configuration configuration) {
      connector.serves(link, configuration);
      onThread(
          () -> {
            withNode(node -> node.serves(link));
            advertised(configuration.gateways());
            answerThoseThatLeave();
          });
    }

    private void advertised(List<URI> gateways) {
      if (!gateways.equals(advertised.put(address, gateways))) {
        takeAdvertised();
      }
    }

    @Override
    public void toBeReplaced(Link link) {
      onThread(() -> withNode(node -> node.toBeReplaced(link)));
    }

    @Override
    public void gatewayLeaves(Runnable answer) {
      onThread(
          () -> {
            withNode(Node::gatewayLeaves);
            leaving.add(answer);
            answerThoseThatLeave();
          });
    }

    @Override
    public void ended(Link link, boolean refused) {
      connector.disconnected(link);
      onThread(
          () -> {
            withNode(node -> node.ended(link, refused));
            resolveSoon();
          });
    }

    /** It may be elsewhere now. */
    private void resolveSoon() {
      Entry entry = nodes.get(address);
      Name name = entry == null ? null : names.get(entry.gateway);
      if (name != null) {
        name.dueAt = System.nanoTime();
      }
    }

    private void withNode(Consumer<Node> event) {
      Entry entry = nodes.get(address);
      if (entry != null) {
        event.accept(entry.node);
      }
    }
  }

  private void takeAdvertised() {
    Set<URI> told = new LinkedHashSet<>(given);
    advertised.values().forEach(told::addAll);
    names.keySet().retainAll(told);
    told.forEach(
        gateway -> {
          if (names.size() < MAX_NODES) {
            names.putIfAbsent(gateway, new Name());
          }
        });
    known = List.copyOf(names.keySet());
    update();
  }

  /** A gateway that leaves is answered when another one is connected, or if there is none. */
  private void answerThoseThatLeave() {
    boolean others = nodes.values().stream().anyMatch(entry -> entry.node.mayServe());
    boolean connected = nodes.values().stream().anyMatch(entry -> entry.node.isServing());
    if (connected || !others) {
      leaving.forEach(Runnable::run);
      leaving.clear();
    }
  }

  // ---- what the connector wants

  /** Connections should be made anew: the connector has another identity. Any thread. */
  void replaceAll() {
    onThread(() -> nodes.values().forEach(entry -> entry.node.replaceAll()));
  }

  /** The gateways that are known. */
  List<URI> known() {
    return known;
  }

  /** Dials no more, and tells gateways that this connector leaves. Any thread. */
  void leave() {
    onThread(
        () -> {
          stopped = true;
          nodes.values().forEach(entry -> entry.node.leave());
        });
  }

  /** Any thread. */
  void close() {
    onThread(() -> nodes.values().forEach(entry -> entry.node.close()));
  }
}
