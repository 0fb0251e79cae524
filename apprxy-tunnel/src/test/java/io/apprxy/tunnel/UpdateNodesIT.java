package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.apprxy.tunnel.ConnectorState.Phase;
import io.apprxy.tunnel.TunnelEvent.Type;
import io.undertow.Undertow;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Two gateway nodes that do not talk to each other, and the same connectors at both. */
@Timeout(180)
class UpdateNodesIT {
  private static final String OLD = "1.0.0";
  private static final String NEW = "1.1.0";
  private static final List<String> NAMES = List.of("one", "two", "three");

  private final BlockingQueue<String> turns = new LinkedBlockingQueue<>();
  private final BlockingQueue<TunnelEvent> atSecond = new LinkedBlockingQueue<>();
  private final Map<String, Connector> running = new ConcurrentHashMap<>();
  private final List<AutoCloseable> parts = new ArrayList<>();
  private final Path directory;
  private final Chain chain;
  private final TunnelServer second;

  UpdateNodesIT(@TempDir Path directory) throws Exception {
    this.directory = directory;
    Path state = directory.resolve("authority");
    Undertow origin = Chain.undertow(exchange -> exchange.getResponseSender().send("served"));
    parts.add(origin::stop);
    chain =
        new Chain(Chain.portOf(origin), application -> application, tunnel -> tunnel.state(state));
    parts.add(chain);
    second =
        TunnelServer.builder()
            .host("127.0.0.2")
            .port(chain.tunnel.port())
            .tls(chain.tls.keys("localhost"))
            .group("default")
            .state(state)
            .listener(atSecond::add)
            .build()
            .start();
    parts.add(second);
    for (String name : NAMES) {
      TestPeer.enrolled(
              chain.tls, chain.tunnel.port(), chain.tunnel.createEnrolmentToken("default"))
          .save(directory.resolve(name));
      start(name, OLD);
    }
    await("all at both", () -> nodes().allMatch(node -> states(node, this::isUp) == 3));
  }

  @AfterEach
  void close() throws Exception {
    running.values().forEach(Connector::close);
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void connectorsOfTwoNodes_areUpdatedOneAfterTheOther_andEachOnce() throws Exception {
    nodes().forEach(node -> node.recommendVersion(NEW));

    List<String> updated = new ArrayList<>();
    while (updated.size() < NAMES.size()) {
      String name = Objects.requireNonNull(turns.poll(60, TimeUnit.SECONDS), "a turn");
      updated.add(name);
      awaitCheckInsOfOthers(name);
      assertThat(turns).as("turns while %s is at it", name).isEmpty();

      running.get(name).close();
      await(name + " is gone", () -> nodes().noneMatch(node -> states(node, is(name)) > 0));
      awaitCheckInsOfOthers(name);
      assertThat(turns).as("turns while %s is away", name).isEmpty();

      start(name, NEW);
    }

    await("all are new", () -> nodes().allMatch(node -> states(node, this::isNew) == 3));
    awaitCheckInsOfOthers("nobody");
    assertThat(turns).isEmpty();
    assertThat(updated).containsExactlyInAnyOrderElementsOf(NAMES);
    assertTold(chain.tunnelEvents);
    assertTold(atSecond);
    assertThat(chain.get("/").body()).isEqualTo("served");
  }

  /** As where a gateway is restarted to recommend it, after the other. */
  @Test
  void nodeThatIsToldLater_joinsInTheTurnThatIsUnderWay() throws Exception {
    chain.tunnel.recommendVersion(NEW);
    String name = Objects.requireNonNull(turns.poll(60, TimeUnit.SECONDS), "a turn");

    second.recommendVersion(NEW);
    awaitCheckInsOfOthers("nobody");

    assertThat(turns).as("turns while %s is at it", name).isEmpty();
    String id = idOf(name);
    assertThat(atSecond)
        .filteredOn(event -> event.type() == Type.UPDATE_STARTED)
        .extracting(TunnelEvent::connector)
        .containsExactly(id);
  }

  // ---- parts

  private void start(String name, String version) {
    Connector connector =
        chain
            .connector(
                settings ->
                    settings
                        .name(name)
                        .version(version)
                        .identity(directory.resolve(name))
                        .resolver(
                            host ->
                                List.of(
                                    InetAddress.getByName("127.0.0.1"),
                                    InetAddress.getByName("127.0.0.2")))
                        .onUpdateTurn(to -> turns.add(name)))
            .start();
    running.put(name, connector);
  }

  private Stream<TunnelServer> nodes() {
    return Stream.of(chain.tunnel, second);
  }

  /** Each is an occasion for a node to give the next turn. */
  private void awaitCheckInsOfOthers(String name) throws InterruptedException {
    Instant begin = Instant.now();
    await(
        "check-ins",
        () ->
            nodes()
                .flatMap(node -> node.connectors().stream())
                .filter(is(name).negate())
                .allMatch(state -> state.lastSeen().isAfter(begin)));
  }

  private static Predicate<ConnectorState> is(String name) {
    return state -> state.name().equals(name);
  }

  private boolean isUp(ConnectorState state) {
    return state.phase() == Phase.UP && state.connections() > 0;
  }

  private boolean isNew(ConnectorState state) {
    return isUp(state) && state.version().equals(NEW);
  }

  private static long states(TunnelServer node, Predicate<ConnectorState> which) {
    return node.connectors().stream().filter(which).count();
  }

  private String idOf(String name) {
    return second.connectors().stream().filter(is(name)).findAny().orElseThrow().id();
  }

  private static void assertTold(BlockingQueue<TunnelEvent> events) {
    Set<Type> failures = Set.of(Type.UPDATE_FAILED, Type.UPDATE_REFUSED);
    assertThat(events).noneMatch(event -> failures.contains(event.type()));
    for (Type type : List.of(Type.UPDATE_STARTED, Type.UPDATED)) {
      assertThat(events)
          .filteredOn(event -> event.type() == type)
          .extracting(TunnelEvent::connector)
          .as("told of %s", type)
          .hasSize(NAMES.size())
          .doesNotHaveDuplicates();
    }
  }

  private static void await(String what, BooleanSupplier condition) throws InterruptedException {
    Instant end = Instant.now().plus(Duration.ofSeconds(60));
    while (!condition.getAsBoolean()) {
      if (Instant.now().isAfter(end)) {
        fail("not in time: " + what);
      }
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }
}
