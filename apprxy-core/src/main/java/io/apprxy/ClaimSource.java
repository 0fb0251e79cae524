package io.apprxy;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where a value comes from: a claim of the user, or a constant. Immutable.
 *
 * @param claim the name of a claim, {@code iss} and {@code sub} included; null for a constant
 * @param constant what is the same for every user; null for a claim
 */
public record ClaimSource(@Nullable String claim, @Nullable String constant) {
  /**
   * A source.
   *
   * @throws IllegalArgumentException unless it is either a claim or a constant, or if the name of
   *     the claim is blank
   */
  public ClaimSource {
    if ((claim == null) == (constant == null)) {
      throw new IllegalArgumentException(
          "a value must come from a claim or be a constant, one of the two");
    }
    if (claim != null && claim.isBlank()) {
      throw new IllegalArgumentException("the name of a claim must not be blank");
    }
  }

  /** A claim of the user. */
  public static ClaimSource claim(String name) {
    return new ClaimSource(name, null);
  }

  /** The same for every user. */
  public static ClaimSource constant(String value) {
    return new ClaimSource(null, value);
  }

  /**
   * What the user has. A value that is null counts as missing.
   *
   * @throws GatewayException {@link ErrorCode#SIGN_ON_FAILED} if it is an object, which has no form
   *     as text that an origin could know
   */
  public ClaimValues of(Identity identity) {
    if (claim == null) {
      return ClaimValues.of(constant == null ? "" : constant);
    }
    Object value = identity.claim(claim);
    if (value == null) {
      return ClaimValues.NONE;
    }
    if (!(value instanceof Collection<?> many)) {
      return ClaimValues.of(text(value));
    }
    List<String> values = new ArrayList<>(many.size());
    for (Object one : many) {
      if (one != null) {
        values.add(text(one));
      }
    }
    return new ClaimValues(values, true);
  }

  private String text(Object value) {
    if (value instanceof Map || value instanceof Collection) {
      throw new GatewayException(
          ErrorCode.SIGN_ON_FAILED, "the claim " + claim + " is an object, and not a text");
    }
    return value.toString();
  }
}
