package io.apprxy.auth.oidc;

import java.net.URI;
import java.util.Locale;
import java.util.Set;

/** What is particular about Microsoft Entra ID. */
final class Entra {
  /** Of the public cloud, of national ones, and of tokens of version 1. */
  private static final Set<String> HOSTS =
      Set.of(
          "login.microsoftonline.com",
          "login.microsoftonline.us",
          "login.partner.microsoftonline.cn",
          "login.chinacloudapi.cn",
          "sts.windows.net");

  private Entra() {}

  static boolean isIssuer(String issuer) {
    String host = URI.create(issuer.replace("{tenantid}", "common")).getHost();
    return host != null
        && (HOSTS.contains(host.toLowerCase(Locale.ROOT))
            || host.toLowerCase(Locale.ROOT).endsWith(".ciamlogin.com"));
  }
}
