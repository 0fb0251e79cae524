package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateEncodingException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * A connector that others wrote, in a process of its own: the TLS and the HTTP/2 of Node.js. It
 * proves itself with a certificate of the gateway's, as any connector does.
 */
final class ForeignConnector implements AutoCloseable {
  private final Process process;
  private final BufferedReader says;

  /**
   * @param directory of this one alone
   * @param form by which it turns its connection around: {@code rh2} or {@code ptth}
   * @param misbehaviour see connector.mjs; empty for none
   * @param instance the run that it says it is; empty for one of its own
   */
  ForeignConnector(Chain chain, Path directory, String form, String misbehaviour, String instance)
      throws IOException, InterruptedException {
    ConnectorIdentity identity =
        TestPeer.enrolled(
            chain.tls, chain.tunnel.port(), chain.tunnel.createEnrolmentToken("default"));
    Path pem = directory.resolve("connector.pem");
    identity.save(pem);
    Path ca = Files.writeString(directory.resolve("ca.pem"), ca(chain));
    Path script = directory.resolve("connector.mjs");
    try (var source =
        Objects.requireNonNull(ForeignConnector.class.getResourceAsStream("connector.mjs"))) {
      Files.copy(source, script);
    }
    ProcessBuilder node =
        new ProcessBuilder(
                "node",
                script.toString(),
                form,
                Integer.toString(chain.tunnel.port()),
                pem.toString(),
                misbehaviour)
            .redirectErrorStream(true);
    node.environment().put("CA", ca.toString());
    node.environment().put("INSTANCE", instance);
    process = node.start();
    says = process.inputReader();
  }

  private static String ca(Chain chain) {
    try {
      return "-----BEGIN CERTIFICATE-----\n"
          + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(chain.tls.ca().getEncoded())
          + "\n-----END CERTIFICATE-----\n";
    } catch (CertificateEncodingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Waits until it says this; the answer is what it has said before. */
  List<String> await(String awaited) throws IOException {
    List<String> before = new ArrayList<>();
    for (String line = says.readLine(); !awaited.equals(line); line = says.readLine()) {
      assertThat(line).as("“%s” after %s", awaited, before).isNotNull();
      before.add(line);
    }
    return before;
  }

  /** Tells it to leave. */
  void leave() throws IOException {
    process.getOutputStream().close();
  }

  /** What it says until it ends by itself. */
  List<String> awaitEnd() throws InterruptedException {
    List<String> rest = says.lines().toList();
    assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    return rest;
  }

  void kill() {
    process.destroyForcibly();
  }

  @Override
  public void close() {
    kill();
  }
}
