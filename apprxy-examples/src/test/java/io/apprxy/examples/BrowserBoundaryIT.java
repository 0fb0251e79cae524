package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What other sites can have a real browser do to a user: the gateway is {@code a.example.test}, and
 * the attackers are its sibling {@code b.example.test}, and {@code evil.test}.
 */
class BrowserBoundaryIT {
  /**
   * The ways by which pages to return to were made to lead elsewhere; shared with OpenRedirectTest.
   */
  private static final Path OPEN_REDIRECTS =
      Path.of("../apprxy-auth/src/test/resources/io/apprxy/auth/oidc/open-redirects.txt");

  private static final Deque<AutoCloseable> RUNNING = new ArrayDeque<>();
  private static final List<String> TRAPPED = new CopyOnWriteArrayList<>();

  /** The cookies that the sibling sets when its page is opened. */
  private static final List<String> TOSSED = new CopyOnWriteArrayList<>();

  private static URI home;
  private static URI sibling;
  private static int trap;

  @TempDir private Path profiles;
  private final Deque<Chromium> browsers = new ArrayDeque<>();
  private Chromium browser;

  @BeforeAll
  static void start(@TempDir Path directory) throws Exception {
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    home = URI.create("https://a.example.test:" + DemoSetup.portOrFree(0) + "/");
    String secret = DemoSetup.randomSecret();
    DemoProvider provider =
        DemoProvider.start(
            0, certificates.server(), DemoProvider.Client.gateway("gateway", secret, home));
    RUNNING.push(provider);
    Undertow origin = server(certificates, false, BrowserBoundaryIT::answer);
    sibling =
        URI.create(
            "https://b.example.test:" + port(server(certificates, true, BrowserBoundaryIT::toss)));
    trap = port(server(certificates, true, BrowserBoundaryIT::trap));
    Gateway gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(home.getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(provider.issuer().toString())
                    .clientId("gateway")
                    .clientSecret(secret)
                    .trust(certificates.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .signOn(new HeaderSignOn())
            .publish(
                Application.builder("demo")
                    .externalUrl(home.toString())
                    .internalUrl("http://127.0.0.1:" + port(origin) + "/")
                    .assignEveryone()
                    .headerSignOn(Map.of("X-User", "preferred_username"))
                    .build())
            .build();
    RUNNING.push(gateway.start());
  }

  @AfterAll
  static void stop() throws Exception {
    for (AutoCloseable server : RUNNING) {
      server.close();
    }
  }

  @BeforeEach
  void open() {
    browser = newBrowser();
    TOSSED.clear();
    TRAPPED.clear();
  }

  @AfterEach
  void close() {
    browsers.forEach(Chromium::close);
  }

  private Chromium newBrowser() {
    Chromium opened =
        new Chromium(
            profiles.resolve("profile-" + browsers.size()),
            "--host-resolver-rules=MAP *.example.test 127.0.0.1,MAP localhost 127.0.0.1,"
                + "MAP 127.0.0.1 127.0.0.1,MAP * 127.0.0.1:"
                + trap);
    browsers.push(opened);
    return opened;
  }

  // ---- open redirects

  @Test
  void pageToReturnTo_isNeverOneOfAnotherSite_whateverItLooksLike() throws Exception {
    browser.open("https://evil.test/");
    assertThat(TRAPPED).as("that the trap works").isNotEmpty();
    TRAPPED.clear();
    signIn(browser, "alice", "wonderland");

    try (Stream<String> lines = Files.lines(OPEN_REDIRECTS)) {
      for (String wish : lines.filter(line -> !line.isEmpty() && !line.startsWith("#")).toList()) {
        browser.open(home + ".apprxy/sign-in?return=" + wish);

        assertThat(browser.url()).as(wish).startsWith(home.toString());
        assertThat(browser.url()).as(wish).doesNotContain("/.apprxy/sign-out");
      }
    }
    assertThat(TRAPPED).isEmpty();
    browser.open(home.toString());
    assertThat(browser.page()).contains("user=alice");
  }

  // ---- cookies from a sibling

  /** An attacker has a session of their own, and wants the victim to work in it. */
  @Test
  void sessionOfAnAttacker_thatASiblingDomainSets_isNoneOfTheVictims() throws Exception {
    Map<String, String> attackers = cookiesOfASignIn("bob", "builder");
    toss(attackers);
    browser.open(sibling.toString());
    assertThat(browser.page()).isEqualTo("tossed");

    browser.open(home + "reports");
    assertThat(browser.shows("#password")).as("is asked to sign in").isTrue();

    submit(browser, "alice", "wonderland");
    browser.awaitUrl(home + "reports");
    assertThat(browser.page())
        .contains("user=alice")
        .as("that cookies of a sibling do arrive")
        .contains("plain=tossed")
        .doesNotContain("bob", "; __Host-apprxy", "; __host-apprxy");
    browser.open(sibling.toString());
    browser.open(home + "reports");
    assertThat(browser.page()).contains("user=alice");
    browser.open(home + ".apprxy/user");
    assertThat(browser.page()).contains("alice").doesNotContain("bob");
  }

  /** Cookies that push others out of the jar can end a session, and put no other in its place. */
  @Test
  void siblingDomainThatFillsTheJar_makesNobodyAnotherUser() throws Exception {
    Map<String, String> attackers = cookiesOfASignIn("bob", "builder");
    signIn(browser, "alice", "wonderland");
    for (int round = 0; round < 5; round++) {
      TOSSED.clear();
      for (int i = 0; i < 60; i++) {
        TOSSED.add("x" + round + "-" + i + "=1; Domain=example.test; Path=/full; Secure");
      }
      browser.open(sibling.toString());
    }
    toss(attackers);
    browser.open(sibling.toString());

    browser.open(home + "reports");

    assertThat(browser.shows("#password") || browser.page().contains("user=alice"))
        .as("alice, or nobody: " + browser.page())
        .isTrue();
    assertThat(browser.page()).doesNotContain("user=bob");
  }

  /** In every form in which a cookie of that name might be made to arrive. */
  private static void toss(Map<String, String> cookies) {
    TOSSED.clear();
    List<String> paths = List.of("/", "/reports", "/.apprxy/", "/.apprxy/callback");
    cookies.forEach(
        (name, value) -> {
          if (name.startsWith("__Host-apprxy-")) {
            for (String path : paths) {
              String attributes = "; Domain=example.test; Secure; Path=" + path;
              TOSSED.add(name + "=" + value + attributes);
              TOSSED.add(name.toLowerCase(Locale.ROOT) + "=" + value + attributes);
              TOSSED.add("=" + name + "=" + value + attributes);
              TOSSED.add(name + "=" + value + "; Domain=a.example.test; Secure; Path=" + path);
            }
            TOSSED.add(name + "=" + value + "; Path=/; Secure"); // the sibling's own, as is right
            TOSSED.add(" \t" + name + "=" + value + "; Domain=example.test; Path=/; Secure");
            TOSSED.add("x=\"y, " + name + "=" + value + "\"; Domain=example.test; Path=/");
            TOSSED.add("$Version=1, " + name + "=" + value + "; Domain=example.test; Path=/");
          }
        });
    TOSSED.add("plain=tossed; Domain=example.test; Path=/; Secure");
  }

  private Map<String, String> cookiesOfASignIn(String user, String password) {
    Chromium attacker = newBrowser();
    signIn(attacker, user, password);
    Map<String, String> cookies = attacker.cookies();
    assertThat(cookies).containsKey("__Host-apprxy-session");
    return cookies;
  }

  private static void signIn(Chromium browser, String user, String password) {
    browser.open(home.toString());
    submit(browser, user, password);
    browser.awaitUrl(home.toString());
    assertThat(browser.page()).contains("user=" + user);
  }

  private static void submit(Chromium browser, String user, String password) {
    browser.type("#username", user);
    browser.type("#password", password);
    browser.click("#submit");
  }

  // ---- the servers

  /** The origin: who it is told that the user is, and which cookies it is given. */
  private static void answer(HttpServerExchange exchange) {
    exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "text/html");
    exchange
        .getResponseSender()
        .send(
            "<p>user="
                + exchange.getRequestHeaders().getFirst("X-User")
                + "</p><p>"
                + exchange.getRequestHeaders().getFirst(Headers.COOKIE)
                + "</p>");
  }

  /**
   * Every other site there is. The browser's own calls at home end here, too, and are no matter.
   * Its page says that it has no icon: the browser would ask for one at some later time, and it
   * would count as a visit of a page that it does not belong to.
   */
  private static void trap(HttpServerExchange exchange) {
    if (!exchange.getHostName().endsWith(".googleapis.com")
        && !exchange.getHostName().endsWith(".google.com")) {
      TRAPPED.add(exchange.getRequestURL());
    }
    exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "text/html");
    exchange.getResponseSender().send("<link rel=\"icon\" href=\"data:,\"><p>trapped</p>");
  }

  /** The sibling: sets cookies by headers, and the same by script. */
  private static void toss(HttpServerExchange exchange) {
    exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "text/html");
    StringBuilder script = new StringBuilder();
    for (String cookie : List.copyOf(TOSSED)) {
      exchange.getResponseHeaders().add(Headers.SET_COOKIE, cookie.replace("\t", ""));
      script.append("document.cookie=").append(quoted(cookie)).append(";");
    }
    exchange
        .getResponseSender()
        .send("<body><script>" + script + "document.body.textContent='tossed'</script>");
  }

  private static String quoted(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\t", "\\t") + "'";
  }

  private static Undertow server(DemoCertificates certificates, boolean tls, HttpHandler handler)
      throws Exception {
    Undertow.Builder builder = Undertow.builder().setHandler(handler);
    Undertow server =
        (tls
                ? builder.addHttpsListener(0, "127.0.0.1", certificates.server())
                : builder.addHttpListener(0, "127.0.0.1"))
            .build();
    server.start();
    RUNNING.push(server::stop);
    return server;
  }

  private static int port(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }
}
