package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.undertow.Undertow;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Whoever connects and then takes all the time in the world is not waited for. */
@Timeout(60)
class SlowPeersIT {
  private static final int PATIENCE_MILLIS = 30_000;

  @Test
  void peers_thatDoNotGoOn_areDisconnected_andOthersAreServedMeanwhile() throws Exception {
    Undertow origin = Chain.undertow(exchange -> exchange.getResponseSender().send("served"));
    try (Chain chain = new Chain(Chain.portOf(origin), application -> application);
        Gateway gateway = gateway(chain, Chain.portOf(origin))) {
      chain.connect(Chain.portOf(origin));
      int tunnel = chain.tunnel.port();
      List<Socket> slow = new ArrayList<>();
      for (int port : new int[] {tunnel, gateway.port()}) {
        for (int i = 0; i < 50; i++) {
          slow.add(plain(port, new byte[0]));
        }
        slow.add(plain(port, new byte[] {22, 3, 1, 1, 0})); // the beginning of a ClientHello
        slow.add(plain(port, "GET / HTTP/1.1\r\n".getBytes(StandardCharsets.US_ASCII)));
      }
      slow.add(tls(chain, tunnel, "http/1.1", new byte[0]));
      slow.add(
          tls(chain, tunnel, "http/1.1", "GET /.apprxy/con".getBytes(StandardCharsets.US_ASCII)));
      slow.add(tls(chain, tunnel, "h2", new byte[0]));
      slow.add(tls(chain, tunnel, "h2", "PRI * HT".getBytes(StandardCharsets.US_ASCII)));
      slow.add(tls(chain, tunnel, "h2", RawHttp2.PREFACE));

      for (int i = 0; i < 100; i++) {
        assertThat(chain.get("/").body()).isEqualTo("served");
      }
      for (Socket each : slow) {
        awaitEnd(each);
      }
    } finally {
      origin.stop();
    }
  }

  private static Gateway gateway(Chain chain, int originPort) {
    return Gateway.builder()
        .host("127.0.0.1")
        .port(0)
        .tls(chain.tls.server("localhost"))
        .publish(
            Application.builder("app")
                .externalUrl("https://localhost/")
                .internalUrl("http://127.0.0.1:" + originPort + "/")
                .passthrough()
                .build())
        .build()
        .start();
  }

  private static Socket plain(int port, byte[] first) throws IOException {
    return begun(new Socket(InetAddress.getLoopbackAddress(), port), first);
  }

  private static Socket tls(Chain chain, int port, String protocol, byte[] first)
      throws IOException {
    SSLSocket socket =
        (SSLSocket) chain.tls.client().getSocketFactory().createSocket("localhost", port);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setApplicationProtocols(new String[] {protocol});
    socket.setSSLParameters(parameters);
    socket.startHandshake();
    return begun(socket, first);
  }

  private static Socket begun(Socket socket, byte[] first) throws IOException {
    socket.setSoTimeout(PATIENCE_MILLIS);
    socket.getOutputStream().write(first);
    return socket;
  }

  /** What comes before it does not matter. */
  private static void awaitEnd(Socket socket) throws IOException {
    try (socket) {
      InputStream in = socket.getInputStream();
      while (in.read() >= 0) {
        // ends with the connection
      }
    } catch (SocketException reset) {
      // an end, too
    }
  }
}
