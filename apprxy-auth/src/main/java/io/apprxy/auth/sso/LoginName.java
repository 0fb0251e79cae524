package io.apprxy.auth.sso;

import io.apprxy.Application.KerberosDelegation;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.text.Normalizer;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * Who a user is in a realm: {@code alice@CORP.EXAMPLE}. Domains do not tell cases apart, and
 * applications may, so that a user has one name only, in lower case with the realm in upper case.
 */
final class LoginName {
  private static final int MAX = 256;

  /** One component: what could name another principal, or another realm, is no user's name. */
  private static final Pattern USER = Pattern.compile("[^\\p{Cntrl}\\s/\\\\@:;,=\"<>|\\[\\]*?]+");

  private static final Pattern REALM = Pattern.compile("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?");

  private LoginName() {}

  /**
   * The user's name.
   *
   * @param realm of those whose claim does not tell one
   * @throws GatewayException {@link ErrorCode#NO_LOGIN_IDENTITY} if the user has no such claim, or
   *     several, or it is no name
   */
  static String of(Identity identity, KerberosDelegation delegation, String realm) {
    String claim = delegation.loginClaim();
    List<String> values = identity.values(claim);
    if (values.size() != 1) {
      throw refused("has " + (values.isEmpty() ? "no " : "more than one ") + claim);
    }
    String name = values.get(0);
    int at = name.lastIndexOf('@');
    return switch (delegation.loginIdentity()) {
      case USER_PRINCIPAL_NAME, ON_PREMISES_USER_PRINCIPAL_NAME -> {
        if (at < 0) {
          throw refused("has a " + claim + " without a realm");
        }
        yield principal(name.substring(0, at), name.substring(at + 1), claim);
      }
      case USER_PRINCIPAL_USERNAME, ON_PREMISES_USER_PRINCIPAL_USERNAME ->
          principal(at < 0 ? name : name.substring(0, at), realm, claim);
      case ON_PREMISES_SAM_ACCOUNT_NAME -> principal(name, realm, claim);
    };
  }

  private static String principal(String user, String realm, String claim) {
    if (user.length() + realm.length() > MAX
        || !USER.matcher(user).matches()
        || user.endsWith("$") // a machine
        || !Normalizer.isNormalized(user, Normalizer.Form.NFKC) // or one letter looks like another
        || !user.codePoints().allMatch(LoginName::isVisible)
        || !REALM.matcher(realm).matches()) {
      throw refused("has a " + claim + " that is no name of a user in a realm");
    }
    return user.toLowerCase(Locale.ROOT) + "@" + realm.toUpperCase(Locale.ROOT);
  }

  private static boolean isVisible(int c) {
    return c < 0x7f
        || Character.isLetterOrDigit(c)
        || Character.getType(c) == Character.NON_SPACING_MARK;
  }

  private static GatewayException refused(String why) {
    return new GatewayException(ErrorCode.NO_LOGIN_IDENTITY, "the user " + why);
  }
}
