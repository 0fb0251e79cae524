package io.apprxy.auth.sso;

import io.apprxy.Application;
import io.apprxy.ClaimValues;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.HeaderMapping;
import io.apprxy.Identity;
import io.apprxy.OriginRequest;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Tells the origin who the user is in headers, as {@link Application.SingleSignOn#headers()} maps
 * them. A header for which the user has nothing is absent, also if the client sent it. Thread-safe.
 *
 * <p>A value beyond ASCII is encoded as RFC 8187 says: {@code UTF-8''J%C3%BCrgen}; so is one that
 * looks as if it were encoded, or begins or ends with a space, since an origin would take it for
 * another. A value with a control character, one that is no Unicode, or one of a list that contains
 * what separates them, would tell the origin something else, and refuses the request.
 */
public final class HeaderSignOn implements SignOn {
  private static final String ENCODED = "UTF-8'";
  private static final String PLAIN = "!#$&+-.^_`|~"; // RFC 8187 §3.2.1, attr-char

  @Override
  public Verdict signOn(OriginRequest request, Identity identity, Application application) {
    for (HeaderMapping mapping : application.singleSignOn().headers()) {
      request.set(mapping.header(), told(mapping, mapping.values(identity)));
    }
    return Verdict.proceed();
  }

  private static List<String> told(HeaderMapping mapping, ClaimValues claim) {
    String separator = mapping.separator();
    String splits = separator == null ? "," : separator;
    List<String> values = claim.values();
    boolean several = claim.isList() || values.size() > 1;
    for (String value : values) {
      if (hasControl(value)
          || !isUnicode(value)
          || (several && (value.contains(splits) || !value.equals(value.strip())))) {
        throw new GatewayException(
            ErrorCode.SIGN_ON_FAILED, "a claim cannot be told in header " + mapping.header());
      }
    }
    if (values.size() > 1 && separator != null) {
      return List.of(plainOrEncoded(String.join(separator, values)));
    }
    return values.stream().map(HeaderSignOn::plainOrEncoded).toList();
  }

  private static String plainOrEncoded(String value) {
    boolean plain =
        isAscii(value)
            && !value.startsWith(" ") // which parsers of headers take off
            && !value.endsWith(" ")
            && !value.regionMatches(true, 0, ENCODED, 0, ENCODED.length());
    return plain ? value : encode(value);
  }

  private static boolean hasControl(String value) {
    for (int i = 0; i < value.length(); i++) { // no stream: it is done for every request
      if (Character.isISOControl(value.charAt(i))) {
        return true;
      }
    }
    return false;
  }

  /** No half of a surrogate pair, which has no encoding. */
  private static boolean isUnicode(String value) {
    return isAscii(value) || StandardCharsets.UTF_8.newEncoder().canEncode(value);
  }

  private static boolean isAscii(String value) {
    for (int i = 0; i < value.length(); i++) {
      if (value.charAt(i) >= 0x7f) {
        return false;
      }
    }
    return true;
  }

  private static String encode(String value) {
    StringBuilder encoded = new StringBuilder("UTF-8''");
    for (byte octet : value.getBytes(StandardCharsets.UTF_8)) {
      char c = (char) (octet & 0xff);
      if ((c < 0x80 && Character.isLetterOrDigit(c)) || PLAIN.indexOf(c) >= 0) {
        encoded.append(c);
      } else {
        encoded.append('%').append(String.format("%02X", octet & 0xff));
      }
    }
    return encoded.toString();
  }
}
