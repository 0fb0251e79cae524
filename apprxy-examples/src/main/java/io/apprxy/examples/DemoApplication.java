package io.apprxy.examples;

import static io.apprxy.examples.DemoPage.escape;

import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A demo of an internal application that knows nothing of sign-in: it greets whoever the identity
 * headers name, and shows the request that reached it. It listens on loopback only, since whoever
 * reaches it directly may claim to be anybody.
 */
public final class DemoApplication implements AutoCloseable {
  /** The identity headers it understands, and the claims that they carry. */
  static final Map<String, String> IDENTITY_HEADERS =
      Map.of(
          "X-User",
          "preferred_username",
          "X-User-Name",
          "name",
          "X-User-Email",
          "email",
          "X-User-Groups",
          "groups");

  private final Undertow server;

  private DemoApplication(Undertow server) {
    this.server = server;
  }

  /**
   * Starts it.
   *
   * @param port the port on 127.0.0.1; 0 takes a free one
   */
  static DemoApplication start(int port) {
    Undertow server =
        Undertow.builder()
            .addHttpListener(port, "127.0.0.1", DemoApplication::show)
            .setIoThreads(1)
            .setWorkerThreads(2)
            .build();
    server.start();
    return new DemoApplication(server);
  }

  /** Where it listens. */
  URI url() {
    InetSocketAddress address = (InetSocketAddress) server.getListenerInfo().get(0).getAddress();
    return URI.create("http://127.0.0.1:" + address.getPort() + "/");
  }

  @Override
  public void close() {
    server.stop();
  }

  private static void show(HttpServerExchange exchange) {
    HeaderMap headers = exchange.getRequestHeaders();
    String user = identity(headers, "X-User");
    String name = headers.contains("X-User-Name") ? identity(headers, "X-User-Name") : user;
    String greeting = user == null ? "Hello, whoever you are" : "Hello, " + name;
    String body =
        """
        <main class="wide"><section>
        <p class="kind">Internal application (demo)</p>
        <h1 id="greeting">%s</h1>
        %s
        <nav><a href="/">Home</a><a href="/reports/2026?quarter=4">A report deep inside</a></nav>
        <a class="button quiet" id="sign-out" href="/.apprxy/sign-out">Sign out</a>
        </section><section>
        <h2>The request that reached this application</h2>
        <p><code id="request">%s</code></p>
        <table id="headers"><thead><tr><th>Header</th><th>Value</th></tr></thead><tbody>%s</tbody></table>
        <p class="soft">Marked: who you are, as the gateway vouches for it. The browser did not send these, and cannot.</p>
        </section></main>
        """
            .formatted(
                escape(greeting), about(headers), escape(requestLine(exchange)), rows(headers));
    DemoPage.send(exchange, 200, greeting, body);
  }

  private static String about(HeaderMap headers) {
    String user = identity(headers, "X-User");
    if (user == null) {
      return "<p class=\"bad\">No identity header came with this request.</p>";
    }
    String groups = identity(headers, "X-User-Groups");
    return "<p>You are <b id=\"user\">%s</b>, of the groups <b>%s</b>. This application has no sign-in of its own.</p>"
        .formatted(escape(user), escape(groups == null ? "none" : groups));
  }

  /** Header values beyond ASCII come encoded (RFC 8187 §3.2.1). */
  private static @Nullable String identity(HeaderMap headers, String name) {
    String value = headers.getFirst(name);
    return value != null && value.startsWith("UTF-8''")
        ? URLDecoder.decode(value.substring(7).replace("+", "%2B"), StandardCharsets.UTF_8)
        : value;
  }

  private static String requestLine(HttpServerExchange exchange) {
    String query = exchange.getQueryString();
    return exchange.getRequestMethod()
        + " "
        + exchange.getRequestURI()
        + (query.isEmpty() ? "" : "?" + query);
  }

  private static String rows(HeaderMap headers) {
    Map<String, HeaderValues> sorted =
        new TreeMap<>(
            Comparator.comparing((String name) -> !isIdentity(name))
                .thenComparing(Comparator.naturalOrder()));
    headers.forEach(values -> sorted.put(values.getHeaderName().toString(), values));
    StringBuilder rows = new StringBuilder();
    sorted.forEach(
        (name, values) ->
            values.forEach(
                value ->
                    rows.append(isIdentity(name) ? "<tr class=\"identity\"><th>" : "<tr><th>")
                        .append(escape(name))
                        .append("</th><td class=\"value\">")
                        .append(escape(value))
                        .append("</td></tr>")));
    return rows.toString();
  }

  private static boolean isIdentity(String header) {
    return IDENTITY_HEADERS.keySet().stream().anyMatch(header::equalsIgnoreCase);
  }

  @Command(
      name = "DemoApplication",
      description = "Starts the demo application alone, on loopback.",
      mixinStandardHelpOptions = true)
  private static final class Arguments implements Callable<Integer> {
    @Option(
        names = "--port",
        description = "Port on 127.0.0.1. Default: ${DEFAULT-VALUE}",
        defaultValue = "8080")
    int port;

    @Override
    public Integer call() throws InterruptedException {
      DemoApplication application = start(port);
      System.out.println("The demo application listens at " + application.url());
      return DemoSetup.serveUntilStopped(application);
    }
  }

  /** Starts the demo application alone. */
  public static void main(String[] args) {
    System.exit(DemoSetup.run(new Arguments(), args));
  }
}
