package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.Affinity;
import io.apprxy.LoadBalancing.Algorithm;
import io.apprxy.LoadBalancing.CircuitBreaker;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.LoadBalancing.OutlierEjection;
import io.apprxy.LoadBalancing.Retries;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.handlers.BlockingHandler;
import io.undertow.util.Protocols;
import io.undertow.util.SameThreadExecutor;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Several instances of one origin, with real sockets: what fails, and what users notice of it. */
@Timeout(120)
class BalancingIT {
  private static final LoadBalancing ROUND_ROBIN =
      LoadBalancing.builder().algorithm(Algorithm.ROUND_ROBIN).build();

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final List<AutoCloseable> parts = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void instances_shareTheRequests() throws Exception {
    Instance a = instance("a");
    Instance b = instance("b");
    Instance c = instance("c");
    RunningGateway gateway = gateway(ROUND_ROBIN, a.port, b.port, c.port);
    for (int i = 0; i < 30; i++) {
      assertThat(get(gateway, "/").statusCode()).isEqualTo(200);
    }

    assertThat(List.of(a.served.get(), b.served.get(), c.served.get())).containsOnly(10);
  }

  @Test
  void instances_seeTheSameHost_thatOfTheInternalUrl() throws Exception {
    Set<String> hosts = new HashSet<>();
    HttpHandler tells = exchange -> exchange.getResponseSender().send(exchange.getHostAndPort());
    Instance a = instance(tells);
    Instance b = instance(tells);
    RunningGateway gateway = gateway(ROUND_ROBIN, a.port, b.port);
    for (int i = 0; i < 4; i++) {
      hosts.add(get(gateway, "/").body());
    }

    assertThat(hosts).containsExactly("127.0.0.1:" + a.port);
    assertThat(b.served.get()).isEqualTo(2);
  }

  // ---- instances that fail

  @Test
  void instanceThatIsKilledUnderLoad_failsNoIdempotentRequest() throws Exception {
    Instance a = instance("a");
    Instance b = instance("b");
    Instance c = instance("c");
    RunningGateway gateway = gateway(LoadBalancing.defaults(), a.port, b.port, c.port);
    AtomicInteger answered = new AtomicInteger();
    ConcurrentLinkedQueue<String> wrong = new ConcurrentLinkedQueue<>();
    CountDownLatch warm = new CountDownLatch(600);
    CountDownLatch after = new CountDownLatch(3_000);
    List<Thread> users = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      Thread user =
          new Thread(
              () -> {
                while (after.getCount() > 0) {
                  try {
                    HttpResponse<String> response = get(gateway, "/");
                    if (response.statusCode() != 200) {
                      wrong.add(response.statusCode() + " " + response.body());
                    }
                  } catch (IOException | InterruptedException e) {
                    wrong.add(e.toString());
                  }
                  answered.incrementAndGet();
                  warm.countDown();
                  if (warm.getCount() == 0) {
                    after.countDown();
                  }
                }
              });
      user.start();
      users.add(user);
    }
    assertThat(warm.await(60, TimeUnit.SECONDS)).isTrue();
    b.kill();
    assertThat(after.await(60, TimeUnit.SECONDS)).isTrue();
    for (Thread user : users) {
      user.join();
    }

    assertThat(wrong).isEmpty();
    assertThat(answered.get()).isGreaterThanOrEqualTo(3_600);
    assertThat(gateway.endpoint(b.port).ejected()).isTrue();
  }

  /** All that were under way there go elsewhere at once. */
  @Test
  void instanceThatIsKilledWithManyRequestsUnderWay_failsNoIdempotentOne() throws Exception {
    int requests = 300;
    CountDownLatch underWay = new CountDownLatch(requests);
    CompletableFuture<String> killed = new CompletableFuture<>();
    HttpHandler waits =
        exchange ->
            exchange.dispatch(
                SameThreadExecutor.INSTANCE,
                () -> {
                  underWay.countDown();
                  var unused =
                      killed.thenAccept(
                          answer ->
                              exchange
                                  .getIoThread()
                                  .execute(() -> exchange.getResponseSender().send(answer)));
                });
    Instance dying = instance(waits);
    Instance staying = instance(waits);
    RunningGateway gateway = gateway(ROUND_ROBIN, dying.port, staying.port);
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    for (int i = 0; i < requests; i++) {
      answers.add(client.sendAsync(request(gateway, "/"), BodyHandlers.ofString()));
    }
    assertThat(underWay.await(60, TimeUnit.SECONDS)).isTrue();
    assertThat(dying.served.get()).isEqualTo(requests / 2);
    dying.kill();
    await(() -> staying.served.get() == requests);
    killed.complete("served");

    for (CompletableFuture<HttpResponse<String>> answer : answers) {
      assertThat(answer.get(60, TimeUnit.SECONDS).body()).isEqualTo("served");
    }
  }

  @Test
  void instanceThatHangs_isLeftAlone_whileAnotherAnswers() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    Instance hanging =
        instance(
            new BlockingHandler(
                exchange -> {
                  end.await();
                  exchange.getResponseSender().send("late");
                }));
    Instance quick = instance("quick");
    RunningGateway gateway = gateway(LoadBalancing.defaults(), hanging.port, quick.port);
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    try {
      int quickOnes = 0;
      while (quickOnes < 50) {
        int before = hanging.served.get();
        CompletableFuture<HttpResponse<String>> answer =
            client.sendAsync(request(gateway, "/"), BodyHandlers.ofString());
        answers.add(answer);
        await(() -> answer.isDone() || hanging.served.get() > before);
        quickOnes += answer.isDone() ? 1 : 0;
      }

      assertThat(hanging.served.get()).isLessThanOrEqualTo(1);
    } finally {
      end.countDown();
    }
    for (CompletableFuture<HttpResponse<String>> answer : answers) {
      assertThat(answer.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void instanceThatFlaps_isTakenOut_andTakenBack() throws Exception {
    AtomicInteger breaking = new AtomicInteger(1);
    RawOrigin flapping =
        raw(
            (connection, number) -> {
              RawOrigin.head(connection);
              if (breaking.get() == 0) {
                RawOrigin.write(
                    connection, "HTTP/1.1 200 OK\nContent-Length: 4\nConnection: close\n\nback");
              }
            });
    Instance good = instance("good");
    RunningGateway gateway =
        gateway(
            LoadBalancing.builder()
                .algorithm(Algorithm.ROUND_ROBIN)
                .outlierEjection(new OutlierEjection(5, Duration.ofMillis(300), 0.5))
                .build(),
            flapping.port(),
            good.port);
    await(
        () -> {
          assertThat(get(gateway, "/").body()).isEqualTo("good");
          return gateway.endpoint(flapping.port()).ejected();
        });

    breaking.set(0);
    await(() -> get(gateway, "/").body().equals("back"));
    assertThat(gateway.endpoint(flapping.port()).ejections()).isPositive();
  }

  @ParameterizedTest
  @ValueSource(ints = {502, 503, 504})
  void statusByWhichAnInstanceTurnsAway_takesItOut_butIsPassedOn(int status) throws Exception {
    Instance turning = instance(exchange -> exchange.setStatusCode(status).endExchange());
    Instance good = instance("good");
    RunningGateway gateway = gateway(ROUND_ROBIN, turning.port, good.port);
    int passedOn = 0;
    for (int i = 0; i < 40; i++) {
      passedOn += get(gateway, "/").statusCode() == status ? 1 : 0;
    }

    assertThat(passedOn).isEqualTo(5);
    assertThat(gateway.endpoint(turning.port).ejected()).isTrue();
  }

  @Test
  void plain500_isTheApplicationsAnswer_andNoFailure() throws Exception {
    Instance failing = instance(exchange -> exchange.setStatusCode(500).endExchange());
    Instance good = instance("good");
    RunningGateway gateway = gateway(ROUND_ROBIN, failing.port, good.port);
    for (int i = 0; i < 40; i++) {
      get(gateway, "/");
    }

    assertThat(failing.served.get()).isEqualTo(20);
    assertThat(gateway.endpoint(failing.port).ejected()).isFalse();
  }

  @Test
  void budgetThatIsSpent_endsRetries() throws Exception {
    Instance good = instance("good");
    RunningGateway gateway =
        gateway(
            LoadBalancing.builder()
                .algorithm(Algorithm.ROUND_ROBIN)
                .retries(new Retries(3, 0, 0))
                .outlierEjection(null)
                .build(),
            nobodyListens(),
            good.port);
    Set<Integer> statuses = new HashSet<>();
    for (int i = 0; i < 4; i++) {
      statuses.add(get(gateway, "/").statusCode());
    }

    assertThat(statuses).containsExactlyInAnyOrder(200, 502);
  }

  // ---- requests that must not be sent twice

  @Test
  void instanceThatRefusesConnections_isReplaced_whateverTheRequest() throws Exception {
    Instance good =
        instance(
            new BlockingHandler(
                exchange ->
                    exchange
                        .getResponseSender()
                        .send(new String(exchange.getInputStream().readAllBytes()))));
    RunningGateway gateway = gateway(ROUND_ROBIN, nobodyListens(), good.port);
    for (int i = 0; i < 6; i++) {
      HttpResponse<String> response =
          client.send(
              HttpRequest.newBuilder(URI.create(gateway.url("/")))
                  .POST(BodyPublishers.ofString("order " + i))
                  .build(),
              BodyHandlers.ofString());
      assertThat(response.body()).isEqualTo("order " + i);
    }
  }

  /** An instance that gets the request, and cuts the connection; and one that must not get it. */
  private RunningGateway withOneThatCuts(AtomicInteger got, Instance other) throws IOException {
    RawOrigin cutting =
        raw(
            (connection, number) -> {
              RawOrigin.head(connection);
              got.incrementAndGet();
              connection.setSoLinger(true, 0);
            });
    return gateway(ROUND_ROBIN, cutting.port(), other.port);
  }

  @ParameterizedTest
  @ValueSource(strings = {"POST", "PATCH", "LOCK"})
  void requestThatIsNotIdempotent_isNotSentToAnother(String method) throws Exception {
    AtomicInteger got = new AtomicInteger();
    Instance other = instance("other");
    RunningGateway gateway = withOneThatCuts(got, other);
    try (RawClient raw = new RawClient(gateway.port)) {
      raw.send(
          method
              + " / HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nContent-Length: 0\nConnection: close\n\n");
      assertThat(raw.readToEnd()).startsWith("HTTP/1.1 502").contains("APX-601");
    }

    assertThat(got).hasValue(1);
    assertThat(other.served).hasValue(0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"POST", "PUT"})
  void uploadThatIsHalfSent_isNotSentToAnother(String method) throws Exception {
    AtomicInteger got = new AtomicInteger();
    Instance other = instance("other");
    RunningGateway gateway = withOneThatCuts(got, other);
    try (RawClient raw = new RawClient(gateway.port)) {
      raw.send(
          method
              + " / HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nContent-Length: 1000\nConnection: close\n\nhalf");
      assertThat(raw.readToEnd()).startsWith("HTTP/1.1 502");
    }

    assertThat(got).hasValue(1);
    assertThat(other.served).hasValue(0);
  }

  @Test
  void upgrade_isNotSentToAnother() throws Exception {
    AtomicInteger got = new AtomicInteger();
    Instance other = instance("other");
    RunningGateway gateway = withOneThatCuts(got, other);
    try (RawClient raw = new RawClient(gateway.port)) {
      raw.send(
          "GET / HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
              + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n");
      assertThat(raw.readUntil("\r\n")).startsWith("HTTP/1.1 502");
    }

    assertThat(got).hasValue(1);
    assertThat(other.served).hasValue(0);
  }

  @Test
  void answerThatHasBegun_isBrokenOff_andNotAskedForAgain() throws Exception {
    AtomicInteger got = new AtomicInteger();
    RawOrigin cutting =
        raw(
            (connection, number) -> {
              RawOrigin.head(connection);
              got.incrementAndGet();
              RawOrigin.write(connection, "HTTP/1.1 200 OK\nContent-Length: 100\n\nhalf");
            });
    Instance other = instance("other");
    RunningGateway gateway = gateway(ROUND_ROBIN, cutting.port(), other.port);
    try (RawClient raw = new RawClient(gateway.port)) {
      assertThat(raw.get("/").readToEnd()).contains("Content-Length: 100").doesNotContain("other");
    }

    assertThat(got).hasValue(1);
    assertThat(other.served).hasValue(0);
  }

  @Test
  void originThatHasHadItsTime_isNotAskedAgainElsewhere() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    Instance silent = instance(new BlockingHandler(exchange -> end.await()));
    Instance other = instance("other");
    RunningGateway gateway =
        gateway(
            application ->
                application
                    .applicationServerTimeout(Duration.ofMillis(300))
                    .loadBalancing(ROUND_ROBIN),
            silent.port,
            other.port);
    try {
      assertThat(get(gateway, "/").statusCode()).isEqualTo(504);
      assertThat(other.served).hasValue(0);
    } finally {
      end.countDown();
    }
  }

  // ---- limits

  @Test
  void requestsBeyondTheLimit_wait_andThoseBeyondTheQueue_areRefused() throws Exception {
    Semaphore go = new Semaphore(0);
    Instance busy =
        instance(
            new BlockingHandler(
                exchange -> {
                  go.acquire();
                  exchange.getResponseSender().send("done");
                }));
    RunningGateway gateway =
        gateway(
            LoadBalancing.builder().maxConcurrentRequests(2).maxWaitingRequests(1).build(),
            busy.port);
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      answers.add(client.sendAsync(request(gateway, "/"), BodyHandlers.ofString()));
    }
    await(() -> busy.served.get() == 2);
    // One of these two waits, and the other is refused.
    for (int i = 0; i < 2; i++) {
      answers.add(client.sendAsync(request(gateway, "/"), BodyHandlers.ofString()));
    }
    Object refused =
        CompletableFuture.anyOf(answers.get(2), answers.get(3)).get(30, TimeUnit.SECONDS);
    assertThat(((HttpResponse<?>) refused).statusCode()).isEqualTo(503);
    assertThat(((HttpResponse<?>) refused).body().toString()).contains("APX-605");
    assertThat(busy.served.get()).isEqualTo(2);

    go.release(3);
    List<Integer> statuses = new ArrayList<>();
    for (CompletableFuture<HttpResponse<String>> answer : answers) {
      statuses.add(answer.get(30, TimeUnit.SECONDS).statusCode());
    }
    assertThat(statuses).containsExactlyInAnyOrder(200, 200, 200, 503);
    await(() -> gateway.endpoint(busy.port).activeRequests() == 0);
  }

  @Test
  void requestThatWaitsTooLong_isRefused() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    Instance busy =
        instance(
            new BlockingHandler(
                exchange -> {
                  end.await();
                  exchange.getResponseSender().send("done");
                }));
    RunningGateway gateway =
        gateway(
            LoadBalancing.builder()
                .maxConcurrentRequests(1)
                .waitTimeout(Duration.ofMillis(200))
                .build(),
            busy.port);
    CompletableFuture<HttpResponse<String>> first =
        client.sendAsync(request(gateway, "/"), BodyHandlers.ofString());
    await(() -> busy.served.get() == 1);
    HttpResponse<String> second = get(gateway, "/");
    end.countDown();

    assertThat(second.statusCode()).isEqualTo(503);
    assertThat(second.body()).contains("APX-605");
    assertThat(first.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
    assertThat(get(gateway, "/").statusCode()).isEqualTo(200);
  }

  @Test
  void upgradedConnections_countUntilTheyEnd() throws Exception {
    Instance echo =
        instance(
            io.undertow.Handlers.websocket(
                (exchange, channel) -> {
                  channel
                      .getReceiveSetter()
                      .set(new io.undertow.websockets.core.AbstractReceiveListener() {});
                  channel.resumeReceives();
                }));
    RunningGateway gateway = gateway(LoadBalancing.defaults(), echo.port);
    try (RawClient raw = new RawClient(gateway.port)) {
      raw.send(
          "GET / HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
              + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n");
      raw.readUntil("\r\n\r\n");
      assertThat(gateway.endpoint(echo.port).activeRequests()).isEqualTo(1);
    }

    await(() -> gateway.endpoint(echo.port).activeRequests() == 0);
  }

  // ---- the circuit breaker

  @Test
  void applicationThatFails_isLeftAlone_untilItHasRecovered() throws Exception {
    AtomicInteger healthy = new AtomicInteger();
    RawOrigin origin =
        raw(
            (connection, number) -> {
              RawOrigin.head(connection);
              if (healthy.get() == 1) {
                RawOrigin.write(
                    connection, "HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok");
              }
            });
    RunningGateway gateway =
        gateway(
            LoadBalancing.builder()
                .circuitBreaker(
                    new CircuitBreaker(0.5, 5, Duration.ofSeconds(60), Duration.ofMillis(300), 2))
                .build(),
            origin.port());
    await(() -> get(gateway, "/").body().contains("APX-607"));
    assertThat(origin.connections.get()).isEqualTo(5);

    healthy.set(1);
    await(() -> get(gateway, "/").statusCode() == 200);
    assertThat(get(gateway, "/").body()).isEqualTo("ok");
    assertThat(get(gateway, "/").body()).isEqualTo("ok");
  }

  // ---- health checks

  @Test
  void instanceWhoseCheckFails_getsNoRequest_untilItIsWell() throws Exception {
    AtomicInteger status = new AtomicInteger(200);
    AtomicInteger users = new AtomicInteger();
    Instance checked =
        instance(
            exchange -> {
              if (exchange.getRequestURI().equals("/up")) {
                assertThat(exchange.getQueryString()).isEqualTo("deep=1");
                exchange.setStatusCode(status.get()).endExchange();
              } else {
                users.incrementAndGet();
                exchange.getResponseSender().send("checked");
              }
            });
    Instance other =
        instance(
            exchange ->
                exchange
                    .setStatusCode(exchange.getRequestURI().equals("/up") ? 204 : 200)
                    .endExchange());
    RunningGateway gateway =
        gateway(
            LoadBalancing.builder()
                .algorithm(Algorithm.ROUND_ROBIN)
                .healthCheck(
                    HealthCheck.of("/up?deep=1")
                        .every(Duration.ofMillis(100), Duration.ofSeconds(5))
                        .thresholds(1, 2))
                .build(),
            checked.port,
            other.port);
    get(gateway, "/");
    status.set(500);
    await(() -> !gateway.endpoint(checked.port).healthy());
    int before = users.get();
    for (int i = 0; i < 10; i++) {
      get(gateway, "/");
    }
    assertThat(users.get()).isEqualTo(before);

    status.set(200);
    await(() -> gateway.endpoint(checked.port).healthy());
    get(gateway, "/");
    get(gateway, "/");
    assertThat(users.get()).isGreaterThan(before);
    assertThat(gateway.endpoint(other.port).healthy()).isTrue();
  }

  @Test
  void originOfHttp2_isCheckedByHttp2() throws Exception {
    AtomicInteger checks = new AtomicInteger();
    HttpHandler handler =
        exchange -> {
          boolean http2 = exchange.getProtocol().equals(Protocols.HTTP_2_0);
          checks.addAndGet(http2 && exchange.getRequestURI().equals("/up") ? 1 : 0);
          exchange.setStatusCode(http2 ? 200 : 505).endExchange();
        };
    Instance a = instance(handler);
    Instance b = instance(handler);
    int nobody = nobodyListens();
    RunningGateway gateway =
        gateway(
            application ->
                application
                    .originProtocol(Application.OriginProtocol.HTTP_2)
                    .loadBalancing(
                        LoadBalancing.builder()
                            .healthCheck(
                                HealthCheck.of("/up")
                                    .every(Duration.ofMillis(100), Duration.ofSeconds(5)))
                            .build()),
            a.port,
            b.port,
            nobody);
    assertThat(get(gateway, "/").statusCode()).isEqualTo(200);
    await(() -> checks.get() >= 10 && !gateway.endpoint(nobody).healthy());

    assertThat(gateway.endpoint(a.port).healthy()).isTrue();
    assertThat(gateway.endpoint(b.port).healthy()).isTrue();
  }

  @Test
  void instanceThatDoesNotAnswerItsCheck_isOut() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    RawOrigin silent =
        raw(
            (connection, number) -> {
              RawOrigin.head(connection);
              try {
                end.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    Instance good = instance("good");
    HealthCheck check = HealthCheck.of("/up").every(Duration.ofMillis(100), Duration.ofMillis(200));
    int nobody = nobodyListens();
    RunningGateway gateway =
        gateway(
            LoadBalancing.builder().healthCheck(check).build(), good.port, silent.port(), nobody);
    client.sendAsync(request(gateway, "/"), BodyHandlers.ofString());
    await(() -> !gateway.endpoints().isEmpty());
    await(() -> !gateway.endpoint(silent.port()).healthy() && !gateway.endpoint(nobody).healthy());

    assertThat(gateway.endpoint(good.port).healthy()).isTrue();
    end.countDown();
  }

  // ---- affinity

  private RunningGateway pinning(Affinity affinity, int... ports) {
    return gateway(
        LoadBalancing.builder().algorithm(Algorithm.ROUND_ROBIN).affinity(affinity).build(), ports);
  }

  private HttpResponse<String> get(RunningGateway gateway, String path, String cookie)
      throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(URI.create(gateway.url(path))).header("Cookie", cookie).build(),
        BodyHandlers.ofString());
  }

  private static String pin(HttpResponse<?> response) {
    return response.headers().firstValue("set-cookie").orElseThrow().split(";", 2)[0];
  }

  @Test
  void user_staysWithTheInstance_byACookieThatNoOriginSees() throws Exception {
    List<String> cookies = new ArrayList<>();
    HttpHandler tells =
        exchange -> {
          String cookie = exchange.getRequestHeaders().getFirst("Cookie");
          cookies.add(cookie == null ? "none" : cookie);
          exchange.getResponseSender().send("" + exchange.getDestinationAddress().getPort());
        };
    RunningGateway gateway =
        pinning(Affinity.RE_PIN, instance(tells).port, instance(tells).port, instance(tells).port);
    HttpResponse<String> first = get(gateway, "/");
    assertThat(first.headers().allValues("set-cookie"))
        .singleElement()
        .asString()
        .matches("__Host-apprxy-pin-app=[A-Za-z0-9_-]{64}; Path=/; Secure; HttpOnly; SameSite=Lax");

    for (int i = 0; i < 10; i++) {
      HttpResponse<String> next = get(gateway, "/", "own=1; " + pin(first));
      assertThat(next.body()).isEqualTo(first.body());
      assertThat(next.headers().allValues("set-cookie")).isEmpty();
    }
    assertThat(cookies).containsOnly("none", "own=1");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "__Host-apprxy-pin-app=",
        "__Host-apprxy-pin-app=x",
        "__Host-apprxy-pin-app=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "__Host-apprxy-pin-app=!!!!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "__Host-apprxy-pin-app=http://127.0.0.1:1/",
        "__Host-apprxy-pin-other=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
      })
  void cookieThatIsNotOurs_isIgnored_andReplaced(String cookie) throws Exception {
    RunningGateway gateway = pinning(Affinity.FAIL, instance("a").port, instance("b").port);
    HttpResponse<String> response = get(gateway, "/", cookie);

    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(pin(response)).hasSizeGreaterThan(64);
  }

  @Test
  void cookieOfAnotherGateway_isIgnored() throws Exception {
    Instance a = instance("a");
    Instance b = instance("b");
    RunningGateway one = pinning(Affinity.FAIL, a.port, b.port);
    RunningGateway other = pinning(Affinity.FAIL, a.port, b.port);
    String pinned = pin(get(one, "/"));
    Set<String> served = new HashSet<>();
    for (int i = 0; i < 4; i++) {
      served.add(get(other, "/", pinned).body());
    }

    assertThat(served).containsExactlyInAnyOrder("a", "b");
  }

  @Test
  void userOfAnInstanceThatDies_isPinnedToAnother() throws Exception {
    Instance a = instance("a");
    Instance b = instance("b");
    RunningGateway gateway = pinning(Affinity.RE_PIN, a.port, b.port);
    HttpResponse<String> first = get(gateway, "/");
    (first.body().equals("a") ? a : b).kill();
    HttpResponse<String> second = get(gateway, "/", pin(first));

    assertThat(second.statusCode()).isEqualTo(200);
    assertThat(second.body()).isNotEqualTo(first.body());
    assertThat(pin(second)).isNotEqualTo(pin(first));
    assertThat(get(gateway, "/", pin(second)).body()).isEqualTo(second.body());
  }

  @Test
  void userOfAnInstanceThatDies_failsClearly_whereNoOtherMayServe() throws Exception {
    Instance a = instance("a");
    Instance b = instance("b");
    RunningGateway gateway = pinning(Affinity.FAIL, a.port, b.port);
    HttpResponse<String> first = get(gateway, "/");
    Instance other = first.body().equals("a") ? b : a;
    (first.body().equals("a") ? a : b).kill();
    int before = other.served.get();
    for (int i = 0; i < 10; i++) {
      HttpResponse<String> failed = get(gateway, "/", pin(first));
      assertThat(failed.statusCode()).isEqualTo(502);
      assertThat(failed.body()).contains("APX-601");
    }

    assertThat(other.served.get()).isEqualTo(before);
    assertThat(get(gateway, "/").body()).isEqualTo(first.body().equals("a") ? "b" : "a");
  }

  // ---- parts

  private HttpResponse<String> get(RunningGateway gateway, String path)
      throws IOException, InterruptedException {
    return client.send(request(gateway, path), BodyHandlers.ofString());
  }

  private static HttpRequest request(RunningGateway gateway, String path) {
    return HttpRequest.newBuilder(URI.create(gateway.url(path)))
        .timeout(Duration.ofSeconds(60))
        .build();
  }

  private RunningGateway gateway(LoadBalancing settings, int... ports) {
    return gateway(application -> application.loadBalancing(settings), ports);
  }

  private RunningGateway gateway(UnaryOperator<Application.Builder> settings, int... ports) {
    RunningGateway gateway =
        new RunningGateway(
            ports[0],
            application -> {
              for (int i = 1; i < ports.length; i++) {
                application.originInstance("http://127.0.0.1:" + ports[i]);
              }
              return settings.apply(application);
            });
    parts.add(gateway);
    return gateway;
  }

  private RawOrigin raw(RawOrigin.Behaviour behaviour) throws IOException {
    RawOrigin origin = new RawOrigin(behaviour);
    parts.add(origin);
    return origin;
  }

  private Instance instance(String name) {
    return instance(exchange -> exchange.getResponseSender().send(name));
  }

  private Instance instance(HttpHandler handler) {
    Instance instance = new Instance(handler);
    parts.add(instance::kill);
    return instance;
  }

  private static int nobodyListens() throws IOException {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return free.getLocalPort();
    }
  }

  private interface Condition {
    boolean holds() throws IOException, InterruptedException;
  }

  /** Looks again and again until it holds; the test's own timeout ends it. */
  private static void await(Condition condition) throws IOException, InterruptedException {
    while (!condition.holds()) {
      LockSupport.parkNanos(5_000_000);
    }
  }

  /** An Undertow that counts what it serves. */
  private static final class Instance {
    final AtomicInteger served = new AtomicInteger();
    final int port;
    private final Undertow server;

    Instance(HttpHandler handler) {
      server =
          Undertow.builder()
              .addHttpListener(0, "127.0.0.1")
              .setServerOption(UndertowOptions.ENABLE_HTTP2, true)
              .setHandler(exchange -> serve(handler, exchange))
              .build();
      server.start();
      port = ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
    }

    private void serve(HttpHandler handler, HttpServerExchange exchange) throws Exception {
      served.incrementAndGet();
      handler.handleRequest(exchange);
    }

    /** As a process that is killed: no answer to what is under way, and no connection any more. */
    void kill() {
      server.stop();
    }
  }
}
