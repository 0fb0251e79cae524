package io.apprxy.tunnel;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.xnio.StreamConnection;
import org.xnio.channels.StreamSinkChannel;
import org.xnio.channels.StreamSourceChannel;

/**
 * An HTTP proxy on the way to gateways, and to releases: CONNECT (RFC 9110 §9.3.6), with Basic
 * authentication (RFC 7617) where it is asked for. Immutable.
 */
final class HttpProxy {
  private static final int MAX_ANSWER = 8 * 1024;
  private static final Pattern STATUS_LINE = Pattern.compile("HTTP/1\\.[01] (\\d{3})(?: .*)?");

  final String host;
  final int port;
  private final @Nullable String authorization;

  /**
   * @param credentials {@code user:password}, or null
   */
  HttpProxy(String host, int port, @Nullable String credentials) {
    this.host = host;
    this.port = port;
    this.authorization =
        credentials == null
            ? null
            : "Basic "
                + Base64.getEncoder().encodeToString(credentials.getBytes(StandardCharsets.UTF_8));
  }

  /** Asks for a tunnel, on the I/O thread of the connection to the proxy. */
  void connect(StreamConnection connection, String authority, Outcome outcome) {
    new Exchange(connection, authority, outcome).begin();
  }

  /** Asks for a tunnel on a socket that is connected to the proxy, and waits for it. */
  void connect(Socket connected, String authority) throws IOException {
    connected.getOutputStream().write(request(authority));
    InputStream in = connected.getInputStream();
    StringBuilder answer = new StringBuilder();
    while (!isWhole(answer)) {
      int next = in.read(); // byte by byte: what follows the header belongs to the server
      if (next < 0 || answer.length() == MAX_ANSWER) {
        throw noProxy();
      }
      answer.append((char) next);
    }
    check(answer.substring(0, answer.indexOf("\r\n")), authority);
  }

  private byte[] request(String authority) {
    return "CONNECT %1$s HTTP/1.1\r\nHost: %1$s\r\n%2$s\r\n"
        .formatted(
            authority,
            authorization == null ? "" : "Proxy-Authorization: " + authorization + "\r\n")
        .getBytes(StandardCharsets.US_ASCII);
  }

  private static boolean isWhole(StringBuilder answer) {
    return answer.length() >= 4 && answer.indexOf("\r\n\r\n", answer.length() - 4) >= 0;
  }

  private void check(String statusLine, String authority) throws IOException {
    Matcher status = STATUS_LINE.matcher(statusLine);
    if (!status.matches()) {
      throw noProxy();
    }
    if (!status.group(1).startsWith("2")) {
      throw new IOException(refusal(status.group(1), authority));
    }
  }

  private IOException noProxy() {
    return new IOException(this + " gave no HTTP answer to CONNECT; is it an HTTP proxy?");
  }

  private String refusal(String status, String authority) {
    if (!status.equals("407")) {
      return this + " refused to connect to " + authority + " with status " + status;
    }
    return authorization == null
        ? this + " asks for credentials: give them by proxyCredentials(user, password)"
        : this
            + " does not accept the credentials: check user and password of proxyCredentials(…);"
            + " of the ways to prove them, Basic is the one supported";
  }

  /** What comes of it: one of the two, once, on the connection's I/O thread. */
  interface Outcome {
    void connected();

    void failed(IOException cause);
  }

  private final class Exchange {
    private final StreamConnection connection;
    private final String authority;
    private final Outcome outcome;
    private final ByteBuffer request;
    private final StringBuilder answer = new StringBuilder();

    Exchange(StreamConnection connection, String authority, Outcome outcome) {
      this.connection = connection;
      this.authority = authority;
      this.outcome = outcome;
      this.request = ByteBuffer.wrap(request(authority));
    }

    void begin() {
      connection.getSourceChannel().getReadSetter().set(this::read);
      connection.getSinkChannel().getWriteSetter().set(this::write);
      connection.getSinkChannel().resumeWrites();
      connection.getSourceChannel().resumeReads();
    }

    private void write(StreamSinkChannel sink) {
      try {
        while (request.hasRemaining()) {
          if (sink.write(request) == 0) {
            return;
          }
        }
        sink.suspendWrites();
      } catch (IOException e) {
        failed(e);
      }
    }

    /** Byte by byte: what follows the header belongs to the gateway. */
    private void read(StreamSourceChannel source) {
      ByteBuffer one = ByteBuffer.allocate(1);
      try {
        for (int count = source.read(one); count != 0; count = source.read(one)) {
          if (count < 0 || answer.length() == MAX_ANSWER) {
            failed(noProxy());
            return;
          }
          answer.append((char) (one.flip().get() & 0xff));
          one.clear();
          if (isWhole(answer)) {
            answered(answer.substring(0, answer.indexOf("\r\n")));
            return;
          }
        }
      } catch (IOException e) {
        failed(e);
      }
    }

    private void answered(String statusLine) {
      try {
        check(statusLine, authority);
      } catch (IOException e) {
        failed(e);
        return;
      }
      detach();
      outcome.connected();
    }

    private void failed(IOException cause) {
      detach();
      outcome.failed(cause);
    }

    private void detach() {
      connection.getSourceChannel().suspendReads();
      connection.getSourceChannel().getReadSetter().set(null);
      connection.getSinkChannel().suspendWrites();
      connection.getSinkChannel().getWriteSetter().set(null);
    }
  }

  /** Without the credentials. */
  @Override
  public String toString() {
    return "the proxy " + host + ":" + port;
  }
}
