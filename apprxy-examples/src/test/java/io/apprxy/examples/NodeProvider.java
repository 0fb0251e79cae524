package io.apprxy.examples;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.json.JsonMapper;

/** A provider that apprxy did not write: {@code oidc-provider} of npm, on a free loopback port. */
final class NodeProvider implements AutoCloseable {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Path HOME = Path.of("target", "oidc-provider");
  private static final String PASSWORD = "not a secret";

  private final Process process;
  private final X509Certificate certificate;
  private final int port;

  private NodeProvider(Process process, X509Certificate certificate, int port) {
    this.process = process;
    this.certificate = certificate;
    this.port = port;
  }

  /** Starts one whose clients may come back to this gateway, and are told of logouts. */
  static NodeProvider start(String gateway, String providerName, URI backChannel)
      throws IOException, GeneralSecurityException, InterruptedException {
    install();
    Path keyStore = Files.createTempDirectory(HOME, "run").resolve("server.p12").toAbsolutePath();
    X509Certificate certificate =
        Keycloak.selfSigned(keyStore, PASSWORD, "127.0.0.1", "EC", "-groupname", "secp256r1");
    ProcessBuilder command = new ProcessBuilder("node", "server.mjs").directory(HOME.toFile());
    command.redirectError(HOME.resolve("provider.log").toFile());
    command
        .environment()
        .put(
            "PROVIDER",
            JSON.writeValueAsString(
                Map.of(
                    "keyStore", keyStore.toString(),
                    "passphrase", PASSWORD,
                    "redirectUris", List.of(gateway + ".apprxy/callback/" + providerName),
                    "postLogoutRedirectUris", List.of(gateway + ".apprxy/signed-out"),
                    "jwks", JSON.readTree(TestClient.shared().jwks()),
                    "fingerprint", TestClient.shared().fingerprint(),
                    "backChannel", backChannel.toString())));
    Process process = command.start();
    BufferedReader out = process.inputReader(StandardCharsets.UTF_8);
    String port = out.readLine();
    if (port == null) {
      throw new IOException(
          "oidc-provider did not start:\n" + Files.readString(HOME.resolve("provider.log")));
    }
    return new NodeProvider(process, certificate, Integer.parseInt(port));
  }

  /** What package-lock.json pins, and nothing that a package wants to run. */
  private static synchronized void install() throws IOException, InterruptedException {
    Files.createDirectories(HOME);
    for (String file : List.of("package.json", "package-lock.json", "server.mjs")) {
      try (InputStream source = NodeProvider.class.getResourceAsStream("/oidc-provider/" + file)) {
        Files.copy(source, HOME.resolve(file), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    Path log = HOME.resolve("npm.log");
    Process npm =
        new ProcessBuilder("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            .directory(HOME.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    if (!npm.waitFor(3, TimeUnit.MINUTES) || npm.exitValue() != 0) {
      npm.destroyForcibly();
      throw new IOException("npm ci failed:\n" + Files.readString(log));
    }
  }

  String issuer() {
    return "https://127.0.0.1:" + port;
  }

  X509Certificate certificate() {
    return certificate;
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
