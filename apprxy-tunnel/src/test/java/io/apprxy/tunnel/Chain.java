package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.AssertionSigner;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.Gateway;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import io.apprxy.observe.AccessEvent;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

/**
 * The whole chain with real sockets: client, gateway (in plain text, and with TLS for {@code
 * app.test}), tunnel (TLS), connectors, origin.
 */
final class Chain implements AutoCloseable {
  static final Identity ALICE =
      new Identity(
          "https://issuer.test",
          "a-1",
          "session-1",
          Instant.EPOCH,
          Map.of("preferred_username", "alice", "groups", List.of("staff")));

  /** The gateway's alone: no connector can do what it does. */
  private static final AssertionSigner SIGNER =
      new AssertionSigner() {
        @Override
        public String sign(Identity identity, Application application) {
          return "signed-for-" + identity.subject() + "-at-" + application.id();
        }

        @Override
        public String publicKeys() {
          return "{}";
        }
      };

  final TestTls tls = new TestTls();
  final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  final BlockingQueue<AccessEvent> events = new LinkedBlockingQueue<>();
  final BlockingQueue<TunnelEvent> tunnelEvents = new LinkedBlockingQueue<>();

  /** The users whose sessions have ended. */
  final Set<String> ended = ConcurrentHashMap.newKeySet();

  /** The users that the policy refuses. */
  final Set<String> refused = ConcurrentHashMap.newKeySet();

  final TunnelServer tunnel;
  final Gateway gateway;
  final int port;

  /** Of the gateway's own listener: HTTP/1.1 and HTTP/2 with TLS, for {@code app.test}. */
  final int tlsPort;

  final int originPort;
  private final UnaryOperator<Connector.Builder> connectorSettings;
  private final Deque<Runnable> parts = new ArrayDeque<>();

  Chain(int originPort, UnaryOperator<Application.Builder> settings) {
    this(originPort, settings, server -> server);
  }

  Chain(
      int originPort,
      UnaryOperator<Application.Builder> settings,
      UnaryOperator<TunnelServer.Builder> serverSettings) {
    this(originPort, settings, serverSettings, connector -> connector);
  }

  Chain(
      int originPort,
      UnaryOperator<Application.Builder> settings,
      UnaryOperator<TunnelServer.Builder> serverSettings,
      UnaryOperator<Connector.Builder> connectorSettings) {
    this.originPort = originPort;
    this.connectorSettings = connectorSettings;
    tunnel =
        serverSettings
            .apply(
                TunnelServer.builder()
                    .host("127.0.0.1")
                    .port(0)
                    .tls(tls.keys("localhost"))
                    .listener(tunnelEvents::add)
                    .group("default"))
            .build()
            .start();
    AtomicReference<HttpHandler> mounted = new AtomicReference<>();
    Undertow front = undertow(exchange -> mounted.get().handleRequest(exchange));
    port = portOf(front);
    gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(tls.server("app.test"))
            .preAuthentication(
                exchange -> {
                  String user = user(exchange);
                  exchange.identify(
                      user.equals("alice") ? ALICE : identity(user), () -> !ended.contains(user));
                  return Verdict.proceed();
                })
            .accessPolicy(
                exchange -> {
                  if (refused.contains(user(exchange))) {
                    throw new GatewayException(ErrorCode.NOT_ASSIGNED, "no longer");
                  }
                  return Verdict.proceed();
                })
            .assertions(SIGNER)
            .connectors(tunnel)
            .accessLog(events::add)
            .publish(application("app", "http://localhost:" + port + "/", originPort, settings))
            .publish(application("app-tls", "https://app.test/", originPort, settings))
            .build();
    mounted.set(gateway.handler());
    tlsPort = gateway.start().port();
    parts.push(front::stop);
    parts.push(tunnel::close);
    parts.push(gateway::close);
  }

  /** Alice, unless the request names another. */
  private static String user(Exchange exchange) {
    String named = exchange.header("X-Test-User");
    return named == null ? "alice" : named;
  }

  private static Identity identity(String user) {
    return new Identity(
        "https://issuer.test",
        user + "-1",
        "session-" + user,
        Instant.EPOCH,
        Map.of("preferred_username", user, "groups", List.of("staff")));
  }

  private static Application application(
      String id, String url, int originPort, UnaryOperator<Application.Builder> settings) {
    return settings
        .apply(
            Application.builder(id)
                .externalUrl(url)
                .internalUrl("http://127.0.0.1:" + originPort + "/")
                .connectorGroup("default")
                .assignEveryone()
                .headerSignOn(Map.of("X-User", "preferred_username")))
        .build();
  }

  /** A connector that is not started; whoever has it closes it. */
  Connector connector(UnaryOperator<Connector.Builder> settings) {
    return connector(originPort, settings);
  }

  private Connector connector(int allowedPort, UnaryOperator<Connector.Builder> settings) {
    return settings
        .apply(
            dialling(allowedPort, tunnel.port())
                .enrolmentToken(tunnel.createEnrolmentToken("default")))
        .build();
  }

  /** Starts a connector that is closed with the chain. */
  Connector connect(int originPort, UnaryOperator<Connector.Builder> settings)
      throws InterruptedException {
    Connector connector = connector(originPort, settings).start();
    parts.push(connector::close);
    assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
    assertThat(tunnel.awaitConnector("default", Duration.ofSeconds(30))).isTrue();
    return connector;
  }

  /**
   * A connector that dials this port, of the tunnel or of something before it. It is enrolled
   * already: a token that is lost on the way would be lost for good.
   */
  Connector.Builder connector(int originPort, int gatewayPort) {
    try {
      Path file = Files.createTempDirectory("identity").resolve("identity.pem");
      String token = tunnel.createEnrolmentToken("default");
      TestPeer.enrolled(tls, tunnel.port(), token).save(file);
      parts.push(() -> delete(file));
      return dialling(originPort, gatewayPort).identity(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  private static void delete(Path identity) {
    try {
      Files.deleteIfExists(identity);
      Files.delete(identity.getParent());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Connector.Builder dialling(int originPort, int gatewayPort) {
    return connectorSettings.apply(
        Connector.builder()
            .gateway("https://localhost:" + gatewayPort)
            .trust(tls.ca())
            .connections(2)
            .allowOrigin("http://127.0.0.1:" + originPort)
            .signOn(
                (request, identity, application) -> {
                  request.set("X-User", identity.name());
                  return Verdict.proceed();
                }));
  }

  Connector connect(int originPort) throws InterruptedException {
    return connect(originPort, settings -> settings);
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("http://localhost:" + port + path))
        .timeout(Duration.ofSeconds(60));
  }

  HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return client.send(request(path).build(), HttpResponse.BodyHandlers.ofString());
  }

  /** A client that sends exactly this, and leaves the rest to the test. */
  Socket raw(String request) throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
    socket.setSoTimeout(30_000);
    socket
        .getOutputStream()
        .write(request.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
    return socket;
  }

  static Undertow undertow(HttpHandler handler) {
    return undertow(handler, 16);
  }

  /**
   * @param workers how many requests may block at once
   */
  static Undertow undertow(HttpHandler handler, int workers) {
    Undertow server =
        Undertow.builder()
            .setWorkerThreads(workers)
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, -1L)
            .setHandler(handler)
            .build();
    server.start();
    return server;
  }

  static int portOf(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }

  @Override
  public void close() {
    while (!parts.isEmpty()) {
      parts.pop().run();
    }
  }
}
