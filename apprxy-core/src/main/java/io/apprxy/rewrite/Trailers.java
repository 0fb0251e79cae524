package io.apprxy.rewrite;

import io.apprxy.HeaderNames;
import io.undertow.util.HeaderMap;
import java.util.Set;

/** What of a message's trailers may travel. For the engine. */
public final class Trailers {
  /**
   * What a sender must not put there (RFC 9110 §6.5.1), since it would change how the message is
   * framed, routed or believed.
   */
  private static final Set<String> FORBIDDEN =
      Set.of(
          "age",
          "authorization",
          "cache-control",
          "content-encoding",
          "content-length",
          "content-location",
          "content-range",
          "content-type",
          "cookie",
          "date",
          "expect",
          "expires",
          "host",
          "location",
          "max-forwards",
          "origin",
          "pragma",
          "range",
          "refresh",
          "retry-after",
          "set-cookie",
          "trailer",
          "vary",
          "warning",
          "www-authenticate",
          "x-request-id");

  private Trailers() {}

  /**
   * Removes what has no place in trailers, and what {@link RequestHeaders#clean} removes from
   * headers: some servers add trailers to the headers, and so could be told an identity after all.
   *
   * @param identityHeaders that no client may send; none for a response
   */
  public static void clean(HeaderMap trailers, IdentityHeaders identityHeaders) {
    HopByHop.remove(trailers);
    trailers.remove("TE");
    RequestHeaders.removeIf(
        trailers,
        name ->
            FORBIDDEN.contains(name)
                || name.startsWith("if-")
                || name.startsWith("access-control-")
                || name.startsWith("sec-")
                || HeaderNames.isInternalFolded(name)
                || HeaderNames.isProxyClaimFolded(name)
                || identityHeaders.has(name));
  }
}
