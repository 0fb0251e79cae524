package io.apprxy.examples;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A Keycloak of its own on a free loopback port, with the realm of {@code keycloak/realm.json}. */
final class Keycloak implements AutoCloseable {
  private static final Duration START_LIMIT =
      Duration.ofMinutes(4); // seen: 15 to 35 s on two idle cores
  private static final JsonMapper JSON = new JsonMapper();

  private final Process process;
  private final Path log;
  private final URI base;
  private final X509Certificate certificate;
  private final HttpClient client;
  private final String adminPassword;

  private Keycloak(
      Process process, Path log, URI base, X509Certificate certificate, String adminPassword)
      throws IOException, GeneralSecurityException {
    this.process = process;
    this.log = log;
    this.base = base;
    this.certificate = certificate;
    this.client =
        HttpClient.newBuilder().sslContext(trust()).version(HttpClient.Version.HTTP_1_1).build();
    this.adminPassword = adminPassword;
  }

  /** Hands one Keycloak to every test of a run that asks for it, and stops it after the last. */
  static final class Shared implements ParameterResolver {
    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
      return parameter.getParameter().getType() == Keycloak.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
      return context
          .getRoot()
          .getStore(ExtensionContext.Namespace.GLOBAL)
          .computeIfAbsent(Keycloak.class, type -> start(), Keycloak.class);
    }
  }

  private static Keycloak start() {
    try {
      Path home = Path.of(System.getProperty("keycloak.home"));
      freshData(home);
      int port = DemoSetup.portOrFree(0);
      URI base = URI.create("https://127.0.0.1:" + port);
      String password = DemoSetup.randomSecret();
      Path keyStore = home.resolve("data/server.p12");
      X509Certificate certificate = selfSigned(keyStore, password);
      Path log = home.resolveSibling("keycloak.log");
      ProcessBuilder command =
          new ProcessBuilder(
                  home.resolve("bin/kc.sh").toString(),
                  "start-dev",
                  "--import-realm",
                  "--http-host=127.0.0.1",
                  "--http-port=" + DemoSetup.portOrFree(0), // start-dev opens it, wanted or not
                  "--https-port=" + port,
                  "--https-key-store-file=" + keyStore,
                  "--https-client-auth=request",
                  "--https-trust-store-file=" + TestClient.shared().trustStore(),
                  "--https-trust-store-password=" + TestClient.PASSWORD,
                  "--hostname=" + base)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile());
      command.environment().put("JAVA_HOME", System.getProperty("java.home"));
      command.environment().put("JAVA_OPTS_KC_HEAP", "-Xms128m -Xmx512m");
      command.environment().put("KC_HTTPS_KEY_STORE_PASSWORD", password);
      command.environment().put("KC_BOOTSTRAP_ADMIN_USERNAME", "admin");
      command.environment().put("KC_BOOTSTRAP_ADMIN_PASSWORD", password);
      Keycloak keycloak = new Keycloak(command.start(), log, base, certificate, password);
      Runtime.getRuntime().addShutdownHook(new Thread(keycloak::close, "stop Keycloak"));
      keycloak.awaitReady();
      return keycloak;
    } catch (IOException | GeneralSecurityException | InterruptedException e) {
      throw new IllegalStateException("Keycloak did not start", e);
    }
  }

  /** Nothing of an earlier run is left, so that the realm is what its file says. */
  private static void freshData(Path home) throws IOException {
    Path data = home.resolve("data");
    if (Files.exists(data)) {
      try (Stream<Path> files = Files.walk(data)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
    Path imported = Files.createDirectories(data.resolve("import"));
    try (InputStream realm = Keycloak.class.getResourceAsStream("/keycloak/realm.json")) {
      String known =
          new String(realm.readAllBytes(), StandardCharsets.UTF_8)
              .replace("@JWKS@", TestClient.shared().jwks().replace("\"", "\\\""));
      Files.writeString(imported.resolve("apprxy-realm.json"), known);
    }
  }

  private static X509Certificate selfSigned(Path keyStore, String password)
      throws IOException, GeneralSecurityException, InterruptedException {
    return selfSigned(keyStore, password, "127.0.0.1", "EC", "-groupname", "secp256r1");
  }

  /** Makes a key, certified by itself, in a new key store. */
  static X509Certificate selfSigned(
      Path keyStore, String password, String name, String type, String... size)
      throws IOException, GeneralSecurityException, InterruptedException {
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "server",
                "-keyalg",
                type,
                size[0],
                size[1],
                "-dname",
                "CN=" + name,
                "-ext",
                "SAN=ip:127.0.0.1",
                "-validity",
                "2",
                "-storetype",
                "PKCS12",
                "-keystore",
                keyStore.toString(),
                "-storepass",
                password)
            .inheritIO()
            .start();
    if (keytool.waitFor() != 0) {
      throw new IOException("keytool ended with " + keytool.exitValue());
    }
    KeyStore store = KeyStore.getInstance(keyStore.toFile(), password.toCharArray());
    return (X509Certificate) store.getCertificate("server");
  }

  private void awaitReady() throws IOException, InterruptedException {
    URI discovery = URI.create(issuer() + "/.well-known/openid-configuration");
    long deadline = System.nanoTime() + START_LIMIT.toNanos();
    while (!answers(discovery)) {
      if (process.waitFor(250, TimeUnit.MILLISECONDS) || System.nanoTime() > deadline) {
        close();
        throw new IOException("Keycloak is not ready; its log:\n" + Files.readString(log));
      }
    }
  }

  private boolean answers(URI address) throws InterruptedException {
    try {
      HttpRequest request = HttpRequest.newBuilder(address).timeout(Duration.ofSeconds(10)).build();
      return client.send(request, BodyHandlers.discarding()).statusCode() == 200;
    } catch (IOException notYet) {
      return false;
    }
  }

  String issuer() {
    return base + "/realms/apprxy";
  }

  X509Certificate certificate() {
    return certificate;
  }

  /** For a client that trusts this Keycloak, and nobody else. */
  SSLContext trust() throws IOException, GeneralSecurityException {
    return PemFiles.trust(List.of(certificate));
  }

  /** For a client that trusts this Keycloak and the CA of this file. */
  SSLContext trustBeside(Path caFile) throws IOException, GeneralSecurityException {
    try (InputStream pem = Files.newInputStream(caFile)) {
      Certificate ca = CertificateFactory.getInstance("X.509").generateCertificate(pem);
      return PemFiles.trust(List.of(certificate, ca));
    }
  }

  /** How often this user is signed in. */
  int sessions(String user) throws IOException, InterruptedException {
    String id =
        admin("GET", "/users?exact=true&username=" + user, null).get(0).get("id").asString();
    return admin("GET", "/users/" + id + "/sessions", null).size();
  }

  /**
   * Makes the realm sign with a new key from now on; the old one stays, for tokens that were signed
   * with it.
   */
  void rotateSigningKey() throws IOException, InterruptedException {
    admin(
        "POST",
        "/components",
        JSON.writeValueAsString(
            Map.of(
                "name", "rotated",
                "providerId", "rsa-generated",
                "providerType", "org.keycloak.keys.KeyProvider",
                "config", Map.of("priority", List.of("200"), "algorithm", List.of("RS256")))));
  }

  /** Has a client told here when users log out (OpenID Connect Back-Channel Logout). */
  void logOutBy(String clientId, URI backChannel) throws IOException, InterruptedException {
    ObjectNode client = (ObjectNode) admin("GET", "/clients?clientId=" + clientId, null).get(0);
    ObjectNode attributes = client.withObject("/attributes");
    attributes.put("backchannel.logout.url", backChannel.toString());
    attributes.put("backchannel.logout.session.required", "true");
    admin("PUT", "/clients/" + client.get("id").asString(), JSON.writeValueAsString(client));
  }

  /** Has browsers load this page when users log out (OpenID Connect Front-Channel Logout). */
  void logOutByBrowser(String clientId, URI frontChannel) throws IOException, InterruptedException {
    ObjectNode client = (ObjectNode) admin("GET", "/clients?clientId=" + clientId, null).get(0);
    client.put("frontchannelLogout", true);
    ObjectNode attributes = client.withObject("/attributes");
    attributes.put("frontchannel.logout.url", frontChannel.toString());
    attributes.put("frontchannel.logout.session.required", "true");
    admin("PUT", "/clients/" + client.get("id").asString(), JSON.writeValueAsString(client));
  }

  /** Ends all sessions of a user, as an administrator does. */
  void logOut(String user) throws IOException, InterruptedException {
    String id =
        admin("GET", "/users?exact=true&username=" + user, null).get(0).get("id").asString();
    admin("POST", "/users/" + id + "/logout", null);
  }

  private JsonNode admin(String method, String path, String body)
      throws IOException, InterruptedException {
    String form =
        "grant_type=password&client_id=admin-cli&username=admin&password="
            + URLEncoder.encode(adminPassword, StandardCharsets.UTF_8);
    JsonNode token =
        send(
            HttpRequest.newBuilder(base.resolve("/realms/master/protocol/openid-connect/token"))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(BodyPublishers.ofString(form)));
    return send(
        HttpRequest.newBuilder(base.resolve("/admin/realms/apprxy" + path))
            .header("Authorization", "Bearer " + token.get("access_token").asString())
            .header("Content-Type", "application/json")
            .method(
                method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body)));
  }

  private JsonNode send(HttpRequest.Builder request) throws IOException, InterruptedException {
    HttpResponse<String> response =
        client.send(request.timeout(Duration.ofSeconds(30)).build(), BodyHandlers.ofString());
    if (response.statusCode() / 100 != 2) {
      throw new IOException(response + ": " + response.body());
    }
    return JSON.readTree(response.body().isEmpty() ? "null" : response.body());
  }

  @Override
  public void close() {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }
}
