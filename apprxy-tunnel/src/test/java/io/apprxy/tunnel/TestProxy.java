package io.apprxy.tunnel;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/** An HTTP proxy for CONNECT to ports of this host, with Basic authentication. */
final class TestProxy implements AutoCloseable {
  final BlockingQueue<String> requested = new LinkedBlockingQueue<>();
  private final ServerSocket listening;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final @Nullable String credentials;

  TestProxy(@Nullable String credentials) throws IOException {
    this.credentials = credentials;
    listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    threads.execute(this::accept);
  }

  int port() {
    return listening.getLocalPort();
  }

  private void accept() {
    while (!listening.isClosed()) {
      try {
        Socket client = listening.accept();
        threads.execute(() -> serve(client));
      } catch (IOException closed) {
        return;
      }
    }
  }

  private void serve(Socket client) {
    try (client) {
      String head = head(client.getInputStream());
      String authority = head.split(" ")[1];
      requested.add(authority);
      String expected =
          credentials == null
              ? ""
              : "Proxy-Authorization: Basic "
                  + Base64.getEncoder()
                      .encodeToString(credentials.getBytes(StandardCharsets.UTF_8));
      if (!head.contains(expected)) {
        answer(
            client, "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"");
        return;
      }
      int port = Integer.parseInt(authority.substring(authority.indexOf(':') + 1));
      try (Socket server = new Socket(InetAddress.getLoopbackAddress(), port)) {
        answer(client, "200 Connection established");
        threads.execute(() -> copy(server, client));
        copy(client, server);
      } catch (IOException e) {
        answer(client, "502 Bad Gateway");
      }
    } catch (IOException e) {
      // either end may go
    }
  }

  private static String head(InputStream in) throws IOException {
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
      head.write(in.read());
    }
    return head.toString(StandardCharsets.ISO_8859_1);
  }

  private static void answer(Socket client, String status) throws IOException {
    client
        .getOutputStream()
        .write(("HTTP/1.1 " + status + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1));
  }

  private static void copy(Socket from, Socket to) {
    try {
      from.getInputStream().transferTo(to.getOutputStream());
      to.shutdownOutput();
    } catch (IOException e) {
      // either end may go
    }
  }

  @Override
  public void close() throws IOException {
    listening.close();
    threads.shutdownNow();
  }
}
