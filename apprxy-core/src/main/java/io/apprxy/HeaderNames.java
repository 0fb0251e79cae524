package io.apprxy;

import java.util.Set;

/** Which header names are the same to an origin, and whose they are. For the engine. */
public final class HeaderNames {
  private static final Set<String> CLIENT_ADDRESS_OR_TARGET =
      Set.of(
          "forwarded",
          "x-real-ip",
          "x-client-ip",
          "client-ip",
          "true-client-ip",
          "cf-connecting-ip",
          "fastly-client-ip",
          "x-cluster-client-ip",
          "x-remote-ip",
          "x-remote-addr",
          "x-remote-user",
          "remote-user",
          "x-original-url", // IIS and frameworks that copied it route by these instead of the
          // target
          "x-original-uri",
          "x-original-host",
          "x-rewrite-url",
          "x-host",
          "proxy"); // becomes HTTP_PROXY in CGI: https://httpoxy.org

  private HeaderNames() {}

  /**
   * Whether an origin could take one name for the other. CGI and its heirs make {@code HTTP_X_USER}
   * of {@code X-User} and of {@code x_user}, and some of {@code X.User}: so case, and all that is
   * no letter or digit, make no difference.
   */
  public static boolean sameSpelling(String name, String other) {
    return name.length() == other.length() && fold(name).equals(fold(other));
  }

  /**
   * Whether it is a name at all (RFC 9110 §5.6.2). On HTTP/1.1 one that is none would be read as
   * something else: {@code "set-cookie "} as {@code Set-Cookie}.
   */
  public static boolean isToken(String name) {
    for (int i = 0; i < name.length(); i++) {
      char c = name.charAt(i);
      if (!((c >= 'a' && c <= 'z')
          || c == '-'
          || (c >= 'A' && c <= 'Z')
          || (c >= '0' && c <= '9')
          || "!#$%&'*+.^_`|~".indexOf(c) >= 0)) {
        return false;
      }
    }
    return !name.isEmpty();
  }

  /**
   * The one form of all names of the same spelling: lower case, with a hyphen for all that is no
   * letter or digit.
   */
  public static String fold(String name) {
    for (int i = 0; i < name.length(); i++) {
      if (fold(name.charAt(i)) != name.charAt(i)) {
        return folded(name);
      }
    }
    return name; // as all names of HTTP/2 are
  }

  private static String folded(String name) {
    StringBuilder folded = new StringBuilder(name.length());
    for (int i = 0; i < name.length(); i++) {
      folded.append(fold(name.charAt(i)));
    }
    return folded.toString();
  }

  private static char fold(char c) {
    if (c >= 'A' && c <= 'Z') {
      return (char) (c + ('a' - 'A'));
    }
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  }

  /**
   * Whether only the gateway and its connectors may use this name: {@code apprxy-*} and {@code
   * X-Apprxy-*}, in any spelling.
   */
  public static boolean isInternal(String name) {
    return isInternalFolded(fold(name));
  }

  /** {@link #isInternal} of a name that is folded already. */
  public static boolean isInternalFolded(String folded) {
    return folded.startsWith("apprxy-") || folded.startsWith("x-apprxy-");
  }

  /** Where proxies tell the certificate of their client (RFC 9440 §2, and what came before). */
  private static boolean isClientCertificate(String folded) {
    return folded.startsWith("client-cert")
        || folded.startsWith("x-client-cert")
        || folded.startsWith("ssl-client-")
        || folded.startsWith("x-ssl-client-")
        || folded.equals("x-arr-clientcert");
  }

  /**
   * Whether a proxy uses the folded name to say whom or what a request is for: {@code Forwarded}
   * and its kin.
   */
  public static boolean isProxyClaimFolded(String folded) {
    return folded.startsWith("x-forwarded-")
        || folded.equals("x-forwarded")
        || isClientCertificate(folded)
        || folded.startsWith("x-envoy-")
        || CLIENT_ADDRESS_OR_TARGET.contains(folded);
  }
}
