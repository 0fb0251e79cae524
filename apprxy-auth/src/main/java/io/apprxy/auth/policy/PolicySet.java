package io.apprxy.auth.policy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * All policies of a gateway, with what they name. Immutable data; {@link #toJson()} and {@link
 * #fromJson(String)} carry it. It is published as a whole.
 *
 * @param namedLocations the locations that policies may name
 * @param authenticationStrengths the strengths that policies may name, beside {@link
 *     AuthenticationStrength#multifactor()} and {@link AuthenticationStrength#phishingResistant()}
 * @param termsOfUse the terms that policies may name
 * @param policies the policies; their order decides nothing
 */
public record PolicySet(
    List<NamedLocation> namedLocations,
    List<AuthenticationStrength> authenticationStrengths,
    List<TermsOfUse> termsOfUse,
    List<Policy> policies) {

  /**
   * A set.
   *
   * @throws IllegalArgumentException if two have one name, or a policy names what is not there
   */
  public PolicySet {
    namedLocations = List.copyOf(namedLocations);
    authenticationStrengths = List.copyOf(authenticationStrengths);
    termsOfUse = List.copyOf(termsOfUse);
    policies = List.copyOf(policies);
    Set<String> locations =
        unique("named location", namedLocations.stream().map(NamedLocation::displayName).toList());
    Set<String> strengths =
        unique(
            "authentication strength",
            authenticationStrengths.stream().map(AuthenticationStrength::displayName).toList());
    Set<String> terms =
        unique("terms of use", termsOfUse.stream().map(TermsOfUse::displayName).toList());
    unique("policy", policies.stream().map(Policy::displayName).toList());
    locations.add(Policy.ALL);
    locations.add(Policy.ALL_TRUSTED);
    strengths.add(AuthenticationStrength.MULTIFACTOR);
    strengths.add(AuthenticationStrength.PHISHING_RESISTANT);
    for (Policy policy : policies) {
      Policy.Locations named = policy.conditions().locations();
      refuseUnknown(policy, "named location", named.includeLocations(), locations);
      refuseUnknown(policy, "named location", named.excludeLocations(), locations);
      refuseUnknown(policy, "terms of use", policy.grantControls().termsOfUse(), terms);
      String strength = policy.grantControls().authenticationStrength();
      refuseUnknown(
          policy,
          "authentication strength",
          strength == null ? List.of() : List.of(strength),
          strengths);
    }
  }

  private static Set<String> unique(String kind, List<String> names) {
    Set<String> seen = new HashSet<>();
    for (String name : names) {
      if (!seen.add(name)) {
        throw new IllegalArgumentException("there must be one " + kind + " \"" + name + "\" only");
      }
    }
    return seen;
  }

  private static void refuseUnknown(
      Policy policy, String kind, List<String> names, Set<String> known) {
    for (String name : names) {
      if (!known.contains(name)) {
        throw new IllegalArgumentException(
            "policy \"" + policy.displayName() + "\" names no " + kind + " of the set: " + name);
      }
    }
  }

  /**
   * Policies that name no location or strength of their own.
   *
   * @throws IllegalArgumentException as {@link PolicySet} does
   */
  public static PolicySet of(Policy... policies) {
    return new PolicySet(List.of(), List.of(), List.of(), List.of(policies));
  }

  /** An empty set to add to. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder that begins with what is in this set. */
  public Builder newBuilder() {
    Builder builder = new Builder();
    builder.locations.addAll(namedLocations);
    builder.strengths.addAll(authenticationStrengths);
    builder.terms.addAll(termsOfUse);
    builder.policies.addAll(policies);
    return builder;
  }

  /**
   * Reads what {@link #toJson()} wrote. Absent settings take their default.
   *
   * @throws IllegalArgumentException if the text is no JSON of a set, names an unknown setting, or
   *     holds a bad value
   */
  public static PolicySet fromJson(String json) {
    return PolicyJson.readSet(json);
  }

  /** This set as a JSON object, with all settings. */
  public String toJson() {
    return PolicyJson.write(this);
  }

  /** Builds a {@link PolicySet}. Not thread-safe. */
  public static final class Builder {
    private final List<NamedLocation> locations = new ArrayList<>();
    private final List<AuthenticationStrength> strengths = new ArrayList<>();
    private final List<TermsOfUse> terms = new ArrayList<>();
    private final List<Policy> policies = new ArrayList<>();

    private Builder() {}

    /** Adds a location. */
    public Builder namedLocation(NamedLocation location) {
      locations.add(Objects.requireNonNull(location, "location"));
      return this;
    }

    /** Adds a strength. */
    public Builder authenticationStrength(AuthenticationStrength strength) {
      strengths.add(Objects.requireNonNull(strength, "strength"));
      return this;
    }

    /** Adds terms of use. */
    public Builder termsOfUse(TermsOfUse added) {
      terms.add(Objects.requireNonNull(added, "added"));
      return this;
    }

    /** Adds a policy. */
    public Builder policy(Policy policy) {
      policies.add(Objects.requireNonNull(policy, "policy"));
      return this;
    }

    /**
     * The set.
     *
     * @throws IllegalArgumentException as {@link PolicySet} does
     */
    public PolicySet build() {
      return new PolicySet(locations, strengths, terms, policies);
    }
  }
}
