package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.handlers.BlockingHandler;
import java.io.IOException;
import java.net.InetAddress;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A whole gateway that closes while users ask, and another one serves. */
@Timeout(90)
class DrainIT {
  private static final int USERS = 8;
  private static final int SLOW = 8;

  /** Of each request that may not be sent twice, how often the origin was asked. */
  private final ConcurrentMap<String, AtomicInteger> asked = new ConcurrentHashMap<>();

  private final CountDownLatch slowBegan = new CountDownLatch(SLOW);
  private final CountDownLatch finishSlow = new CountDownLatch(1);
  private final Undertow origin = Chain.undertow(new BlockingHandler(this::serve), 32);
  private final Queue<String> left = new ConcurrentLinkedQueue<>();
  private final Chain staying;
  private final Chain leaving;
  private final Connector connector;

  DrainIT(@TempDir Path directory) throws Exception {
    int originPort = Chain.portOf(origin);
    Path state = directory.resolve("authority");
    staying = new Chain(originPort, application -> application, tunnel -> tunnel.state(state));
    leaving =
        new Chain(
            originPort,
            application -> application,
            tunnel -> tunnel.state(state).listener(this::leavingTells));
    connector =
        leaving
            .connector(
                settings ->
                    settings
                        .trust(leaving.tls.ca(), staying.tls.ca())
                        .gateway("https://localhost:" + staying.tunnel.port())
                        .resolver(host -> List.of(InetAddress.getByName("127.0.0.1"))))
            .start();
    for (Chain each : List.of(staying, leaving)) {
      assertThat(each.tunnel.awaitConnector("default", Duration.ofSeconds(30))).isTrue();
    }
  }

  @AfterEach
  void close() {
    finishSlow.countDown();
    connector.close();
    leaving.close();
    staying.close();
    origin.stop();
  }

  private void serve(HttpServerExchange exchange) throws Exception {
    String sent = new String(exchange.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
    if (!sent.isEmpty()) {
      asked.computeIfAbsent(sent, id -> new AtomicInteger()).incrementAndGet();
    }
    if (exchange.getRequestPath().equals("/slow")) {
      slowBegan.countDown();
      finishSlow.await(60, TimeUnit.SECONDS);
    }
    exchange.getResponseSender().send("served " + sent);
  }

  /** What it loses must be elsewhere already. */
  private void leavingTells(TunnelEvent event) {
    if (event.type() == TunnelEvent.Type.DRAINING || event.type() == TunnelEvent.Type.DOWN) {
      left.add(connectionsTo(staying) > 0 ? "moved" : "nowhere else");
    }
  }

  private static int connectionsTo(Chain gateway) {
    return gateway.tunnel.connectors().stream().mapToInt(ConnectorState::connections).sum();
  }

  @Test
  void gatewayThatCloses_losesNoRequestThatItAccepted_andItsConnectorsHaveMovedBefore()
      throws Exception {
    List<CompletableFuture<HttpResponse<String>>> slow = new ArrayList<>();
    for (int i = 0; i < SLOW; i++) {
      slow.add(
          leaving.client.sendAsync(post(leaving, "/slow", "slow-" + i), BodyHandlers.ofString()));
    }
    assertThat(slowBegan.await(30, TimeUnit.SECONDS)).isTrue();
    try (Users users = new Users()) {
      users.await(200);
      CompletableFuture<Void> closing = CompletableFuture.runAsync(leaving::close);
      users.awaitMoved();
      users.await(200);
      assertThat(closing).as("with requests in flight").isNotDone();
      finishSlow.countDown();
      closing.get(30, TimeUnit.SECONDS);
      users.await(200);
      System.out.printf(
          "A gateway that closed under load: of %d requests %d failed; %d were refused there, and sent to the other%n",
          users.answered.get(), users.failures.size(), users.refused.get());
      assertThat(users.failures).isEmpty();
    }
    for (int i = 0; i < SLOW; i++) {
      assertThat(slow.get(i).get(30, TimeUnit.SECONDS).body()).isEqualTo("served slow-" + i);
    }
    assertThat(asked).allSatisfy((request, times) -> assertThat(times).hasValue(1));
    assertThat(left).isNotEmpty().containsOnly("moved");
    assertThat(connectionsTo(staying)).isEqualTo(2);
  }

  private static HttpRequest post(Chain gateway, String path, String id) {
    return gateway.request(path).POST(BodyPublishers.ofString(id)).build();
  }

  /**
   * Half of what they ask is idempotent. They come to the gateway that leaves until it refuses
   * them, and then to the other one with the same request: had it been accepted before, the origin
   * would be asked twice.
   */
  private final class Users implements AutoCloseable {
    final Queue<String> failures = new ConcurrentLinkedQueue<>();
    final AtomicInteger answered = new AtomicInteger();
    final AtomicInteger refused = new AtomicInteger();
    private final AtomicInteger next = new AtomicInteger();
    private final CountDownLatch moved = new CountDownLatch(USERS);
    private final List<Thread> threads = new ArrayList<>();
    private volatile boolean over;

    Users() {
      for (int i = 0; i < USERS; i++) {
        Thread thread = new Thread(this::ask, "user-" + i);
        threads.add(thread);
        thread.start();
      }
    }

    private void ask() {
      Chain gateway = leaving;
      while (!over) {
        int number = next.incrementAndGet();
        String id = number % 2 == 0 ? "" : "user-" + number;
        String failure = failureOf(gateway, id);
        if (gateway == leaving && isRefusal(failure)) {
          refused.incrementAndGet();
          moved.countDown();
          gateway = staying;
          failure = failureOf(gateway, id);
        }
        if (!failure.isEmpty()) {
          failures.add(failure);
        }
        synchronized (answered) {
          answered.incrementAndGet();
          answered.notifyAll();
        }
      }
    }

    /** By the gateway as such: its stages and the tunnel would give their code. */
    private static boolean isRefusal(String failure) {
      return failure.startsWith("no answer") || failure.equals("503 ");
    }

    private String failureOf(Chain gateway, String id) {
      HttpRequest request = id.isEmpty() ? gateway.request("/").build() : post(gateway, "/", id);
      try {
        HttpResponse<String> answer = gateway.client.send(request, BodyHandlers.ofString());
        return answer.statusCode() == 200 && answer.body().equals("served " + id)
            ? ""
            : answer.statusCode() + " " + answer.body();
      } catch (IOException e) {
        return "no answer: " + e;
      } catch (InterruptedException e) {
        return "interrupted";
      }
    }

    /** Waits for so many answers more. */
    void await(int more) throws InterruptedException {
      synchronized (answered) {
        int goal = answered.get() + more;
        while (answered.get() < goal) {
          answered.wait();
        }
      }
    }

    /** Waits until all have been refused by the gateway that leaves. */
    void awaitMoved() throws InterruptedException {
      moved.await();
    }

    @Override
    public void close() {
      over = true;
      try {
        for (Thread thread : threads) {
          thread.join();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
