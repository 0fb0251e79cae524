package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.tunnel.ConnectorState.Phase;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A connector that others wrote: the TLS and the HTTP/2 of Node.js, in both forms of the drafts.
 */
@Timeout(60)
class ForeignConnectorIT {
  private final Chain chain = new Chain(1, application -> application);

  @TempDir private Path directory;

  @AfterEach
  void close() {
    chain.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"rh2", "ptth"})
  void foreignConnector_servesRequests_andLeavesInOrder(String form) throws Exception {
    Process connector = start(form, "");
    try (BufferedReader says = connector.inputReader()) {
      awaitLine(says, "/.apprxy/serving");
      assertThat(chain.tunnel.connectors())
          .singleElement()
          .satisfies(state -> assertThat(state.name()).isEqualTo("node"));
      HttpResponse<String> answer = chain.get("/page?x=1");
      assertThat(answer.body()).isEqualTo("node answers GET /page?x=1 with 0 bytes");
      assertThat(answer.headers().firstValue("x-assertion")).hasValue("there");

      connector.getOutputStream().close(); // tells it to leave
      assertThat(says.lines().toList())
          .contains("closed")
          .noneMatch(line -> line.matches("(error|failed|control ends:).*"));
      assertThat(connector.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(chain.tunnel.connectors()).noneMatch(state -> state.phase() == Phase.UP);
    } finally {
      connector.destroyForcibly();
    }
  }

  @Test
  void connectorThatChecksInWithNonsense_isToldSo_andClosed() throws Exception {
    Process connector = start("rh2", "malformed");
    try (BufferedReader says = connector.inputReader()) {
      assertThat(says.lines().toList())
          .anyMatch(line -> line.startsWith("refused ") && line.contains("APX-"))
          .contains("closed");
      assertThat(chain.tunnel.connectors()).isEmpty();
    } finally {
      connector.destroyForcibly();
    }
  }

  /** RFC 9113 §6.8: of a client, the last stream that it names is one of the server's. */
  @Test
  void gatewayThatClosesAConnection_namesNoStreamOfItsOwn() throws Exception {
    SSLContext enrolled =
        chain.tls.client(
            TestPeer.enrolled(
                chain.tls, chain.tunnel.port(), chain.tunnel.createEnrolmentToken("default")));
    try (RawHttp2 connector =
        new RawHttp2(RawHttp2.connect(enrolled, chain.tunnel.port(), Dialer.REVERSE_HTTP2))) {
      int control = connector.serve();
      ByteArrayOutputStream noControlStream = new ByteArrayOutputStream();
      RawHttp2.header(noControlStream, ":status", "404");
      connector.send(
          RawHttp2.frame(
              RawHttp2.HEADERS,
              RawHttp2.END_HEADERS | RawHttp2.END_STREAM,
              control,
              noControlStream.toByteArray()));
      ByteBuffer goAway = connector.await(RawHttp2.GOAWAY).payload();
      assertThat(goAway.getInt()).as("the last stream").isZero();
      assertThat(goAway.getInt()).as("the error code").isZero();
    }
  }

  private static void awaitLine(BufferedReader says, String awaited) throws IOException {
    String line;
    do {
      line = says.readLine();
      assertThat(line).as("a line: " + awaited).isNotNull();
    } while (!line.equals(awaited));
  }

  private Process start(String form, String misbehaviour) throws Exception {
    ConnectorIdentity identity =
        TestPeer.enrolled(
            chain.tls, chain.tunnel.port(), chain.tunnel.createEnrolmentToken("default"));
    Path pem = directory.resolve("connector.pem");
    identity.save(pem);
    Path ca = Files.writeString(directory.resolve("ca.pem"), pem(chain.tls.ca().getEncoded()));
    Path script = directory.resolve("connector.mjs");
    try (var source =
        Objects.requireNonNull(ForeignConnectorIT.class.getResourceAsStream("connector.mjs"))) {
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
    return node.start();
  }

  private static String pem(byte[] certificate) {
    return "-----BEGIN CERTIFICATE-----\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(certificate)
        + "\n-----END CERTIFICATE-----\n";
  }
}
