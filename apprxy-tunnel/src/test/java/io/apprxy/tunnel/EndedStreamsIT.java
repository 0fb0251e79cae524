package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What is open when a user's session ends, or the policy changes its mind, ends on both sides, and
 * nothing else does.
 */
@Timeout(60)
class EndedStreamsIT {
  private static final String EVENTS =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "3\r\none\r\n";

  private final List<AutoCloseable> parts = new ArrayList<>();

  enum Way {
    DIRECT,
    TUNNEL
  }

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  // ---- HTTP/1.1

  @ParameterizedTest
  @EnumSource
  void eventStream_isBrokenOff_andLooksNotWhole(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      Socket client = get(chain, "/events", "alice");
      Socket asked = accept(origin);
      write(asked, EVENTS);
      readUntil(client, "one");
      Socket other = get(chain, "/events", "bob");
      Socket otherAsked = accept(origin);
      write(otherAsked, EVENTS);
      readUntil(other, "one");

      chain.ended.add("alice");

      assertThat(readAll(client)).doesNotContain("\r\n0\r\n");
      assertThat(readAll(asked)).isEmpty();
      write(otherAsked, "3\r\ntwo\r\n");
      readUntil(other, "two");
    }
  }

  @ParameterizedTest
  @EnumSource
  void download_isBrokenOff_whileTheOriginSends(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      Socket client = get(chain, "/file", "alice");
      Socket asked = accept(origin);
      write(asked, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
      sendWithoutEnd(asked);
      readUntil(client, "xxxx");
      chain.ended.add("alice");
      assertEndsAtSomeTime(client);
      assertThat(readAll(asked)).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource
  void upload_isAnsweredWithTheCode_andThenEnds(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      Socket client =
          chain.raw(
              "POST /up HTTP/1.1\nHost: localhost:"
                  + chain.port
                  + "\nX-Test-User: alice\nContent-Length: 100000000000\n\n");
      parts.add(client);
      Thread sender = sendWithoutEnd(client);
      Socket asked = accept(origin);
      assertThat(asked.getInputStream().readNBytes(100_000)).hasSize(100_000);
      chain.ended.add("alice");
      assertThat(readAll(client)).startsWith("HTTP/1.1 401").contains("APX-209");
      assertEndsAtSomeTime(asked);
      sender.join();
    }
  }

  @ParameterizedTest
  @EnumSource
  void requestThatIsNotAnsweredYet_isAnsweredWithTheCode(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      Socket client = get(chain, "/wait", "alice");
      Socket asked = accept(origin);
      chain.ended.add("alice");
      assertThat(readAll(client)).startsWith("HTTP/1.1 401").contains("APX-209");
      assertThat(readAll(asked)).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource
  void webSocket_isClosedOnBothSides_othersGoOn(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      Socket client = webSocket(chain, "alice");
      Socket asked = switched(origin, client);
      Socket other = webSocket(chain, "bob");
      Socket otherAsked = switched(origin, other);

      chain.ended.add("alice");

      assertThat(readAll(client)).isEmpty();
      assertThat(readAll(asked)).isEmpty();
      write(otherAsked, "still there");
      readUntil(other, "still there");
      write(other, "me too");
      readUntil(otherAsked, "me too");
    }
  }

  // ---- HTTP/2

  @ParameterizedTest
  @EnumSource
  void streamOfHttp2_isReset_othersOfTheConnectionGoOn(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      try (RawHttp2 client = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int alice = client.request("/events", Map.of("x-test-user", "alice"));
        Socket asked = accept(origin);
        write(asked, EVENTS);
        awaitData(client, alice, "one");
        int bob = client.request("/events", Map.of("x-test-user", "bob"));
        Socket otherAsked = accept(origin);
        write(otherAsked, EVENTS);
        awaitData(client, bob, "one");

        chain.ended.add("alice");

        assertThat(client.await(RawHttp2.RST_STREAM).stream()).isEqualTo(alice);
        assertThat(readAll(asked)).isEmpty();
        write(otherAsked, "3\r\ntwo\r\n");
        awaitData(client, bob, "two");
      }
    }
  }

  /** The client gives no window for more than the first 64 KiB. */
  @ParameterizedTest
  @EnumSource
  void downloadOfHttp2_isReset_alsoIfTheClientTakesNothing(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      try (RawHttp2 client = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int alice = client.request("/file", Map.of("x-test-user", "alice"));
        Socket asked = accept(origin);
        write(asked, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
        Thread sender = sendWithoutEnd(asked);
        awaitData(client, alice, "x".repeat(60_000));

        chain.ended.add("alice");

        assertThat(client.await(RawHttp2.RST_STREAM).stream()).isEqualTo(alice);
        sender.join();
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void requestOfHttp2ThatIsNotAnsweredYet_isAnsweredWithTheCode(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      try (RawHttp2 client = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int alice = client.request("/wait", Map.of("x-test-user", "alice"));
        Socket asked = accept(origin);
        chain.ended.add("alice");
        awaitData(client, alice, "APX-209");
        assertThat(readAll(asked)).isEmpty();
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void uploadOfHttp2_isAnsweredWithTheCode_andReset_othersOfTheConnectionGoOn(Way way)
      throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      try (RawHttp2 client = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int bob = client.request("/events", Map.of("x-test-user", "bob"));
        Socket otherAsked = accept(origin);
        write(otherAsked, EVENTS);
        awaitData(client, bob, "one");
        int alice = client.nextStream();
        byte[] head = client.requestBlock("/up", Map.of("x-test-user", "alice"));
        client.send(RawHttp2.frame(RawHttp2.HEADERS, RawHttp2.END_HEADERS, alice, head));
        client.send(RawHttp2.frame(RawHttp2.DATA, 0, alice, "some".getBytes()));
        Socket asked = accept(origin);

        chain.ended.add("alice");

        awaitData(client, alice, "APX-209");
        assertThat(client.await(RawHttp2.RST_STREAM).stream()).isEqualTo(alice);
        assertEndsAtSomeTime(asked);
        write(otherAsked, "3\r\ntwo\r\n");
        awaitData(client, bob, "two");
      }
    }
  }

  // ---- the policy

  @ParameterizedTest
  @EnumSource
  void policyThatChangesItsMind_endsTheStream(Way way) throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      Socket client = get(chain, "/events", "alice");
      Socket asked = accept(origin);
      write(asked, EVENTS);
      readUntil(client, "one");
      Socket waiting = get(chain, "/wait", "alice");
      Socket waitingAsked = accept(origin);

      chain.refused.add("alice");

      assertThat(readAll(client)).doesNotContain("\r\n0\r\n");
      assertThat(readAll(asked)).isEmpty();
      assertThat(readAll(waiting)).startsWith("HTTP/1.1 403").contains("APX-301");
      assertThat(readAll(waitingAsked)).isEmpty();
    }
  }

  /** Or it would be taken out of balancing for what it did not do. */
  @ParameterizedTest
  @EnumSource
  void requestThatIsBrokenOff_isNoFailureOfTheEndpoint_andLeavesNothingBehind(Way way)
      throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin, way);
      for (int i = 0; i < 3; i++) {
        Socket client = get(chain, "/wait", "alice");
        Socket asked = accept(origin);
        chain.ended.add("alice");
        assertThat(readAll(client)).startsWith("HTTP/1.1 401");
        assertThat(readAll(asked)).isEmpty();
        chain.ended.clear();
      }
      while (chain.gateway.endpoints("app").get(0).activeRequests() > 0) {
        LockSupport.parkNanos(5_000_000); // the client may know it a little sooner
      }
      assertThat(chain.gateway.endpoints("app"))
          .singleElement()
          .satisfies(endpoint -> assertThat(endpoint.consecutiveFailures()).isZero());
    }
  }

  // ---- parts

  private Chain chain(ServerSocket origin, Way way) throws InterruptedException {
    Chain chain =
        new Chain(
            origin.getLocalPort(),
            application -> way == Way.DIRECT ? application.connectorGroups() : application);
    parts.add(chain);
    if (way == Way.TUNNEL) {
      chain.connect(origin.getLocalPort(), connector -> connector.connections(1));
    }
    return chain;
  }

  private static ServerSocket listen() throws IOException {
    ServerSocket origin = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    origin.setSoTimeout(30_000);
    return origin;
  }

  private Socket get(Chain chain, String path, String user) throws IOException {
    Socket client =
        chain.raw(
            "GET "
                + path
                + " HTTP/1.1\nHost: localhost:"
                + chain.port
                + "\nX-Test-User: "
                + user
                + "\n\n");
    parts.add(client);
    return client;
  }

  private Socket webSocket(Chain chain, String user) throws IOException {
    Socket client =
        chain.raw(
            "GET /ws HTTP/1.1\nHost: localhost:"
                + chain.port
                + "\nX-Test-User: "
                + user
                + "\nConnection: Upgrade\nUpgrade: websocket"
                + "\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n\n");
    parts.add(client);
    return client;
  }

  /** The origin's end of the next request, of which the head has been read. */
  private Socket accept(ServerSocket origin) throws IOException {
    Socket asked = origin.accept();
    asked.setSoTimeout(30_000);
    parts.add(asked);
    readUntil(asked, "\r\n\r\n");
    return asked;
  }

  private Socket switched(ServerSocket origin, Socket client) throws IOException {
    Socket asked = accept(origin);
    write(
        asked,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assertThat(readUntil(client, "\r\n\r\n").toLowerCase(Locale.ROOT)).startsWith("http/1.1 101");
    return asked;
  }

  private Thread sendWithoutEnd(Socket to) {
    byte[] block = "x".repeat(65_536).getBytes(StandardCharsets.US_ASCII);
    Thread sender =
        new Thread(
            () -> {
              try {
                while (true) {
                  to.getOutputStream().write(block);
                }
              } catch (IOException end) {
                // what the test waits for
              }
            });
    sender.setDaemon(true);
    sender.start();
    return sender;
  }

  private static void awaitData(RawHttp2 client, int stream, String text) throws IOException {
    StringBuilder read = new StringBuilder();
    while (read.indexOf(text) < 0) {
      RawHttp2.Frame frame = client.await(RawHttp2.DATA);
      if (frame.stream() == stream) {
        read.append(StandardCharsets.US_ASCII.decode(frame.payload()));
      }
    }
  }

  private static String readUntil(Socket from, String end) throws IOException {
    StringBuilder read = new StringBuilder();
    InputStream in = from.getInputStream();
    while (read.indexOf(end) < 0) {
      int next = in.read();
      if (next < 0) {
        throw new IOException("closed after: " + read);
      }
      read.append((char) next);
    }
    return read.toString();
  }

  /** Until the peer closes; a reset is a close, too, and a wait that is too long fails the test. */
  private static String readAll(Socket from) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try {
      from.getInputStream().transferTo(all);
    } catch (SocketException reset) {
      assertThat(reset).hasMessageContaining("reset");
    }
    return all.toString(StandardCharsets.ISO_8859_1);
  }

  private static void assertEndsAtSomeTime(Socket from) throws IOException {
    byte[] block = new byte[65_536];
    try {
      while (from.getInputStream().read(block) >= 0) {
        // what was under way
      }
    } catch (SocketException reset) {
      assertThat(reset).hasMessageContaining("reset");
    }
  }

  private static void write(Socket to, String text) throws IOException {
    to.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    to.getOutputStream().flush();
  }
}
