package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.forward.AlpnProtocol;
import io.apprxy.forward.Listener;
import io.undertow.Undertow;
import io.undertow.connector.ByteBufferPool;
import io.undertow.server.DefaultByteBufferPool;
import io.undertow.server.HttpHandler;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.Xnio;
import org.xnio.XnioWorker;
import org.xnio.ssl.SslConnection;

/** The way to a gateway, step by step, and what is said of each step that fails. */
@Timeout(60)
class DialerIT {
  private final TestTls tls = new TestTls();
  private final ByteBufferPool buffers = new DefaultByteBufferPool(true, 16 * 1024);
  private final List<AutoCloseable> parts = new ArrayList<>();
  private final XnioWorker worker;

  DialerIT() throws IOException {
    worker = Xnio.getInstance().createWorker(OptionMap.EMPTY);
    parts.add(worker::shutdownNow);
  }

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  // ---- what works

  @Test
  void connection_thatIsTurnedAround_carriesWhatTheGatewaySaysFirst() throws Exception {
    Listener gateway = gateway(tls.server("localhost"), greeting());
    SslConnection connection = dial(direct(), gateway.port(), tls.client()).get(30, SECONDS);
    assertThat(read(connection)).isEqualTo("gateway speaks first");
  }

  @Test
  void call_isAnswered_overHttp2() throws Exception {
    Listener gateway =
        gateway(
            tls.server("localhost"),
            exchange ->
                exchange
                    .getRequestReceiver()
                    .receiveFullString(
                        (received, body) ->
                            received
                                .setStatusCode(201)
                                .getResponseSender()
                                .send(received.getProtocol() + " " + body + "x".repeat(100_000))));
    Call.Answer answer =
        Call.post(direct(), buffers, url(gateway.port()), tls.client(), "/path", "{\"a\":1}")
            .get(30, SECONDS);
    assertThat(answer.status()).isEqualTo(201);
    assertThat(answer.body()).startsWith("HTTP/2.0 {\"a\":1}xxx").hasSize(100_016);
  }

  @Test
  void answerBeyondItsBound_isNoAnswer() throws Exception {
    Listener gateway =
        gateway(
            tls.server("localhost"),
            exchange -> exchange.getResponseSender().send("x".repeat(300_000)));
    assertThatThrownBy(
            () ->
                Call.post(direct(), buffers, url(gateway.port()), tls.client(), "/", "{}")
                    .get(30, SECONDS))
        .hasMessageContaining("more than 262144 bytes");
  }

  @Test
  void addressThatIsDead_isPassedOver() throws Exception {
    Listener gateway = gateway(tls.server("localhost"), greeting());
    Dialer dialer =
        new Dialer(
            worker,
            host -> List.of(InetAddress.getByName("127.0.0.9"), InetAddress.getByName("127.0.0.1")),
            null);
    SslConnection connection =
        dialer.dialAny(url(gateway.port()), tls.client(), Dialer.REVERSE_HTTP2).get(30, SECONDS);
    assertThat(read(connection)).isEqualTo("gateway speaks first");
  }

  // ---- through a proxy

  @Test
  void proxy_thatKnowsTheCredentials_connects_andLooksTheNameUp() throws Exception {
    Listener gateway = gateway(tls.server("localhost"), greeting());
    TestProxy proxy = proxy("connector:pässword");
    Dialer dialer = through(new HttpProxy("127.0.0.1", proxy.port(), "connector:pässword"));
    InetSocketAddress address = dialer.resolve(url(gateway.port())).get(30, SECONDS).get(0);
    assertThat(address.isUnresolved()).isTrue();
    SslConnection connection =
        dialer.dialAny(url(gateway.port()), tls.client(), Dialer.REVERSE_HTTP2).get(30, SECONDS);
    assertThat(read(connection)).isEqualTo("gateway speaks first");
    assertThat(proxy.requested).containsExactly("localhost:" + gateway.port());
  }

  @Test
  void proxyWithAnAddressThatRefuses_isReachedByTheNext() throws Exception {
    Listener gateway = gateway(tls.server("localhost"), greeting());
    Dialer dialer = throughAnyOf(proxy(null).port(), "127.0.0.9", "127.0.0.1");
    SslConnection connection =
        dialer.dialAny(url(gateway.port()), tls.client(), Dialer.REVERSE_HTTP2).get(30, SECONDS);
    assertThat(read(connection)).isEqualTo("gateway speaks first");
  }

  /** Nor is all the time spent on it. */
  @Test
  void proxyWithAnAddressThatIsSilent_isReachedByTheNext() throws Exception {
    Listener gateway = gateway(tls.server("localhost"), greeting());
    TestProxy proxy = proxy(null);
    ServerSocket silent = new ServerSocket(proxy.port(), 1, InetAddress.getByName("127.0.0.9"));
    parts.add(silent);
    fillBacklog(silent);
    Dialer dialer = throughAnyOf(proxy.port(), "127.0.0.9", "127.0.0.1");
    SslConnection connection =
        dialer.dialAny(url(gateway.port()), tls.client(), Dialer.REVERSE_HTTP2).get(30, SECONDS);
    assertThat(read(connection)).isEqualTo("gateway speaks first");
  }

  @Test
  void proxyOfWhichNoAddressCanBeReached_isSaid() throws Exception {
    int port = freePort();
    assertThatThrownBy(
            () ->
                dial(throughAnyOf(port, "127.0.0.9", "127.0.0.1"), 1, tls.client())
                    .get(30, SECONDS))
        .hasMessageContaining("the proxy proxy.test:" + port + " cannot be reached");
  }

  @Test
  void proxyThatAsksForCredentials_isNamed_withTheRemedy() throws Exception {
    TestProxy proxy = proxy("connector:password");
    assertThatThrownBy(() -> throughProxy(proxy.port(), null, 1).get(30, SECONDS))
        .hasMessageContaining("the proxy 127.0.0.1:" + proxy.port() + " asks for credentials")
        .hasMessageContaining("proxyCredentials(user, password)");
  }

  @Test
  void proxyThatRefusesTheCredentials_isNamed_andTheyAreNot() throws Exception {
    TestProxy proxy = proxy("connector:password");
    assertThatThrownBy(
            () -> throughProxy(proxy.port(), "connector:wr0ngSecret", 1).get(30, SECONDS))
        .hasMessageContaining("does not accept the credentials")
        .hasMessageNotContaining("wr0ngSecret");
    assertThat(new HttpProxy("p", 1, "u:wr0ngSecret").toString()).doesNotContain("wr0ngSecret");
  }

  @Test
  void proxyThatCannotReachTheGateway_isNamed() throws Exception {
    TestProxy proxy = proxy(null);
    assertThatThrownBy(() -> throughProxy(proxy.port(), null, freePort()).get(30, SECONDS))
        .hasMessageContaining("refused to connect to localhost:")
        .hasMessageContaining("502");
  }

  @Test
  void proxyThatSpeaksNoHttp_isNamed() throws Exception {
    try (ServerSocket notAProxy = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      CompletableFuture<SslConnection> dialled = throughProxy(notAProxy.getLocalPort(), null, 1);
      try (Socket accepted = notAProxy.accept()) {
        accepted
            .getOutputStream()
            .write("220 mail.test ESMTP\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        assertThatThrownBy(() -> dialled.get(30, SECONDS))
            .hasMessageContaining("is it an HTTP proxy?");
      }
    }
  }

  // ---- what is wrong at the gateway

  @Test
  void certificateOfAnotherCa_isNotTrusted() throws Exception {
    Listener gateway = gateway(new TestTls().server("localhost"), greeting());
    assertThatThrownBy(() -> dial(direct(), gateway.port(), tls.client()).get(30, SECONDS))
        .hasMessageContaining("the certificate of gateway https://localhost:" + gateway.port())
        .hasMessageContaining("is not trusted");
  }

  @Test
  void certificateOfAnotherHost_isNotTrusted() throws Exception {
    Listener gateway = gateway(tls.server("other.test"), greeting());
    assertThatThrownBy(() -> dial(direct(), gateway.port(), tls.client()).get(30, SECONDS))
        .hasMessageContaining("is not trusted");
  }

  @Test
  void portThatNobodyListensOn_cannotBeReached() throws Exception {
    int port = freePort();
    assertThatThrownBy(() -> dial(direct(), port, tls.client()).get(30, SECONDS))
        .hasMessageContaining("gateway https://localhost:" + port + " cannot be reached");
  }

  @Test
  void portOfBrowsers_isNotTheTunnels() throws Exception {
    Listener web =
        Listener.open(
            new InetSocketAddress("127.0.0.1", 0),
            tls.server("localhost"),
            OptionMap.EMPTY,
            exchange -> {});
    parts.add(web);
    assertThatThrownBy(() -> dial(direct(), web.port(), tls.client()).get(30, SECONDS))
        .hasMessageContaining("is it the tunnel's port?");
  }

  @Test
  void serverWithoutAlpn_isNotTheTunnel() throws Exception {
    Undertow web =
        Undertow.builder()
            .addHttpsListener(0, "127.0.0.1", tls.server("localhost"))
            .setHandler(exchange -> {})
            .build();
    web.start();
    parts.add(web::stop);
    assertThatThrownBy(() -> dial(direct(), Chain.portOf(web), tls.client()).get(30, SECONDS))
        .hasMessageContaining("is it the tunnel's port?");
  }

  @Test
  void nameThatNobodyKnows_isNamed() {
    assertThatThrownBy(
            () ->
                direct()
                    .dialAny(
                        URI.create("https://nowhere.invalid:1"), tls.client(), Dialer.REVERSE_HTTP2)
                    .get(30, SECONDS))
        .hasMessageContaining("the name nowhere.invalid cannot be resolved");
  }

  @Test
  void dialThatIsCancelled_leavesNoConnection() throws Exception {
    try (ServerSocket silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      CompletableFuture<SslConnection> dialled =
          dial(direct(), silent.getLocalPort(), tls.client());
      try (Socket accepted = silent.accept()) {
        assertThat(accepted.getInputStream().read()).isEqualTo(22); // a TLS handshake has begun
        dialled.cancel(false);
        accepted.getInputStream().readAllBytes(); // ends with the connection
      }
    }
  }

  // ---- parts

  private static final TimeUnit SECONDS = TimeUnit.SECONDS;

  private Dialer direct() {
    return new Dialer(worker, Resolver.ofJvm(), null);
  }

  private Dialer through(HttpProxy proxy) {
    Resolver proxyOnly =
        host -> {
          assertThat(host).isEqualTo("127.0.0.1");
          return Resolver.ofJvm().resolve(host);
        };
    return new Dialer(worker, proxyOnly, proxy);
  }

  private Dialer throughAnyOf(int port, String... addresses) {
    return new Dialer(
        worker,
        host -> {
          List<InetAddress> all = new ArrayList<>();
          for (String address : addresses) {
            all.add(InetAddress.getByName(address));
          }
          return all;
        },
        new HttpProxy("proxy.test", port, null));
  }

  /** Connects until nobody is answered any more: the system drops what exceeds the backlog. */
  private void fillBacklog(ServerSocket listening) throws IOException {
    while (true) {
      Socket socket = new Socket();
      parts.add(socket);
      try {
        socket.connect(listening.getLocalSocketAddress(), 500);
      } catch (SocketTimeoutException full) {
        return;
      }
    }
  }

  private TestProxy proxy(@Nullable String credentials) throws IOException {
    TestProxy proxy = new TestProxy(credentials);
    parts.add(proxy);
    return proxy;
  }

  private CompletableFuture<SslConnection> throughProxy(
      int port, @Nullable String credentials, int gatewayPort) {
    return through(new HttpProxy("127.0.0.1", port, credentials))
        .dialAny(url(gatewayPort), tls.client(), Dialer.REVERSE_HTTP2);
  }

  private CompletableFuture<SslConnection> dial(Dialer dialer, int port, SSLContext trust) {
    return dialer.dialAny(url(port), trust, Dialer.REVERSE_HTTP2);
  }

  private static URI url(int port) {
    return URI.create("https://localhost:" + port);
  }

  private Listener gateway(SSLContext context, HttpHandler handler) {
    Listener listener =
        Listener.open(
            new InetSocketAddress("127.0.0.1", 0),
            context,
            OptionMap.EMPTY,
            handler,
            new AlpnProtocol(
                Dialer.REVERSE_HTTP2,
                (connection, pool, arrived) -> {
                  arrived.close();
                  try {
                    connection
                        .getSinkChannel()
                        .write(
                            ByteBuffer.wrap(
                                "gateway speaks first".getBytes(StandardCharsets.US_ASCII)));
                    connection.getSinkChannel().flush();
                  } catch (IOException e) {
                    IoUtils.safeClose(connection);
                  }
                }));
    parts.add(listener);
    return listener;
  }

  private static HttpHandler greeting() {
    return exchange -> exchange.setStatusCode(404);
  }

  private static String read(SslConnection connection) throws InterruptedException {
    BlockingQueue<String> heard = new LinkedBlockingQueue<>();
    connection
        .getIoThread()
        .execute(
            () -> {
              connection
                  .getSourceChannel()
                  .getReadSetter()
                  .set(
                      source -> {
                        ByteBuffer some = ByteBuffer.allocate(100);
                        try {
                          if (source.read(some) > 0) {
                            heard.add(
                                new String(
                                    some.array(), 0, some.position(), StandardCharsets.US_ASCII));
                          }
                        } catch (IOException e) {
                          heard.add(e.toString());
                        }
                      });
              connection.getSourceChannel().resumeReads();
            });
    return heard.poll(30, TimeUnit.SECONDS);
  }

  private static int freePort() throws IOException {
    try (ServerSocket free = new ServerSocket(0)) {
      return free.getLocalPort();
    }
  }
}
