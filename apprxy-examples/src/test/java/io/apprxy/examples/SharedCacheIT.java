package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * nginx as a shared cache before the gateway, which keeps whatever it may: what is of one user is
 * never given to another, nor to nobody.
 */
class SharedCacheIT {
  private static final DemoProvider.User ALICE = DemoProvider.USERS.get(0);
  private static final DemoProvider.User BOB = DemoProvider.USERS.get(1);

  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private final AtomicReference<Map<String, String>> originHeaders =
      new AtomicReference<>(Map.of());
  private DemoCertificates certificates;
  private URI url;

  @BeforeEach
  void start(@TempDir Path directory) throws Exception {
    certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    String secret = DemoSetup.randomSecret();
    DemoProvider provider =
        DemoProvider.start(
            0, certificates.server(), DemoProvider.Client.gateway("gateway", secret, url));
    running.push(provider);
    Undertow origin =
        Undertow.builder().addHttpListener(0, "127.0.0.1").setHandler(this::answer).build();
    origin.start();
    running.push(origin::stop);
    String originUrl =
        "http://127.0.0.1:"
            + ((InetSocketAddress) origin.getListenerInfo().get(0).getAddress()).getPort()
            + "/";
    Gateway gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(certificates.server())
            .trustProxies("127.0.0.1")
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
                Application.builder("private")
                    .externalUrl(url.toString())
                    .internalUrl(originUrl)
                    .assignEveryone()
                    .headerSignOn(Map.of("X-User", "preferred_username"))
                    .build())
            .publish(
                Application.builder("public")
                    .externalUrl(url + "public/")
                    .internalUrl(originUrl + "public/")
                    .passthrough()
                    .build())
            .build();
    running.push(gateway.start());
    startCache(directory, gateway.port());
  }

  @AfterEach
  void stop() throws Exception {
    for (AutoCloseable server : running) {
      server.close();
    }
  }

  /** Of several, the one that a cache obeys is its own affair: each is tried alone. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "Cache-Control: public, max-age=600",
        "Cache-Control: s-maxage=600, public",
        "Cache-Control: max-age=600",
        "Expires: Thu, 01 Jan 2099 00:00:00 GMT",
        "X-Accel-Expires: 600",
        "x-accel-expires: @4070908800"
      })
  void answerThatTheOriginCallsPublic_isNeverAnotherUsers(String header) throws Exception {
    originHeaders.set(Map.of(header.split(": ")[0], header.split(": ")[1]));
    assertCacheKeepsWhatIsPublic();
    DemoBrowser alice = signedIn(ALICE);
    for (int i = 0; i < 3; i++) {
      HttpResponse<String> page = alice.open(url.resolve("/style.css"));
      assertThat(page.body()).isEqualTo("for alice");
      assertThat(cacheSays(page)).isNotEqualTo("HIT");
    }

    HttpResponse<String> nobodys = newBrowser().open(url.resolve("/style.css"));
    assertThat(nobodys.body()).contains("Demo identity provider").doesNotContain("for alice");
    DemoBrowser bob = signedIn(BOB);
    assertThat(bob.open(url.resolve("/style.css")).body()).isEqualTo("for bob");
  }

  /** What is told to nobody would be told to everybody, or send them all to one sign-in. */
  @Test
  void answersOfTheGatewayItself_areNobodyElses() throws Exception {
    originHeaders.set(Map.of("Cache-Control", "public, max-age=600"));
    newBrowser().open(url.resolve("/page"));
    newBrowser().open(url.resolve("/.apprxy/user"));

    DemoBrowser alice = signedIn(ALICE);
    assertThat(alice.open(url.resolve("/page")).body()).isEqualTo("for alice");
    assertThat(alice.open(url.resolve("/.apprxy/user")).body()).contains("demo-alice");
    assertThat(signedIn(BOB).open(url.resolve("/.apprxy/user")).body())
        .contains("demo-bob")
        .doesNotContain("alice");
    assertThat(newBrowser().open(url.resolve("/.apprxy/user")).statusCode()).isEqualTo(401);
  }

  /** A path that looks like a file of all is still one of the user's (web cache deception). */
  @ParameterizedTest
  @ValueSource(
      strings = {"/account/x.css", "/account/robots.txt", "/account/a.js?x=.css", "/x.png"})
  void pathThatLooksLikeAFile_isTheUsersOwn(String path) throws Exception {
    originHeaders.set(Map.of("Cache-Control", "public, max-age=600"));
    assertThat(signedIn(ALICE).open(url.resolve(path)).body()).isEqualTo("for alice");

    assertThat(newBrowser().open(url.resolve(path)).body()).doesNotContain("for alice");
    assertThat(signedIn(BOB).open(url.resolve(path)).body()).isEqualTo("for bob");
  }

  /** Or the tests here would prove nothing. */
  private void assertCacheKeepsWhatIsPublic() throws Exception {
    newBrowser().open(url.resolve("/public/style.css"));
    HttpResponse<String> second = newBrowser().open(url.resolve("/public/style.css"));
    assertThat(cacheSays(second)).isEqualTo("HIT");
    assertThat(second.body()).isEqualTo("for null");
  }

  private static String cacheSays(HttpResponse<String> page) {
    return page.headers().firstValue("X-Cache").orElse("");
  }

  private DemoBrowser newBrowser() throws Exception {
    return new DemoBrowser(certificates.trust());
  }

  private DemoBrowser signedIn(DemoProvider.User user) throws Exception {
    DemoBrowser browser = newBrowser();
    assertThat(browser.signIn(url.resolve("/sign-in/" + user.name()), user, false).body())
        .isEqualTo("for " + user.name());
    return browser;
  }

  private void answer(HttpServerExchange exchange) {
    originHeaders
        .get()
        .forEach((name, value) -> exchange.getResponseHeaders().put(new HttpString(name), value));
    exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "text/plain");
    exchange.getResponseSender().send("for " + exchange.getRequestHeaders().getFirst("X-User"));
  }

  /** Keeps what it is allowed to keep, of any status, by nothing but the target. */
  private void startCache(Path directory, int gatewayPort) throws Exception {
    Path nginx = Path.of("/usr/sbin/nginx");
    if (!Files.isExecutable(nginx)) {
      throw new IllegalStateException(
          "This test needs " + nginx + ". Get it with: apt-get install nginx-light");
    }
    Path prefix = Files.createDirectory(directory.resolve("nginx"));
    certificates.writeServer(prefix.resolve("chain.pem"), prefix.resolve("key.pem"));
    Files.writeString(
        prefix.resolve("nginx.conf"),
        """
        daemon off;
        user root;
        worker_processes 1;
        pid nginx.pid;
        error_log stderr warn;
        events {}
        http {
          access_log off;
          client_body_temp_path body;
          proxy_temp_path proxy;
          fastcgi_temp_path fastcgi;
          uwsgi_temp_path uwsgi;
          scgi_temp_path scgi;
          proxy_cache_path cache keys_zone=all:1m;
          large_client_header_buffers 4 32k;
          server {
            listen 127.0.0.1:%d ssl;
            ssl_certificate chain.pem;
            ssl_certificate_key key.pem;
            location / {
              proxy_pass https://127.0.0.1:%d;
              proxy_http_version 1.1;
              proxy_set_header Host $http_host;
              proxy_set_header Connection "";
              proxy_set_header X-Forwarded-For $remote_addr;
              proxy_buffer_size 32k;
              proxy_buffers 8 32k;
              proxy_cache all;
              proxy_cache_key $request_uri;
              proxy_cache_methods GET HEAD POST;
              add_header X-Cache $upstream_cache_status always;
            }
          }
        }
        """
            .formatted(url.getPort(), gatewayPort));
    Process process =
        new ProcessBuilder(List.of(nginx.toString(), "-p", prefix.toString(), "-c", "nginx.conf"))
            .redirectErrorStream(true)
            .redirectOutput(prefix.resolve("log").toFile())
            .start();
    running.push(
        () -> {
          process.destroy();
          process.waitFor(10, TimeUnit.SECONDS);
        });
    awaitPort(process, prefix.resolve("log"));
  }

  private void awaitPort(Process process, Path log) throws Exception {
    Instant end = Instant.now().plus(Duration.ofSeconds(30));
    while (true) {
      try {
        new Socket(InetAddress.getLoopbackAddress(), url.getPort()).close();
        return;
      } catch (IOException refused) {
        if (!process.isAlive() || Instant.now().isAfter(end)) {
          throw new IllegalStateException("nginx: " + Files.readString(log), refused);
        }
        Thread.onSpinWait();
      }
    }
  }
}
