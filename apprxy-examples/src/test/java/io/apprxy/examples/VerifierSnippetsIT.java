package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import io.apprxy.Application;
import io.apprxy.Application.SignedAssertion;
import io.apprxy.Identity;
import io.apprxy.auth.sso.AssertionKeys;
import io.apprxy.auth.sso.SignedAssertions;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Origins verify what a gateway signs with what they have: Node, nginx with its help, Spring
 * Security, Apache httpd.
 */
@Timeout(600)
class VerifierSnippetsIT {
  private static final Path SOURCES = Path.of("src/test/resources/verifier");
  private static final String SPRING = "spring/src/main/java/origin/";
  private static final String ISSUER = "https://gateway.example.com";
  private static final Identity ALICE =
      new Identity(
          "https://idp.test", "a-1", "session-1", Instant.EPOCH, Map.of("name", "Alice Liddell"));
  private static final AssertionKeys KEYS = AssertionKeys.generate();
  private static final SignedAssertions SIGNER =
      SignedAssertions.builder().issuer(ISSUER).keys(KEYS).build();

  @TempDir private static Path directory;
  private static final AtomicInteger CALLS = new AtomicInteger();
  private static HttpServer gateway;
  private static HttpsServer secureGateway;
  private static HttpServer application;
  private static final Deque<OriginProcess> PROCESSES = new ArrayDeque<>();
  private static URI nodeUrl;
  private static URI nginxUrl;
  private static URI springUrl;
  private static URI httpdUrl;

  @BeforeAll
  static void start() throws Exception {
    gateway = server("/.apprxy/jwks.json", exchange -> SIGNER.publicKeys());
    application =
        server(
            "/",
            exchange -> {
              CALLS.incrementAndGet();
              return "user " + exchange.getRequestHeaders().get("X-User");
            });
    startNode();
    startNginx();
    startHttpd();
    startSpring();
  }

  @AfterAll
  static void stop() throws Exception {
    for (OriginProcess process : PROCESSES) {
      process.close();
    }
    gateway.stop(0);
    if (secureGateway != null) {
      secureGateway.stop(0);
    }
    application.stop(0);
  }

  @Test
  void readme_showsWhatIsTried() throws IOException {
    String readme = Files.readString(Path.of("..", "README.md"));
    assertThat(readme)
        .contains("```js\n" + Files.readString(SOURCES.resolve("verifier.mjs")) + "```")
        .contains("```nginx\n" + Files.readString(SOURCES.resolve("nginx.conf")) + "```")
        .contains("```apache\n" + Files.readString(SOURCES.resolve("apache.conf")) + "```")
        .contains(
            "```java\n" + Files.readString(SOURCES.resolve(SPRING + "GatewayUsers.java")) + "```");
  }

  @Test
  void node_takesWhatTheGatewaySigned_andNothingElse() throws Exception {
    HttpResponse<String> answer = get(nodeUrl, SIGNER.sign(ALICE, wiki("wiki")));
    assertThat(answer.statusCode()).isEqualTo(200);
    assertThat(answer.body()).isEqualTo("Hello, Alice Liddell\n");
    for (String refused : refused()) {
      assertThat(get(nodeUrl, refused).statusCode()).as(refused).isEqualTo(403);
    }
  }

  @Test
  void nginx_letsInWhomTheGatewayVouchesFor_andNobodyElse() throws Exception {
    assertThat(get(nginxUrl, SIGNER.sign(ALICE, wiki("wiki"))).body()).isEqualTo("user [a-1]");
    int before = CALLS.get();
    for (String refused : refused()) {
      assertThat(get(nginxUrl, refused).statusCode()).as(refused).isEqualTo(403);
    }
    assertThat(CALLS).hasValue(before);
  }

  @Test
  void spring_takesWhatTheGatewaySigned_andNothingElse() throws Exception {
    HttpResponse<String> answer = get(springUrl, SIGNER.sign(ALICE, wiki("wiki")));
    assertThat(answer.statusCode()).as(answer.headers().toString()).isEqualTo(200);
    assertThat(answer.body()).isEqualTo("Hello, Alice Liddell\n");
    for (String refused : refused()) {
      assertThat(get(springUrl, refused).statusCode()).as(refused).isEqualTo(401);
    }
  }

  /** The gateway sends it in Authorization: see {@link SignedAssertion#inAuthorization}. */
  @Test
  void apache_takesWhatTheGatewaySigned_andNothingElse() throws Exception {
    assertThat(getBearer(httpdUrl, SIGNER.sign(ALICE, wiki("wiki"))).body())
        .isEqualTo("user [a-1]");
    int before = CALLS.get();
    for (String refused : refused()) {
      assertThat(getBearer(httpdUrl, refused).statusCode()).as(refused).isIn(400, 401);
    }
    assertThat(CALLS).hasValue(before);
  }

  private static HttpResponse<String> getBearer(URI url, String assertion) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(20)).header("X-User", "mallory");
    if (!assertion.isEmpty()) {
      request.header("Authorization", "Bearer " + assertion);
    }
    return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());
  }

  private static List<String> refused() {
    SignedAssertions stranger = SignedAssertions.builder().issuer(ISSUER).build();
    SignedAssertions late =
        SignedAssertions.builder()
            .issuer(ISSUER)
            .keys(KEYS)
            .clock(Clock.fixed(Instant.now().minus(Duration.ofMinutes(2)), ZoneOffset.UTC))
            .build();
    String good = SIGNER.sign(ALICE, wiki("wiki"));
    return List.of(
        "",
        "alice",
        good.substring(0, good.lastIndexOf('.') + 1),
        good + ", " + good,
        SIGNER.sign(ALICE, wiki("other")),
        stranger.sign(ALICE, wiki("wiki")),
        late.sign(ALICE, wiki("wiki")));
  }

  private static Application wiki(String audience) {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example.com/")
        .internalUrl("http://wiki.corp/")
        .assignEveryone()
        .signedAssertion(SignedAssertion.defaults().forAudience(audience))
        .build();
  }

  private static HttpResponse<String> get(URI url, String assertion) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(20)).header("X-User", "mallory");
    if (!assertion.isEmpty()) {
      request.header("X-Apprxy-Assertion", assertion);
    }
    return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());
  }

  // ---- the servers

  private static void startNode() throws Exception {
    Path home = directory.resolve("node");
    Files.createDirectories(home);
    for (String file : List.of("package.json", "package-lock.json", "verifier.mjs")) {
      Files.copy(SOURCES.resolve(file), home.resolve(file), StandardCopyOption.REPLACE_EXISTING);
    }
    Path log = directory.resolve("npm.log");
    Process npm =
        new ProcessBuilder("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            .directory(home.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    if (!npm.waitFor(3, TimeUnit.MINUTES) || npm.exitValue() != 0) {
      npm.destroyForcibly();
      throw new IOException("npm ci failed:\n" + Files.readString(log));
    }
    int port = DemoSetup.portOrFree(0);
    ProcessBuilder builder = new ProcessBuilder("node", "verifier.mjs").directory(home.toFile());
    builder.environment().put("PORT", Integer.toString(port));
    builder
        .environment()
        .put(
            "GATEWAY_KEYS",
            "http://127.0.0.1:" + gateway.getAddress().getPort() + "/.apprxy/jwks.json");
    nodeUrl = URI.create("http://127.0.0.1:" + port + "/");
    start(builder, nodeUrl, 403, "node.log");
  }

  private static void startNginx() throws Exception {
    int port = DemoSetup.portOrFree(0);
    String locations =
        Files.readString(SOURCES.resolve("nginx.conf"))
            .replace("127.0.0.1:8080", "127.0.0.1:" + application.getAddress().getPort())
            .replace("127.0.0.1:3000", "127.0.0.1:" + nodeUrl.getPort());
    Path file = directory.resolve("nginx.conf");
    Files.writeString(
        file,
        """
        daemon off;
        worker_processes 1;
        pid %1$s/nginx.pid;
        error_log %1$s/nginx.log;
        events {}
        http {
          access_log off;
          client_body_temp_path %1$s/body;
          proxy_temp_path %1$s/proxy;
          fastcgi_temp_path %1$s/fastcgi;
          uwsgi_temp_path %1$s/uwsgi;
          scgi_temp_path %1$s/scgi;
          large_client_header_buffers 4 16k;
          server {
            listen 127.0.0.1:%2$d;
            %3$s
          }
        }
        """
            .formatted(directory, port, locations));
    nginxUrl = URI.create("http://127.0.0.1:" + port + "/");
    start(
        new ProcessBuilder(
            OriginProcess.NGINX,
            "-p",
            directory.toString(),
            "-e",
            directory + "/nginx.log",
            "-c",
            file.toString()),
        nginxUrl,
        403,
        "nginx.out");
  }

  private static void startHttpd() throws Exception {
    int port = DemoSetup.portOrFree(0);
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    // It takes keys by TLS only.
    secureGateway = HttpsServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    secureGateway.setHttpsConfigurator(new HttpsConfigurator(certificates.server()));
    serve(secureGateway, "/.apprxy/jwks.json", exchange -> SIGNER.publicKeys());
    String verification =
        Files.readString(SOURCES.resolve("apache.conf"))
            .replace(
                "https://wiki.example.com/",
                "https://localhost:" + secureGateway.getAddress().getPort() + "/");
    // Outside the folder of the test, which httpd's own user may not enter.
    Path home = Files.createTempDirectory("httpd");
    Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.copy(certificates.caFile(), home.resolve("ca.pem"));
    Files.setPosixFilePermissions(
        home.resolve("ca.pem"), PosixFilePermissions.fromString("rw-r--r--"));
    Path file = home.resolve("httpd.conf");
    Files.writeString(
        file,
        """
        ServerName 127.0.0.1
        ServerRoot "%1$s"
        PidFile "%1$s/httpd.pid"
        Listen 127.0.0.1:%2$d
        User www-data
        Group www-data
        ErrorLog "%1$s/httpd.log"
        LoadModule mpm_event_module %4$s/mod_mpm_event.so
        LoadModule authn_core_module %4$s/mod_authn_core.so
        LoadModule authz_core_module %4$s/mod_authz_core.so
        LoadModule authz_user_module %4$s/mod_authz_user.so
        LoadModule proxy_module %4$s/mod_proxy.so
        LoadModule proxy_http_module %4$s/mod_proxy_http.so
        LoadModule headers_module %4$s/mod_headers.so
        LoadModule auth_openidc_module %4$s/mod_auth_openidc.so
        OIDCCABundlePath "%1$s/ca.pem"
        %5$s
        RequestHeader set X-User "expr=%%{REMOTE_USER}"
        ProxyPass "/" "http://127.0.0.1:%3$d/"
        """
            .formatted(
                home,
                port,
                application.getAddress().getPort(),
                "/usr/lib/apache2/modules",
                verification));
    httpdUrl = URI.create("http://127.0.0.1:" + port + "/");
    start(
        new ProcessBuilder(OriginProcess.HTTPD, "-f", file.toString(), "-DFOREGROUND"),
        httpdUrl,
        401,
        "httpd.out");
  }

  /** Built as its developers would, and started. */
  private static void startSpring() throws Exception {
    Path home = directory.resolve("spring");
    Files.createDirectories(home.resolve("src/main/java/origin"));
    for (String file :
        List.of(
            "pom.xml",
            "src/main/java/origin/GatewayUsers.java",
            "src/main/java/origin/Origin.java")) {
      Files.copy(SOURCES.resolve("spring").resolve(file), home.resolve(file));
    }
    Path log = directory.resolve("maven.log");
    Process maven =
        new ProcessBuilder(
                "mvn",
                "-B",
                "-ntp",
                "-q",
                "-Dmaven.wagon.http.retryHandler.count=5",
                "-Daether.connector.http.retryHandler.count=5",
                "package")
            .directory(home.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    if (!maven.waitFor(4, TimeUnit.MINUTES) || maven.exitValue() != 0) {
      maven.destroyForcibly();
      throw new IOException("mvn package failed:\n" + Files.readString(log));
    }
    int port = DemoSetup.portOrFree(0);
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            "-jar",
            home.resolve("target/origin-1.jar").toString(),
            "--server.address=127.0.0.1",
            "--server.port=" + port);
    builder
        .environment()
        .put(
            "GATEWAY_KEYS",
            "http://127.0.0.1:" + gateway.getAddress().getPort() + "/.apprxy/jwks.json");
    springUrl = URI.create("http://127.0.0.1:" + port + "/");
    start(builder, springUrl, 401, "spring.log");
  }

  private static void start(ProcessBuilder command, URI url, int refused, String log)
      throws Exception {
    PROCESSES.push(OriginProcess.start(command, url, refused, directory.resolve(log)));
  }

  private interface Answer {
    String to(com.sun.net.httpserver.HttpExchange exchange);
  }

  private static HttpServer server(String path, Answer answer) throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    serve(server, path, answer);
    return server;
  }

  private static void serve(HttpServer server, String path, Answer answer) {
    server.createContext(
        path,
        exchange -> {
          byte[] body = answer.to(exchange).getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.start();
  }
}
