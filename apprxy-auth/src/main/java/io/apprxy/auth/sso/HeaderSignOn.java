package io.apprxy.auth.sso;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.OriginRequest;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tells the origin who the user is in headers, as {@link Application.SingleSignOn#headers()} maps
 * them. A header whose claim the user does not have is absent, also if the client sent it. Several
 * values are joined with a comma. Thread-safe.
 *
 * <p>A value beyond ASCII is encoded as RFC 8187 says: {@code UTF-8''J%C3%BCrgen}; so is one that
 * looks as if it were encoded, since an origin would take it for another. A value with a control
 * character, or one of a list that has a comma itself, would tell the origin something else, and
 * refuses the request.
 */
public final class HeaderSignOn implements SignOn {
  private static final String ENCODED = "UTF-8'";
  private static final String PLAIN = "!#$&+-.^_`|~"; // RFC 8187 §3.2.1, attr-char

  @Override
  public Verdict signOn(OriginRequest request, Identity identity, Application application) {
    application
        .singleSignOn()
        .headers()
        .forEach(
            (header, claim) -> {
              List<String> values = identity.values(claim);
              if (values.isEmpty()) {
                request.remove(header);
              } else {
                request.set(header, join(header, values, identity.claim(claim)));
              }
            });
    return Verdict.proceed();
  }

  private static String join(String header, List<String> values, @Nullable Object claim) {
    boolean isList = claim instanceof Collection;
    for (String value : values) {
      if (hasControl(value) || (isList && value.contains(","))) {
        throw new GatewayException(
            ErrorCode.SIGN_ON_FAILED, "a claim cannot be told in header " + header);
      }
    }
    String joined = values.size() == 1 ? values.get(0) : String.join(",", values);
    boolean plain = isAscii(joined) && !joined.regionMatches(true, 0, ENCODED, 0, ENCODED.length());
    return plain ? joined : encode(joined);
  }

  private static boolean hasControl(String value) {
    for (int i = 0; i < value.length(); i++) { // no stream: it is done for every request
      if (Character.isISOControl(value.charAt(i))) {
        return true;
      }
    }
    return false;
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
