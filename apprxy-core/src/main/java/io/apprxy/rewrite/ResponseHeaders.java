package io.apprxy.rewrite;

import io.undertow.util.HeaderMap;

/** What of an origin's headers may travel, and in which form. For the engine. */
public final class ResponseHeaders {
  private ResponseHeaders() {}

  /** At the last hop: removes internal and hop-by-hop headers, and turns internal URLs and cookies into external ones. */
  public static void fromOrigin(HeaderMap headers, UrlMapping mapping) {}

  /** At the gateway, for what a connector sent: removes internal and hop-by-hop headers, and cookies of the gateway's names. */
  public static void clean(HeaderMap headers) {}
}
