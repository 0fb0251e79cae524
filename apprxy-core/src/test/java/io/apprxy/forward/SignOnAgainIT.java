package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.OriginRequest;
import io.apprxy.Verdict;
import io.apprxy.observe.Meters;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.route.RequestTarget;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.SameThreadExecutor;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * An origin that takes a request for nobody's has it signed on anew, once, if that loses nothing.
 */
@Timeout(60)
class SignOnAgainIT {
  private static final Identity ALICE =
      new Identity("https://idp.test", "alice", "s", Instant.EPOCH, Map.of());

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final List<Undertow> servers = new ArrayList<>();

  /** What came to which instance: its number, the token, the body. */
  private final List<String> asked = new CopyOnWriteArrayList<>();

  private final Set<String> taken = ConcurrentHashMap.newKeySet();
  private final AtomicInteger tokens = new AtomicInteger();
  private volatile boolean later;
  private volatile int failsAt;
  private volatile boolean broken;
  private volatile CompletableFuture<Verdict> pending;
  private final CompletableFuture<HttpServerExchange> arrived = new CompletableFuture<>();
  private LastHop lastHop;
  private Application application;
  private Undertow front;

  @BeforeEach
  void open() throws Exception {
    Undertow one = server(exchange -> answer(1, exchange));
    Undertow two = server(exchange -> answer(2, exchange));
    application =
        Application.builder("app")
            .externalUrl("http://app.test/")
            .internalUrl("http://127.0.0.1:" + portOf(one) + "/")
            .originInstance("http://127.0.0.1:" + portOf(two) + "/")
            .assignEveryone()
            .build();
    lastHop =
        new LastHop(
            (request, identity, of) -> signOn(request), SSLContext.getDefault(), Meters.none());
    front =
        server(exchange -> exchange.dispatch(SameThreadExecutor.INSTANCE, () -> serve(exchange)));
  }

  @AfterEach
  void close() {
    lastHop.close();
    servers.forEach(Undertow::stop);
  }

  private Verdict signOn(OriginRequest request) {
    int number = tokens.incrementAndGet();
    if (number == failsAt) {
      throw new GatewayException(ErrorCode.KDC_UNREACHABLE, "nobody answers");
    }
    request.set("Authorization", "Token " + number);
    request.onAnswer(
        answer -> {
          if (broken) {
            throw new IllegalStateException("on purpose");
          }
          return answer.status() == 401;
        });
    if (pending != null) {
      return Verdict.later(pending);
    }
    return later
        ? Verdict.later(CompletableFuture.supplyAsync(Verdict::proceed))
        : Verdict.proceed();
  }

  private void answer(int instance, HttpServerExchange exchange) {
    exchange
        .getRequestReceiver()
        .receiveFullString(
            (request, body) -> {
              String token = exchange.getRequestHeaders().getFirst("Authorization");
              asked.add(instance + " " + token + " " + body);
              exchange.setStatusCode(taken.contains(token) ? 200 : 401);
              exchange.getResponseSender().send("for " + token);
            });
  }

  @Test
  void request_isSignedOnAnew_andSentToTheSameInstance() throws Exception {
    taken.add("Token 2");

    assertThat(send(request().build()).body()).isEqualTo("for Token 2");
    assertThat(asked).hasSize(2);
    assertThat(asked.get(0).charAt(0)).isEqualTo(asked.get(1).charAt(0));
    assertNothingIsLeft();
  }

  /** The client may have its answer a little before the origin's connection is let go. */
  private void assertNothingIsLeft() {
    while (lastHop.states(application).stream().anyMatch(one -> one.activeRequests() > 0)) {
      LockSupport.parkNanos(5_000_000);
    }
    assertThat(lastHop.states(application))
        .allSatisfy(instance -> assertThat(instance.consecutiveFailures()).isZero());
  }

  @Test
  void signOnThatTakesItsTime_isWaitedFor() throws Exception {
    later = true;
    taken.add("Token 2");

    assertThat(send(request().build()).body()).isEqualTo("for Token 2");
  }

  @Test
  void secondRefusal_isAnError() throws Exception {
    assertThat(send(request().build()).body()).isEqualTo("APX-620");
    assertThat(asked).hasSize(2);
    assertThat(lastHop.states(application))
        .allSatisfy(instance -> assertThat(instance.consecutiveFailures()).isZero());
  }

  @Test
  void signOnThatFailsNow_isItsError() throws Exception {
    failsAt = 2;

    assertThat(send(request().build()).body()).isEqualTo("APX-632");
    assertThat(asked).hasSize(1);
  }

  @Test
  void requestWithABody_isNotSentAgain() throws Exception {
    taken.add("Token 2");

    assertThat(send(request().POST(BodyPublishers.ofString("form")).build()).body())
        .isEqualTo("APX-620");
    assertThat(asked).singleElement().asString().endsWith(" Token 1 form");
  }

  /** A length of 0 is no body. */
  @Test
  void emptyPost_isSentAgain() throws Exception {
    taken.add("Token 2");

    assertThat(send(request().POST(BodyPublishers.noBody()).build()).body())
        .isEqualTo("for Token 2");
  }

  @Test
  void lookAtAnAnswer_thatFails_refusesIt_atOnce() throws Exception {
    broken = true;

    assertThat(send(request().build()).body()).isEqualTo("APX-606");
    assertNothingIsLeft();
  }

  /** As when a session ends, and the gateway resets the stream. */
  @Test
  void clientThatLeavesDuringTheSignOn_hasSentNothing() throws Exception {
    pending = new CompletableFuture<>();
    CompletableFuture<HttpResponse<String>> answer =
        client.sendAsync(request().DELETE().build(), BodyHandlers.ofString());
    HttpServerExchange exchange = arrived.get(30, TimeUnit.SECONDS);
    CompletableFuture<Void> left = new CompletableFuture<>();
    exchange
        .getIoThread()
        .execute(
            () -> {
              Forwarder.clientLeft(exchange);
              left.complete(null);
            });
    left.get(30, TimeUnit.SECONDS);

    pending.complete(Verdict.proceed());

    assertThat(answer.get(30, TimeUnit.SECONDS).body()).isEqualTo("APX-106");
    assertThat(asked).isEmpty();
  }

  // ---- parts

  private void serve(HttpServerExchange exchange) {
    arrived.complete(exchange);
    lastHop.serve(
        exchange,
        application,
        ALICE,
        RequestTarget.parse("http", "/", List.of("app.test")),
        new LastHop.Events() {
          @Override
          public void failed(HttpServerExchange failed, GatewayException cause) {
            failed.setStatusCode(cause.code().status());
            failed.getResponseSender().send(cause.code().code());
          }

          @Override
          public IdentityHeaders identityHeaders() {
            return IdentityHeaders.none();
          }
        });
  }

  private HttpRequest.Builder request() {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + portOf(front) + "/"));
  }

  private HttpResponse<String> send(HttpRequest request) throws Exception {
    return client.send(request, BodyHandlers.ofString());
  }

  private Undertow server(HttpHandler handler) {
    Undertow server =
        Undertow.builder().addHttpListener(0, "127.0.0.1").setHandler(handler).build();
    server.start();
    servers.add(server);
    return server;
  }

  private static int portOf(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }
}
