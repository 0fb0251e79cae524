package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.RSASSASigner;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Gateway;
import io.apprxy.GatewayException;
import io.apprxy.Verdict;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import io.apprxy.auth.session.SessionsOf;
import io.apprxy.cluster.SharedState;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * From each cause to the end of each kind of stream, on the gateway that learns of it and on one
 * that shares its state, with real sockets. Prints how long each took; asserts that all end, and
 * that nobody else's do.
 */
@Timeout(120)
class EndingSessionsIT {
  private static final String BEARER = "b3arer-of-the-transmitter";
  private static final String CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
  private static final String LOGOUT = "http://schemas.openid.net/event/backchannel-logout";
  private static final List<String> KINDS = List.of("WebSocket", "events", "download", "upload");
  private static final Pattern COOKIE = Pattern.compile("(?i)\nset-cookie: ([^=]+)=([^;\r]*)");

  private final TestClock clock = new TestClock();
  private final SessionKeys keys = SessionKeys.generate();
  private final SharedState state = SharedState.inMemory();
  private final List<AutoCloseable> parts = new CopyOnWriteArrayList<>();
  private final List<Integer> nodes = new ArrayList<>();
  private final BlockingQueue<String> asked = new LinkedBlockingQueue<>();
  private volatile boolean refusesAlice;
  private TestProvider provider;
  private Sessions first;
  private ServerSocket origin;

  @BeforeEach
  void start() throws Exception {
    provider = new TestProvider(clock);
    parts.add(provider);
    origin = new ServerSocket(0, 100, InetAddress.getLoopbackAddress());
    parts.add(origin);
    thread(this::serve);
    first = sessions();
    node(first);
    node(sessions());
  }

  @AfterEach
  void stop() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void everyCause_endsEveryKindOfStream_onAllGateways_andNobodyElses() throws Exception {
    String bob = signIn("bob");
    List<Stream> bobs = open(bob);
    Map<String, Cause> causes = new LinkedHashMap<>();
    causes.put("sign-out", this::signOut);
    causes.put("back-channel logout", cookie -> backChannel());
    causes.put("security event", cookie -> event());
    causes.put(
        "administrator",
        cookie -> {
          var unused = first.end(SessionsOf.user(provider.issuer(), "alice"), "test");
        });
    causes.put("policy", cookie -> refusesAlice = true);

    System.out.println("ms to the end of streams: each kind at the first, and the second gateway");
    for (Map.Entry<String, Cause> cause : causes.entrySet()) {
      String alice = signIn("alice");
      List<Stream> streams = open(alice);
      clock.advance(Duration.ofSeconds(1)); // a token of the same second counts as of before
      long begun = System.nanoTime();
      cause.getValue().happen(alice);
      report(cause.getKey(), streams, begun);
      refusesAlice = false;
      clock.advance(Duration.ofSeconds(1));
    }

    assertThat(bobs).noneMatch(stream -> stream.ended.isDone());
    String alice = signIn("alice");
    List<Stream> streams = open(alice);
    long begun = System.nanoTime();
    clock.advance(Duration.ofHours(13));
    report("absolute lifetime", streams, begun);
    List<Stream> idle = open(signIn("alice"), List.of("events", "download"));
    begun = System.nanoTime();
    clock.advance(Duration.ofMinutes(61));
    report("idle lifetime", idle, begun);
  }

  private interface Cause {
    void happen(String cookie) throws Exception;
  }

  private static void report(String cause, List<Stream> streams, long begun) throws Exception {
    StringBuilder line = new StringBuilder();
    for (Stream stream : streams) {
      long ended = stream.ended.get(30, TimeUnit.SECONDS);
      line.append(
          String.format(" %s %d", stream.kind, TimeUnit.NANOSECONDS.toMillis(ended - begun)));
    }
    System.out.printf("%-20s%s%n", cause, line);
  }

  // ---- the causes

  private void signOut(String cookie) throws Exception {
    String answer =
        http(
            nodes.get(0),
            "GET /.apprxy/sign-out",
            "Cookie: "
                + cookie
                + "\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\n",
            "");
    assertThat(answer).startsWith("HTTP/1.1 303");
  }

  private void backChannel() throws Exception {
    Map<String, Object> claims = claims(TestProvider.CLIENT);
    claims.put("exp", clock.instant().getEpochSecond() + 60);
    claims.put("sub", "alice");
    claims.put("events", Map.of(LOGOUT, Map.of()));
    String form =
        "logout_token=" + URLEncoder.encode(sign("logout+jwt", claims), StandardCharsets.UTF_8);
    assertThat(
            http(
                nodes.get(0),
                "POST /.apprxy/backchannel-logout",
                "Content-Type: application/x-www-form-urlencoded\n",
                form))
        .startsWith("HTTP/1.1 200");
  }

  private void event() throws Exception {
    Map<String, Object> claims = claims("https://app.test");
    claims.put("sub_id", Map.of("format", "iss_sub", "iss", provider.issuer(), "sub", "alice"));
    claims.put("events", Map.of(CAEP + "session-revoked", Map.of()));
    assertThat(
            http(
                nodes.get(0),
                "POST /.apprxy/events",
                "Content-Type: application/secevent+jwt\nAuthorization: Bearer " + BEARER + "\n",
                sign("secevent+jwt", claims)))
        .startsWith("HTTP/1.1 202");
  }

  private Map<String, Object> claims(String audience) {
    Map<String, Object> claims = new HashMap<>();
    claims.put("iss", provider.issuer());
    claims.put("aud", audience);
    claims.put("iat", clock.instant().getEpochSecond());
    claims.put("jti", UUID.randomUUID().toString());
    return claims;
  }

  private static String sign(String type, Map<String, Object> claims) throws Exception {
    JWSObject token =
        new JWSObject(
            new JWSHeader.Builder(JWSAlgorithm.RS256)
                .type(new JOSEObjectType(type))
                .keyID(TestProvider.RSA.getKeyID())
                .build(),
            new Payload(claims));
    token.sign(new RSASSASigner(TestProvider.RSA));
    return token.serialize();
  }

  // ---- the gateways

  private Sessions sessions() {
    return Sessions.builder()
        .keys(keys)
        .state(state)
        .clock(clock)
        .absoluteLifetime(Duration.ofHours(12))
        .idleLifetime(Duration.ofHours(1))
        .build();
  }

  private void node(Sessions sessions) {
    AtomicReference<HttpHandler> mounted = new AtomicReference<>();
    Undertow front =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, -1L)
            .setHandler(exchange -> mounted.get().handleRequest(exchange))
            .build();
    front.start();
    parts.add(front::stop);
    Gateway gateway =
        Gateway.builder()
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(provider.issuer())
                    .clientId(TestProvider.CLIENT)
                    .clientSecret(TestProvider.SECRET)
                    .sessions(sessions)
                    .transmitter(
                        SecurityEventTransmitter.builder(provider.issuer())
                            .jwksUri(provider.issuer() + "/keys")
                            .audience("https://app.test")
                            .bearer(BEARER)
                            .build())
                    .build())
            .accessPolicy(
                exchange -> {
                  if (refusesAlice && exchange.identity().subject().equals("alice")) {
                    throw new GatewayException(ErrorCode.REFUSED_BY_POLICY, "no longer");
                  }
                  return Verdict.proceed();
                })
            .publish(
                Application.builder("app")
                    .externalUrl("http://app.test/")
                    .internalUrl("http://127.0.0.1:" + origin.getLocalPort() + "/")
                    .assignEveryone()
                    .build())
            .build();
    mounted.set(gateway.handler());
    nodes.add(((InetSocketAddress) front.getListenerInfo().get(0).getAddress()).getPort());
  }

  // ---- the user's side

  /** The session's cookie. */
  private String signIn(String user) throws Exception {
    provider.subject = user;
    String begun = http(nodes.get(0), "GET /", "Sec-Fetch-Mode: navigate\nAccept: text/html\n", "");
    URI back = provider.authorize(URI.create(header(begun, "location")));
    String done =
        http(
            nodes.get(0),
            "GET " + back.getRawPath() + "?" + back.getRawQuery(),
            "Cookie: " + cookies(begun) + "\n",
            "");
    assertThat(header(done, "location")).isEqualTo("http://app.test/");
    return cookies(done);
  }

  private static String header(String response, String name) {
    Matcher found = Pattern.compile("(?i)\n" + name + ": ([^\r]*)").matcher(response);
    assertThat(found.find()).as(response).isTrue();
    return found.group(1);
  }

  private static String cookies(String response) {
    List<String> all = new ArrayList<>();
    Matcher found = COOKIE.matcher(response);
    while (found.find()) {
      if (!found.group(2).isEmpty()) {
        all.add(found.group(1) + "=" + found.group(2));
      }
    }
    return String.join("; ", all);
  }

  private record Stream(String kind, Socket socket, CompletableFuture<Long> ended) {}

  private List<Stream> open(String cookie) throws Exception {
    return open(cookie, KINDS);
  }

  /** One of each kind at each gateway, which has reached the origin. */
  private List<Stream> open(String cookie, List<String> kinds) throws Exception {
    List<Stream> all = new ArrayList<>();
    for (int node : nodes) {
      for (String kind : kinds) {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), node);
        parts.add(socket);
        String head =
            (kind.equals("upload") ? "POST" : "GET")
                + " /"
                + kind
                + " HTTP/1.1\nHost: app.test\nCookie: "
                + cookie
                + "\n"
                + switch (kind) {
                  case "WebSocket" ->
                      "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
                          + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";
                  case "upload" -> "Content-Length: 100000000000\n";
                  default -> "";
                }
                + "\n";
        write(socket, head.replace("\n", "\r\n"));
        if (kind.equals("upload")) {
          send(socket);
        } else {
          String status = new String(socket.getInputStream().readNBytes(12));
          assertThat(status).isEqualTo(kind.equals("WebSocket") ? "HTTP/1.1 101" : "HTTP/1.1 200");
        }
        assertThat(asked.poll(30, TimeUnit.SECONDS)).isEqualTo("/" + kind); // it is at the origin
        CompletableFuture<Long> ended = new CompletableFuture<>();
        thread(
            () -> {
              try (InputStream in = socket.getInputStream()) {
                in.transferTo(OutputStream.nullOutputStream());
              } catch (IOException reset) {
                // an end as well
              }
              ended.complete(System.nanoTime());
            });
        all.add(new Stream(kind, socket, ended));
      }
    }
    return all;
  }

  private static String http(int port, String request, String headers, String body)
      throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(30_000);
      String length = body.isEmpty() ? "" : "Content-Length: " + body.length() + "\n";
      write(
          socket,
          (request + " HTTP/1.1\nHost: app.test\nConnection: close\n" + headers + length + "\n")
                  .replace("\n", "\r\n")
              + body);
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      socket.getInputStream().transferTo(all);
      return all.toString(StandardCharsets.ISO_8859_1);
    }
  }

  // ---- the origin

  private void serve() {
    while (!origin.isClosed()) {
      try {
        Socket connection = origin.accept();
        parts.add(connection);
        thread(() -> serve(connection));
      } catch (IOException closed) {
        return;
      }
    }
  }

  private void serve(Socket connection) {
    try (connection) {
      StringBuilder head = new StringBuilder();
      while (head.indexOf("\r\n\r\n") < 0) {
        head.append((char) connection.getInputStream().read());
      }
      String path = head.toString().split(" ", 3)[1];
      asked.add(path);
      switch (path) {
        case "/WebSocket" ->
            write(
                connection,
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    + "Upgrade: websocket\r\n\r\n");
        case "/events" ->
            write(
                connection,
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
        case "/download" -> {
          write(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
          send(connection);
        }
        default -> {}
      }
      connection.getInputStream().transferTo(OutputStream.nullOutputStream());
    } catch (IOException broken) {
      // as the test has it
    }
  }

  /** The first part of what is announced: a stream that is busy would measure the machine. */
  private static void send(Socket to) throws IOException {
    to.getOutputStream().write(new byte[100_000]);
  }

  private static void write(Socket to, String text) throws IOException {
    to.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static void thread(Runnable task) {
    Thread thread = new Thread(task, "ending");
    thread.setDaemon(true);
    thread.start();
  }
}
