package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import io.undertow.server.handlers.BlockingHandler;
import java.net.InetAddress;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A connector of several gateway nodes, each on a loopback address of its own. */
@Timeout(90)
class NodesIT {
  private final CountDownLatch slowBegan = new CountDownLatch(1);
  private final CountDownLatch finishSlow = new CountDownLatch(1);
  private final List<AutoCloseable> parts = new ArrayList<>();
  private final Chain chain;

  /** What all nodes share, so that a certificate of one is good at the others. */
  private final Path state;

  NodesIT(@TempDir Path directory) {
    state = directory.resolve("authority");
    Undertow origin =
        Chain.undertow(
            new BlockingHandler(
                exchange -> {
                  exchange.getInputStream().readAllBytes();
                  if (exchange.getRequestURI().equals("/slow")) {
                    slowBegan.countDown();
                    finishSlow.await(60, TimeUnit.SECONDS);
                  }
                  exchange.getResponseSender().send("served");
                }));
    parts.add(origin::stop);
    chain =
        new Chain(Chain.portOf(origin), application -> application, tunnel -> tunnel.state(state));
    parts.add(chain);
  }

  @AfterEach
  void close() throws Exception {
    finishSlow.countDown();
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void nameWithTwoAddresses_isConnectedAtEach() throws Exception {
    TunnelServer second = node("127.0.0.2", chain.tunnel.port(), tunnel -> tunnel);
    chain.connect(
        chain.originPort, connector -> connector.resolver(addresses("127.0.0.1", "127.0.0.2")));
    assertThat(second.awaitConnector("default", Duration.ofSeconds(30))).isTrue();
    assertThat(second.connectors()).hasSize(1);
    assertThat(chain.tunnel.connectors()).hasSize(1);
  }

  @Test
  void addressOfADeadNode_doesNotKeepTheOthersFromServing() throws Exception {
    chain.connect(
        chain.originPort,
        connector -> connector.resolver(addresses("127.0.0.3", "127.0.0.1", "127.0.0.4")));
    assertThat(chain.get("/").body()).isEqualTo("served");
  }

  @Test
  void nodeThatComesBack_isConnectedAgain_andThoseThatAnotherOneAdvertises() throws Exception {
    BlockingQueue<TunnelEvent> atSecond = new LinkedBlockingQueue<>();
    TunnelServer second =
        node("127.0.0.2", chain.tunnel.port(), tunnel -> tunnel.listener(atSecond::add));
    int port = second.port();
    chain.connect(
        chain.originPort, connector -> connector.resolver(addresses("127.0.0.1", "127.0.0.2")));
    await(atSecond, TunnelEvent.Type.UP);
    second.close();

    // The same place, and now it knows of a third one.
    BlockingQueue<TunnelEvent> atThird = new LinkedBlockingQueue<>();
    TunnelServer third = node("127.0.0.1", 0, tunnel -> tunnel.listener(atThird::add));
    TunnelServer again =
        node(
            "127.0.0.2",
            port,
            tunnel ->
                tunnel.listener(atSecond::add).advertise("https://localhost:" + third.port()));
    await(atSecond, TunnelEvent.Type.UP);
    await(atThird, TunnelEvent.Type.UP);

    // It comes back once more, and knows no third one any more: that is let go.
    again.close();
    atThird.clear();
    node("127.0.0.2", port, tunnel -> tunnel.listener(atSecond::add));
    await(atThird, TunnelEvent.Type.DOWN);
    assertThat(chain.tunnel.connectors()).hasSize(1);
  }

  @Test
  void nodeThatLeaves_finishesWhatIsInFlight_whileItsConnectorsServeElsewhere() throws Exception {
    TunnelServer second = node("127.0.0.2", chain.tunnel.port(), tunnel -> tunnel);
    Connector connector =
        chain.connect(chain.originPort, each -> each.resolver(addresses("127.0.0.1", "127.0.0.2")));
    CompletableFuture<HttpResponse<String>> slow =
        chain.client.sendAsync(
            // no idempotent one, which would be sent again
            chain.request("/slow").POST(BodyPublishers.ofString("once")).build(),
            BodyHandlers.ofString());
    assertThat(slowBegan.await(30, TimeUnit.SECONDS)).isTrue();
    CompletableFuture<Void> closing = CompletableFuture.runAsync(chain.tunnel::close);
    assertThat(second.awaitConnector("default", Duration.ofSeconds(30))).isTrue();
    finishSlow.countDown();
    assertThat(slow.get(30, TimeUnit.SECONDS).body()).isEqualTo("served");
    closing.get(30, TimeUnit.SECONDS);
    assertThat(connector.isConnected()).isTrue();
    assertThat(second.connectors())
        .singleElement()
        .satisfies(state -> assertThat(state.phase()).isEqualTo(ConnectorState.Phase.UP));
  }

  // ---- parts

  private TunnelServer node(String host, int port, UnaryOperator<TunnelServer.Builder> settings) {
    TunnelServer node =
        settings
            .apply(
                TunnelServer.builder()
                    .host(host)
                    .port(port)
                    .tls(chain.tls.keys("localhost"))
                    .group("default")
                    .state(state))
            .build()
            .start();
    parts.add(node);
    return node;
  }

  private static Resolver addresses(String... all) {
    return host -> {
      List<InetAddress> addresses = new ArrayList<>();
      for (String each : all) {
        addresses.add(InetAddress.getByName(each));
      }
      return addresses;
    };
  }

  private static void await(BlockingQueue<TunnelEvent> events, TunnelEvent.Type type)
      throws InterruptedException {
    TunnelEvent event = events.poll(40, TimeUnit.SECONDS);
    while (event != null && event.type() != type) {
      event = events.poll(40, TimeUnit.SECONDS);
    }
    assertThat(event).as("an event %s", type).isNotNull();
  }
}
