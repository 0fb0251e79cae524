package io.apprxy.auth.policy;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A named set of ways to sign in. A sign-in is one of them if its {@code acr} is listed, if its
 * {@code amr} names all methods of a combination, or if its {@code acrs} names the authentication
 * context. Immutable.
 *
 * @param displayName its name, unique in a set
 * @param acrValues authentication context classes (OpenID Connect Core §2, {@code acr}), the
 *     preferred one first; they are what a provider is asked for
 * @param allowedCombinations each a list of authentication methods that were all used (RFC 8176,
 *     {@code amr})
 * @param authenticationContext Entra's, {@code c1} to {@code c99}, which an Entra tenant (whose
 *     tokens have {@code tid}) is asked for instead of acr values; or null
 */
public record AuthenticationStrength(
    String displayName,
    List<String> acrValues,
    List<List<String>> allowedCombinations,
    @Nullable String authenticationContext) {

  /** The name of {@link #multifactor()}: a strength of that name takes its place. */
  public static final String MULTIFACTOR = "multifactor";

  /** The name of {@link #phishingResistant()}: a strength of that name takes its place. */
  public static final String PHISHING_RESISTANT = "phishingResistant";

  /**
   * A strength.
   *
   * @throws IllegalArgumentException if it has no name, or nothing that a provider could be asked
   *     for, or a combination is empty
   */
  public AuthenticationStrength {
    acrValues = List.copyOf(acrValues);
    allowedCombinations = allowedCombinations.stream().map(List::copyOf).toList();
    if (displayName.isBlank()) {
      throw new IllegalArgumentException("an authentication strength must have a name");
    }
    if (acrValues.isEmpty() && authenticationContext == null) {
      throw new IllegalArgumentException(
          "the authentication strength \""
              + displayName
              + "\" must have an acr value or an authentication context: a provider could be asked for nothing");
    }
    if (acrValues.stream().anyMatch(value -> value.isBlank() || value.contains(" "))) {
      throw new IllegalArgumentException(
          "an acr value of \"" + displayName + "\" must have no space: " + acrValues);
    }
    if (allowedCombinations.stream().anyMatch(List::isEmpty)) {
      throw new IllegalArgumentException(
          "a combination of \"" + displayName + "\" must name a method");
    }
    if (authenticationContext != null && !authenticationContext.matches("c[1-9][0-9]?")) {
      throw new IllegalArgumentException(
          "the authentication context of \""
              + displayName
              + "\" must be c1 to c99: "
              + authenticationContext);
    }
  }

  /**
   * What {@link Policy.BuiltInControl#MFA} means unless a set says otherwise: {@code amr} with
   * {@code mfa}, or the acr values of multi-factor authentication of PAPE and REFEDS. Providers
   * with names of their own, such as Keycloak's levels and Entra's contexts, need a strength of
   * this name.
   */
  public static AuthenticationStrength multifactor() {
    return new AuthenticationStrength(
        MULTIFACTOR,
        List.of(
            "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
            "https://refeds.org/profile/mfa"),
        List.of(List.of("mfa")),
        null);
  }

  /**
   * {@code phr} and {@code phrh} of OpenID Connect EAP ACR Values 1.0, or {@code amr} with {@code
   * fido}, unless a set says otherwise.
   */
  public static AuthenticationStrength phishingResistant() {
    return new AuthenticationStrength(
        PHISHING_RESISTANT, List.of("phrh", "phr"), List.of(List.of("fido")), null);
  }
}
