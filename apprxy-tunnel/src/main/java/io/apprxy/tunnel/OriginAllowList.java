package io.apprxy.tunnel;

import java.net.URI;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;

/**
 * The origins that a connector serves, whatever a gateway asks for: a gateway that was broken into
 * still cannot roam the private network. Not thread-safe while it is filled.
 */
final class OriginAllowList {
  private final Set<String> origins = new LinkedHashSet<>();

  void add(String origin) {
    URI url = URI.create(origin);
    boolean plain =
        ("http".equals(url.getScheme()) || "https".equals(url.getScheme()))
            && url.getHost() != null
            && url.getRawUserInfo() == null
            && (url.getRawPath().isEmpty() || url.getRawPath().equals("/"))
            && url.getRawQuery() == null
            && url.getRawFragment() == null;
    if (!plain) {
      throw new IllegalArgumentException(
          "an allowed origin is a scheme, a host and a port, such as http://wiki.corp.test:8080: "
              + origin);
    }
    origins.add(canonical(url));
  }

  boolean isEmpty() {
    return origins.isEmpty();
  }

  boolean allows(URI internalUrl) {
    return origins.contains(canonical(internalUrl));
  }

  private static String canonical(URI url) {
    int defaultPort = url.getScheme().equals("https") ? 443 : 80;
    int port = url.getPort() < 0 ? defaultPort : url.getPort();
    return url.getScheme() + "://" + url.getHost().toLowerCase(Locale.ROOT) + ":" + port;
  }
}
