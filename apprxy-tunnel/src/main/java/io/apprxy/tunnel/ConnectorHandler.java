package io.apprxy.tunnel;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.forward.LastHop;
import io.apprxy.forward.Responses;
import io.apprxy.route.RequestTarget;
import io.apprxy.route.Routes;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import io.undertow.util.SameThreadExecutor;
import java.io.IOException;
import java.time.Clock;
import java.util.List;
import java.util.Set;
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
  private final Orders orders;
  private volatile @Nullable Configured configured;

  /** What the gateway tells, beside requests; called on the I/O thread of the connection. */
  interface Orders {
    /** The configuration was taken. */
    void configured();

    /** This connection will end: another one should be dialled. */
    void replace();
  }

  private record Configured(Routes routes, Assertions assertions, Set<String> identityHeaders) {}

  private record Events(Set<String> identityHeaders) implements LastHop.Events {
    @Override
    public void failed(HttpServerExchange exchange, GatewayException cause) {
      refuse(exchange, cause);
    }
  }

  ConnectorHandler(OriginAllowList allowed, LastHop lastHop, Clock clock, Orders orders) {
    this.allowed = allowed;
    this.lastHop = lastHop;
    this.clock = clock;
    this.orders = orders;
  }

  @Override
  public void handleRequest(HttpServerExchange exchange) {
    exchange.dispatch(SameThreadExecutor.INSTANCE, () -> begin(exchange));
  }

  private void begin(HttpServerExchange exchange) {
    try {
      if (exchange.getRequestURI().equals(Wire.CONFIGURATION_PATH)
          && exchange.getRequestMethod().equals(Methods.PUT)) {
        configure(exchange);
      } else if (exchange.getRequestURI().equals(Wire.REPLACEMENT_PATH)
          && exchange.getRequestMethod().equals(Methods.PUT)) {
        orders.replace();
        exchange.setStatusCode(204).endExchange();
      } else {
        serve(exchange);
      }
    } catch (GatewayException e) {
      refuse(exchange, e);
    } catch (RuntimeException e) {
      refuse(exchange, new GatewayException(ErrorCode.SIGN_ON_FAILED, "the connector failed", e));
    }
  }

  private void serve(HttpServerExchange exchange) {
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
            .verify(exchange.getRequestHeaders().getFirst(Wire.ASSERTION), application);
    if (!allowed.allows(application.internalUrl())) {
      throw new GatewayException(
          ErrorCode.CONNECTOR_REFUSED,
          "allowOrigin does not name the origin of " + application.internalUrl());
    }
    lastHop.serve(exchange, application, identity, target, new Events(current.identityHeaders()));
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

  private void configure(HttpServerExchange exchange) {
    if (exchange.getRequestContentLength() < 0
        || exchange.getRequestContentLength() > MAX_CONFIGURATION) {
      exchange.setStatusCode(413).endExchange();
      return;
    }
    exchange
        .getRequestReceiver()
        .receiveFullString(
            (received, json) -> take(received, json), (failed, e) -> brokenOff(failed, e));
  }

  private void take(HttpServerExchange exchange, String json) {
    try {
      Configuration configuration = Configuration.fromJson(json);
      configured =
          new Configured(
              Routes.of(configuration.applications()),
              new Assertions(configuration.keys(), clock),
              configuration.identityHeaders());
      warnOfForbidden(configuration);
      orders.configured();
      exchange.setStatusCode(204).endExchange();
    } catch (IllegalArgumentException e) {
      LOG.warn("the gateway sent a configuration that cannot be used", e);
      exchange.setStatusCode(400).endExchange();
    }
  }

  private void warnOfForbidden(Configuration configuration) {
    for (Application application : configuration.applications()) {
      if (!allowed.allows(application.internalUrl())) {
        LOG.warn(
            "{} application {} will be refused: allowOrigin does not name the origin of {}",
            ErrorCode.CONNECTOR_REFUSED.code(),
            application.id(),
            application.internalUrl());
      }
    }
  }

  private static void brokenOff(HttpServerExchange exchange, IOException e) {
    LOG.debug("a configuration broke off", e);
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
    exchange.setStatusCode(cause.code().status()).endExchange();
  }
}
