package io.apprxy.tunnel;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** One end of HTTP/2 that sends what no library would (RFC 9113). */
final class RawHttp2 implements AutoCloseable {
  static final int DATA = 0;
  static final int HEADERS = 1;
  static final int PRIORITY = 2;
  static final int RST_STREAM = 3;
  static final int SETTINGS = 4;
  static final int PUSH_PROMISE = 5;
  static final int PING = 6;
  static final int GOAWAY = 7;
  static final int WINDOW_UPDATE = 8;
  static final int CONTINUATION = 9;

  static final int END_STREAM = 1;
  static final int ACK = 1;
  static final int END_HEADERS = 4;

  static final int HEADER_TABLE_SIZE = 1;
  static final int MAX_CONCURRENT_STREAMS = 3;
  static final int INITIAL_WINDOW_SIZE = 4;

  static final byte[] PREFACE =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  private final Socket socket;
  private final String authority;
  private final DataInputStream in;
  private final OutputStream out;
  private boolean server;
  private int stream = 1;
  private int begun;

  record Frame(int type, int flags, int stream, ByteBuffer payload) {}

  /** On a connection of which HTTP/2 is the next to be spoken; nothing is sent yet. */
  RawHttp2(Socket socket) throws IOException {
    this(socket, "localhost");
  }

  private RawHttp2(Socket socket, String authority) throws IOException {
    this.socket = socket;
    this.authority = authority;
    in = new DataInputStream(socket.getInputStream());
    out = socket.getOutputStream();
  }

  /** A client, by TLS and ALPN; preface and settings are sent. */
  RawHttp2(SSLContext trust, int port) throws IOException {
    this(trust, port, "localhost:" + port);
  }

  RawHttp2(SSLContext trust, int port, String authority) throws IOException {
    this(connect(trust, port, "h2"), authority);
    begin();
  }

  /** Begins as a client. */
  void begin() throws IOException {
    send(PREFACE);
    send(frame(SETTINGS, 0, 0));
  }

  /** A connection of which this protocol was selected (ALPN). */
  static Socket connect(SSLContext trust, int port, String protocol) throws IOException {
    SSLSocket socket = (SSLSocket) trust.getSocketFactory().createSocket("localhost", port);
    socket.setSoTimeout(30_000);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setApplicationProtocols(new String[] {protocol});
    socket.setSSLParameters(parameters);
    socket.startHandshake();
    return socket;
  }

  /** A request that ends with its headers; the answer is the stream's number. */
  int request(String path, Map<String, String> headers) throws IOException {
    int number = nextStream();
    send(frame(HEADERS, END_STREAM | END_HEADERS, number, requestBlock(path, headers)));
    return number;
  }

  /** Gives a request up. */
  void cancel(int number) throws IOException {
    send(frame(RST_STREAM, 0, number, integer(8)));
  }

  int nextStream() {
    int number = stream;
    stream += 2;
    return number;
  }

  /**
   * The stream on which headers may begin: a new one of a client; of a server the one that it was
   * asked on.
   */
  int beginHeaders(int asked) {
    begun = server ? asked : nextStream();
    return begun;
  }

  int headersBegun() {
    return begun;
  }

  /** The header block of a GET. */
  byte[] requestBlock(String path, Map<String, String> headers) {
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    header(block, ":method", "GET");
    header(block, ":scheme", "https");
    header(block, ":authority", authority);
    header(block, ":path", path);
    new TreeMap<>(headers).forEach((name, value) -> header(block, name, value));
    return block.toByteArray();
  }

  /** A literal that is not indexed (RFC 7541 §6.2.2); names and values of less than 127 bytes. */
  static void header(ByteArrayOutputStream block, String name, String value) {
    block.write(0);
    for (String text : new String[] {name, value}) {
      block.write(text.length());
      block.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
    }
  }

  static byte[] frame(int type, int flags, int stream, byte... payload) {
    return ByteBuffer.allocate(9 + payload.length)
        .put((byte) (payload.length >> 16))
        .putShort((short) payload.length)
        .put((byte) type)
        .put((byte) flags)
        .putInt(stream)
        .put(payload)
        .array();
  }

  static byte[] integer(int value) {
    return ByteBuffer.allocate(4).putInt(value).array();
  }

  static byte[] setting(int id, int value) {
    return ByteBuffer.allocate(6).putShort((short) id).putInt(value).array();
  }

  void send(byte[] bytes) throws IOException {
    out.write(bytes);
    out.flush();
  }

  /** The next frame of this type; what comes before it is skipped. */
  Frame await(int type) throws IOException {
    Frame frame = next();
    while (frame.type != type) {
      frame = next();
    }
    return frame;
  }

  Frame next() throws IOException {
    int length = in.readUnsignedByte() << 16 | in.readUnsignedShort();
    int type = in.readUnsignedByte();
    int flags = in.readUnsignedByte();
    int number = in.readInt();
    return new Frame(type, flags, number, ByteBuffer.wrap(in.readNBytes(length)));
  }

  /**
   * Begins as a server: reads what a client says first, and sends settings.
   *
   * @return the stream of the first request
   */
  int serve() throws IOException {
    server = true;
    in.readNBytes(PREFACE.length);
    send(frame(SETTINGS, 0, 0));
    return await(HEADERS).stream();
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
