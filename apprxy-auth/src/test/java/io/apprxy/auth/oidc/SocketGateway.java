package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.AccessPolicy;
import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderValues;
import io.undertow.util.HttpString;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;

/**
 * A gateway on a socket, as users have it: sign-in, sessions, policy and sign-on are the real ones.
 * Behind it is an origin that answers with what reached it, and with the headers that it is told.
 */
final class SocketGateway implements AutoCloseable {
  /** The targets that reached the origin. */
  final List<String> reached = new CopyOnWriteArrayList<>();

  /** What the origin adds to its answers. */
  final Map<String, String> originHeaders = new LinkedHashMap<>();

  final int port;
  private final AtomicReference<HttpHandler> mounted = new AtomicReference<>();
  private final Undertow origin = undertow(this::echo);
  private final Undertow front = undertow(exchange -> mounted.get().handleRequest(exchange));
  private final Gateway gateway;

  /**
   * A gateway of these applications.
   *
   * @param applications makes them, of the port of the gateway and the URL of the origin
   */
  SocketGateway(
      OidcPreAuthentication signIn, Function<SocketGateway, List<Application>> applications) {
    this(signIn, new AssignmentPolicy(), applications);
  }

  /** As above, with this policy. */
  SocketGateway(
      OidcPreAuthentication signIn,
      AccessPolicy policy,
      Function<SocketGateway, List<Application>> applications) {
    port = port(front);
    Gateway.Builder builder =
        Gateway.builder()
            .preAuthentication(signIn)
            .accessPolicy(policy)
            .signOn(new HeaderSignOn())
            .trustProxies("127.0.0.0/8"); // also what a trusted proxy passes on opens nothing
    applications.apply(this).forEach(builder::publish);
    gateway = builder.build();
    mounted.set(gateway.handler());
  }

  String url(String host) {
    return "http://" + host + ":" + port + "/";
  }

  String originUrl() {
    return "http://127.0.0.1:" + port(origin) + "/";
  }

  private void echo(HttpServerExchange exchange) {
    String query = exchange.getQueryString();
    reached.add(exchange.getRequestURI() + (query.isEmpty() ? "" : "?" + query));
    StringBuilder body = new StringBuilder("origin\n");
    for (HeaderValues header : exchange.getRequestHeaders()) {
      header.forEach(
          value ->
              body.append(header.getHeaderName().toString().toLowerCase(Locale.ROOT))
                  .append(": ")
                  .append(value)
                  .append('\n'));
    }
    originHeaders.forEach(
        (name, value) -> exchange.getResponseHeaders().add(new HttpString(name), value));
    exchange.getResponseSender().send(body.toString());
  }

  /** A browser at one host. */
  Client client(String host) {
    return new Client(host);
  }

  /** Keeps cookies, and sends whatever it is told. Not thread-safe. */
  final class Client {
    final String host;
    final Map<String, String> cookies = new LinkedHashMap<>();

    private Client(String host) {
      this.host = host;
    }

    Answer get(String target, String... headerLines) throws IOException {
      return send("GET", target, headerLines);
    }

    /** As when a person opens a page. */
    Answer open(String target) throws IOException {
      return get(
          target,
          "Accept: text/html",
          "Sec-Fetch-Site: none",
          "Sec-Fetch-Mode: navigate",
          "Sec-Fetch-Dest: document");
    }

    Answer open(URI url) throws IOException {
      return open(url.getRawPath() + (url.getRawQuery() == null ? "" : "?" + url.getRawQuery()));
    }

    /** The whole sign-in; the browser has a session afterwards. */
    void signIn(TestProvider provider) throws IOException {
      URI request = URI.create(open("/").header("Location"));
      assertThat(open(provider.authorize(request)).status()).isEqualTo(302);
    }

    Answer send(String method, String target, String... headerLines) throws IOException {
      StringBuilder request =
          new StringBuilder(method + " " + target + " HTTP/1.1\r\nHost: " + host + ":" + port)
              .append("\r\nConnection: close\r\n");
      if (!cookies.isEmpty()) {
        List<String> pairs = new ArrayList<>();
        cookies.forEach((name, value) -> pairs.add(name + "=" + value));
        request.append("Cookie: ").append(String.join("; ", pairs)).append("\r\n");
      }
      for (String line : headerLines) {
        request.append(line).append("\r\n");
      }
      Answer answer = new Answer(exchange(request.append("\r\n").toString()));
      answer.headers("Set-Cookie").forEach(this::store);
      return answer;
    }

    private void store(String setCookie) {
      String[] pair = setCookie.split(";", 2)[0].split("=", 2);
      if (setCookie.contains("Max-Age=0")) {
        cookies.remove(pair[0]);
      } else {
        cookies.put(pair[0], pair[1]);
      }
    }
  }

  /** These bytes on a connection of their own, and all that comes back. */
  String exchange(String request) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(30_000);
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      try {
        socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
        socket.getInputStream().transferTo(all);
      } catch (SocketException reset) {
        // a refusal that does not wait for the rest of what is refused
      }
      return all.toString(StandardCharsets.ISO_8859_1);
    }
  }

  /** What came back, as text. */
  record Answer(String text) {
    /** 0 if the connection was cut without an answer. */
    int status() {
      return text.startsWith("HTTP/1.1 ") ? Integer.parseInt(text.substring(9, 12)) : 0;
    }

    String header(String name) {
      return headers(name).stream().findFirst().orElse(null);
    }

    List<String> headers(String name) {
      return text.split("\r\n\r\n", 2)[0]
          .lines()
          .skip(1)
          .filter(line -> line.regionMatches(true, 0, name + ":", 0, name.length() + 1))
          .map(line -> line.substring(name.length() + 1).strip())
          .toList();
    }

    /** Whether the origin answered. */
    boolean isOfTheOrigin() {
      return text.contains("\r\n\r\norigin\n");
    }
  }

  private static Undertow undertow(HttpHandler handler) {
    Undertow server =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setServerOption(UndertowOptions.MAX_HEADER_SIZE, 64 * 1024)
            .setHandler(handler)
            .build();
    server.start();
    return server;
  }

  private static int port(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }

  @Override
  public void close() {
    gateway.close();
    front.stop();
    origin.stop();
  }
}
