package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.observe.AccessEvent;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderValues;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The pipeline as a client sees it: what reaches the origin, what is refused, and what is recorded.
 */
@Timeout(60)
class GatewayIT {
  private static final Identity ALICE =
      new Identity(
          "https://issuer.test",
          "a-1",
          "session-1",
          Instant.EPOCH,
          Map.of("preferred_username", "alice", "groups", java.util.List.of("staff")));

  private final AtomicInteger originRequests = new AtomicInteger();
  private final BlockingQueue<AccessEvent> events = new LinkedBlockingQueue<>();
  private final AtomicReference<HttpHandler> mounted = new AtomicReference<>();
  private volatile CountDownLatch slow;
  private Undertow origin;
  private Undertow front;
  private Gateway gateway;
  private int port;

  @BeforeEach
  void start() {
    origin = undertow(this::echoHeaders);
    front = undertow(exchange -> mounted.get().handleRequest(exchange));
    port = port(front);
  }

  @AfterEach
  void stop() {
    if (gateway != null) {
      gateway.close();
    }
    front.stop();
    origin.stop();
  }

  @Test
  void identifiedUser_reachesTheOrigin_withTheHeadersOfTheSignOn() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/", "")).startsWith("HTTP/1.1 200").contains("x-user: alice");
  }

  @ParameterizedTest
  @ValueSource(strings = {"X-User", "x-user", "X_User", "x.user", "X-USER"})
  void identityHeaderOfAClient_neverReachesTheOrigin(String name) throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/", name + ": mallory\n")).contains("x-user: alice").doesNotContain("mallory");
  }

  /** Two paths of one origin, of which one is for everybody. */
  @ParameterizedTest
  @ValueSource(strings = {"X-User", "x_user"})
  void identityHeaderOfAClient_doesNotReachTheOrigin_byAnotherApplicationEither(String name)
      throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/open/", name + ": mallory\n"))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("mallory");
  }

  @Test
  void headerThatConnectionNames_doesNotTakeTheIdentityAway() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/", "Connection: close\nConnection: X-User\n")).contains("x-user: alice");
  }

  @Test
  void gatewaysCookies_neverReachTheOrigin_othersDo() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/", "Cookie: a=1; __Host-apprxy-session=secret; b=2\n"))
        .contains("a=1; b=2")
        .doesNotContain("secret");
  }

  @Test
  void clientsForwardedHeaders_areNotBelieved() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/", "X-Forwarded-For: 6.6.6.6\nForwarded: for=6.6.6.6\n"))
        .contains("x-forwarded-for: 127.0.0.1")
        .doesNotContain("6.6.6.6");
  }

  @Test
  void stageThatThrows_refusesTheRequest() throws Exception {
    mount(
        exchange -> {
          throw new IllegalStateException("broken");
        },
        exchange -> Verdict.proceed());
    assertThat(get("/", ""))
        .startsWith("HTTP/1.1 500")
        .contains("APX-999")
        .doesNotContain("broken");
    assertThat(originRequests).hasValue(0);
  }

  /** No exception of anybody's own making: a class that is missing, a stack that overflows. */
  @Test
  void stageThatThrowsAnError_refusesTheRequest_atOnceAndLater() throws Exception {
    mount(
        exchange -> {
          throw new StackOverflowError("broken");
        },
        exchange -> Verdict.proceed());
    assertThat(get("/", "")).startsWith("HTTP/1.1 500").contains("APX-999");
    mount(
        exchange -> Verdict.later(CompletableFuture.supplyAsync(() -> identify(exchange))),
        exchange -> {
          throw new NoClassDefFoundError("broken");
        });
    assertThat(get("/", "")).startsWith("HTTP/1.1 500").contains("APX-999");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void stageThatFailsLater_refusesTheRequest() throws Exception {
    mount(
        exchange ->
            Verdict.later(CompletableFuture.failedFuture(new IllegalStateException("broken"))),
        exchange -> Verdict.proceed());
    assertThat(get("/", "")).startsWith("HTTP/1.1 500");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void stageThatAnswersNothing_refusesTheRequest() throws Exception {
    mount(
        exchange -> Verdict.later(CompletableFuture.completedFuture(null)),
        exchange -> Verdict.proceed());
    assertThat(get("/", "")).startsWith("HTTP/1.1 500");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void stageThatAnswersNoVerdict_refusesTheRequest() throws Exception {
    mount(exchange -> identify(exchange), exchange -> null);
    assertThat(get("/", "")).startsWith("HTTP/1.1 500");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void stepUp_neverLetsTheRequestProceed_whoeverDemandsIt_andWhenever() throws Exception {
    Verdict stepUp =
        Verdict.stepUp(new StepUpRequirement(List.of("mfa"), null, null, "a second factor"));

    mount(exchange -> identify(exchange), exchange -> stepUp);
    assertThat(get("/", "")).startsWith("HTTP/1.1 403").contains("APX-302");
    mount(
        exchange -> identify(exchange),
        exchange -> Verdict.later(CompletableFuture.supplyAsync(() -> stepUp)));
    assertThat(get("/", "")).startsWith("HTTP/1.1 403").contains("APX-302");
    mount(exchange -> stepUp, exchange -> Verdict.proceed());
    assertThat(get("/", "")).startsWith("HTTP/1.1 403").contains("APX-302");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void stageThatAnswersLater_goesOnWhereItStopped() throws Exception {
    mount(
        exchange -> Verdict.later(CompletableFuture.supplyAsync(() -> identify(exchange))),
        exchange -> Verdict.later(CompletableFuture.supplyAsync(Verdict::proceed)));
    assertThat(get("/", "")).startsWith("HTTP/1.1 200").contains("x-user: alice");
  }

  @Test
  void requestThatNobodyIdentified_isRefused_thoughTheStageLetItProceed() throws Exception {
    mount(exchange -> Verdict.proceed(), exchange -> Verdict.proceed());
    assertThat(get("/", "")).startsWith("HTTP/1.1 401").contains("APX-201");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void reservedPath_neverReachesAnOrigin() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/.apprxy/anything", "")).startsWith("HTTP/1.1 404").contains("APX-402");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void unknownHost_isNoApplication() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(raw("GET / HTTP/1.1\nHost: other.test\nConnection: close\n\n"))
        .startsWith("HTTP/1.1 404")
        .contains("APX-401");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "GET /a/../b HTTP/1.1\nHost: H\n", "GET //b HTTP/1.1\nHost: H\n",
            "GET /a%2fb HTTP/1.1\nHost: H\n",
        "GET /a;b HTTP/1.1\nHost: H\n", "GET /a\\b HTTP/1.1\nHost: H\n",
            "GET /a#b HTTP/1.1\nHost: H\n",
        "GET /%c0%af HTTP/1.1\nHost: H\n", "GET /%252e%252e/ HTTP/1.1\nHost: H\n",
            "GET / HTTP/1.1\nHost: H\nHost: other\n",
        "GET / HTTP/1.1\n", "GET http://other/ HTTP/1.1\nHost: H\n",
            "GET / HTTP/1.1\nHost: H\nContent-Length: 1\nContent-Length: 2\n",
        "POST / HTTP/1.1\nHost: H\nContent-Length: 4\nTransfer-Encoding: chunked\n"
      })
  void ambiguousRequest_isRefused_andNothingReachesTheOrigin(String request) throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(raw(request.replace("Host: H", "Host: localhost:" + port) + "Connection: close\n\n"))
        .startsWith("HTTP/1.1 400");
    assertThat(originRequests).hasValue(0);
  }

  @Test
  void responseOfAProtectedApplication_isNotForSharedCaches() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    assertThat(get("/", "")).containsIgnoringCase("cache-control: private");
    assertThat(get("/open/", "")).doesNotContainIgnoringCase("cache-control: private");
  }

  // ---- while a request is open

  @Test
  void policyThatIsAskedAgain_seesWhatItSawBefore() throws Exception {
    BlockingQueue<List<String>> seen = new LinkedBlockingQueue<>();
    slow = new CountDownLatch(1);
    mount(
        GatewayIT::identify,
        exchange -> {
          seen.add(
              List.of(
                  exchange.headers("x-device").toString(),
                  exchange.headers("Forwarded").toString(),
                  exchange.header("CONNECTION"),
                  exchange.header("X-User"),
                  exchange.cookie("__Host-apprxy-session") + exchange.cookie("b"),
                  exchange.clientAddress(),
                  exchange.path()));
          return Verdict.proceed();
        });
    CompletableFuture<String> response =
        CompletableFuture.supplyAsync(
            () ->
                getUnchecked(
                    "/slow",
                    "X-Device: 1\nX-Device: 2\nForwarded: for=6.6.6.6\nX-User: mallory\n"
                        + "Cookie: a=1; __Host-apprxy-session=secret; b=2\n"));
    List<String> first = seen.poll(20, TimeUnit.SECONDS);
    assertThat(seen.poll(20, TimeUnit.SECONDS)).isEqualTo(first).contains("[1, 2]", "secret2");
    assertThat(seen.poll(20, TimeUnit.SECONDS)).isEqualTo(first);
    slow.countDown();
    assertThat(response.get(20, TimeUnit.SECONDS)).startsWith("HTTP/1.1 200");
  }

  @Test
  void policyThatFailsWhenItIsAskedAgain_endsTheRequest() throws Exception {
    for (Verdict late :
        new Verdict[] {
          null,
          Verdict.answer(Response.of(204)),
          Verdict.later(CompletableFuture.failedFuture(new IllegalStateException("broken"))),
          Verdict.later(CompletableFuture.completedFuture(null)),
          Verdict.later(
              CompletableFuture.supplyAsync(
                  () -> Verdict.stepUp(new StepUpRequirement(List.of("mfa"), null, null, "more"))))
        }) {
      slow = new CountDownLatch(1);
      AtomicInteger asked = new AtomicInteger();
      mount(
          GatewayIT::identify, exchange -> asked.getAndIncrement() == 0 ? Verdict.proceed() : late);
      assertThat(get("/slow", "")).containsPattern("HTTP/1.1 (401|403|500)").contains("APX-");
      slow.countDown();
    }
  }

  @Test
  void identityOfWhichNobodyKnowsWhetherItStands_endsTheRequest() throws Exception {
    slow = new CountDownLatch(1);
    AtomicInteger asked = new AtomicInteger();
    mount(
        exchange -> {
          exchange.identify(
              ALICE,
              () -> {
                if (asked.getAndIncrement() > 1) {
                  throw new IllegalStateException("broken");
                }
                return true;
              });
          return Verdict.proceed();
        },
        exchange -> Verdict.proceed());
    assertThat(get("/slow", "")).startsWith("HTTP/1.1 500");
    slow.countDown();
  }

  @Test
  void identityThatFallsWhileThePolicyThinks_neverReachesTheOrigin() throws Exception {
    mount(
        exchange -> {
          exchange.identify(ALICE, () -> false);
          return Verdict.proceed();
        },
        exchange -> Verdict.later(CompletableFuture.supplyAsync(Verdict::proceed)));
    assertThat(get("/", "")).startsWith("HTTP/1.1 401").contains("APX-209");
    assertThat(originRequests).hasValue(0);
    assertThat(events.poll(10, TimeUnit.SECONDS).code()).isEqualTo("APX-209");
  }

  /** Its connection waits for nothing, and does not reach the origin when it is ready. */
  @Test
  void sessionThatEndsDuringTheSignOn_neverReachesTheOrigin() throws Exception {
    CompletableFuture<Verdict> signOn = new CompletableFuture<>();
    AtomicBoolean stands = new AtomicBoolean(true);
    AtomicInteger askedAfterTheEnd = new AtomicInteger();
    mount(
        exchange -> {
          exchange.identify(
              ALICE,
              () -> {
                if (!stands.get()) {
                  askedAfterTheEnd.incrementAndGet();
                  signOn.complete(Verdict.proceed());
                }
                return stands.get();
              });
          return Verdict.proceed();
        },
        exchange -> Verdict.proceed(),
        (request, identity, application) -> {
          stands.set(false);
          return Verdict.later(signOn);
        });
    assertThat(get("/", "")).startsWith("HTTP/1.1 401").contains("APX-209");
    assertThat(originRequests).hasValue(0);
    assertThat(askedAfterTheEnd).hasValue(1);
  }

  // ---- what is recorded

  @Test
  void everyRequest_isRecordedOnce_withTheIdOfItsResponse() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    String response = get("/page?secret=1", "X-Request-Id: forged\n");
    AccessEvent event = events.poll(10, TimeUnit.SECONDS);
    assertThat(event.id()).isNotEqualTo("forged");
    assertThat(response).containsIgnoringCase("X-Request-Id: " + event.id());
    assertThat(event.application()).isEqualTo("app");
    assertThat(event.path()).isEqualTo("/page");
    assertThat(event.status()).isEqualTo(200);
    assertThat(event.user()).isEqualTo("alice");
    assertThat(event.route()).isEqualTo("http://127.0.0.1:" + port(origin));
    assertThat(event.originLatency()).isNotNull();
    assertThat(events).isEmpty();
  }

  @Test
  void body_isRecorded_byWhatWasReceivedOfIt() throws Exception {
    mount(exchange -> identify(exchange), exchange -> Verdict.proceed());
    raw(
        "POST / HTTP/1.1\nHost: localhost:"
            + port
            + "\nConnection: close\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n");
    assertThat(events.poll(10, TimeUnit.SECONDS).bytesReceived()).isEqualTo(5);
  }

  // ---- parts

  private void mount(PreAuthentication preAuthentication, AccessPolicy policy) {
    mount(
        preAuthentication,
        policy,
        (request, identity, application) -> {
          request.set("X-User", identity.name());
          return Verdict.proceed();
        });
  }

  private void mount(PreAuthentication preAuthentication, AccessPolicy policy, SignOn signOn) {
    gateway =
        Gateway.builder()
            .preAuthentication(preAuthentication)
            .accessPolicy(policy)
            .signOn(signOn)
            .accessLog(events::add)
            .publish(
                Application.builder("app")
                    .externalUrl("http://localhost:" + port + "/")
                    .internalUrl("http://127.0.0.1:" + port(origin) + "/")
                    .assignEveryone()
                    .headerSignOn(Map.of("X-User", "preferred_username"))
                    .build())
            .publish(
                Application.builder("open")
                    .externalUrl("http://localhost:" + port + "/open/")
                    .internalUrl("http://127.0.0.1:" + port(origin) + "/open/")
                    .passthrough()
                    .build())
            .build();
    mounted.set(gateway.handler());
  }

  private static Verdict identify(Exchange exchange) {
    exchange.identify(ALICE);
    return Verdict.proceed();
  }

  private String get(String target, String headers) throws IOException {
    String connection = headers.contains("Connection:") ? "" : "Connection: close\n";
    return raw(
        "GET "
            + target
            + " HTTP/1.1\nHost: localhost:"
            + port
            + "\n"
            + connection
            + headers
            + "\n");
  }

  private String getUnchecked(String target, String headers) {
    try {
      return get(target, headers);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // ---- bodies that a stage reads

  /** As browsers send them, whose header fills a record of its own. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 5})
  void bodyThatComesAfterItsHeader_isRead_andAnsweredWhenTheStageCan(int sentAtFirst)
      throws Exception {
    CountDownLatch reading = new CountDownLatch(1);
    CountDownLatch answering = new CountDownLatch(1);
    mount(
        exchange -> {
          CompletableFuture<Verdict> answer = new CompletableFuture<>();
          var unused =
              exchange
                  .readBody(5)
                  .thenAccept(
                      body ->
                          new Thread(
                                  () -> {
                                    awaitUninterruptibly(answering);
                                    answer.complete(Verdict.answer(echo(body)));
                                  })
                              .start())
                  .thenRun(answering::countDown);
          reading.countDown();
          return Verdict.later(answer);
        },
        exchange -> Verdict.proceed());

    assertThat(inTwoParts("hello", 5, sentAtFirst, reading))
        .startsWith("HTTP/1.1 200")
        .contains("\r\n\r\nhello");
  }

  @Test
  void bodyThatComesAfterItsHeader_andIsTooLarge_isRefused() throws Exception {
    CountDownLatch reading = new CountDownLatch(1);
    mount(
        exchange -> {
          Verdict verdict =
              Verdict.later(exchange.readBody(4).thenApply(body -> Verdict.answer(echo(body))));
          reading.countDown();
          return verdict;
        },
        exchange -> Verdict.proceed());

    assertThat(inTwoParts("hello", -1, 0, reading)).startsWith("HTTP/1.1 413").contains("APX-");
  }

  private static Response echo(byte[] body) {
    return Response.of(200, "text/plain", new String(body, StandardCharsets.ISO_8859_1));
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    try {
      if (!latch.await(20, TimeUnit.SECONDS)) {
        throw new IllegalStateException("never came");
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Sends the rest of a body when a stage waits for it.
   *
   * @param length as the header says it, or -1 for a body in chunks
   */
  private String inTwoParts(String body, int length, int sentAtFirst, CountDownLatch reading)
      throws Exception {
    String coded = length < 0 ? "5\r\n" + body + "\r\n0\r\n\r\n" : body;
    String head =
        "POST / HTTP/1.1\r\nHost: localhost:"
            + port
            + "\r\nConnection: close\r\n"
            + (length < 0 ? "Transfer-Encoding: chunked" : "Content-Length: " + length)
            + "\r\n\r\n";
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(20_000);
      socket.setTcpNoDelay(true);
      socket
          .getOutputStream()
          .write((head + coded.substring(0, sentAtFirst)).getBytes(StandardCharsets.ISO_8859_1));
      awaitUninterruptibly(reading);
      socket
          .getOutputStream()
          .write(coded.substring(sentAtFirst).getBytes(StandardCharsets.ISO_8859_1));
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      socket.getInputStream().transferTo(all);
      return all.toString(StandardCharsets.ISO_8859_1);
    }
  }

  private String raw(String request) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(20_000);
      socket
          .getOutputStream()
          .write(request.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      socket.getInputStream().transferTo(all);
      return all.toString(StandardCharsets.ISO_8859_1);
    }
  }

  private void echoHeaders(HttpServerExchange exchange) throws InterruptedException {
    if (exchange.getRequestURI().equals("/slow") && exchange.isInIoThread()) {
      exchange.dispatch(this::echoHeaders);
      return;
    }
    if (exchange.getRequestURI().equals("/slow")) {
      slow.await(30, TimeUnit.SECONDS);
    }
    originRequests.incrementAndGet();
    StringBuilder body = new StringBuilder();
    for (HeaderValues header : exchange.getRequestHeaders()) {
      header.forEach(
          value ->
              body.append(header.getHeaderName().toString().toLowerCase(java.util.Locale.ROOT))
                  .append(": ")
                  .append(value)
                  .append('\n'));
    }
    exchange.getResponseSender().send(body.toString());
  }

  private static Undertow undertow(HttpHandler handler) {
    Undertow server =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setHandler(handler)
            .build();
    server.start();
    return server;
  }

  private static int port(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }
}
