package io.apprxy.auth.oidc;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

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

  /** What a token says in the place of groups. */
  static final Set<String> OVERAGE = Set.of("_claim_names", "_claim_sources", "hasgroups");

  private Entra() {}

  /**
   * Whether a token leaves the groups of its user out because they are too many: it names a source
   * of them instead ({@code _claim_names}, OpenID Connect Core §5.6.2), or says that there are some
   * ({@code hasgroups}).
   */
  static boolean leavesGroupsOut(Map<String, Object> claims) {
    return (claims.get("_claim_names") instanceof Map<?, ?> names && names.containsKey("groups"))
        || "true".equals(String.valueOf(claims.get("hasgroups")));
  }

  /**
   * The groups that a token leaves out. Blocks.
   *
   * @throws GatewayException {@link ErrorCode#GROUPS_UNKNOWN} if nobody can tell them: a policy
   *     that refuses a group could not be held against its user
   */
  static List<String> groups(Map<String, Object> claims, @Nullable GroupSource source) {
    if (source == null) {
      throw new GatewayException(
          ErrorCode.GROUPS_UNKNOWN, "the token leaves groups out, and no groups(…) is configured");
    }
    return source.groupsOf(Map.copyOf(claims));
  }

  static boolean isIssuer(String issuer) {
    String host = URI.create(issuer.replace("{tenantid}", "common")).getHost();
    return host != null
        && (HOSTS.contains(host.toLowerCase(Locale.ROOT))
            || host.toLowerCase(Locale.ROOT).endsWith(".ciamlogin.com"));
  }
}
