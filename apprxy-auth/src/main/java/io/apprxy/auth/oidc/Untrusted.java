package io.apprxy.auth.oidc;

import org.jspecify.annotations.Nullable;

/** Text of somebody else, made fit for a log. */
final class Untrusted {
  private static final int MAX_LENGTH = 200;

  private Untrusted() {}

  /** Visible ASCII, so that no line of a log can be forged, and not too much of it. */
  static String text(@Nullable String text) {
    if (text == null) {
      return "-";
    }
    String start = text.length() > MAX_LENGTH ? text.substring(0, MAX_LENGTH) + "..." : text;
    return start.replaceAll("[^\\x20-\\x7E]", "?");
  }
}
