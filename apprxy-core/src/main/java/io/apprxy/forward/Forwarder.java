package io.apprxy.forward;

import io.apprxy.GatewayException;
import io.undertow.client.ClientRequest;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.HttpString;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Streams one request to the next hop and its response back, both with back-pressure. */
public final class Forwarder {
  /** Names the protocol of an upgrade that crosses an HTTP/2 hop as a request with two open bodies. */
  public static final HttpString UPGRADE = new HttpString("apprxy-upgrade");

  private Forwarder() {}

  /** What is particular to one request. Confined to that request. */
  public interface Plan {
    /** The route of the next attempt, or null if there is none left. A throw ends the request with {@link #failed}. */
    @Nullable Route route(Set<Route> tried);

    /** A new request for an attempt on this route; the forwarder adds no header but those of the message framing. */
    ClientRequest request(Route route);

    /** How long the response may take to begin. */
    Duration timeout();

    /** The response has begun: changes its status or headers before they go to the client. */
    void responseBegins(HttpServerExchange exchange, HeaderMap headers);

    /** The request failed before a response began: ends the exchange with an error. */
    void failed(HttpServerExchange exchange, GatewayException cause);
  }

  /** Forwards, and ends the exchange. Called on the exchange's I/O thread, or on a worker before it was dispatched. */
  public static void forward(HttpServerExchange exchange, Plan plan) {
    throw new UnsupportedOperationException();
  }
}
