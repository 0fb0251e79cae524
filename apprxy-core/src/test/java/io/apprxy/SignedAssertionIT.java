package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.util.HeaderValues;
import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a gateway signs for a direct origin, and where it serves its keys. */
@Timeout(60)
class SignedAssertionIT {
  private static final Identity ALICE =
      new Identity("https://issuer.test", "a-1", "session-1", Instant.EPOCH, Map.of());
  private static final AssertionSigner SIGNER =
      new AssertionSigner() {
        @Override
        public String sign(Identity identity, Application application) {
          return "signed-for-" + identity.subject() + "-at-" + application.id();
        }

        @Override
        public String publicKeys() {
          return "{\"keys\":[]}";
        }
      };

  private final AtomicReference<HttpHandler> mounted = new AtomicReference<>();
  private Undertow origin;
  private Undertow front;
  private Gateway gateway;
  private int port;

  @BeforeEach
  void start() {
    origin =
        undertow(
            exchange -> {
              StringBuilder body = new StringBuilder();
              for (HeaderValues header : exchange.getRequestHeaders()) {
                header.forEach(value -> body.append(header.getHeaderName() + ": " + value + "\n"));
              }
              exchange.getResponseSender().send(body.toString());
            });
    front = undertow(exchange -> mounted.get().handleRequest(exchange));
    port = port(front);
    mount(Application.Builder::signedAssertion);
  }

  @AfterEach
  void stop() {
    gateway.close();
    front.stop();
    origin.stop();
  }

  @Test
  void origin_getsTheAssertion_andNoOtherOne() throws Exception {
    assertThat(send("GET / HTTP/1.1", "X-Apprxy-Assertion: forged\nx_apprxy_assertion: forged\n"))
        .contains("X-Apprxy-Assertion: signed-for-a-1-at-app")
        .doesNotContain("forged")
        .doesNotContain("apprxy-signed-assertion");
  }

  @ParameterizedTest
  @ValueSource(strings = {"X-Who", "x_who", "X.WHO"})
  void headerOfAnotherName_isTakenFromTheClient_inEverySpelling(String spelling) throws Exception {
    mount(app -> app.signedAssertion(Application.SignedAssertion.defaults().inHeader("X-Who")));
    assertThat(send("GET / HTTP/1.1", spelling + ": forged\n"))
        .contains("X-Who: signed-for-a-1-at-app")
        .doesNotContain("forged");
    assertThat(send("GET /open/ HTTP/1.1", spelling + ": forged\n"))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("forged", "signed-for");
  }

  /** As whatever protects APIs expects it; only there is the client's own of no account. */
  @Test
  void assertionInAuthorization_isABearerToken() throws Exception {
    mount(
        app ->
            app.signedAssertion(Application.SignedAssertion.defaults().inHeader("Authorization")));

    assertThat(send("GET / HTTP/1.1", "Authorization: Bearer forged\nX-Apprxy-Assertion: forged\n"))
        .startsWith("HTTP/1.1 200")
        .contains("Authorization: Bearer signed-for-a-1-at-app\n")
        .doesNotContain("forged", "apprxy-signed-assertion");
    assertThat(send("GET /open/ HTTP/1.1", "Authorization: Basic webhook\n"))
        .startsWith("HTTP/1.1 200")
        .contains("Authorization: Basic webhook\n")
        .doesNotContain("signed-for");
  }

  @Test
  void internalHeader_ofAClient_isNotPassedOn() throws Exception {
    String internal = "apprxy-signed-assertion: forged\n";
    assertThat(send("GET / HTTP/1.1", internal)).doesNotContain("forged");
    assertThat(send("GET /open/ HTTP/1.1", internal))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("forged");
    mount(app -> app);
    assertThat(send("GET / HTTP/1.1", internal))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("forged", "signed-for");
  }

  @Test
  void signerThatFails_refusesTheRequest() throws Exception {
    mount(
        Application.Builder::signedAssertion,
        new AssertionSigner() {
          @Override
          public String sign(Identity identity, Application application) {
            throw new IllegalStateException("no key");
          }

          @Override
          public String publicKeys() {
            return "";
          }
        });
    assertThat(send("GET / HTTP/1.1", "")).startsWith("HTTP/1.1 500").doesNotContain("no key");
  }

  @Test
  void keys_areServedToEverybody_andMayBeCached() throws Exception {
    assertThat(send("GET /.apprxy/jwks.json HTTP/1.1", ""))
        .startsWith("HTTP/1.1 200")
        .contains("Content-Type: application/jwk-set+json", "Cache-Control: public, max-age=300")
        .endsWith("{\"keys\":[]}");
    assertThat(send("HEAD /.apprxy/jwks.json HTTP/1.1", "")).startsWith("HTTP/1.1 200");
    assertThat(send("POST /.apprxy/jwks.json HTTP/1.1", "Content-Length: 0\n"))
        .startsWith("HTTP/1.1 405")
        .contains("Allow: GET, HEAD");
  }

  @Test
  void applicationThatNeedsAnAssertion_needsASigner() {
    assertThatThrownBy(() -> mount(Application.Builder::signedAssertion, null))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("application app needs assertions(…) on the gateway");
  }

  private void mount(UnaryOperator<Application.Builder> settings) {
    mount(settings, SIGNER);
  }

  private void mount(UnaryOperator<Application.Builder> settings, AssertionSigner signer) {
    Gateway.Builder builder =
        Gateway.builder()
            .preAuthentication(
                exchange -> {
                  exchange.identify(ALICE);
                  return Verdict.proceed();
                })
            .accessPolicy(exchange -> Verdict.proceed())
            .accessLog(event -> {})
            .publish(
                settings
                    .apply(
                        Application.builder("app")
                            .externalUrl("http://localhost:" + port + "/")
                            .internalUrl("http://127.0.0.1:" + port(origin) + "/")
                            .assignEveryone())
                    .build())
            .publish(
                Application.builder("open")
                    .externalUrl("http://localhost:" + port + "/open/")
                    .internalUrl("http://127.0.0.1:" + port(origin) + "/open/")
                    .passthrough()
                    .build());
    gateway = (signer == null ? builder : builder.assertions(signer)).build();
    mounted.set(gateway.handler());
  }

  private String send(String line, String headers) throws Exception {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setSoTimeout(20_000);
      String request =
          line + "\nHost: localhost:" + port + "\nConnection: close\n" + headers + "\n";
      socket
          .getOutputStream()
          .write(request.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      socket.getInputStream().transferTo(all);
      return all.toString(StandardCharsets.ISO_8859_1);
    }
  }

  private static Undertow undertow(HttpHandler handler) {
    Undertow server =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setHandler(handler)
            .build();
    server.start();
    return server;
  }

  private static int port(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }
}
