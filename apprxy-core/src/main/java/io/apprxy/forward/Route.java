package io.apprxy.forward;

import io.apprxy.GatewayException;
import io.undertow.client.ClientConnection;
import io.undertow.server.HttpServerExchange;

/**
 * One way to an origin, or to the next hop on the way there: a pool of connections, or one
 * connection of a connector. Thread-safe.
 */
public interface Route {
  /** Names it in access events: the origin, or the connector. */
  String name();

  /**
   * Whether the hop takes an HTTP upgrade as such. If not, as on an HTTP/2 connection, the
   * forwarder sends the upgrade as one request whose both bodies stay open, under {@link
   * Forwarder#UPGRADE}.
   */
  boolean carriesUpgrades();

  /** Whether the origin itself answers at the other end, and no connector before it. */
  default boolean endsAtOrigin() {
    return false;
  }

  /** What it means to the user that this route failed, before or after the request was sent. */
  GatewayException failure(Exception cause);

  /** Where a request is tried again that was cut off. */
  enum Next {
    /** At another endpoint: this one has failed. */
    ELSEWHERE,
    /** Here, on a new connection: this one was kept, and may just have been closed by the hop. */
    HERE,
    /**
     * Here too, if there is no other endpoint: this connection has ended, which others have not.
     */
    HERE_IF_NOWHERE_ELSE
  }

  /** Whether that the connection was cut off says something about the endpoint. */
  default Next afterCut() {
    return Next.ELSEWHERE;
  }

  /**
   * Opens the route for one request. Called on the exchange's I/O thread; answers on that thread,
   * once, in bounded time.
   */
  void open(HttpServerExchange exchange, Opened opened);

  /**
   * The request has ended before the route was open. What is opened nevertheless is released. No
   * effect on a route that is open. Called on the exchange's I/O thread.
   */
  default void cancel() {}

  /** Gets a connection, or the reason why there is none. */
  interface Opened {
    void opened(Lease lease);

    /** The failure may be tried again on another route, whatever the request: nothing was sent. */
    void failed(Exception cause);
  }

  /** One request's right to use a connection. */
  interface Lease {
    ClientConnection connection();

    /** The connection has switched protocols: it serves this request for as long as it lasts. */
    default void upgraded() {}

    /** The response has begun, with this status. */
    default void answered(int status) {}

    /**
     * No response began, and it was not because of the client. Called once at most, and never after
     * {@link #answered}.
     */
    default void failed(GatewayException cause) {}

    /**
     * The request has ended. Called once.
     *
     * @param intact whether the connection may serve other requests: if not, a connection of
     *     HTTP/1.1 is closed, and on HTTP/2 only this request's stream has been reset
     */
    void release(boolean intact);
  }
}
