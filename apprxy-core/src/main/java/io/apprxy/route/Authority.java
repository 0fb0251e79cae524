package io.apprxy.route;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Host and port of a URL, without user (RFC 3986 §3.2). Immutable.
 *
 * @param host in lower case; an IPv6 address in brackets
 * @param text the host and, if not the scheme's default, {@code :port}
 */
record Authority(String host, String text) {
  private static final int MAX_HOST_LENGTH = 253; // RFC 1035 §2.3.4, as text
  private static final String LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
  private static final Pattern FORM =
      Pattern.compile(
          "(\\[(?!.*[0-9A-Fa-f]{5}.*])[0-9A-Fa-f:.]{2,45}]|"
              + LABEL
              + "(?:\\."
              + LABEL
              + ")*+)(?::([1-9][0-9]{0,4}))?");

  /**
   * The canonical form of the text, or null if it has none: it is malformed, or ends with a dot.
   */
  static @Nullable Authority parse(String scheme, String text) {
    Matcher matcher = FORM.matcher(text);
    if (text.length() > MAX_HOST_LENGTH + ":65535".length() || !matcher.matches()) {
      return null;
    }
    String host = matcher.group(1).toLowerCase(Locale.ROOT);
    if (host.length() > MAX_HOST_LENGTH || (host.startsWith("[") && !isAddress(host))) {
      return null;
    }
    String digits = matcher.group(2);
    if (digits == null) {
      return new Authority(host, host);
    }
    int port = Integer.parseInt(digits);
    if (port > 65535) {
      return null;
    }
    return new Authority(host, port == defaultPort(scheme) ? host : host + ":" + port);
  }

  private static int defaultPort(String scheme) {
    return scheme.equals("https") ? 443 : 80;
  }

  private static boolean isAddress(String bracketed) {
    try {
      InetAddress.getByName(bracketed); // In brackets, it is parsed and never looked up.
      return true;
    } catch (UnknownHostException e) {
      return false;
    }
  }
}
