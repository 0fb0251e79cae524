package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.Affinity;
import io.apprxy.LoadBalancing.Algorithm;
import io.apprxy.balance.EndpointState;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.handlers.BlockingHandler;
import io.undertow.util.HttpString;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Several connectors, groups and origin instances: who serves, and what users notice of failures.
 */
@Timeout(120)
class BalancedConnectorsIT {
  private static final LoadBalancing ROUND_ROBIN =
      LoadBalancing.builder().algorithm(Algorithm.ROUND_ROBIN).build();

  private final List<AutoCloseable> parts = new ArrayList<>();

  /** Of the origin instances that users are pinned to. */
  private final List<Integer> ports = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void connectorsOfAGroup_shareTheRequests() throws Exception {
    int origin = origin(exchange -> exchange.getResponseSender().send("ok"));
    Chain chain = chain(origin, ROUND_ROBIN);
    chain.connect(origin, connector -> connector.name("one"));
    chain.connect(origin, connector -> connector.name("two"));
    await(() -> chain.gateway.endpoints("app").size() == 2);
    Map<String, Integer> served = new HashMap<>();
    for (int i = 0; i < 20; i++) {
      assertThat(chain.get("/").statusCode()).isEqualTo(200);
      served.merge(chain.events.take().route(), 1, Integer::sum);
    }

    assertThat(served).containsExactlyInAnyOrderEntriesOf(Map.of("one", 10, "two", 10));
  }

  // ---- what fails behind a connector

  @Test
  void connectorThatDoesNotReachTheOrigin_isReplaced_whateverTheRequest_andLeftAlone()
      throws Exception {
    AtomicInteger got = new AtomicInteger();
    int origin =
        origin(
            exchange -> {
              got.incrementAndGet();
              exchange.getResponseSender().send(exchange.getRequestMethod().toString());
            });
    Chain chain = chain(origin, ROUND_ROBIN);
    chain.connect(nobodyListens(), connector -> connector.name("useless"));
    chain.connect(origin, connector -> connector.name("useful"));
    await(() -> chain.gateway.endpoints("app").size() == 2);

    for (int i = 1; i <= 20; i++) {
      HttpResponse<String> response =
          chain.client.send(
              chain.request("/").POST(BodyPublishers.noBody()).build(), BodyHandlers.ofString());
      assertThat(response.body()).isEqualTo("POST");
      assertThat(got).hasValue(i);
      assertThat(chain.events.take().route()).isEqualTo("useful");
    }
    assertThat(chain.gateway.endpoints("app"))
        .filteredOn(EndpointState::ejected)
        .as("the connector that others do better than")
        .hasSize(1);
  }

  @Test
  void originThatIsDown_takesNoConnectorOut() throws Exception {
    int down = nobodyListens();
    Chain chain =
        chain(
            down,
            LoadBalancing.builder().algorithm(Algorithm.ROUND_ROBIN).circuitBreaker(null).build());
    chain.connect(down);
    chain.connect(down);
    await(() -> chain.gateway.endpoints("app").size() == 2);
    for (int i = 0; i < 20; i++) {
      assertThat(chain.get("/").body()).contains("APX-601");
    }

    assertThat(chain.gateway.endpoints("app")).hasSize(2).noneMatch(EndpointState::ejected);
  }

  @Test
  void requestThatIsNotIdempotent_reachesTheOriginOnce_howeverItFails() throws Exception {
    AtomicInteger got = new AtomicInteger();
    int origin = cutting(got);
    Chain chain = chain(origin, ROUND_ROBIN);
    chain.connect(origin);
    chain.connect(origin);
    await(() -> chain.gateway.endpoints("app").size() == 2);

    HttpResponse<String> response =
        chain.client.send(
            chain.request("/").POST(BodyPublishers.noBody()).build(), BodyHandlers.ofString());
    assertThat(response.statusCode()).isEqualTo(502);
    assertThat(got).hasValue(1);

    got.set(0);
    HttpResponse<String> upload =
        chain.client.send(
            chain.request("/").PUT(BodyPublishers.ofString("a body")).build(),
            BodyHandlers.ofString());
    assertThat(upload.statusCode()).isEqualTo(502);
    assertThat(got).hasValue(1);
  }

  @Test
  void originInstanceThatIsDown_isReplacedByTheConnector() throws Exception {
    int origin =
        origin(
            new BlockingHandler(
                exchange ->
                    exchange
                        .getResponseSender()
                        .send(new String(exchange.getInputStream().readAllBytes()))));
    int down = nobodyListens();
    Chain chain =
        new Chain(
            down,
            application ->
                application
                    .originInstance("http://127.0.0.1:" + origin)
                    .loadBalancing(ROUND_ROBIN));
    parts.add(chain);
    chain.connect(down, connector -> connector.allowOrigin("http://127.0.0.1:" + origin));
    for (int i = 0; i < 6; i++) {
      HttpResponse<String> response =
          chain.client.send(
              chain.request("/").POST(BodyPublishers.ofString("order " + i)).build(),
              BodyHandlers.ofString());
      assertThat(response.body()).isEqualTo("order " + i);
    }
  }

  @Test
  void connectorThatDoesNotAllowEveryInstance_servesNone() throws Exception {
    int origin = origin(exchange -> exchange.getResponseSender().send("ok"));
    Chain chain =
        new Chain(
            origin, application -> application.originInstance("http://127.0.0.1:" + (origin + 1)));
    parts.add(chain);
    chain.connect(origin);

    assertThat(chain.get("/").body()).contains("APX-503");
  }

  // ---- regions

  @Test
  void groupOfTheOwnRegion_serves_andTheOtherWhenItIsGone() throws Exception {
    int origin = origin(exchange -> exchange.getResponseSender().send("ok"));
    Chain chain =
        new Chain(
            origin,
            application -> application.connectorGroups("far", "default"),
            server -> server.region("eu").group("default", "eu").group("far", "us"));
    parts.add(chain);
    Connector near = chain.connect(origin, connector -> connector.name("near"));
    Connector asNear = chain.connect(origin, connector -> connector.name("near"));
    chain.connect(
        origin,
        connector ->
            connector.name("far").enrolmentToken(chain.tunnel.createEnrolmentToken("far")));
    await(() -> chain.gateway.endpoints("app").size() == 3);
    assertThat(chain.gateway.endpoints("app"))
        .extracting(EndpointState::tier)
        .containsExactly(0, 0, 1);
    for (int i = 0; i < 20; i++) {
      assertThat(chain.get("/").statusCode()).isEqualTo(200);
      assertThat(chain.events.take().route()).isEqualTo("near");
    }

    near.close();
    asNear.close();
    assertThat(chain.get("/").statusCode()).isEqualTo(200);
    assertThat(chain.events.take().route()).isEqualTo("far");
  }

  // ---- affinity

  @Test
  void user_staysWithConnectorAndInstance_andIsPinnedAnewWhenTheConnectorIsGone() throws Exception {
    Chain chain = pinning(Affinity.RE_PIN);
    Map<String, Connector> connectors = connectTwo(chain);
    HttpResponse<String> first = chain.get("/");
    String connector = chain.events.take().route();
    String pin = pin(first);
    for (int i = 0; i < 10; i++) {
      HttpResponse<String> next = get(chain, pin);
      assertThat(next.body()).isEqualTo(first.body());
      assertThat(next.headers().allValues("set-cookie")).isEmpty();
      assertThat(next.headers().map().keySet()).noneMatch(name -> name.contains("apprxy"));
      assertThat(chain.events.take().route()).isEqualTo(connector);
    }

    connectors.get(connector).close();
    HttpResponse<String> moved = get(chain, pin);
    assertThat(moved.statusCode()).isEqualTo(200);
    assertThat(moved.body()).as("the instance is there still").isEqualTo(first.body());
    assertThat(chain.events.take().route()).isNotEqualTo(connector);
    assertThat(pin(moved)).isNotEqualTo(pin);
  }

  @Test
  void userWhoseConnectorIsGone_failsClearly_whereNoOtherMayServe() throws Exception {
    Chain chain = pinning(Affinity.FAIL);
    Map<String, Connector> connectors = connectTwo(chain);
    String pin = pin(chain.get("/"));
    connectors.get(chain.events.take().route()).close();

    HttpResponse<String> failed = get(chain, pin);
    assertThat(failed.statusCode()).isEqualTo(503);
    assertThat(failed.body()).contains("APX-608");
    assertThat(chain.get("/").statusCode()).isEqualTo(200);
  }

  /** Two instances, which tell their ports. */
  private Chain pinning(Affinity affinity) {
    HttpHandler tells =
        exchange -> {
          assertThat(exchange.getRequestHeaders().getHeaderNames())
              .noneMatch(
                  name -> name.toString().toLowerCase(java.util.Locale.ROOT).contains("apprxy"));
          assertThat(exchange.getRequestHeaders().contains("Cookie")).isFalse();
          exchange
              .getResponseHeaders()
              .put(new HttpString("apprxy-instance"), "http://evil.test:80");
          exchange.getResponseSender().send("" + exchange.getDestinationAddress().getPort());
        };
    int a = origin(tells);
    int b = origin(tells);
    ports.add(a);
    ports.add(b);
    Chain chain =
        new Chain(
            a,
            application ->
                application
                    .originInstance("http://127.0.0.1:" + b)
                    .loadBalancing(
                        LoadBalancing.builder()
                            .algorithm(Algorithm.ROUND_ROBIN)
                            .affinity(affinity)
                            .build()));
    parts.add(chain);
    return chain;
  }

  private Map<String, Connector> connectTwo(Chain chain) throws Exception {
    Map<String, Connector> connectors = new HashMap<>();
    for (String name : List.of("one", "two")) {
      connectors.put(
          name,
          chain.connect(
              ports.get(0),
              connector -> connector.name(name).allowOrigin("http://127.0.0.1:" + ports.get(1))));
    }
    await(() -> chain.gateway.endpoints("app").size() == 2);
    return connectors;
  }

  private static String pin(HttpResponse<?> response) {
    return response.headers().firstValue("set-cookie").orElseThrow().split(";", 2)[0];
  }

  private static HttpResponse<String> get(Chain chain, String cookie) throws Exception {
    return chain.client.send(
        chain.request("/").header("Cookie", cookie).build(), BodyHandlers.ofString());
  }

  // ---- waiting

  @Test
  void userWhoLeavesWhileHeWaits_givesHisPlaceBack() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    AtomicInteger got = new AtomicInteger();
    int origin =
        origin(
            new BlockingHandler(
                exchange -> {
                  got.incrementAndGet();
                  end.await(60, TimeUnit.SECONDS);
                  exchange.getResponseSender().send("done");
                }));
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    Chain chain =
        new Chain(
            origin,
            application ->
                application.loadBalancing(
                    LoadBalancing.builder().maxConcurrentRequests(1).maxWaitingRequests(1).build()),
            server -> server.meters(meters));
    parts.add(chain);
    chain.connect(origin);
    Gauge waiting = meters.get("apprxy.balance.waiting").tag("application", "app-tls").gauge();
    try (RawHttp2 user = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
      user.request("/first", Map.of());
      await(() -> got.get() == 1);
      int leaving = user.request("/leaves", Map.of());
      await(() -> waiting.value() == 1);
      user.cancel(leaving);
      await(() -> waiting.value() == 0);
      user.request("/second", Map.of());
      await(() -> waiting.value() == 1);
      end.countDown();
      await(() -> got.get() == 2);
    }
  }

  // ---- parts

  private Chain chain(int originPort, LoadBalancing settings) {
    Chain chain = new Chain(originPort, application -> application.loadBalancing(settings));
    parts.add(chain);
    return chain;
  }

  private int origin(HttpHandler handler) {
    Undertow server = Chain.undertow(handler);
    parts.add(server::stop);
    return Chain.portOf(server);
  }

  /** An origin that takes each request, and cuts the connection. */
  private int cutting(AtomicInteger got) throws IOException {
    ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    parts.add(listener);
    Thread server =
        new Thread(
            () -> {
              while (!listener.isClosed()) {
                try (Socket connection = listener.accept()) {
                  byte[] head = new byte[8192];
                  if (connection.getInputStream().read(head) > 0) {
                    got.incrementAndGet();
                  }
                } catch (IOException closed) {
                  // the next, or the end
                }
              }
            });
    server.setDaemon(true);
    server.start();
    return listener.getLocalPort();
  }

  private static int nobodyListens() throws IOException {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return free.getLocalPort();
    }
  }

  private interface Condition {
    boolean holds() throws Exception;
  }

  /** Looks again and again until it holds; the test's own timeout ends it. */
  private static void await(Condition condition) throws Exception {
    while (!condition.holds()) {
      LockSupport.parkNanos(5_000_000);
    }
  }
}
