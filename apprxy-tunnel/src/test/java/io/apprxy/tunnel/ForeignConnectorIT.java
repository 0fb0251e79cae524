package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.tunnel.ConnectorState.Phase;
import java.io.ByteArrayOutputStream;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Path;
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
    try (ForeignConnector connector = new ForeignConnector(chain, directory, form, "", "")) {
      connector.await("/.apprxy/serving");
      assertThat(chain.tunnel.connectors())
          .singleElement()
          .satisfies(state -> assertThat(state.name()).isEqualTo("node"));
      HttpResponse<String> answer = chain.get("/page?x=1");
      assertThat(answer.body()).isEqualTo("node answers GET /page?x=1 with 0 bytes");
      assertThat(answer.headers().firstValue("x-assertion")).hasValue("there");

      connector.leave();
      assertThat(connector.awaitEnd())
          .contains("closed")
          .noneMatch(line -> line.matches("(error|failed|control ends:).*"));
      assertThat(chain.tunnel.connectors()).noneMatch(state -> state.phase() == Phase.UP);
    }
  }

  @Test
  void connectorThatChecksInWithNonsense_isToldSo_andClosed() throws Exception {
    try (ForeignConnector connector =
        new ForeignConnector(chain, directory, "rh2", "malformed", "")) {
      assertThat(connector.awaitEnd())
          .anyMatch(line -> line.startsWith("refused ") && line.contains("APX-712"))
          .contains("closed");
      assertThat(chain.tunnel.connectors()).isEmpty();
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
}
