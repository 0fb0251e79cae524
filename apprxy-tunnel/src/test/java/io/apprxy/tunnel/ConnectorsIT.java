package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.balance.EndpointState;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.handlers.BlockingHandler;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a gateway knows of its connectors, and what they are told. */
@Timeout(60)
class ConnectorsIT {
  private final BlockingQueue<TunnelEvent> events = new LinkedBlockingQueue<>();
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final List<AutoCloseable> parts = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void connectorThatIsConnected_isKnown_asItDescribesItself() throws Exception {
    Chain chain = chain(tunnel -> tunnel);
    chain.connect(chain.originPort, connector -> connector.name("cellar"));
    TunnelEvent up = await(TunnelEvent.Type.UP);
    assertThat(chain.tunnel.connectors())
        .singleElement()
        .satisfies(
            state -> {
              assertThat(state.id()).isEqualTo(up.connector());
              assertThat(state.name()).isEqualTo("cellar");
              assertThat(state.group()).isEqualTo("default");
              assertThat(state.version()).isEqualTo("0.0.0");
              assertThat(state.address()).isEqualTo("127.0.0.1");
              assertThat(state.connections()).isBetween(1, 2);
              assertThat(state.phase()).isEqualTo(ConnectorState.Phase.UP);
            });
    assertThat(meters.get("apprxy.tunnel.connectors").tag("group", "default").gauge().value())
        .isEqualTo(1);
    assertThat(
            meters
                .get("apprxy.tunnel.events")
                .tags("type", "up", "group", "default")
                .counter()
                .count())
        .isEqualTo(1);
  }

  /** A gateway that was broken into could have a connector keep, and check, whatever it names. */
  @Test
  void applicationThatIsConfiguredNoMore_isForgotten_andItsOriginCheckedNoLonger()
      throws Exception {
    BlockingQueue<String> checks = new LinkedBlockingQueue<>();
    Undertow origin =
        Chain.undertow(
            exchange -> {
              if (!exchange.getRequestURI().equals("/")) {
                checks.add(exchange.getRequestURI());
              }
              exchange.getResponseSender().send("served");
            });
    parts.add(origin::stop);
    Chain chain = new Chain(Chain.portOf(origin), application -> checkedBy(application, "/old"));
    parts.add(chain);
    chain.connect(chain.originPort);
    assertThat(chain.get("/").body()).isEqualTo("served");
    assertThat(checks.poll(30, TimeUnit.SECONDS)).isEqualTo("/old");

    chain.tunnel.publish(
        List.of(
            checkedBy(
                    Application.builder("app")
                        .externalUrl("http://localhost:" + chain.port + "/")
                        .internalUrl("http://127.0.0.1:" + chain.originPort + "/")
                        .connectorGroup("default")
                        .assignEveryone(),
                    "/new")
                .build()));
    for (int inARow = 0; inARow < 10; ) {
      assertThat(chain.get("/").body()).isEqualTo("served");
      String check = checks.poll(1, TimeUnit.SECONDS); // none before the first request for the new
      inARow = "/new".equals(check) ? inARow + 1 : 0;
    }
  }

  private static Application.Builder checkedBy(Application.Builder application, String path) {
    return application.loadBalancing(
        LoadBalancing.builder()
            .healthCheck(HealthCheck.of(path).every(Duration.ofMillis(100), Duration.ofSeconds(5)))
            .build());
  }

  @Test
  void connector_isConnected_onlyOnceTheGatewaySendsRequestsToIt() throws Exception {
    CompletableFuture<Connector> started = new CompletableFuture<>();
    CompletableFuture<Boolean> early = new CompletableFuture<>();
    Chain chain =
        chain(
            tunnel ->
                tunnel.listener(
                    event -> {
                      if (event.type() == TunnelEvent.Type.UP) {
                        early.complete(started.join().isConnected());
                      }
                    }));
    Connector connector = chain.connector(settings -> settings).start();
    parts.add(connector);
    started.complete(connector);
    assertThat(early.get(30, TimeUnit.SECONDS)).isFalse();
    assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
    assertThat(chain.get("/").statusCode()).isEqualTo(200);
  }

  @Test
  void connector_meters_itsConnectionsAndItsOrigins() throws Exception {
    Chain chain = chain(tunnel -> tunnel);
    SimpleMeterRegistry own = new SimpleMeterRegistry();
    Connector connector =
        chain.connect(
            chain.originPort, settings -> settings.name("cellar").connections(1).meters(own));
    assertThat(chain.get("/").statusCode()).isEqualTo(200);
    assertThat(own.get("apprxy.connector.connections").tag("connector", "cellar").gauge().value())
        .isEqualTo(1);
    assertThat(
            own.get("apprxy.balance.endpoints")
                .tags("application", "app", "endpoints", "origin", "state", "in-service")
                .gauge()
                .value())
        .isEqualTo(1);

    connector.close();
    assertThat(own.get("apprxy.connector.connections").gauge().value()).isZero();
  }

  @Test
  void connector_meters_theRequestsThatAreUnderWay() throws Exception {
    SimpleMeterRegistry own = new SimpleMeterRegistry();
    Undertow origin =
        Chain.undertow(
            exchange ->
                exchange
                    .getResponseSender()
                    .send(
                        "%.0f"
                            .formatted(
                                own.get("apprxy.connector.requests")
                                    .tag("connector", "cellar")
                                    .gauge()
                                    .value())));
    parts.add(origin::stop);
    Chain chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
    Connector connector =
        chain.connect(chain.originPort, settings -> settings.name("cellar").meters(own));

    assertThat(chain.get("/").body()).as("the one that asks").isEqualTo("1");

    connector.close();
    assertThat(own.get("apprxy.connector.requests").gauge().value()).isZero();
  }

  /** The gateway sends requests a moment before it can say so. */
  @Test
  void connectorThatCloses_beforeItIsToldThatItServes_finishesWhatIsUnderWay() throws Exception {
    CountDownLatch up = new CountDownLatch(1);
    CountDownLatch closing = new CountDownLatch(1);
    Chain chain =
        chain(
            tunnel ->
                tunnel.listener(
                    event -> {
                      if (event.type() == TunnelEvent.Type.UP) {
                        up.countDown();
                        awaitQuietly(closing); // a listener must not block: what is next is late
                      }
                    }));
    Connector connector =
        chain.connector(chain.originPort, chain.tunnel.port()).connections(1).build().start();
    parts.add(connector);
    assertThat(up.await(30, TimeUnit.SECONDS)).isTrue();
    CompletableFuture<HttpResponse<String>> post =
        chain.client.sendAsync(
            chain.request("/").POST(BodyPublishers.ofString("once")).build(),
            BodyHandlers.ofString());
    while (chain.tunnel.connectors().stream().mapToInt(ConnectorState::connections).sum() == 0
        || chain.gateway.endpoints("app").stream().mapToInt(EndpointState::activeRequests).sum()
            == 0) {
      Thread.onSpinWait();
    }
    CompletableFuture<Void> closed = CompletableFuture.runAsync(connector::close);
    closing.countDown();
    assertThat(post.get(30, TimeUnit.SECONDS).body()).isEqualTo("4 bytes");
    closed.get(30, TimeUnit.SECONDS);
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void connectorThatCloses_leaves_andIsGone() throws Exception {
    Chain chain = chain(tunnel -> tunnel);
    Connector connector = chain.connect(chain.originPort);
    await(TunnelEvent.Type.UP);
    connector.close();
    await(TunnelEvent.Type.DRAINING);
    await(TunnelEvent.Type.DOWN);
    assertThat(chain.tunnel.connectors()).isEmpty();
  }

  @Test
  void connectorThatIsTooOld_isRefused() throws Exception {
    Chain chain = chain(tunnel -> tunnel.leastVersion("1.0.0"));
    try (Connector old = chain.connector(connector -> connector).start()) {
      assertThat(await(TunnelEvent.Type.REFUSED).detail()).contains("0.0.0", "1.0.0");
      assertThat(old.isConnected()).isFalse();
      assertThat(chain.tunnel.connectors()).isEmpty();
    }
  }

  @Test
  void versionThatIsRecommended_isAnnounced_andRaisesAnEvent() throws Exception {
    Chain chain = chain(tunnel -> tunnel.recommendVersion("1.2.0"));
    BlockingQueue<String> announced = new LinkedBlockingQueue<>();
    chain.connect(
        chain.originPort,
        connector ->
            connector.onVersionAnnounced(
                (running, recommended, least) ->
                    announced.add(running + " " + recommended + " " + least)));
    assertThat(announced.poll(30, TimeUnit.SECONDS)).isEqualTo("0.0.0 1.2.0 null");
    assertThat(await(TunnelEvent.Type.VERSION_BEHIND).detail()).contains("0.0.0", "1.2.0");
  }

  /** POST is not sent again: each that fails is lost. */
  @Test
  void connectorsThatComeAndGo_loseNoRequest() throws Exception {
    Chain chain = chain(tunnel -> tunnel);
    chain.connect(chain.originPort);
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger served = new AtomicInteger();
    ExecutorService users = Executors.newFixedThreadPool(8);
    parts.add(users::shutdownNow);
    List<Future<List<String>>> failures = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      failures.add(users.submit(() -> postUntil(over, chain, served)));
    }
    for (int i = 0; i < 4; i++) {
      int before = served.get();
      Connector leaving = chain.connector(connector -> connector).start();
      assertThat(leaving.awaitConnected(Duration.ofSeconds(30))).isTrue();
      while (served.get() < before + 200) {
        assertThat(failures).noneMatch(Future::isDone);
        Thread.onSpinWait();
      }
      leaving.close();
    }
    over.set(true);
    for (Future<List<String>> user : failures) {
      assertThat(user.get(30, TimeUnit.SECONDS)).isEmpty();
    }
  }

  private static List<String> postUntil(AtomicBoolean over, Chain chain, AtomicInteger served)
      throws InterruptedException {
    List<String> failed = new ArrayList<>();
    while (!over.get()) {
      try {
        HttpResponse<String> answer =
            chain.client.send(
                chain.request("/").POST(BodyPublishers.ofString("x".repeat(20_000))).build(),
                BodyHandlers.ofString());
        if (answer.statusCode() != 200 || !answer.body().equals("20000 bytes")) {
          failed.add(answer.statusCode() + " " + answer.body());
        }
      } catch (IOException e) {
        failed.add(e.toString());
      }
      served.incrementAndGet();
    }
    return failed;
  }

  // ---- parts

  private Chain chain(UnaryOperator<TunnelServer.Builder> settings) {
    Undertow origin = Chain.undertow(countingBytes());
    parts.add(origin::stop);
    Chain chain =
        new Chain(
            Chain.portOf(origin),
            application -> application,
            tunnel -> settings.apply(tunnel.listener(events::add).meters(meters)),
            connector -> connector);
    parts.add(chain);
    return chain;
  }

  private static HttpHandler countingBytes() {
    return new BlockingHandler(
        exchange ->
            exchange
                .getResponseSender()
                .send(exchange.getInputStream().readAllBytes().length + " bytes"));
  }

  private TunnelEvent await(TunnelEvent.Type type) throws InterruptedException {
    TunnelEvent event = events.poll(30, TimeUnit.SECONDS);
    while (event != null && event.type() != type) {
      event = events.poll(30, TimeUnit.SECONDS);
    }
    assertThat(event).as("an event %s", type).isNotNull();
    return event;
  }
}
