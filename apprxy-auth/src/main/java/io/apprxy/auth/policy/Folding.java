package io.apprxy.auth.policy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.Locale;

/**
 * Names and paths as the most careless reader would see them: for what a policy includes, which has
 * to hold in doubt.
 */
final class Folding {
  private Folding() {}

  /** Without case, and with what Unicode calls compatible made equal. */
  static String name(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c >= 0x80) {
        return fold(text);
      }
      if (c >= 'A' && c <= 'Z') {
        return ascii(text) ? text.toLowerCase(Locale.ROOT) : fold(text);
      }
    }
    return text;
  }

  /** As {@link #name}, without a slash at the beginning: Keycloak writes {@code /staff}. */
  static String group(String text) {
    return name(plainGroup(text));
  }

  /** Without a slash at the beginning. */
  static String plainGroup(String text) {
    return text.startsWith("/") ? text.substring(1) : text;
  }

  /**
   * A canonical path, decoded, without case, without the dots and spaces at the end of a segment
   * that Windows leaves out, and without a slash at the end.
   */
  static String path(String canonical) {
    String decoded = canonical;
    while (decoded.indexOf('%') >= 0) { // some origins decode what was decoded
      String further = decode(decoded);
      if (further.length() == decoded.length()) {
        break;
      }
      decoded = further;
    }
    String folded = name(decoded);
    StringBuilder path = new StringBuilder(folded.length());
    for (int i = 0; i < folded.length(); i++) {
      char c = folded.charAt(i);
      if (c == '/') {
        trim(path);
      }
      path.append(c);
    }
    trim(path);
    int end = path.length();
    while (end > 0 && path.charAt(end - 1) == '/') {
      end--;
    }
    return path.substring(0, end);
  }

  /** Whether a folded path is another one, or below it. */
  static boolean isBelow(String path, String top) {
    return path.startsWith(top)
        && (path.length() == top.length() || path.charAt(top.length()) == '/');
  }

  private static void trim(StringBuilder path) {
    int end = path.length();
    while (end > 0 && (path.charAt(end - 1) == '.' || path.charAt(end - 1) == ' ')) {
      end--;
    }
    path.setLength(end);
  }

  private static String decode(String path) {
    ByteArrayOutputStream octets = new ByteArrayOutputStream(path.length());
    for (int i = 0; i < path.length(); i++) {
      char c = path.charAt(i);
      int value =
          c == '%' && i + 2 < path.length()
              ? Character.digit(path.charAt(i + 1), 16) << 4
                  | Character.digit(path.charAt(i + 2), 16)
              : -1;
      if (value >= 0) {
        octets.write(value);
        i += 2;
      } else {
        octets.writeBytes(String.valueOf(c).getBytes(StandardCharsets.UTF_8));
      }
    }
    return octets.toString(StandardCharsets.UTF_8);
  }

  private static boolean ascii(String text) {
    return text.chars().allMatch(c -> c < 0x80);
  }

  private static String fold(String text) {
    String compatible = Normalizer.normalize(text, Normalizer.Form.NFKC);
    // Upper case first: some letters, as the long s, meet in it only.
    String folded = compatible.toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT);
    return Normalizer.normalize(folded, Normalizer.Form.NFKC);
  }
}
