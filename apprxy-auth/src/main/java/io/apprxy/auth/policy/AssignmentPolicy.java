package io.apprxy.auth.policy;

import io.apprxy.AccessPolicy;
import io.apprxy.Application.Assignments;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import java.util.List;

/**
 * Lets those pass who are assigned to the application: by {@code sub}, by a verified {@code email},
 * or by one of their {@code groups}. Names are compared exactly; of a group only the slash at the
 * beginning makes no difference, since Keycloak writes {@code /staff} for {@code staff}.
 * Thread-safe.
 */
public final class AssignmentPolicy implements AccessPolicy {
  private final List<String> names;

  /** Believes {@code sub} and a verified {@code email}. */
  public AssignmentPolicy() {
    names = List.of();
  }

  private AssignmentPolicy(List<String> names) {
    this.names = names;
  }

  /**
   * Believes other claims, too: such as {@code preferred_username}, {@code upn}, or Entra's {@code
   * oid}. Name only those that users of your provider cannot choose: OpenID Connect Core §5.7 warns
   * that {@code preferred_username} may be anything, another user's address included.
   */
  public static AssignmentPolicy believing(String... claims) {
    return new AssignmentPolicy(List.of(claims));
  }

  @Override
  public Verdict authorize(Exchange exchange) {
    Identity identity = exchange.identity();
    if (identity == null) {
      throw new GatewayException(ErrorCode.SIGN_IN_REQUIRED, "nobody was identified");
    }
    Assignments assignments = exchange.application().assignments();
    if (assignments.everyone()
        || isNamed(identity, assignments)
        || isMember(identity, assignments)) {
      return Verdict.proceed();
    }
    throw new GatewayException(
        ErrorCode.NOT_ASSIGNED,
        "subject " + identity.subject() + " is not assigned to " + exchange.application().id());
  }

  private boolean isNamed(Identity identity, Assignments assignments) {
    // Users of some providers may type any address: one that nobody verified proves nothing.
    boolean hasEmail = Boolean.TRUE.equals(identity.claim("email_verified"));
    if (assignments.users().isEmpty()) {
      return false;
    }
    return assignments.users().contains(identity.subject())
        || (hasEmail && isNamed(identity, "email", assignments))
        || names.stream().anyMatch(claim -> isNamed(identity, claim, assignments));
  }

  private static boolean isNamed(Identity identity, String claim, Assignments assignments) {
    return identity.values(claim).stream().anyMatch(assignments.users()::contains);
  }

  private static boolean isMember(Identity identity, Assignments assignments) {
    for (String group : identity.groups()) {
      for (String assigned : assignments.groups()) {
        if (plain(assigned).equals(plain(group))) {
          return true;
        }
      }
    }
    return false;
  }

  private static String plain(String group) {
    return group.startsWith("/") ? group.substring(1) : group;
  }
}
