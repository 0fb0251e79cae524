package io.apprxy.forward;

import io.apprxy.Response;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.nio.ByteBuffer;

/** What is common to all responses, our own and forwarded ones. For the engine. */
public final class Responses {
  /** The correlation id; the same in the response and in the logs of gateway and connector. */
  public static final HttpString REQUEST_ID = new HttpString("X-Request-Id");

  private Responses() {}

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
   * Sends the response and ends the exchange. Headers that were added to the exchange before stay.
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
    exchange.getResponseSender().send(ByteBuffer.wrap(response.body()));
  }
}
