package io.apprxy.forward;

import io.apprxy.Response;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.xnio.IoUtils;
import org.xnio.XnioExecutor;

/** What is common to all responses, our own and forwarded ones. For the engine. */
public final class Responses {
  /** The correlation id; the same in the response and in the logs of gateway and connector. */
  public static final HttpString REQUEST_ID = new HttpString("X-Request-Id");

  /** What we say ourselves is a page at most; a user may still have given no window for it. */
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  private Responses() {}

  /**
   * Ends the exchange, if it has not ended in time: on HTTP/2 its stream alone is reset. Whoever
   * sends slowly, or takes the answer slowly or not at all, holds nothing up for long.
   */
  public static void limitTime(HttpServerExchange exchange, Duration limit) {
    XnioExecutor.Key timeout =
        exchange
            .getIoThread()
            .executeAfter(
                () -> IoUtils.safeClose(exchange.getConnection()),
                limit.toMillis(),
                TimeUnit.MILLISECONDS);
    exchange.addExchangeCompleteListener(
        (completed, next) -> {
          timeout.remove();
          next.proceed();
        });
  }

  /**
   * Adds the headers of a response that is forwarded to those that are there already; the
   * correlation id stays ours.
   */
  public static void addHeaders(HeaderMap from, HeaderMap toClient) {
    for (HeaderValues header : from) {
      if (!header.getHeaderName().equals(REQUEST_ID)) {
        toClient.addAll(header.getHeaderName(), header);
      }
    }
  }

  /**
   * Sends the response and ends the exchange, in 20 seconds. Headers that were added to the
   * exchange before stay.
   */
  public static void send(HttpServerExchange exchange, Response response) {
    exchange.setStatusCode(response.status());
    for (Response.Header header : response.headers()) {
      HttpString name = new HttpString(header.name());
      if (!name.equals(REQUEST_ID) || !exchange.getResponseHeaders().contains(REQUEST_ID)) {
        exchange.getResponseHeaders().add(name, header.value());
      }
    }
    if (!exchange.getResponseHeaders().contains(Headers.CACHE_CONTROL)) {
      exchange.getResponseHeaders().put(Headers.CACHE_CONTROL, "no-store");
    }
    limitTime(exchange, PATIENCE);
    exchange.getResponseSender().send(ByteBuffer.wrap(response.body()));
  }
}
