package io.apprxy.rewrite;

import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import java.util.ArrayList;
import java.util.List;

/** The cookies of the gateway itself: they never reach an origin, and no origin sets them. */
final class GatewayCookies {
  private static final String PREFIX = "__Host-apprxy-";

  private GatewayCookies() {}

  /**
   * Whether a cookie string ({@code name=value…}) names a cookie of the gateway. Case makes no
   * difference, as in the user agent's treatment of the prefix (RFC 6265bis §5.7); a cookie without
   * a name and with such a value is sent back as if it had the name.
   */
  static boolean isOurs(String cookie) {
    int start = 0;
    while (start < cookie.length()
        && (cookie.charAt(start) == ' '
            || cookie.charAt(start) == '\t'
            || cookie.charAt(start) == '=')) {
      start++;
    }
    return cookie.regionMatches(true, start, PREFIX, 0, PREFIX.length());
  }

  /**
   * Removes the gateway's cookies from a request; the others keep every byte. Several lines, as
   * HTTP/2 has them, become one (RFC 9113 §8.2.3).
   */
  static void removeFromRequest(HeaderMap headers) {
    HeaderValues lines = headers.get(Headers.COOKIE);
    if (lines == null) {
      return;
    }
    List<String> kept = new ArrayList<>();
    boolean removed = lines.size() > 1;
    for (String line : lines) {
      for (String pair : line.split(";", -1)) {
        if (isOurs(pair)) {
          removed = true;
        } else {
          kept.add(withoutOneSpace(pair));
        }
      }
    }
    if (!removed) {
      return;
    }
    kept.removeIf(String::isBlank);
    if (kept.isEmpty()) {
      headers.remove(Headers.COOKIE);
    } else {
      headers.put(Headers.COOKIE, String.join("; ", kept));
    }
  }

  private static String withoutOneSpace(String pair) {
    return pair.startsWith(" ") ? pair.substring(1) : pair;
  }
}
