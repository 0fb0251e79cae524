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
  private static final Pattern STATUS_LINE =
      Pattern.compile("HTTP/1\\.[01] (\\d{3})(?: [^\r\n]*)?");

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
    Answer answer = new Answer(authority);
    while (!answer.take(in.read())) {}
  }

  private byte[] request(String authority) {
    return "CONNECT %1$s HTTP/1.1\r\nHost: %1$s\r\n%2$s\r\n"
        .formatted(
            authority,
            authorization == null ? "" : "Proxy-Authorization: " + authorization + "\r\n")
        .getBytes(StandardCharsets.US_ASCII);
  }

  /** What the proxy says, byte by byte: what follows the header belongs to the server. */
  private final class Answer {
    private final String authority;
    private final StringBuilder header = new StringBuilder();

    Answer(String authority) {
      this.authority = authority;
    }

    /**
     * @param next negative at the end
     * @return whether the proxy has connected with it
     * @throws IOException if the proxy does not
     */
    boolean take(int next) throws IOException {
      if (next < 0 || header.length() == MAX_ANSWER) {
        throw noProxy();
      }
      header.append((char) next);
      if (header.length() < 4 || header.indexOf("\r\n\r\n", header.length() - 4) < 0) {
        return false;
      }
      Matcher status = STATUS_LINE.matcher(header.substring(0, header.indexOf("\r\n")));
      if (!status.matches()) {
        throw noProxy();
      }
      if (!status.group(1).startsWith("2")) {
        throw new IOException(refusal(status.group(1), authority));
      }
      return true;
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
    private final Outcome outcome;
    private final ByteBuffer request;
    private final Answer answer;

    Exchange(StreamConnection connection, String authority, Outcome outcome) {
      this.connection = connection;
      this.outcome = outcome;
      this.answer = new Answer(authority);
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

    private void read(StreamSourceChannel source) {
      ByteBuffer one = ByteBuffer.allocate(1);
      try {
        for (int count = source.read(one); count != 0; count = source.read(one)) {
          if (answer.take(count < 0 ? -1 : one.flip().get() & 0xff)) {
            detach();
            outcome.connected();
            return;
          }
          one.clear();
        }
      } catch (IOException e) {
        failed(e);
      }
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
