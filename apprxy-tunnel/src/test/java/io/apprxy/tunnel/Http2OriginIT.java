package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.util.StatusCodes;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Origins that speak HTTP/2, do not, or speak it badly, through the whole chain. */
@Timeout(120)
class Http2OriginIT {
  private final List<AutoCloseable> parts = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  // ---- which protocol

  @Test
  void originInPlainText_isSpokenToByPriorKnowledge() throws Exception {
    Undertow origin = origin(null, true, exchange -> tellProtocol(exchange));
    assertThat(plain(Chain.portOf(origin)).get("/").body()).isEqualTo("HTTP/2.0");
  }

  @Test
  void originWithTls_isSpokenToByAlpn() throws Exception {
    TestTls company = new TestTls();
    Undertow origin = origin(company.server("localhost"), true, exchange -> tellProtocol(exchange));
    assertThat(secure(origin, company).get("/").body()).isEqualTo("HTTP/2.0");
  }

  @Test
  void originInPlainText_thatSpeaksHttp1Only_answers502_withItsCode() throws Exception {
    Undertow origin = origin(null, false, exchange -> tellProtocol(exchange));
    HttpResponse<String> answer = plain(Chain.portOf(origin)).get("/");
    assertThat(answer.statusCode()).isEqualTo(502);
    assertThat(answer.body()).contains("APX-609");
  }

  @Test
  void originWithTls_thatSpeaksHttp1Only_answers502_withItsCode() throws Exception {
    TestTls company = new TestTls();
    Undertow origin =
        origin(company.server("localhost"), false, exchange -> tellProtocol(exchange));
    HttpResponse<String> answer = secure(origin, company).get("/");
    assertThat(answer.statusCode()).isEqualTo(502);
    assertThat(answer.body()).contains("APX-609");
  }

  @Test
  void originWithACertificateOfAnotherCa_answers502_withItsCode() throws Exception {
    Undertow origin =
        origin(new TestTls().server("localhost"), true, exchange -> tellProtocol(exchange));
    HttpResponse<String> answer = secure(origin, new TestTls()).get("/");
    assertThat(answer.statusCode()).isEqualTo(502);
    assertThat(answer.body()).contains("APX-603");
  }

  @Test
  void originThatIsNotThere_answers502_withItsCode() throws Exception {
    int nobodyListens;
    try (RawHttp2Origin gone = new RawHttp2Origin()) {
      nobodyListens = gone.port();
    }
    assertThat(plain(nobodyListens).get("/").body()).contains("APX-601");
  }

  // ---- streams

  /** Undertow's client leaves the stream of each such response counted as open. */
  @Test
  void responsesWithoutABody_useUpNoStream() throws Exception {
    Undertow origin =
        origin(null, true, exchange -> exchange.setStatusCode(StatusCodes.NO_CONTENT));
    Chain chain = plain(Chain.portOf(origin));
    for (int i = 0; i < 150; i++) {
      assertThat(chain.get("/").statusCode()).isEqualTo(204);
    }
  }

  @Test
  void requestThatTheOriginTurnsAway_isSentAgain_whateverItIs() throws Exception {
    try (RawHttp2Origin origin = new RawHttp2Origin()) {
      Chain chain = plain(origin.port());
      CompletableFuture<HttpResponse<String>> answer = post(chain);
      RawHttp2Origin.Connection first = origin.accept();
      first.reset(first.request(), RawHttp2Origin.REFUSED_STREAM);
      RawHttp2Origin.Connection second = origin.accept();
      second.answer(second.request());
      assertThat(answer.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
    }
  }

  @Test
  void requestThatTheOriginBreaksOff_isNotSentAgain_ifItIsNotIdempotent() throws Exception {
    try (RawHttp2Origin origin = new RawHttp2Origin()) {
      Chain chain = plain(origin.port());
      CompletableFuture<HttpResponse<String>> answer = post(chain);
      RawHttp2Origin.Connection connection = origin.accept();
      connection.reset(connection.request(), RawHttp2Origin.CANCEL);
      assertThat(answer.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(502);
      assertThat(answer.get().body()).contains("APX-604");
      CompletableFuture<HttpResponse<String>> next = post(chain); // by the same connection
      connection.answer(connection.request());
      assertThat(next.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
    }
  }

  @Test
  void originThatGoesAway_answersWhatItHasBegun_andNothingElseIsLost() throws Exception {
    try (RawHttp2Origin origin = new RawHttp2Origin()) {
      Chain chain = plain(origin.port(), 1);
      CompletableFuture<HttpResponse<String>> begun = post(chain);
      RawHttp2Origin.Connection leaving = origin.accept();
      int first = leaving.request();
      CompletableFuture<HttpResponse<String>> tooLate = post(chain);
      leaving.request();
      leaving.goAway(first);
      RawHttp2Origin.Connection staying = origin.accept();
      staying.answer(staying.request());
      assertThat(tooLate.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
      leaving.answer(first);
      assertThat(begun.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
      assertThat(leaving.isClosed()).isTrue();
    }
  }

  @Test
  void interimResponse_isRefused_andOtherRequestsOfTheConnectionGoOn() throws Exception {
    try (RawHttp2Origin origin = new RawHttp2Origin()) {
      Chain chain = plain(origin.port(), 1);
      CompletableFuture<HttpResponse<String>> hinted = post(chain);
      RawHttp2Origin.Connection connection = origin.accept();
      int early = connection.request();
      CompletableFuture<HttpResponse<String>> other = post(chain);
      int later = connection.request();
      connection.answer(early, "103", false);
      connection.answer(early, "200", true);
      assertThat(hinted.get(30, TimeUnit.SECONDS).body()).contains("APX-604");
      connection.answer(later);
      assertThat(other.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"2000", "20", "2x0", "", "099", "-20", "99999999999"})
  void statusThatIsNone_isRefused_andOtherRequestsOfTheConnectionGoOn(String status)
      throws Exception {
    try (RawHttp2Origin origin = new RawHttp2Origin()) {
      Chain chain = plain(origin.port(), 1);
      CompletableFuture<HttpResponse<String>> hostile = post(chain);
      RawHttp2Origin.Connection connection = origin.accept();
      int early = connection.request();
      CompletableFuture<HttpResponse<String>> other = post(chain);
      int later = connection.request();
      connection.answer(early, ":status", status);
      assertThat(hostile.get(15, TimeUnit.SECONDS).body()).contains("APX-604");
      connection.answer(later);
      assertThat(other.get(15, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
    }
  }

  /** Undertow ends the stream, and tells nobody. */
  @ParameterizedTest
  @ValueSource(strings = {"set-cookie ", "set-cookie\t", "content-length ", "a b", "X-Upper"})
  void headerWhoseNameIsNone_isRefused_atOnce(String name) throws Exception {
    try (RawHttp2Origin origin = new RawHttp2Origin()) {
      Chain chain = plain(origin.port(), 1);
      CompletableFuture<HttpResponse<String>> hostile = post(chain);
      RawHttp2Origin.Connection connection = origin.accept();
      int early = connection.request();
      connection.answer(early, ":status", "204", name, "__Host-apprxy-session=evil");
      assertThat(hostile.get(15, TimeUnit.SECONDS).body()).contains("APX-604");
      CompletableFuture<HttpResponse<String>> other = post(chain); // by the same connection
      connection.answer(connection.request());
      assertThat(other.get(15, TimeUnit.SECONDS).statusCode()).isEqualTo(204);
    }
  }

  /** A peer that has vanished closes nothing, and would be sent every request to come. */
  @Test
  void originThatSaysNothing_isAskedForASignOfLife_andLeftWithoutOne() throws Exception {
    try (RawHttp2Origin origin = new RawHttp2Origin()) {
      Chain chain = plain(origin.port());
      CompletableFuture<HttpResponse<String>> answer = post(chain);
      RawHttp2Origin.Connection silent = origin.accept();
      silent.request();
      assertThat(silent.await(RawHttp2Origin.PING).flags()).isZero();
      assertThat(answer.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(502);
      assertThat(silent.isClosed()).isTrue();
    }
  }

  // ---- parts

  private static void tellProtocol(io.undertow.server.HttpServerExchange exchange) {
    exchange.getResponseSender().send(exchange.getProtocol().toString());
  }

  private static CompletableFuture<HttpResponse<String>> post(Chain chain) {
    return chain.client.sendAsync(
        chain.request("/").POST(BodyPublishers.noBody()).build(), BodyHandlers.ofString());
  }

  private Chain plain(int originPort) throws Exception {
    return plain(originPort, 2);
  }

  private Chain plain(int originPort, int connections) throws Exception {
    Chain chain =
        new Chain(
            originPort,
            application -> application.originProtocol(Application.OriginProtocol.HTTP_2));
    parts.add(chain);
    chain.connect(originPort, settings -> settings.connections(connections));
    return chain;
  }

  private Chain secure(Undertow origin, TestTls trusted) throws Exception {
    String url = "https://localhost:" + Chain.portOf(origin);
    Chain chain =
        new Chain(
            1,
            application ->
                application
                    .internalUrl(url + "/")
                    .originProtocol(Application.OriginProtocol.HTTP_2));
    parts.add(chain);
    chain.connect(1, settings -> settings.allowOrigin(url).originTls(trusted.client()));
    return chain;
  }

  private Undertow origin(SSLContext tls, boolean http2, HttpHandler handler) {
    Undertow.Builder builder =
        Undertow.builder()
            .setServerOption(UndertowOptions.ENABLE_HTTP2, http2)
            .setServerOption(UndertowOptions.HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 10)
            .setHandler(handler);
    if (tls == null) {
      builder.addHttpListener(0, "127.0.0.1");
    } else {
      builder.addHttpsListener(0, "127.0.0.1", tls);
    }
    Undertow origin = builder.build();
    origin.start();
    parts.add(origin::stop);
    return origin;
  }
}
