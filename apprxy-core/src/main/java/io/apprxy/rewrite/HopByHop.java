package io.apprxy.rewrite;

import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Headers that concern one connection only (RFC 9110 §7.6.1). */
final class HopByHop {
  private static final List<HttpString> ALWAYS =
      List.of(
          Headers.CONNECTION,
          new HttpString("Keep-Alive"),
          new HttpString("Proxy-Connection"),
          new HttpString("Proxy-Authenticate"),
          new HttpString("Proxy-Authorization"),
          new HttpString("Proxy-Authentication-Info"),
          new HttpString(
              "HTTP2-Settings"), // RFC 9113, appendix B: of HTTP/1.1 upgrades, which end here
          Headers.TE,
          Headers.TRANSFER_ENCODING,
          Headers.UPGRADE);

  /**
   * Not removed though Connection names them: they frame, address or guard the message itself (RFC
   * 9110 §7.6.1).
   */
  private static final Set<String> NEVER = Set.of("host", "content-length", "cache-control");

  private HopByHop() {}

  /**
   * Removes what is hop-by-hop, and what Connection names. {@code TE: trailers} stays, since
   * trailers are forwarded.
   *
   * <p>To be called before anything is set that an origin is to trust, or else Connection could
   * name it.
   */
  static void remove(HeaderMap headers) {
    boolean trailers = names(headers, Headers.TE).contains("trailers");
    for (String name : names(headers, Headers.CONNECTION)) {
      if (!NEVER.contains(name)) {
        headers.remove(name);
      }
    }
    ALWAYS.forEach(headers::remove);
    if (trailers) {
      headers.put(Headers.TE, "trailers");
    }
  }

  /** The elements of a list (RFC 9110 §5.6.1), in lower case and without parameters. */
  static List<String> names(HeaderMap headers, HttpString header) {
    HeaderValues lines = headers.get(header);
    if (lines == null) {
      return List.of();
    }
    List<String> names = new ArrayList<>();
    for (String line : lines) {
      for (String element : line.split(",", -1)) {
        int parameters = element.indexOf(';');
        String name = (parameters < 0 ? element : element.substring(0, parameters)).strip();
        if (!name.isEmpty()) {
          names.add(name.toLowerCase(Locale.ROOT));
        }
      }
    }
    return names;
  }
}
