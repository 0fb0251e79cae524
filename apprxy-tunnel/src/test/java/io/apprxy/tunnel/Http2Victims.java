package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.undertow.Undertow;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.SocketException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * All that speaks HTTP/2 with peers, each of whom may attack it; and users meanwhile who attack
 * nobody, and must not notice.
 */
final class Http2Victims implements AutoCloseable {
  final Undertow origin = Chain.undertow(exchange -> exchange.getResponseSender().send("served"));
  final Chain chain;
  private final Gateway gateway;
  private final List<Connector> attackedConnectors = new ArrayList<>();
  private final AtomicInteger attacks = new AtomicInteger();
  private final Probes probes;

  /** Who attacks. */
  enum Peer {
    /** The server of the tunnel's HTTP/2. */
    CONNECTOR,
    /** The client of the tunnel's HTTP/2. */
    GATEWAY,
    /** Anybody at the tunnel's listener, without a certificate. */
    STRANGER,
    /** Anybody at the gateway's listener, for an application. */
    USER,
    /** Anybody at the gateway's listener, for what is not published. */
    LOST_USER
  }

  /**
   * An end of a connection.
   *
   * @param stream of the request that was asked, or is answered, first
   */
  record Attacker(RawHttp2 http2, int stream) implements AutoCloseable {
    /** Sends a frame; of the connection, or of a stream that is known, or of one that begins. */
    void send(int type, int flags, byte[] payload) throws IOException {
      http2.send(RawHttp2.frame(type, flags, streamFor(type), payload));
    }

    /** Sends so many bytes of a frame, and of what has to come before it. */
    void send(int type, byte[] payload, int bytes) throws IOException {
      if (type == RawHttp2.CONTINUATION) {
        http2.send(RawHttp2.frame(RawHttp2.HEADERS, 0, streamFor(RawHttp2.HEADERS)));
      }
      byte[] frame = RawHttp2.frame(type, 0, streamFor(type), payload);
      http2.send(Arrays.copyOf(frame, bytes));
    }

    private int streamFor(int type) {
      return switch (type) {
        case RawHttp2.SETTINGS, RawHttp2.PING, RawHttp2.GOAWAY -> 0;
        case RawHttp2.HEADERS -> http2.beginHeaders(stream);
        case RawHttp2.CONTINUATION -> http2.headersBegun();
        default -> stream;
      };
    }

    /**
     * Waits until the other end has ended these streams, or the connection.
     *
     * @throws java.net.SocketTimeoutException if it does not
     */
    void awaitEndOf(Collection<Integer> streams) throws IOException {
      Set<Integer> left = new HashSet<>(streams);
      try {
        while (!left.isEmpty()) {
          RawHttp2.Frame frame = http2.next();
          boolean last =
              frame.type() == RawHttp2.HEADERS && (frame.flags() & RawHttp2.END_STREAM) != 0;
          if (last || frame.type() == RawHttp2.RST_STREAM) {
            left.remove(frame.stream());
          }
        }
      } catch (EOFException | SocketException e) {
        // closed, or reset
      }
    }

    /**
     * Waits until the other end has ended the connection.
     *
     * @throws java.net.SocketTimeoutException if it does not
     */
    void awaitEnd() throws IOException {
      try {
        while (true) {
          http2.next(); // what comes before does not matter
        }
      } catch (EOFException | SocketException e) {
        // closed, or reset
      }
    }

    @Override
    public void close() throws IOException {
      http2.close();
    }
  }

  Http2Victims(UnaryOperator<Application.Builder> settings) throws InterruptedException {
    chain = new Chain(Chain.portOf(origin), settings);
    chain.connect(Chain.portOf(origin));
    gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(chain.tls.server("localhost"))
            .publish(
                settings
                    .apply(
                        Application.builder("app")
                            .externalUrl("https://localhost/")
                            .internalUrl("http://127.0.0.1:" + Chain.portOf(origin) + "/")
                            .passthrough())
                    .build())
            .build()
            .start();
    probes = new Probes(chain);
  }

  /** Nobody has noticed anything so far, nor has it ended, and the connection has begun. */
  Attacker attacker(Peer as) throws Exception {
    attacks.incrementAndGet();
    return switch (as) {
      case CONNECTOR -> connector();
      case GATEWAY -> gateway();
      case STRANGER -> client(new RawHttp2(chain.tls.client(), chain.tunnel.port()));
      case USER -> client(new RawHttp2(chain.tls.client(), gateway.port(), "localhost"));
      case LOST_USER -> client(new RawHttp2(chain.tls.client(), gateway.port(), "lost.test"));
    };
  }

  private static Attacker client(RawHttp2 client) throws IOException {
    return new Attacker(client, client.request("/", Map.of()));
  }

  private Attacker connector() throws Exception {
    String token = chain.tunnel.createEnrolmentToken("default");
    SSLContext enrolled =
        chain.tls.client(TestPeer.enrolled(chain.tls, chain.tunnel.port(), token));
    RawHttp2 connector =
        new RawHttp2(RawHttp2.connect(enrolled, chain.tunnel.port(), Dialer.REVERSE_HTTP2));
    return new Attacker(connector, connector.serve());
  }

  private Attacker gateway() throws Exception {
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
      attackedConnectors.add(
          chain.connect(
              Chain.portOf(origin),
              connector ->
                  connector
                      .gateway("https://localhost:" + listening.getLocalPort())
                      .connections(1)));
      SSLSocket socket = (SSLSocket) listening.accept();
      socket.setSoTimeout(30_000);
      RawHttp2 hostile = new RawHttp2(socket);
      hostile.begin();
      return client(hostile);
    }
  }

  /** That users are served, and all others go on. */
  void assertNobodyNoticed() throws InterruptedException {
    probes.await(probes.sent.get() + 5);
    assertThat(probes.failures).isEmpty();
    assertThat(attackedConnectors)
        .as("connected to the gateway that attacks nobody")
        .allMatch(Connector::isConnected);
  }

  @Override
  public void close() {
    probes.close();
    gateway.close();
    // Each tells the hostile gateway that it leaves, and waits for an answer.
    CompletableFuture.allOf(
            attackedConnectors.stream()
                .map(
                    each ->
                        CompletableFuture.runAsync(each::close, task -> new Thread(task).start()))
                .toArray(CompletableFuture<?>[]::new))
        .join();
    chain.close();
    origin.stop();
    System.out.printf(
        "%d attacks; of %d requests meanwhile %d failed, the slowest took %s%n",
        attacks.get(), probes.sent.get(), probes.failures.size(), probes.slowest);
    assertThat(probes.failures).isEmpty();
  }

  /** Asks again and again, through the tunnel, as users do who attack nobody. */
  private static final class Probes implements AutoCloseable {
    final List<String> failures = Collections.synchronizedList(new ArrayList<>());
    final AtomicInteger sent = new AtomicInteger();
    volatile Duration slowest = Duration.ZERO;
    private final Thread thread;
    private volatile boolean over;

    Probes(Chain chain) {
      thread = new Thread(() -> ask(chain), "probes");
      thread.start();
    }

    private void ask(Chain chain) {
      while (!over) {
        long begin = System.nanoTime();
        try {
          int status = chain.get("/").statusCode();
          if (status != 200) {
            failures.add("answered " + status);
          }
        } catch (IOException | InterruptedException e) {
          failures.add(e.toString());
        }
        Duration took = Duration.ofNanos(System.nanoTime() - begin);
        slowest = took.compareTo(slowest) > 0 ? took : slowest;
        synchronized (sent) {
          sent.incrementAndGet();
          sent.notifyAll();
        }
      }
    }

    void await(int count) throws InterruptedException {
      synchronized (sent) {
        while (sent.get() < count) {
          sent.wait();
        }
      }
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
