package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application.OriginProtocol;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.Undertow;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.xnio.OptionMap;
import org.xnio.Xnio;

/** What a thread does when all connections that it may open to an origin are in use. */
@Timeout(60)
class OriginPoolTest {
  private static final int MAX_OPEN = 512;
  private static final int MAX_WAITING = 1024;

  private final Undertow server = listening(exchange -> exchange.endExchange());
  private Undertow asked;
  private OriginConnections pool;

  @BeforeEach
  void start() throws Exception {
    pool =
        new OriginPool(
            new OriginAddress(
                URI.create("http://127.0.0.1:" + portOf(server)),
                OriginProtocol.HTTP_1_1,
                new UndertowXnioSsl(Xnio.getInstance(), OptionMap.EMPTY, SSLContext.getDefault())));
  }

  @AfterEach
  void stop() throws Exception {
    pool.close();
    asked.stop();
    server.stop();
  }

  @Test
  void twentyThousandRequests_thatPassTheSameConnectionOn_allGetIt() throws Exception {
    CompletableFuture<Integer> served = new CompletableFuture<>();
    onThreadOfAnExchange(
        exchange ->
            fill(
                exchange,
                leases -> {
                  new PassingOn(exchange, 20_000, served).begin();
                  leases.get(0).release(true);
                }),
        served);
    assertThat(served.get(30, TimeUnit.SECONDS)).isEqualTo(20_000);
  }

  /** Each makes the next one wait, and then gives its connection back at once. */
  private final class PassingOn implements Route.Opened {
    private final HttpServerExchange exchange;
    private final int last;
    private final CompletableFuture<Integer> done;
    private int served;

    PassingOn(HttpServerExchange exchange, int last, CompletableFuture<Integer> done) {
      this.exchange = exchange;
      this.last = last;
      this.done = done;
    }

    void begin() {
      pool.route(null).open(exchange, this);
    }

    @Override
    public void opened(Route.Lease lease) {
      served++;
      if (served == last) {
        done.complete(served);
      } else {
        begin();
      }
      lease.release(true);
    }

    @Override
    public void failed(Exception cause) {
      done.completeExceptionally(cause);
    }
  }

  @Test
  void requestsThatWereGivenUp_takeNoPlaceOfThoseThatWait() throws Exception {
    CompletableFuture<List<ErrorCode>> told = new CompletableFuture<>();
    onThreadOfAnExchange(
        exchange ->
            fill(
                exchange,
                leases -> {
                  List<ErrorCode> givenUp = new ArrayList<>();
                  for (int i = 0; i < 20_000; i++) {
                    OriginConnections.Attempt attempt = pool.route(null);
                    attempt.open(exchange, expectingNothingBut(givenUp, told));
                    attempt.cancel();
                    attempt.cancel();
                  }
                  pool.route(null).open(exchange, completing(() -> told.complete(givenUp), told));
                  leases.get(0).release(true);
                }),
        told);
    assertThat(told.get(30, TimeUnit.SECONDS))
        .hasSize(20_000)
        .allMatch(code -> code == ErrorCode.CLIENT_GONE);
  }

  @Test
  void everyConnectionThatIsGivenBack_servesOneThatWaits() throws Exception {
    CompletableFuture<Integer> served = new CompletableFuture<>();
    onThreadOfAnExchange(
        exchange ->
            fill(
                exchange,
                leases -> {
                  int[] opened = new int[1];
                  for (int i = 0; i < MAX_WAITING; i++) {
                    OriginConnections.Attempt attempt = pool.route(null);
                    attempt.open(
                        exchange,
                        completing(
                            () -> {
                              if (++opened[0] == MAX_OPEN) {
                                served.complete(opened[0]);
                              }
                            },
                            served));
                    if (i % 2 == 0) {
                      attempt.cancel();
                    }
                  }
                  // Kept or closed: in the latter case another one is opened instead.
                  for (int i = 0; i < leases.size(); i++) {
                    leases.get(i).release(i % 3 > 0);
                  }
                }),
        served);
    assertThat(served.get(30, TimeUnit.SECONDS)).isEqualTo(MAX_OPEN);
  }

  // ---- what the tests share

  private static Undertow listening(HttpHandler handler) {
    Undertow listening =
        Undertow.builder().addHttpListener(0, "127.0.0.1").setHandler(handler).build();
    listening.start();
    return listening;
  }

  private static int portOf(Undertow server) {
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }

  private void onThreadOfAnExchange(Consumer<HttpServerExchange> test, CompletableFuture<?> failed)
      throws Exception {
    asked =
        listening(
            exchange ->
                exchange.dispatch(
                    exchange.getIoThread(),
                    () -> {
                      failed.whenComplete((result, e) -> exchange.endExchange());
                      test.accept(exchange);
                    }));
    HttpClient.newHttpClient()
        .sendAsync(
            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + portOf(asked))).build(),
            HttpResponse.BodyHandlers.discarding());
  }

  /** Leases all connections of the thread. */
  private void fill(HttpServerExchange exchange, Consumer<List<Route.Lease>> then) {
    List<Route.Lease> leases = new ArrayList<>();
    for (int i = 0; i < MAX_OPEN; i++) {
      pool.route(null)
          .open(
              exchange,
              new Route.Opened() {
                @Override
                public void opened(Route.Lease lease) {
                  leases.add(lease);
                  if (leases.size() == MAX_OPEN) {
                    then.accept(leases);
                  }
                }

                @Override
                public void failed(Exception cause) {
                  throw new AssertionError(cause);
                }
              });
    }
  }

  private static Route.Opened completing(Runnable opened, CompletableFuture<?> failing) {
    return new Route.Opened() {
      @Override
      public void opened(Route.Lease lease) {
        opened.run();
      }

      @Override
      public void failed(Exception cause) {
        if (((GatewayException) cause).code() != ErrorCode.CLIENT_GONE) {
          failing.completeExceptionally(cause);
        }
      }
    };
  }

  private static Route.Opened expectingNothingBut(
      List<ErrorCode> failures, CompletableFuture<?> failing) {
    return new Route.Opened() {
      @Override
      public void opened(Route.Lease lease) {
        failing.completeExceptionally(new AssertionError("a request was served that had left"));
      }

      @Override
      public void failed(Exception cause) {
        failures.add(((GatewayException) cause).code());
      }
    };
  }
}
