package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Streams that live long, or are given up, through the whole chain. */
@Timeout(120)
class StreamsIT {
  private final List<AutoCloseable> parts = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void userOfHttp2WhoGivesUp_isNoticedAtTheOrigin_whichHasSaidNothing() throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin.getLocalPort());
      try (RawHttp2 user = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int stream = user.request("/wait", Map.of());
        try (Socket asked = origin.accept()) {
          assertThat(readHead(asked)).startsWith("GET /wait ");
          user.cancel(stream);
          assertThat(asked.getInputStream().read()).isEqualTo(-1);
        }
      }
    }
  }

  @Test
  void userOfHttp2WhoGivesUp_isNoticedAtTheOrigin_whoseAnswerNobodyTakes() throws Exception {
    try (ServerSocket origin = listen()) {
      Chain chain = chain(origin.getLocalPort());
      try (RawHttp2 user = new RawHttp2(chain.tls.client(), chain.tlsPort, "app.test")) {
        int stream = user.request("/down", Map.of());
        try (Socket asked = origin.accept()) {
          readHead(asked);
          write(asked, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + "x".repeat(70_000));
          user.await(RawHttp2.HEADERS);
          user.cancel(stream);
          assertThat(asked.getInputStream().read()).isEqualTo(-1);
        }
      }
    }
  }

  // ---- parts

  private Chain chain(int originPort) throws InterruptedException {
    Chain chain = new Chain(originPort, application -> application);
    parts.add(chain);
    chain.connect(originPort);
    return chain;
  }

  private static ServerSocket listen() throws IOException {
    ServerSocket origin = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    origin.setSoTimeout(30_000);
    return origin;
  }

  /** The request line, after all headers were read. */
  private static String readHead(Socket from) throws IOException {
    from.setSoTimeout(30_000);
    BufferedReader in =
        new BufferedReader(
            new InputStreamReader(from.getInputStream(), StandardCharsets.ISO_8859_1), 1);
    String first = in.readLine();
    String line = first;
    while (line != null && !line.isEmpty()) {
      line = in.readLine();
    }
    return first;
  }

  private static void write(Socket to, String text) throws IOException {
    to.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    to.getOutputStream().flush();
  }
}
