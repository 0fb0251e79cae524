package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What an origin of HTTP/1.1 answers that no honest one would. */
@Timeout(60)
class HostileOriginIT {
  @ParameterizedTest
  @ValueSource(strings = {"2000", "099", "20", "2x0", "-20", "0200", "99999999999", ""})
  void statusThatIsNone_isAnsweredWith502(String status) throws Exception {
    assertThat(answerTo("HTTP/1.1 " + status + " OK\nContent-Length: 2\n\nhi"))
        .startsWith("HTTP/1.1 502 ");
  }

  /** A browser would take the first for Set-Cookie, of a cookie that is the gateway's alone. */
  @ParameterizedTest
  @ValueSource(
      strings = {"Set-Cookie ", "Set-Cookie\t", "Set-Cookie\0", "Content-Length ", "a b", ""})
  void headerWhoseNameIsNone_isAnsweredWith502(String name) throws Exception {
    assertThat(answerTo("HTTP/1.1 200 OK\n" + name + ": __Host-apprxy-session=evil\n\n"))
        .startsWith("HTTP/1.1 502 ")
        .doesNotContain("evil");
  }

  /** The second would be the answer to the next request, which may be another user's. */
  @Test
  void secondAnswer_reachesNobody() throws Exception {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  while (true) {
                    RawOrigin.head(connection);
                    RawOrigin.write(
                        connection,
                        "HTTP/1.1 200 OK\nContent-Length: 5\n\nfirstHTTP/1.1 200 OK\nContent-Length: 6\n\nsecond");
                  }
                });
        RunningGateway gateway = new RunningGateway(origin.port())) {
      for (int i = 0; i < 5; i++) {
        try (RawClient client = new RawClient(gateway.port).get("/")) {
          assertThat(client.readToEnd()).endsWith("first");
        }
      }
    }
  }

  private static String answerTo(String response) throws IOException {
    try (RawOrigin origin =
            new RawOrigin(
                (connection, number) -> {
                  RawOrigin.head(connection);
                  RawOrigin.write(connection, response);
                });
        RunningGateway gateway = new RunningGateway(origin.port());
        RawClient client = new RawClient(gateway.port).get("/")) {
      return client.readToEnd();
    }
  }
}
