package io.apprxy.rewrite;

import io.undertow.util.HeaderMap;
import java.util.Set;

/** What of a client's headers may travel. For the engine. */
public final class RequestHeaders {
  private RequestHeaders() {}

  /**
   * At the gateway: removes what only the gateway may say (internal headers, {@code Forwarded} and its kin, identity headers in
   * every spelling), its cookies, and what is hop-by-hop. Removes first; the caller sets afterwards.
   *
   * @param identityHeaders the names that the application's origin takes an identity from
   */
  public static void clean(HeaderMap headers, Set<String> identityHeaders) {}

  /** At the last hop: removes internal headers, and what is hop-by-hop. */
  public static void toOrigin(HeaderMap headers) {}

  /** Whether the request asks to switch to WebSocket (RFC 6455 §4.1). To be asked before the headers are cleaned. */
  public static boolean isWebSocket(String method, HeaderMap headers) {
    return false;
  }
}
