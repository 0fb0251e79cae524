package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.undertow.Handlers;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.handlers.BlockingHandler;
import io.undertow.websockets.core.AbstractReceiveListener;
import io.undertow.websockets.core.BufferedTextMessage;
import io.undertow.websockets.core.WebSocketChannel;
import io.undertow.websockets.core.WebSockets;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Requests through the whole chain. The four traps of an HTTP/2 tunnel on Undertow have a test
 * each.
 */
@Timeout(120)
class TunnelIT {
  private static final int BIG = 24 * 1024 * 1024;

  private final List<AutoCloseable> parts = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void request_reachesTheOrigin_signedOn_withoutWhatIsInternal() throws Exception {
    BlockingQueue<String> names = new LinkedBlockingQueue<>();
    Chain chain =
        chain(
            exchange -> {
              exchange
                  .getRequestHeaders()
                  .forEach(
                      header ->
                          names.add(
                              header
                                  .getHeaderName()
                                  .toString()
                                  .toLowerCase(java.util.Locale.ROOT)));
              exchange
                  .getResponseSender()
                  .send("hello " + exchange.getRequestHeaders().getFirst("X-User"));
            });
    HttpResponse<String> response = chain.get("/page?x=1");
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.body()).isEqualTo("hello alice");
    assertThat(names)
        .contains("x-user", "x-request-id", "x-forwarded-for")
        .noneMatch(name -> name.contains("apprxy"));
  }

  @Test
  void whatTheGatewaySigned_reachesTheOriginBehindAConnector_andNothingOfAClient()
      throws Exception {
    Undertow origin =
        Chain.undertow(
            exchange ->
                exchange
                    .getResponseSender()
                    .send(
                        exchange.getRequestHeaders().get("X-Apprxy-Assertion")
                            + " "
                            + exchange.getRequestHeaders().get("apprxy-signed-assertion")));
    parts.add(origin::stop);
    Chain chain = new Chain(Chain.portOf(origin), Application.Builder::signedAssertion);
    parts.add(chain);
    chain.connect(chain.originPort);
    HttpResponse<String> response =
        chain.client.send(
            chain
                .request("/")
                .header("X-Apprxy-Assertion", "forged")
                .header("apprxy-signed-assertion", "forged")
                .build(),
            BodyHandlers.ofString());
    assertThat(response.body()).isEqualTo("[signed-for-a-1-at-app] null");
  }

  // ---- trap 1: the connection's window

  @Test
  void transfersBeyondTheInitialWindow_arriveIntact_inBothDirections() throws Exception {
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/down")) {
                    try (OutputStream out = exchange.getOutputStream()) {
                      new Noise(BIG).transferTo(out);
                    }
                  } else {
                    exchange.getResponseSender().send(digest(exchange.getInputStream()));
                  }
                }));
    String expected = digest(new Noise(BIG));
    HttpResponse<InputStream> down =
        chain.client.send(chain.request("/down").build(), BodyHandlers.ofInputStream());
    assertThat(digest(down.body())).isEqualTo(expected);
    HttpResponse<String> up =
        chain.client.send(
            chain.request("/up").POST(BodyPublishers.ofInputStream(() -> new Noise(BIG))).build(),
            BodyHandlers.ofString());
    assertThat(up.body()).isEqualTo(expected);
  }

  // ---- trap 2: buffers that all streams share

  @Test
  void readersThatStop_doNotHoldUpOthers() throws Exception {
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/down")) {
                    try (OutputStream out = exchange.getOutputStream()) {
                      new Noise(BIG).transferTo(out);
                    }
                  } else {
                    exchange.getResponseSender().send("quick");
                  }
                }),
            1);
    List<Socket> stopped = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      Socket socket = chain.raw("GET /down HTTP/1.1\nHost: localhost:" + chain.port + "\n\n");
      assertThat(socket.getInputStream().read()).isEqualTo('H');
      stopped.add(socket);
    }
    for (int i = 0; i < 50; i++) {
      assertThat(chain.get("/quick").body()).isEqualTo("quick");
    }
    for (Socket socket : stopped) {
      socket.close();
    }
  }

  /** Each leaves up to a window of its stream unread; together they would close a connection's. */
  @Test
  void readersThatLeave_doNotUseUpTheConnection_whichIsReplacedMeanwhile() throws Exception {
    CountDownLatch slowBegan = new CountDownLatch(1);
    CountDownLatch finishSlow = new CountDownLatch(1);
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/slow")) {
                    slowBegan.countDown();
                    finishSlow.await(60, TimeUnit.SECONDS);
                    exchange.getResponseSender().send("survived");
                    return;
                  }
                  try (OutputStream out = exchange.getOutputStream()) {
                    new Noise(BIG).transferTo(out);
                  } catch (IOException expected) {
                    exchange.endExchange();
                  }
                }),
            1);
    CompletableFuture<HttpResponse<String>> slow =
        chain.client.sendAsync(chain.request("/slow").build(), BodyHandlers.ofString());
    assertThat(slowBegan.await(30, TimeUnit.SECONDS)).isTrue();

    for (int i = 0; i < 1_200; i++) {
      try (Socket leaving =
          chain.raw("GET /down HTTP/1.1\nHost: localhost:" + chain.port + "\n\n")) {
        assertThat(leaving.getInputStream().read()).isEqualTo('H');
      }
    }

    HttpResponse<InputStream> whole =
        chain.client.send(chain.request("/down").build(), BodyHandlers.ofInputStream());
    assertThat(digest(whole.body())).isEqualTo(digest(new Noise(BIG)));
    finishSlow.countDown();
    assertThat(slow.get(30, TimeUnit.SECONDS).body()).isEqualTo("survived");
  }

  // ---- trap 3: one request's failure is its own

  /** The connector resets streams of which much is still under way to it. */
  @Test
  void originThatBreaksOffWhileItIsSentABody_doesNotBreakOtherRequestsOfTheConnection()
      throws Exception {
    CountDownLatch slowBegan = new CountDownLatch(1);
    CountDownLatch finishSlow = new CountDownLatch(1);
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/slow")) {
                    slowBegan.countDown();
                    finishSlow.await(60, TimeUnit.SECONDS);
                    exchange.getResponseSender().send("survived");
                  } else {
                    exchange.getOutputStream().write('b');
                    exchange.getOutputStream().flush();
                    exchange.getInputStream().readNBytes(100_000);
                    exchange.getConnection().close();
                  }
                }),
            1);
    CompletableFuture<HttpResponse<String>> slow =
        chain.client.sendAsync(chain.request("/slow").build(), BodyHandlers.ofString());
    assertThat(slowBegan.await(30, TimeUnit.SECONDS)).isTrue();

    for (int i = 0; i < 20; i++) {
      assertThatThrownBy(
              () ->
                  chain.client.send(
                      chain
                          .request("/up")
                          .POST(BodyPublishers.ofInputStream(() -> new Noise(BIG)))
                          .build(),
                      BodyHandlers.ofString()))
          .isInstanceOf(IOException.class);
    }

    finishSlow.countDown();
    assertThat(slow.get(30, TimeUnit.SECONDS).body()).isEqualTo("survived");
  }

  @Test
  void originThatAnswersBeforeItHasTheBody_isHeard_andOtherRequestsOfTheConnectionGoOn()
      throws Exception {
    CountDownLatch slowBegan = new CountDownLatch(1);
    CountDownLatch finishSlow = new CountDownLatch(1);
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/slow")) {
                    slowBegan.countDown();
                    finishSlow.await(60, TimeUnit.SECONDS);
                    exchange.getResponseSender().send("survived");
                  } else {
                    exchange.setPersistent(false);
                    exchange.setStatusCode(413);
                    exchange.getResponseSender().send("too large");
                  }
                }),
            1);
    CompletableFuture<HttpResponse<String>> slow =
        chain.client.sendAsync(chain.request("/slow").build(), BodyHandlers.ofString());
    assertThat(slowBegan.await(30, TimeUnit.SECONDS)).isTrue();

    for (int i = 0; i < 20; i++) {
      try (Socket upload =
          chain.raw(
              "POST /up HTTP/1.1\nHost: localhost:"
                  + chain.port
                  + "\nContent-Length: 50000000\n\n"
                  + "x".repeat(300_000))) {
        byte[] answer = upload.getInputStream().readNBytes(12);
        assertThat(answer).asString(StandardCharsets.US_ASCII).isEqualTo("HTTP/1.1 413");
      }
    }

    finishSlow.countDown();
    assertThat(slow.get(30, TimeUnit.SECONDS).body()).isEqualTo("survived");
  }

  @Test
  void clientsThatLeave_doNotBreakOtherRequestsOfTheConnection() throws Exception {
    CountDownLatch slowBegan = new CountDownLatch(1);
    CountDownLatch finishSlow = new CountDownLatch(1);
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  switch (exchange.getRequestURI()) {
                    case "/slow" -> {
                      slowBegan.countDown();
                      finishSlow.await(60, TimeUnit.SECONDS);
                      exchange.getResponseSender().send("survived");
                    }
                    case "/down" -> {
                      try (OutputStream out = exchange.getOutputStream()) {
                        new Noise(BIG).transferTo(out);
                      } catch (IOException expected) {
                        exchange.endExchange();
                      }
                    }
                    default -> {
                      try {
                        digest(exchange.getInputStream());
                      } catch (IOException expected) {
                        exchange.endExchange();
                      }
                    }
                  }
                }),
            1);
    CompletableFuture<HttpResponse<String>> slow =
        chain.client.sendAsync(chain.request("/slow").build(), BodyHandlers.ofString());
    assertThat(slowBegan.await(30, TimeUnit.SECONDS)).isTrue();
    for (int i = 0; i < 10; i++) {
      try (Socket download =
          chain.raw("GET /down HTTP/1.1\nHost: localhost:" + chain.port + "\n\n")) {
        assertThat(download.getInputStream().read()).isEqualTo('H');
      }
      try (Socket upload =
          chain.raw(
              "POST /up HTTP/1.1\nHost: localhost:"
                  + chain.port
                  + "\nContent-Length: 1000000\n\nsome")) {
        upload.getOutputStream().flush();
      }
    }
    finishSlow.countDown();
    assertThat(slow.get(30, TimeUnit.SECONDS).body()).isEqualTo("survived");
  }

  /** Whoever asks is signed in here; the path is forwarded without an identity all the same. */
  @Test
  void passthroughPath_crossesTheTunnel_asNobody() throws Exception {
    Undertow origin =
        origin(
            exchange ->
                exchange
                    .getResponseSender()
                    .send("user " + exchange.getRequestHeaders().getFirst("X-User")));
    Chain chain =
        new Chain(
            Chain.portOf(origin), application -> application.passthroughPath("/health", "GET"));
    parts.add(chain);
    chain.connect(Chain.portOf(origin));

    assertThat(chain.get("/health").body()).isEqualTo("user null");
    assertThat(chain.get("/health/x").body()).isEqualTo("user alice");
    assertThat(chain.get("/").body()).isEqualTo("user alice");
  }

  @Test
  void accessEvent_namesTheConnector() throws Exception {
    Undertow origin = origin(exchange -> exchange.getResponseSender().send("served"));
    Chain chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
    chain.connect(Chain.portOf(origin), settings -> settings.name("cellar"));
    chain.get("/");
    assertThat(chain.events.poll(10, TimeUnit.SECONDS).route()).isEqualTo("cellar");
  }

  // ---- trap 4: GOAWAY

  @Test
  void connectorThatCloses_finishesWhatIsInFlight_andTheOtherTakesOver() throws Exception {
    CountDownLatch began = new CountDownLatch(1);
    CountDownLatch finish = new CountDownLatch(1);
    Undertow origin =
        origin(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/slow")) {
                    began.countDown();
                    finish.await(60, TimeUnit.SECONDS);
                  }
                  exchange.getResponseSender().send("served");
                }));
    Chain chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
    Connector leaving = chain.connect(Chain.portOf(origin), settings -> settings.name("leaving"));
    CompletableFuture<HttpResponse<String>> slow =
        chain.client.sendAsync(
            // no idempotent one, which would be sent again through the other connector
            chain.request("/slow").POST(BodyPublishers.ofString("once")).build(),
            BodyHandlers.ofString());
    assertThat(began.await(30, TimeUnit.SECONDS)).isTrue();
    chain.connect(Chain.portOf(origin), settings -> settings.name("staying"));
    CompletableFuture<Void> closing = CompletableFuture.runAsync(leaving::close);
    for (int i = 0; i < 50; i++) {
      assertThat(chain.get("/quick").body()).isEqualTo("served");
    }
    finish.countDown();
    assertThat(slow.get(30, TimeUnit.SECONDS).body()).isEqualTo("served");
    closing.get(30, TimeUnit.SECONDS);
  }

  // ---- streams

  @Test
  void webSocket_carriesMessagesBothWays_andItsCloseCode() throws Exception {
    Chain chain = chain(echo());
    Received received = new Received();
    WebSocket socket =
        chain
            .client
            .newWebSocketBuilder()
            .buildAsync(URI.create("ws://localhost:" + chain.port + "/ws"), received)
            .get(30, TimeUnit.SECONDS);
    for (int i = 0; i < 100; i++) {
      socket.sendText("message " + i, true).get(30, TimeUnit.SECONDS);
      assertThat(received.messages.poll(30, TimeUnit.SECONDS)).isEqualTo("echo message " + i);
    }
    socket.sendClose(4001, "enough").get(30, TimeUnit.SECONDS);
    assertThat(received.closeCodes.poll(30, TimeUnit.SECONDS)).isEqualTo(4001);
  }

  @Test
  void originThatBreaksOff_isSeenByTheClient() throws Exception {
    CountDownLatch breakOff = new CountDownLatch(1);
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  exchange.getOutputStream().write("begun".getBytes(StandardCharsets.US_ASCII));
                  exchange.getOutputStream().flush();
                  breakOff.await(60, TimeUnit.SECONDS);
                  exchange.getConnection().close();
                }));
    HttpResponse<InputStream> response =
        chain.client.send(chain.request("/").build(), BodyHandlers.ofInputStream());
    assertThat(response.body().readNBytes(5)).asString().isEqualTo("begun");
    breakOff.countDown();
    assertThatThrownBy(() -> response.body().readAllBytes()).isInstanceOf(IOException.class);
  }

  // ---- what goes wrong

  @Test
  void noConnector_answers503_withItsCode() throws Exception {
    Chain chain = new Chain(1, application -> application);
    parts.add(chain);
    HttpResponse<String> response = chain.get("/");
    assertThat(response.statusCode()).isEqualTo(503);
    assertThat(response.body()).contains("APX-501");
  }

  @Test
  void originThatIsDown_answers502_withTheConnectorsCode() throws Exception {
    int nobodyListens;
    try (java.net.ServerSocket free = new java.net.ServerSocket(0)) {
      nobodyListens = free.getLocalPort();
    }
    Chain chain = new Chain(nobodyListens, application -> application);
    parts.add(chain);
    chain.connect(nobodyListens);
    HttpResponse<String> response = chain.get("/");
    assertThat(response.statusCode()).isEqualTo(502);
    assertThat(response.body()).contains("APX-601");
  }

  @Test
  void originThatTheConnectorDoesNotAllow_isRefused() throws Exception {
    Undertow origin = origin(exchange -> exchange.getResponseSender().send("reached"));
    Chain chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
    chain.connect(1);
    HttpResponse<String> response = chain.get("/");
    assertThat(response.statusCode()).isEqualTo(502);
    assertThat(response.body()).contains("APX-503").doesNotContain("reached");
  }

  @Test
  void originWithATrustedCertificate_isReached() throws Exception {
    TestTls company = new TestTls();
    assertThat(answerOfTlsOrigin(company.server("localhost"), company.client()).body())
        .isEqualTo("reached");
  }

  @Test
  void originWithACertificateOfAnotherCa_answers502_withItsCode() throws Exception {
    HttpResponse<String> response =
        answerOfTlsOrigin(new TestTls().server("localhost"), new TestTls().client());
    assertThat(response.statusCode()).isEqualTo(502);
    assertThat(response.body()).contains("APX-603").doesNotContain("reached");
  }

  @Test
  void originWithACertificateOfAnotherHost_answers502_withItsCode() throws Exception {
    TestTls company = new TestTls();
    HttpResponse<String> response =
        answerOfTlsOrigin(company.server("other.test"), company.client());
    assertThat(response.statusCode()).isEqualTo(502);
    assertThat(response.body()).contains("APX-603").doesNotContain("reached");
  }

  private HttpResponse<String> answerOfTlsOrigin(SSLContext server, SSLContext trust)
      throws Exception {
    Undertow origin =
        Undertow.builder()
            .addHttpsListener(0, "127.0.0.1", server)
            .setHandler(exchange -> exchange.getResponseSender().send("reached"))
            .build();
    origin.start();
    parts.add(origin::stop);
    String url = "https://localhost:" + Chain.portOf(origin);
    Chain chain = new Chain(1, application -> application.internalUrl(url + "/"));
    parts.add(chain);
    chain.connect(1, settings -> settings.allowOrigin(url).originTls(trust));
    return chain.get("/");
  }

  @Test
  void gatewayWithACertificateOfAnotherHost_isNotConnected() throws Exception {
    TestTls company = new TestTls();
    try (TunnelServer other =
            TunnelServer.builder()
                .host("127.0.0.1")
                .port(0)
                .tls(company.keys("other.test"))
                .group("default")
                .build()
                .start();
        Connector careful =
            Connector.builder()
                .gateway("https://localhost:" + other.port())
                .trust(company.ca())
                .enrolmentToken(other.createEnrolmentToken("default"))
                .allowOrigin("http://127.0.0.1:1")
                .build()
                .start()) {
      assertThat(careful.awaitConnected(java.time.Duration.ofSeconds(2))).isFalse();
    }
  }

  @Test
  void gatewayWithAnUntrustedCertificate_isNotConnected() throws Exception {
    Chain chain = new Chain(1, application -> application);
    parts.add(chain);
    try (Connector careful =
        Connector.builder()
            .gateway("https://localhost:" + chain.tunnel.port())
            .trust(new TestTls().ca())
            .enrolmentToken(chain.tunnel.createEnrolmentToken("default"))
            .allowOrigin("http://127.0.0.1:1")
            .build()
            .start()) {
      assertThat(careful.awaitConnected(java.time.Duration.ofSeconds(2))).isFalse();
    }
  }

  @Test
  void rotatedSigningKey_isKnownToTheConnectors_beforeItIsUsed() throws Exception {
    Chain chain = chain(exchange -> exchange.getResponseSender().send("ok"));
    for (int i = 0; i < 3; i++) {
      chain.tunnel.rotateSigningKey().get(30, TimeUnit.SECONDS);
      assertThat(chain.get("/").body()).isEqualTo("ok");
    }
  }

  // ---- parts

  private Chain chain(HttpHandler atOrigin) throws InterruptedException {
    return chain(atOrigin, 2);
  }

  private Chain chain(HttpHandler atOrigin, int connections) throws InterruptedException {
    Undertow origin = origin(atOrigin);
    Chain chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
    chain.connect(Chain.portOf(origin), settings -> settings.connections(connections));
    return chain;
  }

  private Undertow origin(HttpHandler handler) {
    Undertow origin = Chain.undertow(handler);
    parts.add(origin::stop);
    return origin;
  }

  static HttpHandler echo() {
    return Handlers.websocket(
        (exchange, channel) -> {
          channel
              .getReceiveSetter()
              .set(
                  new AbstractReceiveListener() {
                    @Override
                    protected void onFullTextMessage(
                        WebSocketChannel from, BufferedTextMessage message) {
                      WebSockets.sendText("echo " + message.getData(), from, null);
                    }
                  });
          channel.resumeReceives();
        });
  }

  private static String digest(InputStream in) throws Exception {
    MessageDigest sha = MessageDigest.getInstance("SHA-256");
    byte[] block = new byte[65_536];
    for (int n = in.read(block); n >= 0; n = in.read(block)) {
      sha.update(block, 0, n);
    }
    return HexFormat.of().formatHex(sha.digest());
  }

  /** Bytes that do not repeat in step with any buffer. */
  private static final class Noise extends InputStream {
    private final long length;
    private long position;

    Noise(long length) {
      this.length = length;
    }

    @Override
    public int read() {
      return position < length ? (int) ((position++ * 2_654_435_761L) >>> 13) & 0xff : -1;
    }

    @Override
    public int read(byte[] into, int offset, int count) {
      int n = (int) Math.min(count, length - position);
      for (int i = 0; i < n; i++) {
        into[offset + i] = (byte) read();
      }
      return n == 0 ? -1 : n;
    }
  }

  private static final class Received implements WebSocket.Listener {
    final BlockingQueue<String> messages = new LinkedBlockingQueue<>();
    final BlockingQueue<Integer> closeCodes = new LinkedBlockingQueue<>();

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
      messages.add(data.toString());
      socket.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
      closeCodes.add(code);
      return null;
    }
  }
}
