package io.apprxy.auth.policy;

import io.apprxy.Exchange;
import io.apprxy.auth.policy.Policy.DevicePlatform;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * On what a client says that it runs: by its user agent, and by the client hint of browsers that
 * send it. All of it can be forged. Words that contradict each other say nothing.
 */
final class Platforms {
  private Platforms() {}

  static @Nullable DevicePlatform of(Exchange exchange) {
    List<String> agents = exchange.headers("User-Agent");
    List<String> hints = exchange.headers("Sec-CH-UA-Platform");
    if (agents.size() > 1 || hints.size() > 1) {
      return null;
    }
    DevicePlatform agent = agents.isEmpty() ? null : ofAgent(agents.get(0));
    if (hints.isEmpty()) {
      return agent;
    }
    DevicePlatform hint = ofHint(hints.get(0));
    return hint == agent ? hint : null;
  }

  /** A structured string (W3C User-Agent Client Hints §3.6). */
  private static @Nullable DevicePlatform ofHint(String hint) {
    return switch (hint.strip()) {
      case "\"Android\"" -> DevicePlatform.ANDROID;
      case "\"iOS\"" -> DevicePlatform.IOS;
      case "\"Windows\"" -> DevicePlatform.WINDOWS;
      case "\"macOS\"" -> DevicePlatform.MACOS;
      case "\"Linux\"" -> DevicePlatform.LINUX;
      default -> null; // Chrome OS is none that Entra knows
    };
  }

  /** The first comment names the platform. */
  private static @Nullable DevicePlatform ofAgent(String agent) {
    int start = agent.indexOf('(');
    int end = agent.indexOf(')', start + 1);
    if (start < 0 || end < 0) {
      return null;
    }
    String comment = agent.substring(start + 1, end);
    if (comment.contains("Windows Phone") || comment.contains("CrOS")) {
      return null;
    }
    Set<DevicePlatform> named = EnumSet.noneOf(DevicePlatform.class);
    boolean android = comment.contains("Android");
    if (android) {
      named.add(DevicePlatform.ANDROID);
    } else if (comment.contains("Linux")) { // Android says so, too
      named.add(DevicePlatform.LINUX);
    }
    if (comment.contains("iPhone") || comment.contains("iPad") || comment.contains("iPod")) {
      named.add(DevicePlatform.IOS);
    }
    if (comment.contains("Windows NT")) {
      named.add(DevicePlatform.WINDOWS);
    }
    if (comment.contains("Macintosh")) {
      named.add(DevicePlatform.MACOS);
    }
    return named.size() == 1 ? named.iterator().next() : null;
  }
}
