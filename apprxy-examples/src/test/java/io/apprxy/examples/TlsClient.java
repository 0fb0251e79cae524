package io.apprxy.examples;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLContext;

/** A client that sends exactly what a test says, as no library would. */
record TlsClient(SSLContext trust, int port) {
  /** Opens a connection. */
  Socket connect() throws IOException {
    Socket plain = new Socket(InetAddress.getByName("127.0.0.1"), port);
    plain.setSoTimeout(20_000);
    return trust.getSocketFactory().createSocket(plain, "localhost", port, true);
  }

  /** Sends a request, and reads all until the server closes the connection. */
  String send(String request) throws IOException {
    try (Socket socket = connect()) {
      socket
          .getOutputStream()
          .write(request.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
      socket.getOutputStream().flush();
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      try {
        socket.getInputStream().transferTo(all);
      } catch (SocketTimeoutException e) {
        throw new IOException("the server answers no more after: " + all, e);
      } catch (IOException e) {
        if (all.size() == 0) {
          throw e;
        } // else closed without TLS' own end: what was read counts
      }
      return all.toString(StandardCharsets.UTF_8);
    }
  }

  /** A GET of this target, with these header lines. */
  String get(String target, String headers) throws IOException {
    return send("GET", target, headers, "");
  }

  String send(String method, String target, String headers, String body) throws IOException {
    return send(
        method
            + " "
            + target
            + " HTTP/1.1\nHost: localhost:"
            + port
            + "\nConnection: close\n"
            + headers
            + "\n"
            + body);
  }
}
