package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import io.undertow.server.handlers.BlockingHandler;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What networks do to connections, and that users do not notice while one connector is left. */
@Timeout(120)
class ChaosIT {
  private static final Duration DEAD_PEER = Duration.ofSeconds(10);

  private final Undertow origin =
      Chain.undertow(
          new BlockingHandler(
              exchange -> {
                if (exchange.getRequestPath().equals(Load.NOTHING)) {
                  exchange.setStatusCode(204);
                } else if (exchange.getRequestMethod().toString().equals("POST")) {
                  int length = exchange.getInputStream().readAllBytes().length;
                  exchange.getResponseSender().send(length + " bytes");
                } else {
                  exchange.getResponseSender().send("served");
                }
              }));
  private final int originPort = Chain.portOf(origin);
  private final Chain chain = new Chain(originPort, application -> application);
  private final List<FaultyRelay> relays = new ArrayList<>();
  private final List<Connector> connectors = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    CompletableFuture.allOf(
            connectors.stream()
                .map(
                    each ->
                        CompletableFuture.runAsync(each::close, task -> new Thread(task).start()))
                .toArray(CompletableFuture<?>[]::new))
        .join();
    relays.forEach(FaultyRelay::close);
    chain.close();
    origin.stop();
  }

  // ---- what ends connections

  enum End {
    FIN {
      @Override
      void of(FaultyRelay relay) {
        relay.cut();
      }
    },
    RST {
      @Override
      void of(FaultyRelay relay) {
        relay.reset();
      }
    };

    abstract void of(FaultyRelay relay);
  }

  @ParameterizedTest
  @EnumSource
  void connections_thatEndUnderLoad_failNoIdempotentRequest_andAreDialledAgain(End end)
      throws Exception {
    FaultyRelay relay = relay();
    connectBy(relay, 2);
    chain.connect(originPort);
    try (Load load = new Load(chain, 8)) {
      for (int i = 0; i < 3; i++) {
        load.await(100);
        end.of(relay);
        load.await(100);
        until(() -> linksUp() == 4);
      }
      load.assertNoFailure("Connections that end by " + end + ", three times");
    }
  }

  /** Both keep their sockets, and hear nothing any more. */
  @Test
  void connections_thatFallSilent_areGivenUpByBothSides_andRequestsMoveToAnotherConnector()
      throws Exception {
    FaultyRelay relay = relay();
    Connector silent = connectBy(relay, 2);
    chain.connect(originPort);
    try (Load load = new Load(chain, 8)) {
      load.await(100);
      long begin = System.nanoTime();
      relay.stall();
      until(() -> !silent.isConnected());
      Duration noticed = Duration.ofNanos(System.nanoTime() - begin);
      load.await(100);
      System.out.printf("The connector noticed silence after %s%n", noticed);
      load.assertNoFailure("Connections that fall silent");
      assertThat(noticed).isLessThan(DEAD_PEER);
      assertThat(load.slowest()).as("what waited for the gateway to notice").isLessThan(DEAD_PEER);

      relay.resume();
      assertThat(silent.awaitConnected(Duration.ofSeconds(60))).isTrue();
      load.await(100);
      load.assertNoFailure("And after they came back");
    }
  }

  /** TLS, ALPN, preface, settings, configuration; either way; and a moment more. */
  @Test
  void handshake_thatIsCutAtAnyByte_isBegunAnew() throws Exception {
    List<FaultyRelay.Cut> cuts = new ArrayList<>();
    try (FaultyRelay measuring = new FaultyRelay(chain.tunnel.port());
        Connector connector =
            chain.connector(originPort, measuring.port()).connections(1).build()) {
      connector.start();
      assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
      for (FaultyRelay.Direction direction : FaultyRelay.Direction.values()) {
        for (long after = 0; after <= measuring.passed(direction); after++) {
          cuts.add(new FaultyRelay.Cut(direction, after));
        }
      }
    }
    FaultyRelay relay = relay();
    Connector connector = connectBy(relay, 1);
    relay.cutNext(cuts);
    Ends ends = new Ends();
    InetSocketAddress address = new InetSocketAddress("127.0.0.1", relay.port());
    for (int i = 0; i < cuts.size(); i++) {
      ends.oneMore();
      URI gateway = URI.create("https://localhost:" + relay.port());
      new Link(gateway, address, connector, ends, connector.nextThread()).start();
    }
    ends.awaitAll();

    assertThat(relay.cutsLeft()).isZero();
    until(() -> linksUp() == 1);
    assertThat(chain.get("/").body()).isEqualTo("served");
    System.out.printf(
        "A handshake cut at each of %d bytes: %d came to use before, all ended%n",
        cuts.size(), ends.configured.get());
  }

  /** Dials some at a time, and is told the end of each. */
  private static final class Ends implements Link.Owner {
    private static final int AT_ONCE = 64;

    private final Semaphore free = new Semaphore(AT_ONCE);
    private final AtomicInteger configured = new AtomicInteger();

    void oneMore() throws InterruptedException {
      free.acquire();
    }

    void awaitAll() throws InterruptedException {
      free.acquire(AT_ONCE);
    }

    @Override
    public void serves(Link link, Configuration configuration) {
      configured.incrementAndGet();
      link.close(); // the cut would come later, or not at all
    }

    @Override
    public void ended(Link link, boolean refused) {
      free.release();
    }

    @Override
    public void toBeReplaced(Link link) {}

    @Override
    public void gatewayLeaves(Runnable answer) {
      answer.run();
    }
  }

  // ---- what slows them

  @Test
  void networkThatIsSlowAndFar_carriesBodiesWhole_andSmallRequestsBesides() throws Exception {
    FaultyRelay relay = relay();
    connectBy(relay, 1);
    relay.delay(1);
    relay.throttle(4 * 1024 * 1024);
    CompletableFuture<HttpResponse<String>> upload =
        chain.client.sendAsync(
            chain.request("/").POST(BodyPublishers.ofByteArray(new byte[8_000_000])).build(),
            BodyHandlers.ofString());
    try (Load load = new Load(chain, 2)) {
      load.await(20);
      assertThat(upload.get(60, TimeUnit.SECONDS).body()).isEqualTo("8000000 bytes");
      load.assertNoFailure("A slow network while 8 MB are uploaded");
    }
  }

  // ---- outages

  /** As after the restart of a gateway. Nobody may be left behind, nor all come at once. */
  @Test
  void links_thatAllLoseTheirGateway_allComeBack_spreadOut() throws Exception {
    int links = 50;
    FaultyRelay relay = relay();
    for (int i = 0; i < links; i++) {
      connectors.add(chain.connector(originPort, relay.port()).connections(1).build().start());
    }
    until(() -> linksUp() == links);
    relay.refuse(true);
    relay.reset();
    int before = relay.attempts().size();
    until(() -> relay.attempts().size() >= before + 3 * links);
    relay.refuse(false);
    until(() -> linksUp() == links);

    List<Long> attempts = relay.attempts().subList(before, relay.attempts().size());
    long[] perWindow = new long[100];
    for (long attempt : attempts) {
      long window = TimeUnit.NANOSECONDS.toMillis(attempt - attempts.get(0)) / 250;
      perWindow[(int) Math.min(window, perWindow.length - 1)]++;
    }
    System.out.printf(
        "%d links after an outage: attempts in each 250 ms: %s%n",
        links, Arrays.toString(perWindow).replaceAll("(, 0)+]", "]"));
    // At random within a second, a quarter of them and a few that come again are to be expected;
    // connectors that do the same at the same time would be all of them.
    assertThat(mostWithin(Duration.ofMillis(250), attempts)).isLessThan(links * 3 / 4);
    assertThat(chain.get("/").body()).isEqualTo("served");
  }

  private static int mostWithin(Duration window, List<Long> times) {
    int most = 0;
    int begin = 0;
    for (int end = 0; end < times.size(); end++) {
      while (times.get(end) - times.get(begin) > window.toNanos()) {
        begin++;
      }
      most = Math.max(most, end - begin + 1);
    }
    return most;
  }

  // ---- clocks

  @ParameterizedTest
  @org.junit.jupiter.params.provider.ValueSource(longs = {3_600, -3_600})
  void clock_thatJumps_hasAssertionsRefusedWithTheirCode_untilItIsRightAgain(long seconds)
      throws Exception {
    JumpingClock clock = new JumpingClock();
    chain.connect(originPort, settings -> settings.clock(clock));
    clock.jump(Duration.ofSeconds(seconds)); // before an assertion is known, and believed again
    HttpResponse<String> refused = chain.get("/");
    assertThat(refused.statusCode()).isEqualTo(502);
    assertThat(refused.body()).contains("APX-504").contains("clocks");

    clock.jump(Duration.ZERO);
    assertThat(chain.get("/").statusCode()).isEqualTo(200);
  }

  private static final class JumpingClock extends Clock {
    private volatile Duration ahead = Duration.ZERO;

    void jump(Duration to) {
      ahead = to;
    }

    @Override
    public Instant instant() {
      return Instant.now().plus(ahead);
    }

    @Override
    public ZoneId getZone() {
      return ZoneId.of("UTC");
    }

    @Override
    public Clock withZone(ZoneId zone) {
      throw new UnsupportedOperationException();
    }
  }

  // ----

  /** The connections on which the gateway would send a request. */
  private int linksUp() {
    return chain.tunnel.connectors().stream().mapToInt(ConnectorState::connections).sum();
  }

  private FaultyRelay relay() {
    FaultyRelay relay = new FaultyRelay(chain.tunnel.port());
    relays.add(relay);
    return relay;
  }

  private Connector connectBy(FaultyRelay relay, int connections) throws Exception {
    Connector connector =
        chain.connector(originPort, relay.port()).connections(connections).build().start();
    connectors.add(connector);
    assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
    assertThat(chain.tunnel.awaitConnector("default", Duration.ofSeconds(30))).isTrue();
    return connector;
  }

  private static void until(BooleanSupplier condition) {
    while (!condition.getAsBoolean()) { // the test's own timeout ends it
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
      if (Thread.currentThread().isInterrupted()) {
        throw new IllegalStateException("waited too long");
      }
    }
  }
}
