package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.Algorithm;
import io.undertow.Undertow;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A connector that was broken into, beside one that was not: it can spoil what it is asked itself,
 * and nothing else.
 */
@Timeout(90)
class HostileConnectorIT {
  private final AtomicInteger reachedTheOrigin = new AtomicInteger();
  private final CountDownLatch updated = new CountDownLatch(1);
  private final BlockingQueue<String> turns = new LinkedBlockingQueue<>();
  private final Undertow origin =
      Chain.undertow(
          exchange -> {
            reachedTheOrigin.incrementAndGet();
            exchange.getResponseSender().send("good");
          });
  private final Chain chain =
      new Chain(
          Chain.portOf(origin),
          application ->
              application.loadBalancing(
                  LoadBalancing.builder().algorithm(Algorithm.ROUND_ROBIN).build()),
          tunnel -> tunnel.bounds(16, 16));

  @TempDir private Path directory;
  private Connector good;

  @BeforeEach
  void connect() throws InterruptedException {
    good =
        chain.connect(
            chain.originPort,
            settings ->
                settings
                    .name("good")
                    .onUpdateTurn(
                        version -> {
                          turns.add(version);
                          awaitQuietly(updated);
                        }));
  }

  @AfterEach
  void close() {
    updated.countDown();
    chain.close();
    origin.stop();
  }

  // ---- what it answers

  @Test
  void answer_setsNoCookieOfTheGateway_andNoHeaderOfIts() throws Exception {
    try (ForeignConnector hostile = hostile("forged")) {
      hostile.await("/.apprxy/serving");
      List<HttpResponse<String>> forged = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        HttpResponse<String> answer = chain.get("/");
        assertThat(answer.statusCode()).isEqualTo(200);
        if (answer.body().equals("forged")) {
          forged.add(answer);
        }
      }

      assertThat(forged)
          .isNotEmpty()
          .allSatisfy(
              answer -> {
                var headers = answer.headers();
                assertThat(headers.allValues("set-cookie")).containsExactly("own=1");
                assertThat(headers.allValues("x-request-id")).hasSize(1).doesNotContain("forged");
                assertThat(headers.map().keySet())
                    .doesNotContain("proxy-authenticate")
                    .noneMatch(name -> name.startsWith("apprxy-"));
              });
    }
  }

  @Test
  void errorThatOnlyAGatewayGives_isABrokenAnswer() throws Exception {
    try (ForeignConnector hostile = hostile("error")) {
      hostile.await("/.apprxy/serving");
      assertThat(post(10))
          .filteredOn(answer -> answer.statusCode() != 200)
          .isNotEmpty()
          .allSatisfy(
              answer -> {
                assertThat(answer.statusCode()).isEqualTo(502);
                assertThat(answer.body()).contains("APX-").doesNotContain("forged", "APX-201");
              });
      assertGoodServes();
    }
  }

  @Test
  void streamsThatAreReset_areServedByAnother_orNotAtAll() throws Exception {
    try (ForeignConnector hostile = hostile("resets")) {
      hostile.await("/.apprxy/serving");
      for (int i = 0; i < 6; i++) {
        assertThat(chain.get("/").body()).isEqualTo("good");
      }
      reachedTheOrigin.set(0);
      assertThat(post(10))
          .allSatisfy(answer -> assertThat(answer.statusCode()).isIn(200, 502))
          .filteredOn(answer -> answer.statusCode() == 200)
          .as("POSTs that were served, each once")
          .hasSize(reachedTheOrigin.get());
      assertGoodServes();
    }
  }

  @Test
  void answersWithoutEnd_holdUpNobodyElse_andAreNeverTakenForWhole() throws Exception {
    try (ForeignConnector hostile = hostile("endless")) {
      hostile.await("/.apprxy/serving");
      List<CompletableFuture<HttpResponse<String>>> asked = new ArrayList<>();
      BlockingQueue<String> whole = new LinkedBlockingQueue<>();
      for (int i = 0; i < 20; i++) {
        CompletableFuture<HttpResponse<String>> answer =
            chain.client.sendAsync(chain.request("/").build(), BodyHandlers.ofString());
        var unused = answer.thenAccept(response -> whole.add(response.body()));
        asked.add(answer);
      }
      for (int i = 0; i < 10; i++) {
        assertThat(whole.poll(30, TimeUnit.SECONDS)).isEqualTo("good");
      }

      hostile.kill();
      List<CompletableFuture<HttpResponse<String>>> begun =
          asked.stream().filter(answer -> !answer.isDone()).toList();
      assertThat(begun).hasSize(10);
      for (CompletableFuture<HttpResponse<String>> answer : begun) {
        assertThatThrownBy(() -> answer.get(30, TimeUnit.SECONDS))
            .hasCauseInstanceOf(IOException.class);
      }
      assertGoodServes();
    }
  }

  /** No library would send it (RFC 9113 §8.2.2, RFC 9110 §15), so this one is bytes. */
  @ParameterizedTest
  @CsvSource({
    "200, connection, x-request-id, 200",
    "200, keep-alive, timeout=5, 200",
    "200, upgrade, websocket, 200",
    "101, upgrade, websocket, 502",
    "0, x, y, 502",
    "99, x, y, 502",
    "1000, x, y, 502",
    "-1, x, y, 502",
    "abc, x, y, 502",
    "99999999999, x, y, 502",
    "200, content-length, 7, 0" // none: nothing can make up for what is missing
  })
  void answerThatHttpForbids_reachesTheUserCleaned_orAsAnError(
      String status, String name, String value, int seen) throws Exception {
    good.close();
    try (RawHttp2 hostile = new RawHttp2(dial())) {
      int control = hostile.serve();
      hostile.send(answer(control, 0, "200", "x", "y"));
      byte[] checkIn = (good.checkIn(false).toJson() + "\n").getBytes(StandardCharsets.UTF_8);
      hostile.send(RawHttp2.frame(RawHttp2.DATA, 0, control, checkIn));
      int next = control + 2;
      for (String order : List.of("ended sessions", "configuration", "serving")) {
        int stream = hostile.await(RawHttp2.HEADERS).stream();
        assertThat(stream).as(order).isEqualTo(next);
        next += 2;
        hostile.send(answer(stream, RawHttp2.END_STREAM, "204", "x", "y"));
      }
      CompletableFuture<HttpResponse<String>> asked =
          chain.client.sendAsync(
              chain.request("/").POST(BodyPublishers.noBody()).build(), BodyHandlers.ofString());
      int stream = hostile.await(RawHttp2.HEADERS).stream();
      hostile.send(answer(stream, RawHttp2.END_STREAM, status, name, value));

      if (seen == 0) {
        assertThatThrownBy(() -> asked.get(30, TimeUnit.SECONDS))
            .hasCauseInstanceOf(IOException.class);
      } else {
        HttpResponse<String> answer = asked.get(30, TimeUnit.SECONDS);
        assertThat(answer.statusCode()).isEqualTo(seen);
        assertThat(answer.headers().allValues("x-request-id")).hasSize(1);
        assertThat(answer.headers().map().keySet()).doesNotContain("keep-alive", "upgrade");
      }
      assertThat(chain.tunnel.connectors()).as("connectors: requests of others go on").hasSize(1);
    }
  }

  private Socket dial() throws Exception {
    return RawHttp2.connect(enrolled(), chain.tunnel.port(), Dialer.REVERSE_HTTP2);
  }

  private SSLContext enrolled() throws Exception {
    return chain.tls.client(
        TestPeer.enrolled(
            chain.tls, chain.tunnel.port(), chain.tunnel.createEnrolmentToken("default")));
  }

  private static byte[] answer(int stream, int flags, String status, String name, String value) {
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    RawHttp2.header(block, ":status", status);
    RawHttp2.header(block, name, value);
    return RawHttp2.frame(
        RawHttp2.HEADERS, RawHttp2.END_HEADERS | flags, stream, block.toByteArray());
  }

  // ---- how often it connects

  @Test
  void peersWithoutACertificate_areTurnedAwayWithoutWords_whenTooManyDoNotListen()
      throws Exception {
    List<RawHttp2> deaf = new ArrayList<>();
    try {
      boolean told = true;
      while (told && deaf.size() < 100) {
        RawHttp2 next =
            new RawHttp2(
                RawHttp2.connect(chain.tls.client(), chain.tunnel.port(), Dialer.REVERSE_HTTP2));
        deaf.add(next);
        told = hearsARequest(next);
      }
      assertThat(told).as("whether even the last of %s was told", deaf.size()).isFalse();
      assertThat(deaf).as("those that were told, and one").hasSizeGreaterThan(16);
      assertGoodServes();
      chain.connect(chain.originPort);
    } finally {
      for (RawHttp2 each : deaf) {
        each.close();
      }
    }
  }

  @Test
  void connectorWithTooManyConnections_isRefusedMore_andOthersAreNot() throws Exception {
    SSLContext identity = enrolled();
    List<RawHttp2> many = new ArrayList<>();
    try {
      while (many.size() < 100 && refused().isEmpty()) {
        RawHttp2 next =
            new RawHttp2(RawHttp2.connect(identity, chain.tunnel.port(), Dialer.REVERSE_HTTP2));
        many.add(next);
        hearsARequest(next);
      }
      assertThat(refused()).singleElement().asString().contains("has 16 connections already");
      assertThat(many).hasSizeGreaterThan(16);
      assertGoodServes();
      chain.connect(chain.originPort);
    } finally {
      for (RawHttp2 each : many) {
        each.close();
      }
    }
  }

  private List<String> refused() {
    return chain.tunnelEvents.stream()
        .filter(event -> event.type() == TunnelEvent.Type.REFUSED)
        .map(TunnelEvent::detail)
        .toList();
  }

  /** Whether the gateway says something on this connection before it closes it. */
  private static boolean hearsARequest(RawHttp2 connection) {
    try {
      connection.serve();
      return true;
    } catch (IOException closed) {
      return false;
    }
  }

  // ---- what it says, and does not say

  @ParameterizedTest
  @ValueSource(strings = {"unconfigured", "refusing", "failing"})
  void connectorThatDoesNotObey_isClosed_andServesNobody(String misbehaviour) throws Exception {
    try (ForeignConnector hostile = hostile(misbehaviour)) {
      assertThat(hostile.awaitEnd()).contains("closed");
      assertGoodServes();
    }
  }

  @Test
  void floodOfCheckIns_isRefused() throws Exception {
    try (ForeignConnector hostile = hostile("flood")) {
      assertThat(hostile.awaitEnd())
          .anyMatch(line -> line.startsWith("refused ") && line.contains("APX-712"))
          .contains("closed");
      assertGoodServes();
    }
  }

  @Test
  void runOfAnotherConnector_thatIsClaimed_isNotTaken() throws Exception {
    String claimed = good.checkIn(false).instance();
    try (ForeignConnector hostile = new ForeignConnector(chain, directory, "rh2", "", claimed)) {
      List<String> told = new ArrayList<>(hostile.await("/.apprxy/serving"));
      assertThat(chain.tunnel.connectors())
          .extracting(ConnectorState::name)
          .containsExactlyInAnyOrder("good", "node");
      assertThat(chain.tunnel.connectors()).extracting(ConnectorState::id).doesNotHaveDuplicates();
      chain.tunnel.recommendVersion("0.9.0");
      assertThat(turns.poll(30, TimeUnit.SECONDS)).isEqualTo("0.9.0");

      hostile.leave();
      told.addAll(hostile.awaitEnd());
      assertThat(told).noneMatch(line -> line.contains("/.apprxy/update"));
      assertGoodServes();
    }
  }

  // ---- parts

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private ForeignConnector hostile(String misbehaviour) throws Exception {
    return new ForeignConnector(chain, directory, "rh2", misbehaviour, "");
  }

  private List<HttpResponse<String>> post(int times) throws Exception {
    List<HttpResponse<String>> answers = new ArrayList<>();
    for (int i = 0; i < times; i++) {
      answers.add(
          chain.client.send(
              chain.request("/").POST(BodyPublishers.ofString("once")).build(),
              BodyHandlers.ofString()));
    }
    return answers;
  }

  private void assertGoodServes() throws Exception {
    assertThat(good.isConnected()).isTrue();
    assertThat(chain.tunnel.connectors())
        .filteredOn(state -> state.name().equals("good"))
        .singleElement()
        .satisfies(state -> assertThat(state.phase()).isEqualTo(ConnectorState.Phase.UP));
    assertThat(chain.get("/").body()).isEqualTo("good");
  }
}
