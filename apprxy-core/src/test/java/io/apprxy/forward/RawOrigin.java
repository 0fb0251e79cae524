package io.apprxy.forward;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An origin that behaves on each connection exactly as the test says; connections are numbered from
 * 0.
 */
final class RawOrigin implements AutoCloseable {
  final AtomicInteger connections = new AtomicInteger();
  private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());

  interface Behaviour {
    void serve(Socket connection, int number) throws IOException;
  }

  RawOrigin(Behaviour behaviour) throws IOException {
    Thread acceptor = new Thread(() -> accept(behaviour), "raw-origin");
    acceptor.setDaemon(true);
    acceptor.start();
  }

  private void accept(Behaviour behaviour) {
    while (!listener.isClosed()) {
      try {
        Socket connection = listener.accept();
        int number = connections.getAndIncrement();
        Thread server =
            new Thread(() -> serve(behaviour, connection, number), "raw-origin-" + number);
        server.setDaemon(true);
        server.start();
      } catch (IOException closed) {
        return;
      }
    }
  }

  private static void serve(Behaviour behaviour, Socket connection, int number) {
    try (connection) {
      behaviour.serve(connection, number);
    } catch (IOException expectedOfBrokenPeers) {
      // The test sees what matters at the client.
    }
  }

  /** Reads one request head. */
  static String head(Socket connection) throws IOException {
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      int next = connection.getInputStream().read();
      if (next < 0) {
        throw new IOException("closed");
      }
      head.append((char) next);
    }
    return head.toString();
  }

  static void write(Socket connection, String text) throws IOException {
    connection
        .getOutputStream()
        .write(text.replace("\n", "\r\n").getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
    connection.getOutputStream().flush();
  }

  int port() {
    return listener.getLocalPort();
  }

  @Override
  public void close() throws IOException {
    listener.close();
  }
}
