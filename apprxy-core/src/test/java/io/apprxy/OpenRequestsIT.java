package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.forward.LastHop;
import io.apprxy.observe.Meters;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.route.RequestTarget;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.SameThreadExecutor;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class OpenRequestsIT {
  private final OpenRequests open = new OpenRequests(exchange -> Verdict.proceed());
  private final CompletableFuture<Integer> during = new CompletableFuture<>();
  private final CompletableFuture<Integer> after = new CompletableFuture<>();
  private final List<Undertow> servers = new ArrayList<>();

  @AfterEach
  void stop() {
    servers.forEach(Undertow::stop);
  }

  /** Else each would be kept, with all that belongs to it, until the next round. */
  @Test
  void requestThatIsDone_isLookedAfterNoLonger() throws Exception {
    int origin = start(exchange -> exchange.getResponseSender().send("served"));
    try (LastHop lastHop = new LastHop(SignOn.none(), SSLContext.getDefault(), Meters.none())) {
      Application application =
          Application.builder("app")
              .externalUrl("http://app.test/")
              .internalUrl("http://127.0.0.1:" + origin + "/")
              .passthrough()
              .build();
      int front =
          start(
              exchange ->
                  exchange.dispatch(
                      SameThreadExecutor.INSTANCE, () -> serve(exchange, lastHop, application)));

      HttpResponse<String> answer =
          HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + front + "/"))
                      .timeout(Duration.ofSeconds(30))
                      .build(),
                  BodyHandlers.ofString());

      assertThat(answer.body()).isEqualTo("served");
      assertThat(during.get(30, TimeUnit.SECONDS)).isEqualTo(1);
      assertThat(after.get(30, TimeUnit.SECONDS)).isZero();
    }
  }

  private void serve(HttpServerExchange exchange, LastHop lastHop, Application application) {
    exchange.addExchangeCompleteListener( // the first one that is added is told last
        (complete, next) -> {
          after.complete(open.ofThisThread());
          next.proceed();
        });
    open.add(new UndertowExchange(exchange));
    during.complete(open.ofThisThread());
    lastHop.serve(
        exchange,
        application,
        null,
        RequestTarget.parse("http", "/", List.of("app.test")),
        new LastHop.Events() {
          @Override
          public void failed(HttpServerExchange failed, GatewayException cause) {
            failed.setStatusCode(cause.code().status());
            failed.endExchange();
          }

          @Override
          public IdentityHeaders identityHeaders() {
            return IdentityHeaders.none();
          }
        });
  }

  private int start(HttpHandler handler) {
    Undertow server =
        Undertow.builder().addHttpListener(0, "127.0.0.1").setHandler(handler).build();
    server.start();
    servers.add(server);
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }
}
