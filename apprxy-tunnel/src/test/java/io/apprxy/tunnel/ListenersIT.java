package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.undertow.Undertow;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A gateway and a tunnel server of one process share their I/O threads, and nothing else. */
@Timeout(60)
class ListenersIT {
  private static final byte STATUS_400 = (byte) 0x8c; // RFC 7541, appendix A: indexed field 12

  private final TestTls tls = new TestTls();

  private final Undertow origin =
      Chain.undertow(exchange -> exchange.getResponseSender().send("served"));
  private final TunnelServer tunnel = tunnel().start();
  private final Gateway gateway = gateway(Chain.portOf(origin)).start();

  @AfterEach
  void stop() {
    gateway.close();
    tunnel.close();
    origin.stop();
  }

  @Test
  void closedGateway_endsItsConnections_whileTheTunnelServerGoesOn() throws Exception {
    try (SSLSocket kept = connect(gateway.port());
        Connector connector = connector(tunnel.port())) {
      BufferedReader answers =
          new BufferedReader(
              new InputStreamReader(kept.getInputStream(), StandardCharsets.ISO_8859_1));
      get(kept);
      String line = answers.readLine();
      assertThat(line).startsWith("HTTP/1.1 ");
      gateway.close();
      while (line != null) {
        line = answers.readLine(); // ends with the connection
      }
      connector.start();
      assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
    }
  }

  @Test
  void closedTunnelServer_leavesTheGatewayToItsUsers() throws Exception {
    tunnel.close();
    HttpResponse<String> answer =
        HttpClient.newBuilder()
            .sslContext(tls.client())
            .build()
            .send(
                HttpRequest.newBuilder(URI.create("https://localhost:" + gateway.port() + "/"))
                    .build(),
                HttpResponse.BodyHandlers.ofString());
    assertThat(answer.version()).isEqualTo(HttpClient.Version.HTTP_2);
    assertThat(answer.statusCode()).isEqualTo(404); // that it answers is what counts
  }

  /** Undertow would wait for the body with the stream open, and hold up every later one. */
  @Test
  void requestThatAnnouncesABody_andHasNone_isRefused() throws Exception {
    try (RawHttp2 client = new RawHttp2(tls.client(), gateway.port())) {
      client.request("/", Map.of("content-length", "5"));
      assertThat(client.await(RawHttp2.HEADERS).payload().get()).isEqualTo(STATUS_400);
    }
  }

  @Test
  void clientOfHttp2_isToldHowManyStreamsItGets() throws Exception {
    try (RawHttp2 client = new RawHttp2(tls.client(), gateway.port())) {
      ByteBuffer settings = client.await(RawHttp2.SETTINGS).payload();
      Map<Integer, Integer> told = new HashMap<>();
      while (settings.hasRemaining()) {
        told.put((int) settings.getShort(), settings.getInt());
      }
      assertThat(told).containsEntry(RawHttp2.MAX_CONCURRENT_STREAMS, 100);
    }
  }

  private TunnelServer tunnel() {
    return TunnelServer.builder()
        .host("127.0.0.1")
        .port(0)
        .tls(tls.keys("localhost"))
        .group("default")
        .build();
  }

  private Gateway gateway(int originPort) {
    return Gateway.builder()
        .host("127.0.0.1")
        .port(0)
        .tls(tls.server("localhost"))
        .publish(
            Application.builder("app")
                .externalUrl("https://app.test/")
                .internalUrl("http://127.0.0.1:" + originPort + "/")
                .passthrough()
                .build())
        .build();
  }

  private Connector connector(int port) {
    return Connector.builder()
        .gateway("https://localhost:" + port)
        .trust(tls.ca())
        .enrolmentToken(tunnel.createEnrolmentToken("default"))
        .allowOrigin("http://127.0.0.1:1")
        .build();
  }

  private SSLSocket connect(int port) throws IOException {
    SSLSocket socket = (SSLSocket) tls.client().getSocketFactory().createSocket("localhost", port);
    socket.setSoTimeout(30_000);
    return socket;
  }

  private static void get(SSLSocket socket) throws IOException {
    socket
        .getOutputStream()
        .write("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1));
  }
}
