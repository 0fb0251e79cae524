package io.apprxy.tunnel;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** An HTTP/2 client that sends what no library would (RFC 9113). */
final class RawHttp2 implements AutoCloseable {
  static final int HEADERS = 1;
  static final int RST_STREAM = 3;
  static final int SETTINGS = 4;
  static final int GOAWAY = 7;
  static final int MAX_CONCURRENT_STREAMS = 3;
  private static final int END_STREAM = 1;
  private static final int END_HEADERS = 4;

  private final SSLSocket socket;
  private final DataInputStream in;
  private final DataOutputStream out;
  private final String authority;
  private int stream = 1;

  record Frame(int type, int flags, int stream, ByteBuffer payload) {}

  RawHttp2(SSLContext trust, int port) throws IOException {
    this(trust, port, "localhost:" + port);
  }

  RawHttp2(SSLContext trust, int port, String authority) throws IOException {
    this.authority = authority;
    socket = (SSLSocket) trust.getSocketFactory().createSocket("localhost", port);
    socket.setSoTimeout(30_000);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setApplicationProtocols(new String[] {"h2"});
    socket.setSSLParameters(parameters);
    socket.startHandshake();
    in = new DataInputStream(socket.getInputStream());
    out = new DataOutputStream(socket.getOutputStream());
    out.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    write(SETTINGS, 0, 0, new byte[0]);
  }

  /** A request that ends with its headers; the answer is the stream's number. */
  int request(String path, Map<String, String> headers) throws IOException {
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    header(block, ":method", "GET");
    header(block, ":scheme", "https");
    header(block, ":authority", authority);
    header(block, ":path", path);
    for (Map.Entry<String, String> header : new TreeMap<>(headers).entrySet()) {
      header(block, header.getKey(), header.getValue());
    }
    int number = stream;
    stream += 2;
    write(HEADERS, END_STREAM | END_HEADERS, number, block.toByteArray());
    return number;
  }

  /** Gives a request up. */
  void cancel(int number) throws IOException {
    write(RST_STREAM, 0, number, ByteBuffer.allocate(4).putInt(8).array());
  }

  /** A literal that is not indexed (RFC 7541 §6.2.2); names and values of less than 127 bytes. */
  private static void header(ByteArrayOutputStream block, String name, String value) {
    block.write(0);
    for (String text : new String[] {name, value}) {
      block.write(text.length());
      block.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
    }
  }

  private void write(int type, int flags, int number, byte[] payload) throws IOException {
    ByteBuffer frame = ByteBuffer.allocate(9 + payload.length);
    frame.put((byte) (payload.length >> 16)).putShort((short) payload.length);
    frame.put((byte) type).put((byte) flags).putInt(number).put(payload);
    out.write(frame.array());
    out.flush();
  }

  /** The next frame of this type; what comes before it is skipped. */
  Frame await(int type) throws IOException {
    while (true) {
      int length = in.readUnsignedByte() << 16 | in.readUnsignedShort();
      int found = in.readUnsignedByte();
      int flags = in.readUnsignedByte();
      int number = in.readInt();
      Frame frame = new Frame(found, flags, number, ByteBuffer.wrap(in.readNBytes(length)));
      if (found == type) {
        return frame;
      }
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
