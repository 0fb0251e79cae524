package io.apprxy.examples;

import io.apprxy.examples.BenchmarkContender.Running;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** Connections that have had one answer and ask for nothing more, or that take no more of it. */
final class BenchmarkIdle implements AutoCloseable {
  private final List<SSLSocket> sockets = new ArrayList<>();

  private final SSLContext trust;
  private final Running on;

  BenchmarkIdle(SSLContext trust, Running on) {
    this.trust = trust;
    this.on = on;
  }

  /** Opens some that have had their answer. */
  void open(int number) throws IOException {
    for (int i = 0; i < number; i++) {
      readAnswer(ask(BenchmarkWorkload.SMALL).getInputStream());
    }
  }

  /** Opens some that stop to read at the first byte of much. */
  void stall(int number) throws IOException {
    for (int i = 0; i < number; i++) {
      if (ask(BenchmarkWorkload.LARGE).getInputStream().read() != 'H') {
        throw new IOException("no answer");
      }
    }
  }

  private SSLSocket ask(String path) throws IOException {
    URI url = on.url(path);
    String cookie = on.cookie();
    byte[] request =
        "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n"
            .formatted(
                url.getRawPath(),
                url.getRawAuthority(),
                cookie == null ? "" : "Cookie: " + cookie + "\r\n")
            .getBytes(StandardCharsets.ISO_8859_1);
    SSLSocket socket =
        (SSLSocket) trust.getSocketFactory().createSocket(url.getHost(), url.getPort());
    sockets.add(socket);
    socket.setSoTimeout(10_000);
    socket.getOutputStream().write(request);
    return socket;
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
