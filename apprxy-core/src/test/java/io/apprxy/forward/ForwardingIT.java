package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.tomakehurst.wiremock.WireMockServer;
import com.github.tomakehurst.wiremock.client.WireMock;
import com.github.tomakehurst.wiremock.core.WireMockConfiguration;
import com.github.tomakehurst.wiremock.http.Fault;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The last hop with real sockets: a gateway, a direct origin, and clients and origins that
 * misbehave.
 */
@Timeout(120)
class ForwardingIT {
  private static final int BIG = 96 * 1024 * 1024;

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  @Test
  void bigUpload_arrivesIntact() throws Exception {
    try (Origin origin =
            new Origin(blocking(exchange -> answer(exchange, digest(exchange.getInputStream()))));
        RunningGateway gateway = new RunningGateway(origin.port)) {
      HttpResponse<String> response =
          client.send(
              HttpRequest.newBuilder(URI.create(gateway.url("/up")))
                  .POST(HttpRequest.BodyPublishers.ofInputStream(() -> new Noise(BIG)))
                  .build(),
              HttpResponse.BodyHandlers.ofString());
      assertThat(response.body()).isEqualTo(digest(new Noise(BIG)));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void bigDownload_arrivesIntact_withAndWithoutLength(boolean withLength) throws Exception {
    HttpHandler download =
        blocking(
            exchange -> {
              if (withLength) {
                exchange.getResponseHeaders().put(Headers.CONTENT_LENGTH, BIG);
              }
              try (OutputStream out = exchange.getOutputStream()) {
                new Noise(BIG).transferTo(out);
              }
            });
    try (Origin origin = new Origin(download);
        RunningGateway gateway = new RunningGateway(origin.port)) {
      HttpResponse<InputStream> response =
          client.send(request(gateway, "/down"), HttpResponse.BodyHandlers.ofInputStream());
      assertThat(response.headers().firstValue("content-length").isPresent()).isEqualTo(withLength);
      assertThat(digest(response.body())).isEqualTo(digest(new Noise(BIG)));
    }
  }

  @Test
  void trailers_crossBothWays() throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  StringBuilder body = new StringBuilder();
                  while (body.indexOf("\r\n\r\n") < 0) {
                    body.append((char) connection.getInputStream().read());
                  }
                  String got =
                      body.toString().toLowerCase(java.util.Locale.ROOT).contains("x-sum: 42")
                          ? "yes"
                          : "no";
                  RawOrigin.write(
                      connection,
                      "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-Check\n\n3\n"
                          + (got + "  ").substring(0, 3)
                          + "\n0\nX-Check: 7\n\n");
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      raw.send(
          "POST /t HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nTransfer-Encoding: chunked\nTE: trailers\nTrailer: X-Sum\n\n2\nhi\n0\nX-Sum: 42\n\n");
      String response = raw.readUntil("0\r\nX-Check: 7\r\n\r\n");
      assertThat(response).contains("yes");
    }
  }

  /** What follows an interim response is its request's, and never the answer to another one. */
  @ParameterizedTest
  @ValueSource(strings = {"102 Processing", "103 Early Hints", "101 Switching Protocols", "199 X"})
  void interimResponse_neverLeavesItsFinalOne_toTheNextRequest(String interim) throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  String path = RawOrigin.head(connection).split(" ")[1];
                  RawOrigin.write(connection, "HTTP/1.1 " + interim + "\nLink: </a.css>\n\n");
                  RawOrigin.write(
                      connection,
                      "HTTP/1.1 200 OK\nContent-Length: " + path.length() + "\n\n" + path);
                  RawOrigin.head(connection);
                });
        RunningGateway gateway = new RunningGateway(origin.port())) {
      for (String path : new String[] {"/first", "/second"}) {
        try (RawClient raw = new RawClient(gateway.port)) {
          assertThat(raw.get(path).readToEnd())
              .startsWith("HTTP/1.1 502")
              .contains("APX-604")
              .doesNotContain("/first");
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Content-Length: 5\nContent-Length: 0",
        "Content-Length: 5\nContent-Length: 5",
        "Content-Length: +5",
        "Content-Length: 5, 5"
      })
  void responseWhoseLengthIsInDoubt_isRefused(String lengths) throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(connection, "HTTP/1.1 200 OK\n" + lengths + "\n\nhello");
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      assertThat(raw.get("/").readToEnd()).startsWith("HTTP/1.1 502").doesNotContain("hello");
    }
  }

  @Test
  void head_keepsTheLength_andHasNoBody() throws Exception {
    try (Origin origin = new Origin(blocking(exchange -> answer(exchange, "12345")));
        RunningGateway gateway = new RunningGateway(origin.port);
        RawClient raw = new RawClient(gateway.port)) {
      raw.send("HEAD / HTTP/1.1\nHost: localhost:" + gateway.port + "\nConnection: close\n\n");
      String response = raw.readToEnd();
      assertThat(response)
          .startsWith("HTTP/1.1 200")
          .containsIgnoringCase("content-length: 5")
          .endsWith("\r\n\r\n");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {204, 304})
  void bodilessStatus_hasNoBody_andTheConnectionServesTheNextRequest(int status) throws Exception {
    try (Origin origin =
            new Origin(
                exchange -> {
                  if (exchange.getRequestURI().equals("/empty")) {
                    exchange.setStatusCode(status).endExchange();
                  } else {
                    exchange.getResponseSender().send("next");
                  }
                });
        RunningGateway gateway = new RunningGateway(origin.port);
        RawClient raw = new RawClient(gateway.port)) {
      raw.send("GET /empty HTTP/1.1\nHost: localhost:" + gateway.port + "\n\n");
      assertThat(raw.readUntil("\r\n\r\n")).startsWith("HTTP/1.1 " + status);
      raw.get("/next");
      assertThat(raw.readToEnd()).endsWith("next");
    }
  }

  @Test
  void expectContinue_isTheOriginsToAnswer() throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  String head = RawOrigin.head(connection);
                  assertThat(head).containsIgnoringCase("expect: 100-continue");
                  RawOrigin.write(connection, "HTTP/1.1 100 Continue\n\n");
                  byte[] body = connection.getInputStream().readNBytes(5);
                  RawOrigin.write(
                      connection,
                      "HTTP/1.1 200 OK\nContent-Length: 5\n\n"
                          + new String(body, StandardCharsets.US_ASCII));
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      raw.send(
          "PUT / HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nContent-Length: 5\nExpect: 100-continue\nConnection: close\n\n");
      raw.readUntil("HTTP/1.1 100 Continue\r\n\r\n");
      raw.send("hello");
      assertThat(raw.readToEnd()).startsWith("HTTP/1.1 200").endsWith("hello");
    }
  }

  @Test
  void expectContinue_refusedByTheOrigin_neverAsksForTheBody() throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(
                      connection,
                      "HTTP/1.1 417 Expectation Failed\nContent-Length: 0\nConnection: close\n\n");
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      raw.send(
          "PUT / HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nContent-Length: 5\nExpect: 100-continue\n\n");
      assertThat(raw.readUntil("\r\n\r\n")).startsWith("HTTP/1.1 417");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"Content-Length: 100\n\nhalf", "Transfer-Encoding: chunked\n\n4\nhalf\n"})
  void originAbortsMidBody_clientSeesABrokenResponse(String truncated) throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(connection, "HTTP/1.1 200 OK\n" + truncated);
                });
        RunningGateway gateway = new RunningGateway(origin.port())) {
      assertThatThrownBy(
              () -> client.send(request(gateway, "/half"), HttpResponse.BodyHandlers.ofString()))
          .isInstanceOf(IOException.class);
    }
  }

  @Test
  void originAbortsMidBody_isNotMadeAWholeResponse_byConnectionClose() throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(
                      connection, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n4\nhalf\n");
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      assertThat(raw.get("/").readToEnd())
          .containsIgnoringCase("transfer-encoding: chunked")
          .doesNotContain("\r\n0\r\n");
    }
  }

  @Test
  void clientAbortsADownload_originSeesItsConnectionEnd() throws Exception {
    CountDownLatch originSawTheEnd = new CountDownLatch(1);
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(connection, "HTTP/1.1 200 OK\nContent-Length: 99999999999\n\n");
                  byte[] block = new byte[65_536];
                  try {
                    for (; ; ) {
                      connection.getOutputStream().write(block);
                    }
                  } catch (IOException end) {
                    originSawTheEnd.countDown();
                  }
                });
        RunningGateway gateway = new RunningGateway(origin.port())) {
      try (RawClient raw = new RawClient(gateway.port)) {
        raw.get("/endless").readUntil("\r\n\r\n");
      }
      assertThat(originSawTheEnd.await(30, TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  void clientAbortsAnUpload_originSeesItsConnectionEnd() throws Exception {
    CountDownLatch originSawTheEnd = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(1);
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  begun.countDown();
                  try {
                    while (connection.getInputStream().read() >= 0) {}
                  } finally {
                    originSawTheEnd.countDown();
                  }
                });
        RunningGateway gateway = new RunningGateway(origin.port())) {
      try (RawClient raw = new RawClient(gateway.port)) {
        raw.send(
            "POST / HTTP/1.1\nHost: localhost:" + gateway.port + "\nContent-Length: 1000\n\nsome");
        assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
      }
      assertThat(originSawTheEnd.await(30, TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  void eventStream_arrivesEventByEvent() throws Exception {
    BlockingQueue<String> events = new LinkedBlockingQueue<>();
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(
                      connection,
                      "HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked\n\n");
                  try {
                    for (String event = events.take();
                        !event.equals("end");
                        event = events.take()) {
                      String line = "data: " + event + "\n\n";
                      RawOrigin.write(
                          connection, Integer.toHexString(line.length() + 2) + "\n" + line + "\n");
                    }
                    RawOrigin.write(connection, "0\n\n");
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      raw.get("/events").readUntil("\r\n\r\n");
      // Each event is sent only after the one before has been received: nothing may wait in a
      // buffer.
      for (String event : new String[] {"one", "two", "three"}) {
        events.add(event);
        assertThat(raw.readUntil("data: " + event + "\r\n\r\n")).contains(event);
      }
      events.add("end");
      assertThat(raw.readToEnd()).endsWith("0\r\n\r\n");
    }
  }

  @Test
  void webSocket_carriesMessagesBothWays_andItsCloseCode() throws Exception {
    try (Origin origin = new Origin(WebSocketEcho.handler());
        RunningGateway gateway = new RunningGateway(origin.port)) {
      Received received = new Received();
      WebSocket socket =
          client
              .newWebSocketBuilder()
              .buildAsync(URI.create(gateway.url("/ws").replace("http:", "ws:")), received)
              .get(30, TimeUnit.SECONDS);
      for (int i = 0; i < 100; i++) {
        socket.sendText("message " + i, true).get(30, TimeUnit.SECONDS);
        assertThat(received.messages.poll(30, TimeUnit.SECONDS)).isEqualTo("echo message " + i);
      }
      socket.sendClose(4001, "enough").get(30, TimeUnit.SECONDS);
      assertThat(received.closeCodes.poll(30, TimeUnit.SECONDS)).isEqualTo(4001);
    }
  }

  @Test
  void originDown_answers502_withItsCode() throws Exception {
    int nobodyListens;
    try (ServerSocket free = new ServerSocket(0)) {
      nobodyListens = free.getLocalPort();
    }
    try (RunningGateway gateway = new RunningGateway(nobodyListens)) {
      HttpResponse<String> response =
          client.send(request(gateway, "/"), HttpResponse.BodyHandlers.ofString());
      assertThat(response.statusCode()).isEqualTo(502);
      assertThat(response.body()).contains("APX-601");
    }
  }

  @Test
  void silentOrigin_answers504_withItsCode() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  await(end);
                });
        RunningGateway gateway =
            new RunningGateway(
                origin.port(), a -> a.applicationServerTimeout(Duration.ofMillis(300)))) {
      HttpResponse<String> response =
          client.send(request(gateway, "/"), HttpResponse.BodyHandlers.ofString());
      assertThat(response.statusCode()).isEqualTo(504);
      assertThat(response.body()).contains("APX-602");
    } finally {
      end.countDown();
    }
  }

  @Test
  void keptConnectionThatTheOriginHasClosed_isReplaced_forAnIdempotentRequest() throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(connection, "HTTP/1.1 200 OK\nContent-Length: 1\n\n" + number);
                  if (number == 0) {
                    RawOrigin.head(
                        connection); // takes the second request, and dies without an answer
                  }
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      raw.send("GET / HTTP/1.1\nHost: localhost:" + gateway.port + "\n\n");
      assertThat(raw.readUntil("\r\n\r\n0")).startsWith("HTTP/1.1 200");
      raw.get("/");
      assertThat(raw.readToEnd()).startsWith("HTTP/1.1 200").endsWith("1");
    }
  }

  @Test
  void requestThatIsNotIdempotent_isNeverSentTwice() throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(connection, "HTTP/1.1 200 OK\nContent-Length: 1\n\n" + number);
                  RawOrigin.head(connection);
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient raw = new RawClient(gateway.port)) {
      raw.send("GET / HTTP/1.1\nHost: localhost:" + gateway.port + "\n\n");
      raw.readUntil("\r\n\r\n0");
      raw.send(
          "POST / HTTP/1.1\nHost: localhost:"
              + gateway.port
              + "\nContent-Length: 0\nConnection: close\n\n");
      assertThat(raw.readToEnd()).startsWith("HTTP/1.1 502");
      assertThat(origin.connections).hasValue(1);
    }
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void faultyOrigin_neverLooksLikeAWholeAnswer(Fault fault) {
    WireMockServer origin =
        new WireMockServer(WireMockConfiguration.options().bindAddress("127.0.0.1").dynamicPort());
    origin.start();
    try (RunningGateway gateway = new RunningGateway(origin.port())) {
      origin.stubFor(
          WireMock.any(WireMock.anyUrl()).willReturn(WireMock.aResponse().withFault(fault)));
      try {
        HttpResponse<String> response =
            client.send(request(gateway, "/"), HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).isEqualTo(502);
        assertThat(response.body()).contains("APX-60");
      } catch (IOException broken) {
        // A response that had begun can only be broken off.
        assertThat(fault).isEqualTo(Fault.MALFORMED_RESPONSE_CHUNK);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    } finally {
      origin.stop();
    }
  }

  // ---- parts

  private static HttpRequest request(RunningGateway gateway, String path) {
    return HttpRequest.newBuilder(URI.create(gateway.url(path)))
        .timeout(Duration.ofSeconds(60))
        .build();
  }

  private static HttpHandler blocking(HttpHandler handler) {
    return new io.undertow.server.handlers.BlockingHandler(handler);
  }

  private static void answer(io.undertow.server.HttpServerExchange exchange, String body) {
    exchange.getResponseHeaders().put(new HttpString("Content-Type"), "text/plain");
    exchange.getResponseSender().send(body);
  }

  private static String digest(InputStream in) throws Exception {
    MessageDigest sha = MessageDigest.getInstance("SHA-256");
    byte[] block = new byte[65_536];
    for (int n = in.read(block); n >= 0; n = in.read(block)) {
      sha.update(block, 0, n);
    }
    return HexFormat.of().formatHex(sha.digest());
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static final class Origin implements AutoCloseable {
    private final Undertow server;
    final int port;

    Origin(HttpHandler handler) {
      server =
          Undertow.builder()
              .addHttpListener(0, "127.0.0.1")
              .setServerOption(io.undertow.UndertowOptions.MAX_ENTITY_SIZE, -1L)
              .setHandler(handler)
              .build();
      server.start();
      port = ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
    }

    @Override
    public void close() {
      server.stop();
    }
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

  private static final class WebSocketEcho {
    static HttpHandler handler() {
      return io.undertow.Handlers.websocket(
          (exchange, channel) -> {
            channel
                .getReceiveSetter()
                .set(
                    new io.undertow.websockets.core.AbstractReceiveListener() {
                      @Override
                      protected void onFullTextMessage(
                          io.undertow.websockets.core.WebSocketChannel from,
                          io.undertow.websockets.core.BufferedTextMessage message) {
                        io.undertow.websockets.core.WebSockets.sendText(
                            "echo " + message.getData(), from, null);
                      }
                    });
            channel.resumeReceives();
          });
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
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
      return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
      closeCodes.add(code);
      return null;
    }
  }
}
