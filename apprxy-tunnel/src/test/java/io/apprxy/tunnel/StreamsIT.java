package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.undertow.Undertow;
import io.undertow.server.handlers.BlockingHandler;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Streams that live long, or are given up, through the whole chain. */
@Timeout(120)
class StreamsIT {
  private final List<AutoCloseable> parts = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void userOfHttp2WhoGivesUp_isNoticedAtTheOrigin_whichHasSaidNothing() throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin.getLocalPort());
      try (RawHttp2 user = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int stream = user.request("/wait", Map.of());
        try (Socket asked = origin.accept()) {
          assertThat(readHead(asked)).startsWith("GET /wait ");
          user.cancel(stream);
          assertThat(asked.getInputStream().read()).isEqualTo(-1);
        }
      }
    }
  }

  @Test
  void userOfHttp2WhoGivesUp_isNoticedAtTheOrigin_whoseAnswerNobodyTakes() throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin.getLocalPort());
      try (RawHttp2 user = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int stream = user.request("/down", Map.of());
        try (Socket asked = origin.accept()) {
          readHead(asked);
          write(asked, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + "x".repeat(70_000));
          user.await(RawHttp2.HEADERS);
          user.cancel(stream);
          assertThat(asked.getInputStream().read()).isEqualTo(-1);
        }
      }
    }
  }

  // ---- connections that switch protocols

  @Test
  void clientThatEndsItsHalf_stillHearsTheOrigin() throws Exception {
    try (ServerSocket origin = listen();
        Socket client = upgrade(chain(origin.getLocalPort(), "tcp"), "tcp");
        Socket asked = accept(origin, "tcp")) {
      assertThat(readHead(client)).isEqualTo("HTTP/1.1 101 Switching Protocols");
      write(client, "the question");
      client.shutdownOutput();
      assertThat(readAll(asked)).isEqualTo("the question");
      write(asked, "the answer");
      asked.shutdownOutput();
      assertThat(readAll(client)).isEqualTo("the answer");
    }
  }

  @Test
  void originThatEndsItsHalf_stillHearsTheClient() throws Exception {
    try (ServerSocket origin = listen();
        Socket client = upgrade(chain(origin.getLocalPort(), "tcp"), "tcp");
        Socket asked = accept(origin, "tcp")) {
      assertThat(readHead(client)).isEqualTo("HTTP/1.1 101 Switching Protocols");
      write(asked, "all there is");
      asked.shutdownOutput();
      assertThat(readAll(client)).isEqualTo("all there is");
      write(client, "thank you");
      client.shutdownOutput();
      assertThat(readAll(asked)).isEqualTo("thank you");
    }
  }

  @Test
  void protocolThatTheApplicationDoesNotName_isNotSwitchedTo() throws Exception {
    try (ServerSocket origin = listen();
        Socket client = upgrade(chain(origin.getLocalPort(), "websocket"), "tcp");
        Socket asked = origin.accept()) {
      assertThat(readLines(asked)).noneMatch(line -> line.toLowerCase(Locale.ROOT).contains("tcp"));
      write(asked, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
      assertThat(readHead(client)).startsWith("HTTP/1.1 426 ");
    }
  }

  /** What WebSocket is made of (RFC 6455 §5.5): pieces, pings, and each way to close. */
  @ParameterizedTest
  @CsvSource({"1000, bye", "1001, going away", "1011, it broke", "4000, ''", "4999, own reason"})
  void webSocketFrames_crossBothWays_asTheyAre(int code, String reason) throws Exception {
    byte[] frames = frames(code, reason);
    try (ServerSocket origin = listen();
        Socket client = upgrade(chain(origin.getLocalPort(), "websocket"), "websocket");
        Socket asked = accept(origin, "websocket")) {
      assertThat(readHead(client)).isEqualTo("HTTP/1.1 101 Switching Protocols");
      client.getOutputStream().write(frames);
      assertThat(asked.getInputStream().readNBytes(frames.length)).isEqualTo(frames);
      asked.getOutputStream().write(frames);
      assertThat(client.getInputStream().readNBytes(frames.length)).isEqualTo(frames);
      asked.shutdownOutput();
      assertThat(client.getInputStream().read()).isEqualTo(-1);
    }
  }

  private static byte[] frames(int code, String reason) {
    ByteBuffer frames = ByteBuffer.allocate(200_000);
    frames.put((byte) 0x01).put((byte) 3).put(bytes("one")); // a text in pieces …
    frames.put((byte) 0x89).put((byte) 4).put(bytes("ping")); // … with a ping between
    frames.put((byte) 0x80).put((byte) 3).put(bytes("two"));
    frames.put((byte) 0x8a).put((byte) 4).put(bytes("pong"));
    byte[] binary = new byte[100_000];
    new Random(code).nextBytes(binary);
    frames.put((byte) 0x82).put((byte) 127).putLong(binary.length).put(binary);
    frames.put((byte) 0x88).put((byte) (2 + reason.length())).putShort((short) code);
    frames.put(bytes(reason));
    return Arrays.copyOf(frames.array(), frames.position());
  }

  @Test
  void twoThousandWebSockets_areOpenThroughOneConnector_andCarryMessagesBothWays()
      throws Exception {
    Undertow origin = Chain.undertow(TunnelIT.echo());
    parts.add(origin::stop);
    Chain chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
    chain.connect(Chain.portOf(origin), settings -> settings.connections(4));
    List<Socket> all = new ArrayList<>();
    parts.add(
        () -> {
          for (Socket socket : all) {
            socket.close();
          }
        });
    for (int i = 0; i < 100; i++) {
      List<Socket> some = new ArrayList<>();
      for (int j = 0; j < 20; j++) {
        some.add(upgrade(chain, "websocket"));
      }
      all.addAll(some);
      for (Socket socket : some) {
        assertThat(readHead(socket)).isEqualTo("HTTP/1.1 101 Switching Protocols");
      }
    }
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < all.size(); i++) {
        all.get(i).getOutputStream().write(masked("message " + i));
      }
      for (int i = 0; i < all.size(); i++) {
        String expected = "echo message " + i;
        byte[] frame = all.get(i).getInputStream().readNBytes(2 + expected.length());
        assertThat(new String(frame, 2, frame.length - 2, StandardCharsets.US_ASCII))
            .isEqualTo(expected);
      }
    }
  }

  /** A text as a client sends it (RFC 6455 §5.3), masked with zeroes. */
  private static byte[] masked(String text) {
    return ByteBuffer.allocate(6 + text.length())
        .put((byte) 0x81)
        .put((byte) (0x80 | text.length()))
        .putInt(0)
        .put(bytes(text))
        .array();
  }

  // ---- streams of events

  @Test
  void event_arrivesWhenItIsSent() throws Exception {
    try (ServerSocket origin = listen();
        Socket client = get(chain(origin.getLocalPort()), "/events");
        Socket asked = origin.accept()) {
      readHead(asked);
      write(asked, EVENTS);
      assertThat(readHead(client)).isEqualTo("HTTP/1.1 200 OK");
      for (int i = 0; i < 20; i++) {
        write(asked, chunk("data: " + i + "\n\n"));
        assertThat(readChunk(client)).isEqualTo("data: " + i + "\n\n");
      }
    }
  }

  // ---- receivers that take nothing

  @Test
  void receiverThatTakesNothing_isGivenUp_andOneThatHasNothingToTakeIsNot() throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain =
          new Chain(
              origin.getLocalPort(),
              application ->
                  application.stallTimeout(Duration.ofSeconds(1)).upgradeProtocols("tcp"));
      parts.add(chain);
      chain.connect(origin.getLocalPort());
      try (Socket listener = get(chain, "/events");
          Socket quiet = answered(origin, listener, EVENTS);
          Socket switched = upgrade(chain, "tcp");
          Socket silent = accept(origin, "tcp");
          Socket stopped = get(chain, "/down");
          Socket sender = origin.accept()) {
        readHead(switched);
        readHead(sender);
        write(sender, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        assertThatThrownBy(
                () -> {
                  while (true) {
                    sender.getOutputStream().write(new byte[65_536]);
                  }
                })
            .isInstanceOf(IOException.class);
        write(quiet, chunk("data: still\n\n"));
        assertThat(readChunk(listener)).isEqualTo("data: still\n\n");
        write(silent, "still");
        assertThat(switched.getInputStream().readNBytes(5)).asString().isEqualTo("still");
        assertThat(stopped.isClosed()).isFalse();
      }
    }
  }

  @Test
  void hundredReadersThatStop_onOneConnectionOfTheTunnel_holdUpNobody() throws Exception {
    Undertow origin =
        Chain.undertow(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/down")) {
                    byte[] block = new byte[65_536];
                    for (int i = 0; i < 256; i++) {
                      exchange.getOutputStream().write(block);
                    }
                  } else {
                    exchange.getResponseSender().send("quick");
                  }
                }),
            200);
    Chain chain = chainTo(origin);
    List<Socket> stopped = new ArrayList<>();
    parts.add(() -> closeAll(stopped));
    for (int i = 0; i < 100; i++) {
      stopped.add(get(chain, "/down"));
    }
    for (Socket socket : stopped) {
      assertThat(socket.getInputStream().read()).isEqualTo('H');
    }
    assertProbesAreAnswered(chain);
  }

  @Test
  void hundredUploadsThatTheOriginDoesNotRead_onOneConnectionOfTheTunnel_holdUpNobody()
      throws Exception {
    CountDownLatch done = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(100);
    Undertow origin =
        Chain.undertow(
            new BlockingHandler(
                exchange -> {
                  if (exchange.getRequestURI().equals("/up")) {
                    begun.countDown();
                    done.await(100, TimeUnit.SECONDS);
                  }
                  exchange.getResponseSender().send("quick");
                }),
            200);
    Chain chain = chainTo(origin);
    List<Socket> uploads = new ArrayList<>();
    parts.add(() -> closeAll(uploads));
    parts.add(done::countDown);
    ExecutorService senders = Executors.newCachedThreadPool();
    parts.add(senders::shutdownNow);
    for (int i = 0; i < 100; i++) {
      Socket upload =
          chain.raw(
              "POST /up HTTP/1.1\nHost: localhost:"
                  + chain.port
                  + "\nContent-Length: 1000000000\n\n");
      uploads.add(upload);
      senders.execute(() -> sendWithoutEnd(upload));
    }
    assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
    assertProbesAreAnswered(chain);
  }

  private static void sendWithoutEnd(Socket to) {
    byte[] block = new byte[65_536];
    try {
      while (true) {
        to.getOutputStream().write(block);
      }
    } catch (IOException e) {
      // the test is over
    }
  }

  /**
   * At fixed times, each on its own connection: whoever waits for an answer before he asks again
   * sees no stall.
   */
  private static void assertProbesAreAnswered(Chain chain) throws Exception {
    ScheduledExecutorService clock = Executors.newScheduledThreadPool(8);
    try {
      List<Future<String>> probes = new ArrayList<>();
      for (int i = 0; i < 60; i++) {
        probes.add(clock.schedule(() -> probe(chain), i * 50L, TimeUnit.MILLISECONDS));
      }
      for (Future<String> probe : probes) {
        assertThat(probe.get(60, TimeUnit.SECONDS)).isEqualTo("quick");
      }
    } finally {
      clock.shutdownNow();
    }
  }

  private static String probe(Chain chain) throws IOException {
    try (Socket socket =
        chain.raw(
            "GET /quick HTTP/1.1\nHost: localhost:" + chain.port + "\nConnection: close\n\n")) {
      String whole = readAll(socket);
      return whole.substring(whole.indexOf("\r\n\r\n") + 4);
    }
  }

  // ---- parts

  private static final String EVENTS =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

  private Chain chain(int originPort, String... upgrades) throws InterruptedException {
    Chain chain = new Chain(originPort, application -> application.upgradeProtocols(upgrades));
    parts.add(chain);
    chain.connect(originPort);
    return chain;
  }

  private Chain chainTo(Undertow origin) throws InterruptedException {
    parts.add(origin::stop);
    Chain chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
    chain.connect(Chain.portOf(origin), settings -> settings.connections(1));
    return chain;
  }

  private static void closeAll(List<Socket> sockets) throws IOException {
    for (Socket socket : sockets) {
      socket.close();
    }
  }

  private static Socket get(Chain chain, String path) throws IOException {
    return chain.raw("GET " + path + " HTTP/1.1\nHost: localhost:" + chain.port + "\n\n");
  }

  private static Socket upgrade(Chain chain, String protocol) throws IOException {
    return chain.raw(
        "GET /switch HTTP/1.1\nHost: localhost:"
            + chain.port
            + "\nConnection: Upgrade\nUpgrade: "
            + protocol
            + "\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n\n");
  }

  /** The origin's end of a request, whose answer begins so. */
  private static Socket answered(ServerSocket origin, Socket client, String answer)
      throws IOException {
    Socket asked = origin.accept();
    readHead(asked);
    write(asked, answer);
    readHead(client);
    return asked;
  }

  /** The origin's end of a connection that switches to the protocol. */
  private static Socket accept(ServerSocket origin, String protocol) throws IOException {
    Socket asked = origin.accept();
    assertThat(readLines(asked))
        .anyMatch(line -> line.equalsIgnoreCase("Upgrade: " + protocol))
        .anyMatch(line -> line.equalsIgnoreCase("Connection: upgrade"));
    write(
        asked,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
            + protocol
            + "\r\n\r\n");
    return asked;
  }

  private static ServerSocket listen() throws IOException {
    ServerSocket origin = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    origin.setSoTimeout(30_000);
    return origin;
  }

  /** The first line, after all headers were read. */
  private static String readHead(Socket from) throws IOException {
    return readLines(from).get(0);
  }

  private static List<String> readLines(Socket from) throws IOException {
    from.setSoTimeout(60_000);
    List<String> lines = new ArrayList<>();
    for (String line = readLine(from); !line.isEmpty(); line = readLine(from)) {
      lines.add(line);
    }
    return lines;
  }

  /** Byte by byte, since what follows the headers is no text. */
  private static String readLine(Socket from) throws IOException {
    StringBuilder line = new StringBuilder();
    InputStream in = from.getInputStream();
    for (int next = in.read(); next >= 0 && next != '\n'; next = in.read()) {
      line.append((char) next);
    }
    return line.toString().strip();
  }

  private static String readAll(Socket from) throws IOException {
    from.setSoTimeout(60_000);
    return new String(from.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
  }

  private static String chunk(String text) {
    return Integer.toHexString(text.length()) + "\r\n" + text + "\r\n";
  }

  private static String readChunk(Socket from) throws IOException {
    int length = Integer.parseInt(readLine(from), 16);
    String text = new String(from.getInputStream().readNBytes(length), StandardCharsets.ISO_8859_1);
    readLine(from);
    return text;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static void write(Socket to, String text) throws IOException {
    to.getOutputStream().write(bytes(text));
    to.getOutputStream().flush();
  }
}
