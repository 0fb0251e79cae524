package io.apprxy;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What the sign-in of a user lacks for what they want to do: what a provider is asked for, or an
 * API client is told (RFC 9470). Immutable.
 *
 * @param acrValues authentication context classes, the preferred one first, of which one is needed
 *     ({@code acr_values}, OpenID Connect Core §3.1.2.1); empty if any will do
 * @param authenticationContext Entra's authentication context, {@code c1} to {@code c99}, which the
 *     {@code acrs} claim must name; null if none is needed
 * @param maxAge how old the sign-in may be ({@code max_age}); null if any age will do
 * @param reason what is missing, in a sentence for the user
 * @param methods sets of authentication methods (RFC 8176, {@code amr}), each of which does as well
 *     as one of the acr values, though it cannot be asked for; empty if none does
 */
public record StepUpRequirement(
    List<String> acrValues,
    @Nullable String authenticationContext,
    @Nullable Duration maxAge,
    String reason,
    List<List<String>> methods) {

  /**
   * A requirement that no set of methods fulfils.
   *
   * @throws IllegalArgumentException as the other constructor does
   */
  public StepUpRequirement(
      List<String> acrValues,
      @Nullable String authenticationContext,
      @Nullable Duration maxAge,
      String reason) {
    this(acrValues, authenticationContext, maxAge, reason, List.of());
  }

  /**
   * A requirement.
   *
   * @throws IllegalArgumentException if it requires nothing, the age is negative, the
   *     authentication context is none of c1 to c99, or a set of methods is empty
   */
  public StepUpRequirement {
    acrValues = List.copyOf(acrValues);
    methods = methods.stream().map(List::copyOf).toList();
    if (methods.stream().anyMatch(List::isEmpty)) {
      throw new IllegalArgumentException("a set of methods must not be empty");
    }
    Objects.requireNonNull(reason, "reason");
    if (acrValues.isEmpty() && authenticationContext == null && maxAge == null) {
      throw new IllegalArgumentException(
          "a step-up must require something: acrValues, authenticationContext or maxAge");
    }
    if (maxAge != null && maxAge.isNegative()) {
      throw new IllegalArgumentException("maxAge must not be negative: " + maxAge);
    }
    if (authenticationContext != null && !authenticationContext.matches("c[1-9][0-9]?")) {
      throw new IllegalArgumentException(
          "authenticationContext must be one of c1 to c99: " + authenticationContext);
    }
  }
}
