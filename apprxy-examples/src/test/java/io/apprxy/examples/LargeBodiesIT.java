package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.handlers.BlockingHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Bodies of eight times the heap of each process go through the whole chain, and arrive intact. */
@Timeout(300)
class LargeBodiesIT {
  private static final long TWO_GIB = 2L << 30;

  @TempDir private Path temporary;
  private Undertow origin;
  private SeparateProcesses processes;
  private HttpClient client;
  private String cookie;

  @BeforeEach
  void start() throws Exception {
    origin =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1", new BlockingHandler(LargeBodiesIT::serve))
            .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, -1L)
            .build();
    origin.start();
    int port = ((InetSocketAddress) origin.getListenerInfo().get(0).getAddress()).getPort();
    processes = new SeparateProcesses(URI.create("http://127.0.0.1:" + port + "/"), temporary);
    processes.startConnector();
    cookie = processes.alice().cookies(processes.home);
    client =
        HttpClient.newBuilder()
            .sslContext(processes.certificates().trust())
            .version(HttpClient.Version.HTTP_1_1)
            .build();
  }

  @AfterEach
  void stop() {
    processes.close();
    origin.stop();
  }

  @Test
  void download_ofTwoGib_arrivesWhole() throws Exception {
    try (InputStream body =
        client.send(request("download").build(), BodyHandlers.ofInputStream()).body()) {
      assertThat(checksum(body)).isEqualTo(checksum(new Pattern()));
    }
  }

  @Test
  void upload_ofTwoGib_arrivesWhole() throws Exception {
    String received =
        client
            .send(
                request("upload").POST(BodyPublishers.ofInputStream(Pattern::new)).build(),
                BodyHandlers.ofString())
            .body();
    assertThat(received).isEqualTo(checksum(new Pattern()));
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(processes.home.resolve(path)).header("Cookie", cookie);
  }

  private static void serve(HttpServerExchange exchange) throws IOException {
    switch (exchange.getRequestURI()) {
      case "/download" -> {
        try (OutputStream out = exchange.getOutputStream()) {
          new Pattern().transferTo(out);
        }
      }
      case "/upload" -> exchange.getResponseSender().send(checksum(exchange.getInputStream()));
      default -> exchange.getResponseSender().send("home");
    }
  }

  /** Length and CRC, which find what is lost, doubled or out of order. */
  private static String checksum(InputStream in) throws IOException {
    CRC32C crc = new CRC32C();
    long length = 0;
    byte[] block = new byte[65_536];
    for (int n = in.read(block); n >= 0; n = in.read(block)) {
      crc.update(block, 0, n);
      length += n;
    }
    return length + " bytes, CRC " + crc.getValue();
  }

  /** Two GiB, no 8 bytes of which are at another place the same. */
  private static final class Pattern extends InputStream {
    private long position;

    @Override
    public int read() {
      if (position == TWO_GIB) {
        return -1;
      }
      int octet = octet(position);
      position++;
      return octet;
    }

    @Override
    public int read(byte[] into, int offset, int length) {
      if (position == TWO_GIB) {
        return -1;
      }
      int count = (int) Math.min(length, TWO_GIB - position);
      for (int i = 0; i < count; i++) {
        into[offset + i] = (byte) octet(position + i);
      }
      position += count;
      return count;
    }

    private static int octet(long position) {
      long word = (position >>> 3) * 0x9E3779B97F4A7C15L;
      return (int) (word >>> ((position & 7) << 3)) & 0xff;
    }
  }
}
