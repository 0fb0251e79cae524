package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.tunnel.Connector;
import io.apprxy.tunnel.TunnelServer;
import io.undertow.Handlers;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The whole sign-in with a real provider: browser, gateway, tunnel, connector, origin, and
 * Keycloak.
 */
@ExtendWith(Keycloak.Shared.class)
class KeycloakIT {
  private static final Pattern FORM =
      Pattern.compile("<form id=\"kc-form-login\"[^>]* action=\"([^\"]+)\"");

  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private URI url;
  private DemoCertificates certificates;

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
  }

  @ParameterizedTest
  @ValueSource(strings = {"gateway-rs256", "gateway-es256"})
  void assignedUser_signsIn_andIsGreetedAtThePageFirstAskedFor(String client, Keycloak keycloak)
      throws Exception {
    start(keycloak, client);

    HttpResponse<String> page =
        signIn(
            browser(keycloak), url.resolve("/reports?year=2026&x=%C3%A9"), "alice", "wonderland");

    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.uri()).isEqualTo(url.resolve("/reports?year=2026&x=%C3%A9"));
    assertThat(page.body()).contains("Hello, Alice Ångström", "staff", "alice@example.com");
    assertThat(keycloak.sessions("alice")).isPositive();
  }

  @Test
  void userWhoIsNotAssigned_isRefused_withAReason(Keycloak keycloak) throws Exception {
    start(keycloak, "gateway-rs256");

    HttpResponse<String> page = signIn(browser(keycloak), url, "bob", "builder");

    assertThat(page.statusCode()).isEqualTo(403);
    assertThat(page.body()).contains("APX-").doesNotContain("Hello");
  }

  @Test
  void signOut_endsTheSessionAtTheProvider_too(Keycloak keycloak) throws Exception {
    start(keycloak, "gateway-rs256");
    DemoBrowser browser = browser(keycloak);
    int before = keycloak.sessions("alice");
    signIn(browser, url, "alice", "wonderland");
    assertThat(keycloak.sessions("alice")).isEqualTo(before + 1);

    browser.open(url.resolve("/.apprxy/sign-out"));

    assertThat(keycloak.sessions("alice")).isEqualTo(before);
    assertThat(form(browser.open(url))).as("the page that asks for a password").isNotNull();
  }

  @Test
  void keyRotationAtTheProvider_keepsSessions_andSignsInWithTheNewKey(Keycloak keycloak)
      throws Exception {
    start(keycloak, "gateway-rs256");
    DemoBrowser before = browser(keycloak);
    signIn(before, url, "alice", "wonderland");

    keycloak.rotateSigningKey();

    assertThat(before.open(url).body()).contains("Hello, Alice");
    assertThat(signIn(browser(keycloak), url, "alice", "wonderland").body())
        .contains("Hello, Alice");
  }

  @Test
  void programWithoutASession_gets401_withTheAddressToSignInAt(Keycloak keycloak) throws Exception {
    start(keycloak, "gateway-rs256");
    HttpClient program = HttpClient.newBuilder().sslContext(certificates.trust()).build();

    HttpResponse<String> answer =
        program.send(
            HttpRequest.newBuilder(url)
                .header("Accept", "application/json")
                .timeout(Duration.ofSeconds(30))
                .build(),
            BodyHandlers.ofString());

    assertThat(answer.statusCode()).isEqualTo(401);
    assertThat(answer.headers().firstValue("Content-Type").orElse(""))
        .startsWith("application/problem+json");
    assertThat(answer.body()).contains("/.apprxy/sign-in", "APX-");
  }

  @Test
  void wrongPassword_neverReachesTheApplication(Keycloak keycloak) throws Exception {
    start(keycloak, "gateway-rs256");
    DemoBrowser browser = browser(keycloak);

    HttpResponse<String> page = signIn(browser, url, "alice", "builder");

    assertThat(form(page)).as("the page that asks for a password").isNotNull();
    assertThat(form(browser.open(url))).isNotNull();
  }

  /** Over the back channel, while the user's browser does nothing. */
  @Test
  void logoutByAnAdministratorOfTheProvider_closesTheUsersWebSocket(Keycloak keycloak)
      throws Exception {
    certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    URI backChannel = URI.create("http://127.0.0.1:" + DemoSetup.portOrFree(0) + "/");
    openWithWebSockets(keycloak, backChannel);
    keycloak.logOutBy("gateway-es256", backChannel.resolve("/.apprxy/backchannel-logout"));
    DemoBrowser browser = browser(keycloak);
    signIn(browser, url, "alice", "wonderland");
    CompletableFuture<Void> closed = webSocket(browser.cookies(url));
    assertThat(closed).isNotDone();

    keycloak.logOut("alice");

    closed.get(60, TimeUnit.SECONDS);
    assertThat(form(browser.open(url))).as("the page that asks for a password").isNotNull();
  }

  /** By frames of the page that Keycloak shows after the logout: a browser loads them. */
  @Test
  void logoutAtTheProvider_endsTheSession_byWayOfTheBrowser(Keycloak keycloak) throws Exception {
    start(keycloak, "gateway-front");
    keycloak.logOutByBrowser("gateway-front", url.resolve("/.apprxy/frontchannel-logout"));
    DemoBrowser browser = browser(keycloak);
    signIn(browser, url, "alice", "wonderland");
    HttpResponse<String> asked =
        browser.open(URI.create(keycloak.issuer() + "/protocol/openid-connect/logout"));
    HttpResponse<String> done =
        browser.post(
            asked.uri().resolve(first("<form[^>]* action=\"([^\"]+)\"", asked)),
            Map.of("session_code", first("name=\"session_code\" value=\"([^\"]+)\"", asked)));
    String frame = first("<iframe[^>]* src=\"([^\"]+)\"", done);
    assertThat(browser.open(url.resolve("/.apprxy/user")).statusCode()).isEqualTo(200);

    HttpResponse<String> framed = browser.open(URI.create(frame));

    assertThat(framed.statusCode()).isEqualTo(200);
    assertThat(framed.headers().firstValue("Content-Security-Policy"))
        .hasValueSatisfying(
            policy -> assertThat(policy).contains("frame-ancestors https://127.0.0.1"));
    assertThat(browser.open(url.resolve("/.apprxy/user")).statusCode()).isEqualTo(401);
    assertThat(form(browser.open(url))).as("the page that asks for a password").isNotNull();
  }

  private static String first(String pattern, HttpResponse<String> page) {
    Matcher found = Pattern.compile(pattern).matcher(page.body());
    assertThat(found.find()).as("%s in %s", pattern, page.body()).isTrue();
    return found.group(1).replace("&amp;", "&");
  }

  private void openWithWebSockets(Keycloak keycloak, URI backChannel) throws Exception {
    Undertow origin =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setHandler(
                Handlers.path(exchange -> exchange.getResponseSender().send("Hello"))
                    .addExactPath(
                        "/ws", Handlers.websocket((exchange, channel) -> channel.resumeReceives())))
            .build();
    origin.start();
    running.push(origin::stop);
    int port = ((InetSocketAddress) origin.getListenerInfo().get(0).getAddress()).getPort();
    Gateway gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(keycloak.issuer())
                    .clientId("gateway-es256")
                    .clientSecret("secret-of-gateway-es256")
                    .trust(keycloak.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .publish(
                Application.builder("demo")
                    .externalUrl(url.toString())
                    .internalUrl("http://127.0.0.1:" + port + "/")
                    .assignEveryone()
                    .build())
            .publish(
                Application.builder("back-channel")
                    .externalUrl(backChannel.toString())
                    .internalUrl("http://127.0.0.1:" + port + "/")
                    .passthrough()
                    .build())
            .build();
    opened(gateway.start());
    Undertow plain =
        Undertow.builder()
            .addHttpListener(backChannel.getPort(), "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setHandler(gateway.handler())
            .build();
    plain.start();
    running.push(plain::stop);
  }

  /** A WebSocket of the user; completes when it is closed, in whatever way. */
  private CompletableFuture<Void> webSocket(String cookies) throws Exception {
    CompletableFuture<Void> closed = new CompletableFuture<>();
    var unused =
        HttpClient.newBuilder()
            .sslContext(certificates.trust())
            .build()
            .newWebSocketBuilder()
            .header("Cookie", cookies)
            .connectTimeout(Duration.ofSeconds(30))
            .buildAsync(
                URI.create("wss://localhost:" + url.getPort() + "/ws"),
                new WebSocket.Listener() {
                  @Override
                  public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
                    closed.complete(null);
                    return null;
                  }

                  @Override
                  public void onError(WebSocket socket, Throwable error) {
                    closed.complete(null);
                  }
                })
            .orTimeout(60, TimeUnit.SECONDS)
            .join();
    return closed;
  }

  private void start(Keycloak keycloak, String client) throws Exception {
    certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    String origin = opened(DemoApplication.start(0)).url().resolve("/").toString();
    TunnelServer tunnel =
        TunnelServer.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(certificates.serverKeys())
            .group("corp")
            .build();
    opened(tunnel.start());
    opened(
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(keycloak.issuer())
                    .clientId(client)
                    .clientSecret("secret-of-" + client)
                    .trust(keycloak.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .connectors(tunnel)
            .publish(
                Application.builder("demo")
                    .externalUrl(url.toString())
                    .internalUrl(origin)
                    .connectorGroup("corp")
                    .assignGroups("staff")
                    .headerSignOn(DemoApplication.IDENTITY_HEADERS)
                    .build())
            .build()
            .start());
    Connector connector =
        Connector.builder()
            .gateway("https://localhost:" + tunnel.port())
            .trust(certificates.ca())
            .enrolmentToken(tunnel.createEnrolmentToken("corp"))
            .allowOrigin(origin)
            .signOn(new HeaderSignOn())
            .build();
    opened(connector.start());
    assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
  }

  private <T extends AutoCloseable> T opened(T server) {
    running.push(server);
    return server;
  }

  private DemoBrowser browser(Keycloak keycloak) throws Exception {
    return new DemoBrowser(keycloak.trustBeside(certificates.caFile()));
  }

  private static HttpResponse<String> signIn(
      DemoBrowser browser, URI page, String user, String password) throws Exception {
    HttpResponse<String> asked = browser.open(page);
    URI form = form(asked);
    assertThat(form).as("a form at %s: %s", asked, asked.body()).isNotNull();
    return browser.post(form, Map.of("username", user, "password", password, "credentialId", ""));
  }

  /** Where Keycloak's form on this page is sent to, or null if there is none. */
  private static URI form(HttpResponse<String> page) {
    Matcher form = FORM.matcher(page.body());
    return form.find() ? page.uri().resolve(form.group(1).replace("&amp;", "&")) : null;
  }
}
