package io.apprxy.forward;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.client.ClientRequest;
import io.undertow.client.ClientResponse;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.AttachmentKey;
import io.undertow.util.HeaderMap;
import io.undertow.util.HttpString;
import java.time.Duration;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/** Streams one request to the next hop and its response back, both with back-pressure. */
public final class Forwarder {
  /**
   * The protocol that a request asks to upgrade to, on every request that is forwarded as such,
   * whatever its framing. Undertow has no extended CONNECT (RFC 8441), so across HTTP/2 an upgrade
   * is one request whose bodies stay open in both directions; the hop agrees by answering 200 with
   * the same header.
   */
  public static final HttpString UPGRADE = new HttpString("apprxy-upgrade");

  /** On an error that a connector answers: nothing of the request has left it. */
  public static final HttpString NOTHING_SENT = new HttpString("apprxy-nothing-sent");

  /** Why a request may not be forwarded, though it was let in. */
  private static final AttachmentKey<GatewayException> BROKEN_OFF =
      AttachmentKey.create(GatewayException.class);

  private Forwarder() {}

  /**
   * What is particular to one request. Confined to that request, and called on its I/O thread only.
   */
  public interface Plan {
    /**
     * The route of the next attempt, or null if there is none left. A {@link GatewayException} ends
     * the request.
     */
    @Nullable Route route();

    /**
     * A new request for an attempt on this route; the forwarder adds no header but those of the
     * message framing.
     */
    ClientRequest request(Route route);

    /** The request has ended with trailers: removes those that may not travel. */
    void requestEnds(HeaderMap trailers);

    /** How long a route may take to open, with the time that it lets the request wait. */
    default Duration openTimeout() {
      return responseTimeout();
    }

    /**
     * How long the response may take to begin, counted from the last byte of the request that could
     * be sent.
     */
    Duration responseTimeout();

    /** How long an answer, or an upgraded connection, may stay silent in both directions. */
    Duration idleTimeout();

    /** How long what was received may wait for a receiver that takes nothing. */
    Duration stallTimeout();

    /**
     * Whether the request is to be sent once more instead of passing this response on: null if not,
     * else what completes with null when it may be sent, or with the reason why it may not. A
     * {@link GatewayException} ends the request.
     *
     * @param repeatable whether it can be sent once more: it has no body
     */
    default @Nullable CompletionStage<@Nullable GatewayException> again(
        ClientResponse response, boolean repeatable) {
      return null;
    }

    /**
     * The response has begun: copies its headers, as far as they may go to the client. A {@link
     * GatewayException}, thrown before any header was copied, ends the request with {@link
     * #failed}; if it is a {@link ReportedFailure} there may be another attempt.
     */
    void responseBegins(ClientResponse response, HeaderMap headersToClient);

    /** Whether the connection may serve others after this response, as far as the plan knows. */
    default boolean isReusable() {
      return true;
    }

    /** The request failed before a response began: ends the exchange with an error. */
    void failed(HttpServerExchange exchange, GatewayException cause);
  }

  /**
   * Forwards, and ends the exchange. An attempt is repeated on another route, if the plan has one,
   * in two cases: nothing was sent to the origin, and no byte of a body was read from the client;
   * or the request is idempotent (RFC 9110 §9.2.2), has no body, is no upgrade, and no byte of a
   * response has arrived. A response that breaks off is broken off for the client too, so that it
   * never looks whole.
   *
   * <p>Called on the exchange's I/O thread, after {@link HttpServerExchange#dispatch()}.
   */
  public static void forward(HttpServerExchange exchange, Plan plan) {
    GatewayException brokenOff = exchange.getAttachment(BROKEN_OFF);
    if (brokenOff == null) {
      new Forwarding(exchange, plan).start();
    } else {
      plan.failed(exchange, brokenOff);
    }
  }

  /**
   * Whether no attempt to forward the request has sent anything, so that another way may be tried
   * whatever the request.
   */
  public static boolean hasSentNothing(HttpServerExchange exchange) {
    Forwarding forwarding = exchange.getAttachment(Forwarding.OF_EXCHANGE);
    return forwarding == null || forwarding.hasSentNothing();
  }

  /** Whether the response is the origin's, or will be, and no answer of our own. */
  static boolean isForwarded(HttpServerExchange exchange) {
    Forwarding forwarding = exchange.getAttachment(Forwarding.OF_EXCHANGE);
    return forwarding != null && forwarding.answersOrMay();
  }

  /** What was read of the body of a request so far; 0 if it was not forwarded. */
  public static long bytesReceived(HttpServerExchange exchange) {
    Forwarding forwarding = exchange.getAttachment(Forwarding.OF_EXCHANGE);
    return forwarding == null ? 0 : forwarding.bytesReceived();
  }

  /** Whether a request is being forwarded, or its upgraded connection is open. */
  public static boolean isUnderWay(HttpServerExchange exchange) {
    Forwarding forwarding = exchange.getAttachment(Forwarding.OF_EXCHANGE);
    return forwarding != null && !forwarding.hasEnded();
  }

  /**
   * Ends a request, because it may not go on; no effect on one that has ended. The origin's side is
   * released at once; the client gets an error if no response has begun, else a broken one. What is
   * not forwarded yet never will be. Called on the exchange's I/O thread.
   */
  public static void breakOff(HttpServerExchange exchange, GatewayException cause) {
    Forwarding forwarding = exchange.getAttachment(Forwarding.OF_EXCHANGE);
    if (forwarding == null) {
      exchange.putAttachment(BROKEN_OFF, cause);
    } else {
      forwarding.breakOff(cause);
    }
  }

  /**
   * Ends a request, because nobody waits for its response; no effect on one that has ended. What is
   * not forwarded yet never will be. For servers that know better than the exchange's channels.
   * Called on the exchange's I/O thread.
   */
  public static void clientLeft(HttpServerExchange exchange) {
    Forwarding forwarding = exchange.getAttachment(Forwarding.OF_EXCHANGE);
    if (forwarding != null) {
      forwarding.clientLeft();
    } else {
      exchange.putAttachment(
          BROKEN_OFF, new GatewayException(ErrorCode.CLIENT_GONE, "the stream was reset"));
    }
  }
}
