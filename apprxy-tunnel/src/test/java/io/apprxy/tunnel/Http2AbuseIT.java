package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.undertow.Undertow;
import java.io.IOException;
import java.net.InetAddress;
import java.net.SocketTimeoutException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Who abuses HTTP/2 is cut off, in every role, and nobody else notices. */
@Timeout(60)
class Http2AbuseIT {
  private static final byte[] NO_WINDOW =
      RawHttp2.frame(RawHttp2.SETTINGS, 0, 0, RawHttp2.setting(RawHttp2.INITIAL_WINDOW_SIZE, 0));
  private static final AtomicInteger ATTACKED = new AtomicInteger();
  private static final List<Connector> ATTACKED_CONNECTORS = new ArrayList<>();

  private static Undertow origin;
  private static Chain chain;
  private static Gateway gateway;
  private static Probes probes;

  @BeforeAll
  static void start() throws Exception {
    origin = Chain.undertow(exchange -> exchange.getResponseSender().send("served"));
    chain = new Chain(Chain.portOf(origin), application -> application);
    chain.connect(Chain.portOf(origin));
    gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(chain.tls.server("localhost"))
            .publish(
                Application.builder("app")
                    .externalUrl("https://localhost/")
                    .internalUrl("http://127.0.0.1:" + Chain.portOf(origin) + "/")
                    .passthrough()
                    .build())
            .build()
            .start();
    probes = new Probes(chain);
  }

  @AfterAll
  static void stop() {
    probes.close();
    gateway.close();
    // Each tells the hostile gateway that it leaves, and waits for an answer.
    CompletableFuture.allOf(
            ATTACKED_CONNECTORS.stream()
                .map(
                    each ->
                        CompletableFuture.runAsync(each::close, task -> new Thread(task).start()))
                .toArray(CompletableFuture<?>[]::new))
        .join();
    chain.close();
    origin.stop();
    System.out.printf(
        "%d attacks; of %d requests meanwhile %d failed%n",
        ATTACKED.get(), probes.sent(), probes.failures().size());
    assertThat(probes.failures()).isEmpty();
  }

  /** It is the server of the tunnel's HTTP/2. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "RAPID_RESET")
  void connector(Http2Attack attack) throws Exception {
    try (RawHttp2 connector = connector()) {
      assertCutOff(attack, connector, connector.serve());
    }
  }

  private static RawHttp2 connector() throws Exception {
    String token = chain.tunnel.createEnrolmentToken("default");
    SSLContext enrolled =
        chain.tls.client(TestPeer.enrolled(chain.tls, chain.tunnel.port(), token));
    return new RawHttp2(RawHttp2.connect(enrolled, chain.tunnel.port(), Dialer.REVERSE_HTTP2));
  }

  /** It is the client of the tunnel's HTTP/2. */
  @ParameterizedTest
  @EnumSource
  void gatewayThatAConnectorDials(Http2Attack attack) throws Exception {
    try (SSLServerSocket listening =
        (SSLServerSocket)
            chain
                .tls
                .server("localhost")
                .getServerSocketFactory()
                .createServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
      SSLParameters parameters = listening.getSSLParameters();
      parameters.setApplicationProtocols(new String[] {Dialer.REVERSE_HTTP2});
      listening.setSSLParameters(parameters);
      Connector attacked =
          chain.connect(
              Chain.portOf(origin),
              settings ->
                  settings.gateway("https://localhost:" + listening.getLocalPort()).connections(1));
      ATTACKED_CONNECTORS.add(attacked);
      SSLSocket socket = (SSLSocket) listening.accept();
      socket.setSoTimeout(30_000);
      RawHttp2 hostile = new RawHttp2(socket);
      hostile.begin();
      assertCutOff(attack, hostile);
      assertThat(attacked.isConnected()).as("to the other gateway").isTrue();
    }
  }

  /** Anybody, without a certificate. */
  @ParameterizedTest
  @EnumSource
  void peerOfTheTunnelsListener(Http2Attack attack) throws Exception {
    assertCutOff(attack, new RawHttp2(chain.tls.client(), chain.tunnel.port()));
  }

  @ParameterizedTest
  @EnumSource
  void userOfTheGateway(Http2Attack attack) throws Exception {
    assertCutOff(attack, new RawHttp2(chain.tls.client(), gateway.port()));
  }

  /**
   * Of what apprxy answers itself, nothing can be sent to whoever gives no window. An application's
   * response may wait for one: that is a video which is paused.
   */
  @Test
  void peersThatGiveNoWindow_areCutOff_butWhoWaitsForAnApplication() throws Exception {
    int probesBefore = probes.sent();
    try (RawHttp2 patient = new RawHttp2(chain.tls.client(), gateway.port(), "localhost");
        RawHttp2 stranger = new RawHttp2(chain.tls.client(), chain.tunnel.port());
        RawHttp2 user = new RawHttp2(chain.tls.client(), gateway.port())) {
      patient.send(NO_WINDOW);
      int paused = patient.request("/", Map.of());
      for (RawHttp2 peer : List.of(stranger, user)) {
        ATTACKED.incrementAndGet();
        peer.send(NO_WINDOW);
        for (int i = 0; i < 200; i++) {
          peer.request("/", Map.of());
        }
      }
      for (RawHttp2 peer : List.of(stranger, user)) {
        assertThat(peer.await(RawHttp2.GOAWAY).payload().getInt(4)).as("error code").isEqualTo(11);
        awaitEnd(peer);
      }
      patient.send(RawHttp2.frame(RawHttp2.WINDOW_UPDATE, 0, paused, RawHttp2.integer(100)));
      assertThat(patient.await(RawHttp2.DATA).payload().remaining()).isEqualTo("served".length());
    }
    probes.await(probesBefore + 5);
    assertThat(probes.failures()).isEmpty();
  }

  private static void awaitEnd(RawHttp2 peer) throws SocketTimeoutException {
    try {
      while (true) {
        peer.next(); // what comes before does not matter
      }
    } catch (SocketTimeoutException e) {
      throw e;
    } catch (IOException e) {
      // closed, or reset
    }
  }

  private static void assertCutOff(Http2Attack attack, RawHttp2 client) throws Exception {
    try (client) {
      assertCutOff(attack, client, client.request("/", Map.of()));
    }
  }

  private static void assertCutOff(Http2Attack attack, RawHttp2 peer, int stream) throws Exception {
    ATTACKED.incrementAndGet();
    int probesBefore = probes.sent();
    attack.run(peer, stream);
    probes.await(probesBefore + 5);
    assertThat(probes.failures()).isEmpty();
  }

  /** Asks again and again, through the tunnel, as users do who attack nobody. */
  private static final class Probes implements AutoCloseable {
    private final List<String> failures = java.util.Collections.synchronizedList(new ArrayList<>());
    private final AtomicInteger sent = new AtomicInteger();
    private final Thread thread;
    private volatile boolean over;

    Probes(Chain chain) {
      thread = new Thread(() -> ask(chain), "probes");
      thread.start();
    }

    private void ask(Chain chain) {
      while (!over) {
        try {
          int status = chain.get("/").statusCode();
          if (status != 200) {
            failures.add("answered " + status);
          }
        } catch (IOException | InterruptedException e) {
          failures.add(e.toString());
        }
        synchronized (sent) {
          sent.incrementAndGet();
          sent.notifyAll();
        }
      }
    }

    int sent() {
      return sent.get();
    }

    void await(int count) throws InterruptedException {
      synchronized (sent) {
        while (sent.get() < count) {
          sent.wait();
        }
      }
    }

    List<String> failures() {
      return List.copyOf(failures);
    }

    @Override
    public void close() {
      over = true;
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
