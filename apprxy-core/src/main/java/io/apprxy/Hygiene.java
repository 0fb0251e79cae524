package io.apprxy;

import io.apprxy.forward.Forwarder;
import io.apprxy.forward.Responses;
import io.apprxy.rewrite.ForwardedHeaders;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.rewrite.RequestHeaders;
import io.apprxy.route.RequestGuard;
import io.apprxy.route.RequestTarget;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import java.net.InetAddress;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is checked of a request before anything is believed, and what is taken off before it leaves.
 */
final class Hygiene {
  private final RequestGuard guard = RequestGuard.defaults();
  private final ForwardedHeaders forwarded;
  private final IdentityHeaders identityHeaders;

  Hygiene(Collection<Application> applications, List<String> trustedProxies) {
    forwarded = ForwardedHeaders.trusting(trustedProxies);
    identityHeaders = IdentityHeaders.of(applications);
  }

  /** Those of all applications. */
  IdentityHeaders identityHeaders() {
    return identityHeaders;
  }

  /** Refuses what is ambiguous, and finds out who the client is and what it wants. */
  void check(UndertowExchange exchange) {
    HttpServerExchange undertow = exchange.undertow();
    HeaderMap headers = undertow.getRequestHeaders();
    InetAddress peer = undertow.getSourceAddress().getAddress();
    exchange.comesFrom(
        forwarded.client(peer, undertow.getRequestScheme(), headers), forwarded.isTrusted(peer));
    guard.check(
        exchange.method(),
        line ->
            headers.forEach(
                header ->
                    header.forEach(
                        value -> line.accept(header.getHeaderName().toString(), value))));
    if (undertow.isRequestComplete() && undertow.getRequestContentLength() > 0) {
      throw new GatewayException( // RFC 9113 §8.1.1
          ErrorCode.AMBIGUOUS_MESSAGE, "a request without a body says that it has one");
    }
    exchange.goesTo(
        RequestTarget.parse(exchange.scheme(), rawTarget(undertow), exchange.headers("Host")));
  }

  private static String rawTarget(HttpServerExchange undertow) {
    String query = undertow.getQueryString();
    return undertow.getRequestURI() + (query.isEmpty() ? "" : "?" + query);
  }

  /** Leaves what may travel to the origin, and adds what the origin is told of the client. */
  void clean(UndertowExchange exchange) {
    HeaderMap headers = exchange.undertow().getRequestHeaders();
    String upgrade = upgrade(exchange, headers);
    RequestHeaders.clean(headers, identityHeaders);
    RequestHeaders.keepBack(headers, exchange.application(), exchange.passesThrough());
    ForwardedHeaders.set(headers, exchange.client(), exchange.authority());
    headers.put(Headers.HOST, exchange.authority());
    headers.put(Responses.REQUEST_ID, exchange.id());
    if (upgrade != null) {
      headers.put(Forwarder.UPGRADE, upgrade);
    }
  }

  /** The protocol to switch to, if the application allows it and its origin can. */
  private static @Nullable String upgrade(UndertowExchange exchange, HeaderMap headers) {
    Application application = exchange.application();
    String upgrade =
        exchange.undertow().isHttp11() ? RequestHeaders.upgrade(exchange.method(), headers) : null;
    boolean allowed =
        upgrade != null
            && application.originProtocol() == Application.OriginProtocol.HTTP_1_1
            && application.upgradeProtocols().stream().anyMatch(upgrade::equalsIgnoreCase);
    return allowed ? upgrade : null;
  }
}
