package io.apprxy.auth.policy;

import io.apprxy.Exchange;
import io.apprxy.auth.policy.Policy.ClientAppType;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What a request says of itself. */
final class RequestFacts {
  /** Some frameworks take the method that stands here for the one of the request. */
  private static final List<String> OVERRIDES =
      List.of("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override");

  private RequestFacts() {}

  /**
   * The method; null if the origin may take another for it, or if what follows is an upgraded
   * connection, which may carry anything.
   */
  static @Nullable String method(Exchange exchange) {
    if (exchange.header("Upgrade") != null) {
      return null;
    }
    for (String override : OVERRIDES) {
      if (exchange.header(override) != null) {
        return null;
      }
    }
    return exchange.method();
  }

  /**
   * A token is sent by an app, a session by a browser; a request with both may have been vouched
   * for by either.
   */
  static @Nullable ClientAppType clientAppType(Exchange exchange) {
    String credentials = exchange.header("Authorization");
    String scheme = credentials == null ? "" : credentials.toLowerCase(Locale.ROOT);
    return scheme.startsWith("bearer ") || scheme.startsWith("dpop ")
        ? ClientAppType.MOBILE_APPS_AND_DESKTOP_CLIENTS
        : ClientAppType.BROWSER;
  }
}
