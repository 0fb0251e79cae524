package io.apprxy.rewrite;

import io.apprxy.Application;
import io.apprxy.Exchange;
import java.net.URI;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Between the external and the internal URLs of one application. Immutable; made once per
 * application. For the engine.
 */
public final class UrlMapping {
  private final String externalOrigin;
  private final String externalHost;
  private final String externalBase;
  private final String internalScheme;
  private final String internalHost;
  private final String internalBase;
  private final String hostHeader;

  /** The web origins under which the origin knows itself. */
  private final Set<String> origins = new HashSet<>();

  private UrlMapping(Application application) {
    URI external = application.externalUrl();
    URI internal = application.internalUrl();
    externalOrigin =
        external.getScheme() + "://" + authority(external.getScheme(), external.getRawAuthority());
    externalHost = external.getHost().toLowerCase(Locale.ROOT);
    externalBase = external.getRawPath();
    internalScheme = internal.getScheme();
    internalHost = internal.getHost().toLowerCase(Locale.ROOT);
    internalBase = internal.getRawPath();
    URI seenByOrigin = application.translateHostHeader() ? internal : external;
    hostHeader = authority(seenByOrigin.getScheme(), seenByOrigin.getRawAuthority());
    origins.add(internalScheme + "://" + authority(internalScheme, internal.getRawAuthority()));
    application.originInstances().stream()
        .map(Application.OriginInstance::url)
        .forEach(
            url ->
                origins.add(
                    url.getScheme() + "://" + authority(url.getScheme(), url.getRawAuthority())));
    if (!internalScheme.equals(external.getScheme())) {
      // An origin that sees the external host makes URLs of that host and of its own scheme.
      origins.add(internalScheme + "://" + hostHeader);
    }
  }

  /** The mapping of an application. */
  public static UrlMapping of(Application application) {
    return new UrlMapping(application);
  }

  /**
   * The path at the origin of a canonical external path.
   *
   * @throws IllegalArgumentException if the path does not belong to the application
   */
  public String toInternalPath(String externalPath) {
    if (!externalPath.startsWith(externalBase)) {
      throw new IllegalArgumentException(
          "the path must begin with " + externalBase + ": " + externalPath);
    }
    return internalBase + externalPath.substring(externalBase.length());
  }

  /**
   * What the origin gets as {@code Host}: its own authority, or the external one, as the
   * application wants it.
   */
  public String hostHeader() {
    return hostHeader;
  }

  /**
   * The external form of a URL reference (RFC 3986 §4.1) in a response, if it points at the origin,
   * at a path that is published; any other reference as it is. Paths under {@link
   * Exchange#RESERVED_PREFIX} stay, so that an application can link to them.
   */
  public String toExternal(String reference) {
    if (reference.startsWith("//")) {
      return absoluteToExternal(internalScheme, 0, reference);
    }
    if (reference.startsWith("/")) {
      return pathToExternal(reference);
    }
    for (String scheme : Set.of("http", "https")) {
      if (reference.regionMatches(true, 0, scheme + "://", 0, scheme.length() + 3)) {
        return absoluteToExternal(scheme, scheme.length() + 1, reference);
      }
    }
    return reference;
  }

  private String absoluteToExternal(String scheme, int slashes, String reference) {
    int path = endOf(reference, slashes + 2, "/?#\\");
    String origin = scheme + "://" + authority(scheme, reference.substring(slashes + 2, path));
    String mapped = origins.contains(origin) ? map(reference.substring(path)) : null;
    return mapped == null ? reference : externalOrigin + mapped;
  }

  private String pathToExternal(String reference) {
    if (internalBase.equals(externalBase) || reference.startsWith(Exchange.RESERVED_PREFIX)) {
      return reference;
    }
    String mapped = map(reference);
    // Never as a path alone: of /app//evil.test it could make //evil.test, which names another
    // host.
    return mapped == null ? reference : externalOrigin + mapped;
  }

  /** Maps a path with whatever follows it; null if the path is not published. */
  private @Nullable String map(String pathAndMore) {
    int end = endOf(pathAndMore, 0, "?#");
    String path = end == 0 ? "/" : pathAndMore.substring(0, end);
    String mapped = mapPath(path);
    return mapped == null ? null : mapped + pathAndMore.substring(end);
  }

  private @Nullable String mapPath(String path) {
    if (path.startsWith(internalBase)) {
      return externalBase + path.substring(internalBase.length());
    }
    return (path + "/").equals(internalBase) ? withoutSlash(externalBase) : null;
  }

  /**
   * The external form of the Path of a cookie (RFC 6265 §5.1.4). A cookie of a path above the
   * published one, or beside it, is confined to the published one: the rest of the external host
   * belongs to other applications.
   */
  String toExternalCookiePath(String path) {
    String mapped = mapPath(path);
    return mapped == null ? externalBase : mapped;
  }

  /** Whether a cookie's Domain is the origin's, and so means nothing to a user agent outside. */
  boolean isInternalDomain(String domain) {
    return isWithin(internalHost, domain) && !isWithin(externalHost, domain);
  }

  /** RFC 6265 §5.1.3. */
  private static boolean isWithin(String host, String domain) {
    return host.equals(domain) || host.endsWith("." + domain);
  }

  private static String authority(String scheme, String authority) {
    String lower = authority.toLowerCase(Locale.ROOT);
    String defaultPort = scheme.equals("https") ? ":443" : ":80";
    int port =
        lower.indexOf(':', lower.lastIndexOf(']') + 1); // the first: a:8080:80 is no authority
    return port >= 0 && lower.substring(port).equals(defaultPort)
        ? lower.substring(0, port)
        : lower;
  }

  private static String withoutSlash(String base) {
    return base.length() == 1 ? base : base.substring(0, base.length() - 1);
  }

  private static int endOf(String text, int from, String delimiters) {
    int end = from;
    while (end < text.length() && delimiters.indexOf(text.charAt(end)) < 0) {
      end++;
    }
    return end;
  }
}
