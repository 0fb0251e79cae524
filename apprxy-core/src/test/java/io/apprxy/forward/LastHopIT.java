package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.SignOn;
import io.apprxy.observe.Meters;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.route.RequestTarget;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.SameThreadExecutor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the last hop keeps of applications, and for how long. */
@Timeout(60)
class LastHopIT {
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final BlockingQueue<String> checks = new LinkedBlockingQueue<>();
  private final List<Undertow> servers = new ArrayList<>();
  private final Undertow origin =
      server(
          exchange -> {
            if (!exchange.getRequestURI().equals("/")) {
              checks.add(exchange.getRequestURI());
            }
            exchange.getResponseSender().send("served");
          });
  private LastHop lastHop;

  /** What the next requests are for. */
  private volatile Application application;

  private Undertow front;

  @BeforeEach
  void open() throws GeneralSecurityException {
    lastHop = new LastHop(SignOn.none(), SSLContext.getDefault(), Meters.none());
    front =
        server(
            exchange ->
                exchange.dispatch(
                    SameThreadExecutor.INSTANCE,
                    () -> {
                      try {
                        serve(exchange);
                      } catch (GatewayException e) {
                        refuse(exchange, e);
                      }
                    }));
  }

  @AfterEach
  void close() {
    lastHop.close();
    servers.forEach(Undertow::stop);
  }

  @Test
  void requestAfterTheEnd_isRefused_andBeginsNoHealthChecks() throws Exception {
    lastHop.close();
    application = checkedBy("/a");

    assertThat(get().body()).isEqualTo(ErrorCode.SHUTTING_DOWN.code());
    assertThat(lastHop.states(application)).isEmpty();
  }

  @Test
  void applicationThatIsOfNoUseAnyMore_isForgotten_andItsOriginCheckedNoLonger() throws Exception {
    Application old = serveOnce("/a");
    Application present = serveOnce("/b");

    lastHop.retain(present::equals);
    assertThat(lastHop.states(old)).isEmpty();
    assertThat(lastHop.states(present)).hasSize(1);
    for (int inARow = 0; inARow < 10; ) {
      inARow = check().equals("/b") ? inARow + 1 : 0;
    }
  }

  // ---- parts

  private Application serveOnce(String checkPath) throws Exception {
    Application served = checkedBy(checkPath);
    application = served;
    assertThat(get().body()).isEqualTo("served");
    while (!check().equals(checkPath)) {
      // the checks of another
    }
    return served;
  }

  private String check() throws InterruptedException {
    return Objects.requireNonNull(checks.poll(30, TimeUnit.SECONDS), "no check");
  }

  private void serve(HttpServerExchange exchange) {
    lastHop.serve(
        exchange,
        application,
        null,
        RequestTarget.parse("http", "/", List.of("app.test")),
        new LastHop.Events() {
          @Override
          public void failed(HttpServerExchange failed, GatewayException cause) {
            refuse(failed, cause);
          }

          @Override
          public IdentityHeaders identityHeaders() {
            return IdentityHeaders.none();
          }
        });
  }

  private static void refuse(HttpServerExchange exchange, GatewayException cause) {
    exchange.setStatusCode(cause.code().status());
    exchange.getResponseSender().send(cause.code().code());
  }

  private Application checkedBy(String path) {
    return Application.builder("app")
        .externalUrl("http://app.test/")
        .internalUrl("http://127.0.0.1:" + portOf(origin) + "/")
        .passthrough()
        .loadBalancing(
            LoadBalancing.builder()
                .healthCheck(
                    HealthCheck.of(path).every(Duration.ofMillis(100), Duration.ofSeconds(5)))
                .build())
        .build();
  }

  private HttpResponse<String> get() throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + portOf(front) + "/")).build(),
        BodyHandlers.ofString());
  }

  private Undertow server(HttpHandler handler) {
    Undertow server =
        Undertow.builder().addHttpListener(0, "127.0.0.1").setHandler(handler).build();
    server.start();
    servers.add(server);
    return server;
  }

  private static int portOf(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }
}
