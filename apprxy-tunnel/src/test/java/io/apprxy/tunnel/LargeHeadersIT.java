package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.handlers.BlockingHandler;
import io.undertow.util.HttpString;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The headers of one user or one origin are large: they pass, or are refused, and end no connection
 * of the tunnel, which others are using.
 */
@Timeout(60)
class LargeHeadersIT {
  private static final String KIB = "v".repeat(1_000);

  private final CountDownLatch otherBegan = new CountDownLatch(1);
  private final CountDownLatch finishOther = new CountDownLatch(1);
  private final Undertow origin = Chain.undertow(new BlockingHandler(this::answer));
  private final Chain chain = new Chain(Chain.portOf(origin), application -> application);
  private CompletableFuture<HttpResponse<String>> other;

  private void answer(HttpServerExchange exchange) throws InterruptedException {
    if (exchange.getRequestURI().equals("/other")) {
      otherBegan.countDown();
      finishOther.await(60, TimeUnit.SECONDS);
    }
    if (!exchange.getQueryString().isEmpty()) {
      for (int i = 0; i < Integer.parseInt(exchange.getQueryString()); i++) {
        exchange.getResponseHeaders().put(new HttpString("x-" + i), KIB);
      }
    }
    exchange.getResponseSender().send(String.valueOf(exchange.getRequestHeaders().get("x-0")));
  }

  /** It is under way on the one connection there is, and is not sent twice. */
  @BeforeEach
  void another() throws Exception {
    chain.connect(Chain.portOf(origin), settings -> settings.connections(1));
    other =
        chain.client.sendAsync(
            chain.request("/other").POST(BodyPublishers.ofString("once")).build(),
            BodyHandlers.ofString());
    assertThat(otherBegan.await(30, TimeUnit.SECONDS)).isTrue();
  }

  @AfterEach
  void anotherGoesOn() throws Exception {
    finishOther.countDown();
    try {
      assertThat(other.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
    } finally {
      chain.close();
      origin.stop();
    }
  }

  @Test
  void request_withManyCookies_isServed() throws Exception {
    HttpResponse<String> response = send(60);
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.body()).contains(KIB);
  }

  @Test
  void request_thatIsTooLarge_isRefused_andToldSo() throws Exception {
    HttpResponse<String> response = send(190);
    assertThat(response.statusCode()).isEqualTo(431);
    assertThat(response.body()).contains("APX-103");
  }

  @Test
  void response_withLargeHeaders_isServed() throws Exception {
    HttpResponse<String> response = chain.get("/?100");
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.headers().firstValue("x-99")).contains(KIB);
  }

  @Test
  void response_thatIsTooLargeForTheTunnel_isRefused() throws Exception {
    HttpResponse<String> response = chain.get("/?150");
    assertThat(response.statusCode()).isEqualTo(502);
    assertThat(response.body()).contains("APX-604");
  }

  @Test
  void trailers_thatAreTooLarge_areDropped() throws Exception {
    StringBuilder trailers = new StringBuilder();
    for (int i = 0; i < 190; i++) {
      trailers.append("x-t").append(i).append(": ").append(KIB).append('\n');
    }
    try (Socket socket =
        chain.raw(
            "POST / HTTP/1.1\nHost: localhost:"
                + chain.port
                + "\nTransfer-Encoding: chunked\nConnection: close\n\n3\nabc\n0\n"
                + trailers
                + "\n")) {
      assertThat(new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1))
          .startsWith("HTTP/1.1 200");
    }
  }

  private HttpResponse<String> send(int headers) throws Exception {
    HttpRequest.Builder request = chain.request("/");
    for (int i = 0; i < headers; i++) {
      request.header("x-" + i, KIB);
    }
    return chain.client.send(request.build(), BodyHandlers.ofString());
  }
}
