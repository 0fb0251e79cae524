package io.apprxy.tunnel;

import io.apprxy.Application;
import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.LoadBalancing;
import io.apprxy.forward.Forwarder;
import io.apprxy.forward.LastHop;
import io.apprxy.forward.Responses;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.route.RequestTarget;
import io.apprxy.route.Routes;
import io.undertow.io.Receiver;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import io.undertow.util.SameThreadExecutor;
import java.io.IOException;
import java.net.URI;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;

/**
 * Serves the requests of one turned-around connection: verify the assertion, check the allow-list,
 * and then the last hop. What the gateway configured on this connection holds for this connection.
 */
final class ConnectorHandler implements HttpHandler {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");
  private static final int MAX_CONFIGURATION = 16 * 1024 * 1024;

  private final OriginAllowList allowed;
  private final LastHop lastHop;
  private final Clock clock;
  private final AtomicInteger active;
  private final Orders orders;
  private volatile @Nullable Configured configured;

  /** What the gateway tells, beside requests; called on the I/O thread of the connection. */
  interface Orders {
    /** The configuration was taken. */
    void configured(Configuration configuration);

    /** From now on the gateway sends requests to this connector. */
    void serving();

    /** This connection will end: another one should be dialled. */
    void replace();

    /**
     * The gateway leaves.
     *
     * @param answer to be run, on any thread, when this connector needs it no more
     */
    void leaving(Runnable answer);

    /** The gateway does not take this connector, and closes the connection. */
    void refused(Refusal refusal);

    /**
     * It is this connector's turn to update itself.
     *
     * @param attempt the number of the turn; the one after the last that was reported
     */
    void update(int attempt, String version);

    /** What is kept for these sessions is to be dropped. */
    void forget(EndedSessions ended);

    /** The gateway wants to know how things are, in the answer to this request. */
    void control(HttpServerExchange exchange);
  }

  /**
   * @param forbidden the ids of the applications that have an origin instance which is not allowed
   */
  private record Configured(
      Routes routes,
      Assertions assertions,
      IdentityHeaders identityHeaders,
      Map<String, URI> forbidden) {}

  /**
   * @param tellsInstance whether the gateway may pin the user, or the client's connection, to it
   * @param pinnedInstance the origin instance that the gateway has pinned them to, or null
   */
  private record Events(
      boolean tellsInstance, @Nullable String pinnedInstance, IdentityHeaders identityHeaders)
      implements LastHop.Events {
    @Override
    public void answered(String instance, HeaderMap headersToGateway) {
      if (tellsInstance) {
        headersToGateway.put(LastHop.INSTANCE, instance);
      }
    }

    @Override
    public void failed(HttpServerExchange exchange, GatewayException cause) {
      refuse(exchange, cause);
    }
  }

  /**
   * @param active counts the requests of users that are under way
   */
  ConnectorHandler(
      OriginAllowList allowed, LastHop lastHop, Clock clock, AtomicInteger active, Orders orders) {
    this.allowed = allowed;
    this.lastHop = lastHop;
    this.clock = clock;
    this.active = active;
    this.orders = orders;
  }

  @Override
  public void handleRequest(HttpServerExchange exchange) {
    exchange.dispatch(SameThreadExecutor.INSTANCE, () -> begin(exchange));
  }

  private void begin(HttpServerExchange exchange) {
    try {
      if (!obey(exchange)) {
        serve(exchange);
      }
    } catch (GatewayException e) {
      refuse(exchange, e);
    } catch (RuntimeException e) {
      refuse(exchange, new GatewayException(ErrorCode.SIGN_ON_FAILED, "the connector failed", e));
    }
  }

  /**
   * Takes what is no request of a user. The paths are the gateway's own on every host: it serves no
   * user's request for one.
   *
   * @return false if it is a request of a user
   */
  private boolean obey(HttpServerExchange exchange) {
    String path = exchange.getRequestURI();
    if (path.equals(Wire.CONTROL_PATH) && exchange.getRequestMethod().equals(Methods.GET)) {
      orders.control(exchange);
      return true;
    } else if (!exchange.getRequestMethod().equals(Methods.PUT)) {
      return false;
    }
    switch (path) {
      case Wire.CONFIGURATION_PATH -> read(exchange, this::configure);
      case Wire.REFUSAL_PATH ->
          read(exchange, (whole, json) -> orders.refused(Refusal.fromJson(json)));
      case Wire.ENDED_SESSIONS_PATH ->
          read(exchange, (whole, json) -> orders.forget(EndedSessionsJson.parse(json)));
      case Wire.UPDATE_PATH -> read(exchange, this::update);
      case Wire.SERVING_PATH -> {
        orders.serving();
        done(exchange);
      }
      case Wire.REPLACEMENT_PATH -> {
        orders.replace();
        done(exchange);
      }
      case Wire.LEAVING_PATH ->
          orders.leaving(() -> exchange.getIoThread().execute(() -> done(exchange)));
      default -> {
        return false;
      }
    }
    return true;
  }

  private static void done(HttpServerExchange exchange) {
    exchange.setStatusCode(204).endExchange();
  }

  private void serve(HttpServerExchange exchange) {
    active.incrementAndGet();
    exchange.addExchangeCompleteListener(
        (completed, next) -> {
          active.decrementAndGet();
          next.proceed();
        });
    Configured current = configured;
    RequestTarget target = target(exchange);
    Application application = current == null ? null : current.routes().find(target);
    if (current == null || application == null) {
      throw new GatewayException(
          ErrorCode.CONNECTOR_REFUSED, "the gateway configured no application at " + target);
    }
    Identity identity =
        current
            .assertions()
            .verify(
                exchange.getRequestHeaders().getFirst(Wire.ASSERTION),
                application,
                application.passesThrough(exchange.getRequestMethod().toString(), target.path()));
    URI forbidden = current.forbidden().get(application.id());
    if (forbidden != null) {
      throw new GatewayException(
          ErrorCode.CONNECTOR_REFUSED, "allowOrigin does not name the origin " + forbidden);
    }
    lastHop.serve(
        exchange,
        application,
        identity,
        target,
        new Events(
            application.loadBalancing().affinity() != LoadBalancing.Affinity.NONE
                || exchange.getRequestHeaders().contains(LastHop.CLIENT_CONNECTION),
            exchange.getRequestHeaders().getFirst(LastHop.INSTANCE),
            current.identityHeaders()));
  }

  /**
   * The gateway has parsed the target; it is parsed again, since a gateway that was broken into may
   * send any.
   */
  private static RequestTarget target(HttpServerExchange exchange) {
    HeaderMap headers = exchange.getRequestHeaders();
    HeaderValues host = headers.get(Headers.HOST);
    String query = exchange.getQueryString();
    return RequestTarget.parse(
        headers.contains("X-Forwarded-Proto") ? headers.getFirst("X-Forwarded-Proto") : "https",
        exchange.getRequestURI() + (query.isEmpty() ? "" : "?" + query),
        host == null ? List.of() : List.copyOf(host));
  }

  private void read(HttpServerExchange exchange, Receiver.FullStringCallback then) {
    if (exchange.getRequestContentLength() < 0
        || exchange.getRequestContentLength() > MAX_CONFIGURATION) {
      exchange.setStatusCode(413).endExchange();
      return;
    }
    exchange
        .getRequestReceiver()
        .receiveFullString(
            (received, json) -> take(received, json, then), (failed, e) -> brokenOff(failed, e));
  }

  private static void take(
      HttpServerExchange exchange, String json, Receiver.FullStringCallback then) {
    try {
      then.handle(exchange, json);
      done(exchange);
    } catch (IllegalArgumentException e) {
      LOG.warn("the gateway said something at {} that cannot be used", exchange.getRequestURI(), e);
      exchange.setStatusCode(400).endExchange();
    }
  }

  private void configure(HttpServerExchange exchange, String json) {
    Configuration configuration = Configuration.fromJson(json);
    configured =
        new Configured(
            Routes.of(configuration.applications()),
            new Assertions(configuration.keys(), clock),
            IdentityHeaders.of(configuration.applications()),
            forbidden(configuration));
    orders.configured(configuration);
  }

  /** Every instance must be allowed: one that is not could be what a request is sent to. */
  private Map<String, URI> forbidden(Configuration configuration) {
    Map<String, URI> forbidden = new HashMap<>();
    for (Application application : configuration.applications()) {
      for (Application.OriginInstance instance : application.allOriginInstances()) {
        if (!allowed.allows(instance.url())) {
          forbidden.put(application.id(), instance.url());
          LOG.warn(
              "{} application {} will be refused: allowOrigin does not name the origin {}",
              ErrorCode.CONNECTOR_REFUSED.code(),
              application.id(),
              instance.url());
        }
      }
    }
    return Map.copyOf(forbidden);
  }

  private void update(HttpServerExchange exchange, String json) {
    UpdateTurns.Order order = UpdateTurns.Order.fromJson(json);
    orders.update(order.attempt(), order.version().text());
  }

  private static void brokenOff(HttpServerExchange exchange, IOException e) {
    LOG.debug("an order broke off", e);
    IoUtils.safeClose(exchange.getConnection());
    exchange.endExchange();
  }

  /**
   * The code goes to the gateway, which makes the page; the reason stays in the log, under the same
   * id.
   */
  private static void refuse(HttpServerExchange exchange, GatewayException cause) {
    String id = exchange.getRequestHeaders().getFirst(Responses.REQUEST_ID);
    LOG.info("request {} was not served: {}", id, cause.getMessage());
    LOG.debug("request {}", id, cause);
    exchange.getResponseHeaders().clear();
    exchange.getResponseHeaders().put(Wire.ERROR, cause.code().code());
    if (Forwarder.hasSentNothing(exchange)) {
      exchange.getResponseHeaders().put(Forwarder.NOTHING_SENT, "1");
    }
    exchange.setStatusCode(cause.code().status()).endExchange();
  }
}
