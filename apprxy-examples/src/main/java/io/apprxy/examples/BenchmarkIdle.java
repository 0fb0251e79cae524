package io.apprxy.examples;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/** Connections that have had one answer, and ask for nothing more. */
final class BenchmarkIdle implements AutoCloseable {
  private final List<SSLSocket> sockets = new ArrayList<>();

  private final SSLContext trust;

  BenchmarkIdle(SSLContext trust) {
    this.trust = trust;
  }

  void open(int number, URI url, @Nullable String cookie) throws IOException {
    byte[] request =
        "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n"
            .formatted(
                url.getRawPath(),
                url.getRawAuthority(),
                cookie == null ? "" : "Cookie: " + cookie + "\r\n")
            .getBytes(StandardCharsets.ISO_8859_1);
    for (int i = 0; i < number; i++) {
      SSLSocket socket =
          (SSLSocket) trust.getSocketFactory().createSocket(url.getHost(), url.getPort());
      sockets.add(socket);
      socket.setSoTimeout(10_000);
      socket.getOutputStream().write(request);
      readAnswer(socket.getInputStream());
    }
  }

  /** Up to the last byte of the origin's body, however it was framed on its way. */
  private static void readAnswer(InputStream from) throws IOException {
    StringBuilder answer = new StringBuilder();
    byte[] buffer = new byte[8 * 1024];
    while (answer.indexOf(BenchmarkServers.END_OF_BODY) < 0) {
      int count = from.read(buffer);
      if (count < 0) {
        throw new IOException("the connection was closed after: " + answer);
      }
      answer.append(new String(buffer, 0, count, StandardCharsets.ISO_8859_1));
    }
    if (!answer.toString().startsWith("HTTP/1.1 200")) {
      throw new IOException("not 200: " + answer);
    }
  }

  @Override
  public void close() throws IOException {
    for (SSLSocket socket : sockets) {
      socket.close();
    }
  }
}
