package io.apprxy.auth.oidc;

import java.util.List;
import java.util.Map;

/**
 * Tells the groups of a user whose token has no room for them. Called on a thread that may block,
 * by many sign-ins at once: thread-safe, and bounded in time. A throw refuses the sign-in, or the
 * request that brings an access token.
 */
@FunctionalInterface
public interface GroupSource {
  /**
   * All groups that a policy or an application may ask for, by the names that the {@code groups}
   * claim would have.
   *
   * @param claims of the verified ID token or access token: of Entra ID, {@code oid} is the user
   *     and {@code tid} the tenant. The endpoint in {@code _claim_sources} is of an interface that
   *     is retired
   */
  List<String> groupsOf(Map<String, Object> claims);
}
