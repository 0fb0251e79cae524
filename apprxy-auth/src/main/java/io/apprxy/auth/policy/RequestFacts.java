package io.apprxy.auth.policy;

import io.apprxy.Exchange;
import io.apprxy.auth.policy.Policy.ClientAppType;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What a request says of itself. */
final class RequestFacts {
  /**
   * Some frameworks take the method that stands here for the one of the request. Other spellings of
   * these names reach no origin.
   */
  private static final List<String> OVERRIDES =
      List.of("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Method");

  private static final Pattern TOKEN = Pattern.compile("(?is)\\s*(bearer|dpop)([ \\t].*)?");

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
   * An application that takes tokens judges a request that has one by it; all others by sessions.
   */
  static ClientAppType clientAppType(Exchange exchange) {
    return exchange.application().bearerTokens() != null
            && exchange.headers("Authorization").stream()
                .anyMatch(credentials -> TOKEN.matcher(credentials).matches())
        ? ClientAppType.MOBILE_APPS_AND_DESKTOP_CLIENTS
        : ClientAppType.BROWSER;
  }
}
