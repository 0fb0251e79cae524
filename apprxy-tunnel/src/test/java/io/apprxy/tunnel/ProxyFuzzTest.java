package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Whatever answers where an HTTP proxy should be. */
class ProxyFuzzTest {
  private static final int MAX_ANSWER = 8 * 1024;

  @FuzzTest
  void answer_connects_ifItIsAWholeOneOfSuccess_andWhatFollowsIsLeft(byte[] input)
      throws IOException {
    HttpProxy proxy = new HttpProxy("proxy.test", 3128, "user:secret");
    Peer peer = new Peer(input);
    String text = new String(input, StandardCharsets.ISO_8859_1);
    int end = text.indexOf("\r\n\r\n");
    boolean whole = end >= 0 && end + 4 <= MAX_ANSWER;
    try {
      proxy.connect(peer, "gateway.test:443");
      assertThat(whole).isTrue();
      assertThat(text.substring(0, text.indexOf("\r\n")))
          .matches("(?s)HTTP/1\\.[01] 2\\d\\d( .*)?");
      assertThat(peer.in.available()).isEqualTo(input.length - end - 4);
    } catch (IOException e) {
      assertThat(whole && text.matches("(?s)HTTP/1\\.[01] 2\\d\\d( [^\\r\\n]*)?\r\n.*")).isFalse();
      assertThat(input.length - peer.in.available()).isLessThanOrEqualTo(MAX_ANSWER + 1);
      assertThat(e.getMessage()).startsWith("the proxy proxy.test:3128 ").doesNotContain("secret");
      assertThat(e.getMessage().chars()).allMatch(c -> c >= ' ' && c < 127 || c == '…');
    }
    assertThat(peer.out.toString(StandardCharsets.US_ASCII))
        .isEqualTo(
            "CONNECT gateway.test:443 HTTP/1.1\r\nHost: gateway.test:443\r\n"
                + "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n");
  }

  /** A connection that has arrived, all of it. */
  private static final class Peer extends Socket {
    final ByteArrayInputStream in;
    final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Peer(byte[] answer) {
      in = new ByteArrayInputStream(answer);
    }

    @Override
    public InputStream getInputStream() {
      return in;
    }

    @Override
    public OutputStream getOutputStream() {
      return out;
    }
  }
}
