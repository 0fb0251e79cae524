package io.apprxy.rewrite;

import io.apprxy.HeaderNames;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What of an origin's headers may travel, and in which form. For the engine. */
public final class ResponseHeaders {
  private static final HttpString CONTENT_LOCATION = new HttpString("Content-Location");
  private static final Pattern REFRESH =
      Pattern.compile("(?i)(\\s*[0-9.]+\\s*[;,]\\s*(?:url\\s*=\\s*)?)(['\"]?)([^'\"]*)(.*)");

  private ResponseHeaders() {}

  /**
   * At the last hop: what {@link #clean} does; then Location, Content-Location and Refresh get
   * external URLs, and cookies the external path and no internal domain.
   */
  public static void fromOrigin(HeaderMap headers, UrlMapping mapping) {
    clean(headers);
    replace(headers, Headers.LOCATION, mapping::toExternal);
    replace(headers, CONTENT_LOCATION, mapping::toExternal);
    replace(headers, Headers.REFRESH, refresh -> refresh(refresh, mapping));
    replace(headers, Headers.SET_COOKIE, cookie -> cookie(cookie, mapping));
  }

  /**
   * Confines a response of a protected application to the user's own cache (RFC 9111 §5.2.2): a
   * shared one before the gateway would hand it to whoever asks next, and the session cookie with
   * it.
   */
  public static void keepPrivate(HeaderMap headers) {
    RequestHeaders.removeIf(headers, ResponseHeaders::speaksToSharedCaches);
    HeaderValues lines = headers.get(Headers.CACHE_CONTROL);
    List<String> directives = new ArrayList<>();
    if (lines != null) {
      elements(String.join(",", lines)).stream()
          .filter(directive -> !directive.isEmpty() && !isAboutSharedCaches(directive))
          .forEach(directives::add);
    }
    if (directives.stream().noneMatch(directive -> directive.equalsIgnoreCase("no-store"))) {
      directives.add("private");
    }
    headers.put(Headers.CACHE_CONTROL, String.join(", ", directives));
  }

  /**
   * What speaks to shared caches past Cache-Control: the targeted fields of RFC 9213, whatever
   * their target is called, and what caches obeyed before it (Edge Architecture, nginx, Akamai).
   */
  private static boolean speaksToSharedCaches(String folded) {
    return folded.endsWith("-cache-control")
        || folded.startsWith("surrogate-")
        || folded.equals("x-accel-expires")
        || folded.equals("edge-control");
  }

  /**
   * The elements of a list (RFC 9110 §5.6.1); a comma within quotes ends none. One whose quotes do
   * not end is left out: it would swallow what is added after it.
   */
  private static List<String> elements(String list) {
    List<String> elements = new ArrayList<>();
    boolean quoted = false;
    int start = 0;
    for (int i = 0; i < list.length(); i++) {
      char c = list.charAt(i);
      if (c == '"') {
        quoted = !quoted;
      } else if (c == '\\' && quoted) {
        i++;
      } else if (c == ',' && !quoted) {
        elements.add(list.substring(start, i).strip());
        start = i + 1;
      }
    }
    if (!quoted) {
      elements.add(list.substring(start).strip());
    }
    return elements;
  }

  /** {@code private} too, which may confine named headers only; the plain one is added again. */
  private static boolean isAboutSharedCaches(String directive) {
    String name = directive.split("=", 2)[0].strip().toLowerCase(Locale.ROOT);
    return name.equals("public")
        || name.equals("private")
        || name.equals("s-maxage")
        || name.equals("proxy-revalidate");
  }

  /** Removes what tells browsers which pages of other origins may read the response. */
  public static void removeCors(HeaderMap headers) {
    RequestHeaders.removeIf(headers, name -> name.startsWith("access-control-"));
  }

  /** Removes internal and hop-by-hop headers, and cookies that only the gateway may set. */
  public static void clean(HeaderMap headers) {
    HopByHop.remove(headers);
    headers.remove(Headers.TE);
    RequestHeaders.removeIf(headers, HeaderNames::isInternalFolded);
    HeaderValues cookies = headers.get(Headers.SET_COOKIE);
    if (cookies != null && cookies.stream().anyMatch(GatewayCookies::isOurs)) {
      List<String> kept =
          cookies.stream().filter(cookie -> !GatewayCookies.isOurs(cookie)).toList();
      headers.remove(Headers.SET_COOKIE);
      headers.addAll(Headers.SET_COOKIE, kept);
    }
  }

  private static void replace(
      HeaderMap headers, HttpString name, UnaryOperator<String> replacement) {
    HeaderValues lines = headers.get(name);
    if (lines != null) {
      List<String> replaced = lines.stream().map(replacement).toList();
      headers.remove(name);
      headers.addAll(name, replaced);
    }
  }

  /** The form that the HTML standard gives it: seconds, then the URL, in quotes or not. */
  private static String refresh(String refresh, UrlMapping mapping) {
    Matcher matcher = REFRESH.matcher(refresh);
    return matcher.matches()
        ? matcher.group(1)
            + matcher.group(2)
            + mapping.toExternal(matcher.group(3))
            + matcher.group(4)
        : refresh;
  }

  /**
   * A cookie in the form of RFC 6265 §5.2; every byte stays that is in no Domain or Path attribute.
   */
  private static String cookie(String cookie, UrlMapping mapping) {
    String[] parts = cookie.split(";", -1);
    // The prefix obliges the user agent to take no other path (RFC 6265bis §4.1.3.2).
    boolean hostPrefix =
        parts[0].stripLeading().regionMatches(true, 0, "__Host-", 0, "__Host-".length());
    List<String> external = new ArrayList<>(List.of(parts[0]));
    for (int i = 1; i < parts.length; i++) {
      int equals = parts[i].indexOf('=');
      String name =
          equals < 0 ? "" : parts[i].substring(0, equals).strip().toLowerCase(Locale.ROOT);
      String value = parts[i].substring(equals + 1).strip();
      if (name.equals("path") && value.startsWith("/") && !hostPrefix) {
        external.add(" Path=" + mapping.toExternalCookiePath(value));
      } else if (!name.equals("domain") || !mapping.isInternalDomain(domain(value))) {
        external.add(parts[i]);
      }
    }
    return String.join(";", external);
  }

  private static String domain(String value) {
    return (value.startsWith(".") ? value.substring(1) : value).toLowerCase(Locale.ROOT);
  }
}
