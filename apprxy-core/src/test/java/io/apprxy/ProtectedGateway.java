package io.apprxy;

import io.apprxy.observe.SignInEvent;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderValues;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

/**
 * A gateway in plain text before one protected application, whose origin answers with method,
 * target and headers of what reached it. A client is signed in by the cookie {@code
 * __Host-apprxy-session=alice}.
 */
final class ProtectedGateway implements AutoCloseable {
  static final String SIGNED_IN = "Cookie: __Host-apprxy-session=alice\n";

  private static final Identity ALICE =
      new Identity(
          "https://issuer.test",
          "a-1",
          "session-1",
          Instant.EPOCH,
          Map.of("preferred_username", "alice"));

  /** How many requests reached the origin. */
  final AtomicInteger originRequests = new AtomicInteger();

  /** What the origin does before it answers. */
  volatile HttpHandler answers = exchange -> {};

  /** What stands before the gateway in its server. */
  volatile HttpHandler before = exchange -> {};

  /** What the gateway's own log of sign-ins got. */
  final List<SignInEvent> signInEvents = new CopyOnWriteArrayList<>();

  final int port;
  private final AtomicReference<HttpHandler> mounted = new AtomicReference<>();
  private final Undertow origin = undertow(this::echo);
  private final Undertow front = undertow(this::front);
  private final Gateway gateway;

  ProtectedGateway(UnaryOperator<Application.Builder> settings) {
    this(settings, "127.0.0.0/8");
  }

  ProtectedGateway(UnaryOperator<Application.Builder> settings, String... trustedProxies) {
    port = port(front);
    gateway =
        Gateway.builder()
            .preAuthentication(ProtectedGateway::authenticate)
            .accessPolicy(exchange -> Verdict.proceed())
            .trustProxies(trustedProxies)
            .signInLog(signInEvents::add)
            .signOn(
                (request, identity, application) -> {
                  request.set("X-User", identity.name());
                  return Verdict.proceed();
                })
            .publish(
                settings
                    .apply(
                        Application.builder("app")
                            .externalUrl("http://localhost:" + port + "/")
                            .internalUrl("http://127.0.0.1:" + port(origin) + "/")
                            .assignEveryone()
                            .headerSignOn(Map.of("X-User", "preferred_username")))
                    .build())
            .build();
    mounted.set(gateway.handler());
  }

  private static Verdict authenticate(Exchange exchange) {
    if (!"alice".equals(exchange.cookie("__Host-apprxy-session"))) {
      throw new GatewayException(ErrorCode.SIGN_IN_REQUIRED, "nobody");
    }
    exchange.identify(ALICE);
    return Verdict.proceed();
  }

  /** The whole response, as it came. */
  String send(String method, String target, String headers) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(20_000);
      String request =
          method
              + " "
              + target
              + " HTTP/1.1\nHost: localhost:"
              + port
              + "\nConnection: close\n"
              + headers
              + "\n";
      socket
          .getOutputStream()
          .write(request.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      socket.getInputStream().transferTo(all);
      return all.toString(StandardCharsets.ISO_8859_1);
    }
  }

  private void front(HttpServerExchange exchange) throws Exception {
    before.handleRequest(exchange);
    mounted.get().handleRequest(exchange);
  }

  private void echo(HttpServerExchange exchange) throws Exception {
    originRequests.incrementAndGet();
    answers.handleRequest(exchange);
    StringBuilder body =
        new StringBuilder("seen ")
            .append(exchange.getRequestMethod())
            .append(' ')
            .append(exchange.getRequestURI())
            .append('\n');
    for (HeaderValues header : exchange.getRequestHeaders()) {
      header.forEach(
          value ->
              body.append(header.getHeaderName().toString().toLowerCase(Locale.ROOT))
                  .append(": ")
                  .append(value)
                  .append('\n'));
    }
    exchange.getResponseSender().send(body.toString());
  }

  private static Undertow undertow(HttpHandler handler) {
    Undertow server =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setServerOption(UndertowOptions.ENABLE_HTTP2, true)
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
