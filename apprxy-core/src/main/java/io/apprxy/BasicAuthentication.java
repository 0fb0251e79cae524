package io.apprxy;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Signs users on to an origin that asks for a name and a password (RFC 7617), without their knowing
 * them: they come from a store. Immutable data, part of {@link Application.SingleSignOn}.
 *
 * @param accounts whose accounts they are
 * @param claim the claim by which each user's own account is found; null if they share one
 */
public record BasicAuthentication(Accounts accounts, @Nullable String claim) {
  /** Whose accounts users are signed on with. */
  public enum Accounts {
    /** All users of the application share one. */
    SHARED,
    /** Each user has one. */
    OF_EACH_USER
  }

  /**
   * Settings.
   *
   * @throws IllegalArgumentException if there is a claim for a shared account, or none, or a blank
   *     one, for those of each user
   */
  public BasicAuthentication {
    Objects.requireNonNull(accounts, "accounts");
    if ((accounts == Accounts.SHARED) != (claim == null) || (claim != null && claim.isBlank())) {
      throw new IllegalArgumentException(
          "basic: accounts OF_EACH_USER, and only those, must be found by a claim");
    }
  }

  /** All users share one account: the origin does not tell them apart. */
  public static BasicAuthentication shared() {
    return new BasicAuthentication(Accounts.SHARED, null);
  }

  /**
   * Each user has an account of their own, which is found by this claim: one that users cannot
   * change, such as {@code sub}, since whoever writes it chooses whose account is theirs.
   */
  public static BasicAuthentication ofEachUser(String claim) {
    return new BasicAuthentication(Accounts.OF_EACH_USER, claim);
  }

  /**
   * Under which name the user's account is kept; null if it is everybody's.
   *
   * @throws GatewayException {@link ErrorCode#CLAIM_MISSING} unless the user has one value of the
   *     claim
   */
  public @Nullable String user(Identity identity) {
    if (claim == null) {
      return null;
    }
    List<String> values = identity.values(claim);
    if (values.size() != 1 || values.get(0).isEmpty()) {
      throw new GatewayException(
          ErrorCode.CLAIM_MISSING,
          "the user has " + (values.size() > 1 ? "more than one " : "no ") + claim);
    }
    return values.get(0);
  }
}
