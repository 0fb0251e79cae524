package io.apprxy.auth.sso;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What the JDK says when Kerberos fails, as a code of ours. The texts of GSS-API say next to
 * nothing: the reason is deep in the causes, in classes that are not exported, with the code of RFC
 * 4120 §7.5.9 in parentheses.
 */
final class KerberosFailure {
  private static final int DEPTH = 20;
  private static final Pattern CODE = Pattern.compile("\\((\\d{1,3})\\)");
  private static final Pattern ENCRYPTION =
      Pattern.compile("(?i).*(encryption type|etype|key of appropriate type).*");

  private KerberosFailure() {}

  /** What was under way. */
  enum Step {
    LOGIN,
    IMPERSONATION,
    /** Of a user of another realm than the account's. */
    IMPERSONATION_ELSEWHERE,
    TICKET
  }

  /** The failure, with the reason as its message. */
  static GatewayException of(Throwable failed, Step step) {
    Throwable reason = reason(failed);
    String text = String.valueOf(reason.getMessage());
    return new GatewayException(code(reason, text, step), step(step) + ": " + text, failed);
  }

  private static String step(Step step) {
    return switch (step) {
      case LOGIN -> "the service account cannot log in";
      case IMPERSONATION, IMPERSONATION_ELSEWHERE ->
          "no ticket of the user for the service account (S4U2Self)";
      case TICKET -> "no ticket of the user for the application (S4U2Proxy)";
    };
  }

  /** The first cause that is Kerberos' own, or the network's; else the last. */
  private static Throwable reason(Throwable failed) {
    Throwable at = failed;
    for (int i = 0; i < DEPTH; i++) {
      if (isOfKerberos(at) || isOfNetwork(at) || at.getCause() == null) {
        return at;
      }
      at = at.getCause();
    }
    return at;
  }

  private static boolean isOfKerberos(Throwable at) {
    String name = at.getClass().getName();
    return name.startsWith("sun.security.krb5.") && name.contains("Krb");
  }

  private static boolean isOfNetwork(Throwable at) {
    return at instanceof SocketException // refused, no route, and the like
        || at instanceof SocketTimeoutException
        || at instanceof UnknownHostException;
  }

  private static ErrorCode code(Throwable reason, String text, Step step) {
    // A LoginException has the text of its cause, and not the cause.
    if (text.contains("Cannot locate KDC") || text.contains("No service creds")) {
      // Of a realm that krb5.conf does not know, or that there is no way to.
      return switch (step) {
        case LOGIN -> ErrorCode.KDC_UNREACHABLE;
        case IMPERSONATION, IMPERSONATION_ELSEWHERE -> ErrorCode.KERBEROS_USER_UNKNOWN;
        case TICKET -> ErrorCode.KERBEROS_SERVICE_UNKNOWN;
      };
    }
    if (isOfNetwork(reason) || text.contains("Connection refused") || text.contains("timed out")) {
      return ErrorCode.KDC_UNREACHABLE;
    }
    if (text.contains(ServiceAccount.NOT_FORWARDABLE)) {
      return ErrorCode.KERBEROS_NOT_FORWARDABLE;
    }
    int code = code(text);
    if (code == 37) {
      return ErrorCode.KERBEROS_CLOCK_SKEW;
    }
    if (code == 14 || ENCRYPTION.matcher(text).matches()) {
      return ErrorCode.KERBEROS_ENCRYPTION_TYPE;
    }
    ErrorCode known =
        switch (step) {
          case LOGIN -> ofLogin(code, text);
          case IMPERSONATION ->
              code == 7 ? ErrorCode.KERBEROS_ACCOUNT_NO_SERVICE : ofImpersonation(code, text);
          case IMPERSONATION_ELSEWHERE ->
              code == 7 ? ErrorCode.KERBEROS_OTHER_REALM : ofImpersonation(code, text);
          case TICKET -> ofTicket(code);
        };
    return known == null ? ErrorCode.SIGN_ON_FAILED : known;
  }

  private static int code(String text) {
    Matcher found = CODE.matcher(text);
    return found.find() ? Integer.parseInt(found.group(1)) : -1;
  }

  private static @Nullable ErrorCode ofLogin(int code, String text) {
    return switch (code) {
      case 1, 6, 12, 18, 23, 24 -> ErrorCode.KERBEROS_KEYTAB;
      default -> text.contains("Unable to obtain password") ? ErrorCode.KERBEROS_KEYTAB : null;
    };
  }

  private static @Nullable ErrorCode ofImpersonation(int code, String text) {
    return switch (code) {
      case 6, 63, 68 -> ErrorCode.KERBEROS_USER_UNKNOWN;
      case 1, 12, 18, 23 -> ErrorCode.KERBEROS_USER_DISABLED;
      case 13 -> ErrorCode.KERBEROS_NO_PROTOCOL_TRANSITION;
      default ->
          text.contains("S4U2self ticket must be FORWARDABLE")
              ? ErrorCode.KERBEROS_NO_PROTOCOL_TRANSITION
              : null;
    };
  }

  private static @Nullable ErrorCode ofTicket(int code) {
    return switch (code) {
      case 6, 7 -> ErrorCode.KERBEROS_SERVICE_UNKNOWN;
      case 1, 12, 18, 23 -> ErrorCode.KERBEROS_USER_DISABLED;
      case 13 -> ErrorCode.KERBEROS_NOT_ALLOWED_TO_DELEGATE;
      default -> null;
    };
  }
}
