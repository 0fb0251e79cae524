package io.apprxy.auth.oidc;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The fields of a form, in their order (WHATWG URL §5, {@code application/x-www-form-urlencoded}).
 */
final class FormFields {
  private static final int MAX_FIELDS = 1000;

  private FormFields() {}

  /** One field. Its value may be a secret of the user. */
  record Field(String name, String value) {
    @Override
    public String toString() {
      return Untrusted.text(name);
    }
  }

  /**
   * The fields of a body; null if a browser that is given them would not send this very body again:
   * if it is of another character encoding, for one, or has too many.
   */
  static @Nullable List<Field> parse(String body) {
    List<Field> fields = new ArrayList<>();
    for (String pair : body.split("&", MAX_FIELDS + 1)) {
      int is = pair.indexOf('=');
      if (is <= 0 || fields.size() == MAX_FIELDS) {
        return null;
      }
      try {
        fields.add(new Field(decoded(pair.substring(0, is)), decoded(pair.substring(is + 1))));
      } catch (IllegalArgumentException e) {
        return null;
      }
    }
    return fields.stream().allMatch(FormFields::survivesAPage) && encoded(fields).equals(body)
        ? List.copyOf(fields)
        : null;
  }

  /**
   * Whether it is the same after it was a hidden field of a page: pages hold no NUL, browsers send
   * line ends as CR LF only (HTML §4.10.22.4), and say the encoding by themselves.
   */
  private static boolean survivesAPage(Field field) {
    String text = field.name() + "\n" + field.value();
    return text.indexOf('\0') < 0
        && hasBrowsersLineEnds(field.name())
        && hasBrowsersLineEnds(field.value())
        && (!field.name().equalsIgnoreCase("_charset_") || field.value().equals("UTF-8"));
  }

  private static boolean hasBrowsersLineEnds(String text) {
    String rest = text.replace("\r\n", "");
    return rest.indexOf('\r') < 0 && rest.indexOf('\n') < 0;
  }

  private static String encoded(List<Field> fields) {
    return fields.stream()
        .map(field -> encoded(field.name()) + "=" + encoded(field.value()))
        .collect(Collectors.joining("&"));
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  private static String decoded(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }
}
