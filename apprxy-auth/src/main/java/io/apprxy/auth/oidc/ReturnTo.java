package io.apprxy.auth.oidc;

import io.apprxy.Exchange;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The page where a user goes after signing in: a path, and perhaps a query, of the same origin;
 * never another site.
 */
final class ReturnTo {
  static final int MAX_LENGTH = 2048;

  /**
   * Begins with one slash; no control character, no space, nothing that is not ASCII, and no
   * backslash, which browsers take for a slash.
   */
  private static final Pattern LOCAL = Pattern.compile("/(?!/)[\\x21-\\x7E&&[^\\\\]]*");

  private static final Pattern DOT_SEGMENT = Pattern.compile("/\\.{1,2}(?:/|$)");

  private ReturnTo() {}

  /**
   * Of the request itself; the query is left out where it is too long, and the path too if need be.
   */
  static String of(Exchange exchange) {
    String path = exchange.path();
    String query = exchange.query();
    return query != null && isSafe(path + "?" + query) ? path + "?" + query : checked(path);
  }

  /** What somebody asks for, or the root if that is not safe. */
  static String checked(@Nullable String wish) {
    return wish != null && isSafe(wish) ? wish : "/";
  }

  private static boolean isSafe(String text) {
    if (text.length() > MAX_LENGTH || !LOCAL.matcher(text).matches()) {
      return false;
    }
    // The gateway's own pages are no place to return to: one of them ends the session.
    String path = decoded(text.split("[?#]", 2)[0]);
    return path != null
        && !path.startsWith(Exchange.RESERVED_PREFIX)
        && !path.startsWith("//")
        && !DOT_SEGMENT.matcher(path).find();
  }

  /** As whoever decodes it reads it; null if it has a percent sign that begins no escape. */
  private static @Nullable String decoded(String path) {
    try {
      return URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8)
          .toLowerCase(Locale.ROOT)
          .replace('\\', '/');
    } catch (IllegalArgumentException e) {
      return null;
    }
  }
}
