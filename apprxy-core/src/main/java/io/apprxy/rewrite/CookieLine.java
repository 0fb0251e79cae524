package io.apprxy.rewrite;

import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds a cookie of the gateway among those of a request (RFC 6265 §4.2.1). Only what is asked for
 * is taken apart: a user's other cookies are many, and none of the gateway's business. For the
 * engine.
 */
public final class CookieLine {
  private CookieLine() {}

  /** Of a request with these headers: see {@link #find(List, String)}. */
  public static @Nullable String find(HeaderMap headers, String name) {
    HeaderValues lines = headers.get(Headers.COOKIE);
    return lines == null ? null : find(lines, name);
  }

  /**
   * The value of the first cookie of this name, without the quotes that old clients put around it;
   * null if there is none.
   *
   * @param lines the values of the {@code Cookie} headers
   */
  public static @Nullable String find(List<String> lines, String name) {
    for (int i = 0; i < lines.size(); i++) {
      String value = find(lines.get(i), name);
      if (value != null) {
        return value;
      }
    }
    return null;
  }

  private static @Nullable String find(String line, String name) {
    int start = 0;
    while (start < line.length()) {
      int semicolon = line.indexOf(';', start);
      int end = semicolon < 0 ? line.length() : semicolon;
      String value = value(line, start, end, name);
      if (value != null) {
        return value;
      }
      start = end + 1;
    }
    return null;
  }

  /** The value of one pair, or null if it has another name. */
  private static @Nullable String value(String line, int start, int end, String name) {
    int from = start;
    while (from < end && isSpace(line.charAt(from))) {
      from++;
    }
    int equals = from + name.length();
    if (equals >= end || line.charAt(equals) != '=' || !line.startsWith(name, from)) {
      return null;
    }
    String value = line.substring(equals + 1, end).strip();
    boolean quoted = value.length() >= 2 && value.startsWith("\"") && value.endsWith("\"");
    return quoted ? value.substring(1, value.length() - 1) : value;
  }

  private static boolean isSpace(char c) {
    return c == ' ' || c == '\t';
  }
}
