package io.apprxy.tunnel;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;

/** An origin of HTTP/2 in plain text that sends what the test says, frame by frame (RFC 9113). */
final class RawHttp2Origin implements AutoCloseable {
  static final int DATA = 0;
  static final int HEADERS = 1;
  static final int RST_STREAM = 3;
  static final int SETTINGS = 4;
  static final int PING = 6;
  static final int GOAWAY = 7;
  static final int REFUSED_STREAM = 7;
  static final int CANCEL = 8;
  private static final int END_STREAM = 1;
  private static final int END_HEADERS = 4;

  private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());

  RawHttp2Origin() throws IOException {
    server.setSoTimeout(30_000);
  }

  int port() {
    return server.getLocalPort();
  }

  /** The next connection, after its preface, and with settings sent. */
  Connection accept() throws IOException {
    return new Connection(server.accept());
  }

  @Override
  public void close() throws IOException {
    server.close();
  }

  record Frame(int type, int flags, int stream, ByteBuffer payload) {}

  static final class Connection implements AutoCloseable {
    private final Socket socket;
    private final DataInputStream in;
    private final DataOutputStream out;

    private Connection(Socket socket) throws IOException {
      this.socket = socket;
      socket.setSoTimeout(40_000);
      in = new DataInputStream(socket.getInputStream());
      out = new DataOutputStream(socket.getOutputStream());
      in.readNBytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length());
      send(SETTINGS, 0, 0, new byte[0]);
    }

    /** The stream of the next request. */
    int request() throws IOException {
      return await(HEADERS).stream();
    }

    /** The next frame of this type; what comes before it is skipped. */
    Frame await(int type) throws IOException {
      while (true) {
        int length = in.readUnsignedByte() << 16 | in.readUnsignedShort();
        int found = in.readUnsignedByte();
        int flags = in.readUnsignedByte();
        int stream = in.readInt();
        Frame frame = new Frame(found, flags, stream, ByteBuffer.wrap(in.readNBytes(length)));
        if (found == type) {
          return frame;
        }
      }
    }

    /** 204: an entry of HPACK's static table (RFC 7541, appendix A). */
    void answer(int stream) throws IOException {
      send(HEADERS, END_HEADERS | END_STREAM, stream, new byte[] {(byte) 0x89});
    }

    /** A status that no entry stands for. */
    void answer(int stream, String status, boolean end) throws IOException {
      byte[] block = {0x08, 3, 0, 0, 0};
      for (int i = 0; i < 3; i++) {
        block[2 + i] = (byte) status.charAt(i);
      }
      send(HEADERS, END_HEADERS | (end ? END_STREAM : 0), stream, block);
    }

    /** Such headers, whatever they are: literals (RFC 7541 §6.2.2), names and values in turn. */
    void answer(int stream, String... namesAndValues) throws IOException {
      ByteArrayOutputStream block = new ByteArrayOutputStream();
      for (int i = 0; i < namesAndValues.length; i += 2) {
        RawHttp2.header(block, namesAndValues[i], namesAndValues[i + 1]);
      }
      send(HEADERS, END_HEADERS | END_STREAM, stream, block.toByteArray());
    }

    void reset(int stream, int code) throws IOException {
      send(RST_STREAM, 0, stream, ByteBuffer.allocate(4).putInt(code).array());
    }

    void goAway(int lastStream) throws IOException {
      send(GOAWAY, 0, 0, ByteBuffer.allocate(8).putInt(lastStream).array());
    }

    /** Whether the peer has closed the connection, or closes it before long. */
    boolean isClosed() throws IOException {
      while (true) {
        if (in.read() < 0) {
          return true;
        }
      }
    }

    private void send(int type, int flags, int stream, byte[] payload) throws IOException {
      ByteBuffer frame = ByteBuffer.allocate(9 + payload.length);
      frame.put((byte) (payload.length >> 16)).putShort((short) payload.length);
      frame.put((byte) type).put((byte) flags).putInt(stream).put(payload);
      out.write(frame.array());
      out.flush();
    }

    @Override
    public void close() throws IOException {
      socket.close();
    }
  }
}
