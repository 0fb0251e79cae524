package io.apprxy.auth.policy;

import io.apprxy.Identity;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What is read from claims, by the names that providers have for it. */
final class Claims {
  private Claims() {}

  /** App roles and directory roles of Entra, and realm roles of Keycloak. */
  static List<String> roles(Identity identity) {
    List<String> roles = new ArrayList<>(identity.values("roles"));
    roles.addAll(identity.values("wids"));
    if (identity.claim("realm_access") instanceof Map<?, ?> realm
        && realm.get("roles") instanceof List<?> more) {
      more.forEach(role -> roles.add(String.valueOf(role)));
    }
    return roles;
  }

  /** Whether the user is in more groups than Entra puts into a token, and nobody asked for them. */
  static boolean lacksGroups(Identity identity) {
    return identity.claim("groups") == null
        && (identity.claim("hasgroups") != null
            || (identity.claim("_claim_names") instanceof Map<?, ?> elsewhere
                && elsewhere.containsKey("groups")));
  }

  /**
   * Whether Entra says that the user is a guest: by the optional claim {@code acct}. Others let
   * users choose what looks like one, such as a name with {@code #EXT#}.
   */
  static boolean isGuest(Identity identity) {
    return identity.claim("acct") instanceof Number account && account.intValue() == 1;
  }
}
