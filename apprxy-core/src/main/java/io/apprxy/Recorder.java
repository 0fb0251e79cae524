package io.apprxy;

import io.apprxy.forward.Forwarder;
import io.apprxy.forward.Route;
import io.apprxy.observe.AccessEvent;
import io.apprxy.observe.AccessLog;
import io.apprxy.observe.Meters;
import io.undertow.server.HttpServerExchange;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;

/** Records every request once, however it ends. */
final class Recorder {
  private final Meters meters;
  private final AccessLog log;
  private final Clock clock;

  Recorder(Meters meters, AccessLog log, Clock clock) {
    this.meters = meters;
    this.log = log;
    this.clock = clock;
  }

  void stage(String name, long nanos) {
    meters.stage(name, Duration.ofNanos(nanos));
  }

  /** Called when a request begins; records when it has ended. */
  void observe(UndertowExchange exchange) {
    Instant begun = clock.instant();
    long start = System.nanoTime();
    exchange
        .undertow()
        .addExchangeCompleteListener(
            (undertow, next) -> {
              try {
                AccessEvent event =
                    event(exchange, undertow, begun, Duration.ofNanos(System.nanoTime() - start));
                meters.request(event);
                log.record(event);
              } finally {
                next.proceed();
              }
            });
  }

  private static AccessEvent event(
      UndertowExchange exchange, HttpServerExchange undertow, Instant begun, Duration duration) {
    Application application = exchange.applicationIfKnown();
    Identity identity = exchange.identity();
    ErrorCode error = exchange.error();
    Route route = exchange.route();
    return new AccessEvent(
        begun,
        exchange.id(),
        application == null ? null : application.id(),
        exchange.method(),
        exchange.pathIfKnown(),
        undertow.getStatusCode(),
        error == null ? null : error.code(),
        duration,
        Forwarder.bytesReceived(undertow),
        undertow.getResponseBytesSent(),
        exchange.clientAddress(),
        identity == null ? null : identity.subject(),
        identity == null ? null : identity.name(),
        route == null ? null : route.name(),
        exchange.originLatency());
  }
}
