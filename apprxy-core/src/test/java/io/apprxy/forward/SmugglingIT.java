package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * RFC 9112 §11.2 and its kin on the wire: what two servers could read in two ways reaches no
 * origin, and all else in one form.
 */
@Timeout(60)
class SmugglingIT {
  private final BlockingQueue<String> heads = new LinkedBlockingQueue<>();
  private RawOrigin origin;
  private RunningGateway gateway;

  @BeforeEach
  void start() throws IOException {
    origin =
        new RawOrigin(
            (connection, number) -> {
              heads.add(RawOrigin.head(connection));
              RawOrigin.write(
                  connection, "HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n");
            });
    gateway = new RunningGateway(origin.port());
  }

  @AfterEach
  void stop() throws IOException {
    gateway.close();
    origin.close();
  }

  /** {@code |} is the end of a line, {@code H} in Host the one that is published. */
  private String send(String request) throws IOException {
    String text = request.replace("|", "\n").replace("Host: H", "Host: localhost:" + gateway.port);
    try (RawClient client = new RawClient(gateway.port).send(text)) {
      return client.readToEnd();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        // the target
        "GET /.. HTTP/1.1|Host: H",
        "GET /a/%2e%2e/b HTTP/1.1|Host: H",
        "GET /a/.%2e/b HTTP/1.1|Host: H",
        "GET //a HTTP/1.1|Host: H",
        "GET /a//b HTTP/1.1|Host: H",
        "GET /a;b/c HTTP/1.1|Host: H",
        "GET /a;b=c?d HTTP/1.1|Host: H",
        "GET /..;/a HTTP/1.1|Host: H",
        "GET /%3b HTTP/1.1|Host: H",
        "GET /%2F HTTP/1.1|Host: H",
        "GET /a%5cb HTTP/1.1|Host: H",
        "GET /%00 HTTP/1.1|Host: H",
        "GET /%0d%0aX:y HTTP/1.1|Host: H",
        "GET /%252f HTTP/1.1|Host: H",
        "GET /%25%32%66 HTTP/1.1|Host: H",
        "GET /%c0%ae/ HTTP/1.1|Host: H",
        "GET /%e0%80%af HTTP/1.1|Host: H",
        "GET /%zz HTTP/1.1|Host: H",
        "GET /% HTTP/1.1|Host: H",
        "GET /\u00e9 HTTP/1.1|Host: H",
        "GET /a#b HTTP/1.1|Host: H",
        "GET /?a#b HTTP/1.1|Host: H",
        "GET \\a HTTP/1.1|Host: H",
        "GET * HTTP/1.1|Host: H",
        "OPTIONS * HTTP/1.1|Host: H",
        "GET a HTTP/1.1|Host: H",
        "GET http://evil.test/ HTTP/1.1|Host: H",
        "GET http:/// HTTP/1.1|Host: H",
        "GET https://H/ HTTP/1.1|Host: H",
        "GET http://evil.test@H/ HTTP/1.1|Host: H",
        "GET  / HTTP/1.1|Host: H",
        // the method
        "CONNECT H HTTP/1.1|Host: H",
        "CONNECT evil.test:443 HTTP/1.1|Host: evil.test:443",
        "TRACE / HTTP/1.1|Host: H",
        "track / HTTP/1.1|Host: H",
        "G@T / HTTP/1.1|Host: H",
        // Host
        "GET / HTTP/1.1|X: y",
        "GET / HTTP/1.1|Host: H|Host: H",
        "GET / HTTP/1.1|Host: H|host: evil.test",
        "GET / HTTP/1.1|Host:",
        "GET / HTTP/1.1|Host: localhost.",
        "GET / HTTP/1.1|Host: a@localhost",
        "GET / HTTP/1.1|Host: localhost/x",
        "GET / HTTP/1.1|Host: localhost, localhost",
        "GET / HTTP/1.0|X: y",
        // the framing
        "POST / HTTP/1.1|Host: H|Content-Length: 5|Transfer-Encoding: chunked||0||",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: chunked|Content-Length: 5||0||",
        "POST / HTTP/1.1|Host: H|Content-Length: 0|Content-Length: 0",
        "POST / HTTP/1.1|Host: H|Content-Length: 0|Content-Length: 5||hello",
        "POST / HTTP/1.1|Host: H|Content-Length: 0, 0",
        "POST / HTTP/1.1|Host: H|Content-Length: +0",
        "POST / HTTP/1.1|Host: H|Content-Length: -1",
        "POST / HTTP/1.1|Host: H|Content-Length: 0x0",
        "POST / HTTP/1.1|Host: H|Content-Length: 99999999999999999999",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: identity",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: xchunked",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: chunked, identity",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: gzip, chunked||0||",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: chunked|Transfer-Encoding: identity||0||",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: \u000bchunked||0||",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding : chunked||0||",
        "POST / HTTP/1.1|Host: H|Content-Length : 0",
        "POST / HTTP/1.1|Host: H|Transfer-Encoding: chunked;x||0||",
        // the lines
        "GET / HTTP/1.1|Host: H|X\u0000: y",
        "GET / HTTP/1.1|Host: H|X: a\u0000b",
        "GET / HTTP/1.1|Host: H|X(: y",
        "GET / HTTP/1.1|Host: H|: y",
        "GET / HTTP/1.1|Host: H|X: a\u007fb",
        "GET / HTTP/1.1|Host: H|X : y"
      })
  void ambiguousRequest_reachesNoOrigin(String request) throws Exception {
    String response = send(request + (request.contains("||") ? "" : "|Connection: close||"));

    assertThat(origin.connections).as(response).hasValue(0);
    if (!response.isEmpty() && !response.equals("<reset>")) {
      assertThat(response).matches("(?s)HTTP/1\\.[01] (400|404|431|501|505) .*");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "/, /",
    "/a/b?c=d, /a/b?c=d",
    "/%61%2d%7e, /a-~",
    "/caf%c3%a9, /caf%C3%A9",
    "/a%2520b, /a%2520b",
    "/%3Fa, /%3Fa",
    "/a?b=../%2f;//%00, /a?b=../%2f;//%00",
    "/a?b?c, /a?b?c",
    "/a+b&c=d@e:f!, /a+b&c=d@e:f!",
    "/.well-known/x, /.well-known/x"
  })
  void originSees_theCanonicalTarget(String sent, String seen) throws Exception {
    assertThat(send("GET " + sent + " HTTP/1.1|Host: H|Connection: close||"))
        .startsWith("HTTP/1.1 200");

    assertThat(heads.poll(10, TimeUnit.SECONDS)).startsWith("GET " + seen + " HTTP/1.1\r\n");
  }

  @Test
  void absoluteTarget_reachesTheOriginAsAPath() throws Exception {
    assertThat(
            send(
                "GET http://localhost:"
                    + gateway.port
                    + "/a?b HTTP/1.1|Host: H|Connection: close||"))
        .startsWith("HTTP/1.1 200");

    assertThat(heads.poll(10, TimeUnit.SECONDS))
        .startsWith("GET /a?b HTTP/1.1\r\n")
        .containsOnlyOnce("Host: 127.0.0.1:" + origin.port());
  }

  /** What follows a refused request on its connection is never taken for a request of its own. */
  @Test
  void refusedFraming_endsTheConnection() throws Exception {
    String response =
        send(
            "POST / HTTP/1.1|Host: H|Content-Length: 4|Transfer-Encoding: chunked||0||GET /smuggled HTTP/1.1|Host: H|Connection: close||");

    assertThat(origin.connections).as(response).hasValue(0);
    assertThat(response.split("HTTP/1\\.1 ", -1)).hasSizeLessThanOrEqualTo(2);
  }
}
