package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.auth.policy.AuthenticationStrength;
import io.apprxy.auth.policy.ConditionalAccess;
import io.apprxy.auth.policy.NamedLocation;
import io.apprxy.auth.policy.Policy;
import io.apprxy.auth.policy.PolicySet;
import io.apprxy.auth.policy.Signals;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** Policies of conditional access, and what they would make of a request that nobody has made. */
public final class WhatIf {
  private static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example.com/")
          .internalUrl("http://wiki.corp:8080/")
          .assignGroups("staff")
          .build();

  private WhatIf() {}

  /** Tells the outcome of each policy for Alice, who wants to see a page from her hotel. */
  public static void main(String[] args) {
    Identity alice =
        new Identity(
            "https://login.example.com",
            "4711",
            "none",
            Instant.now(),
            Map.of("groups", List.of("staff")));
    // README:
    var policies =
        PolicySet.builder()
            .namedLocation(NamedLocation.trustedNetworks("office", "192.0.2.0/24", "2001:db8::/48"))
            .authenticationStrength( // by the name that the provider has for it
                new AuthenticationStrength("multifactor", List.of("gold"), List.of(), null))
            .policy(
                Policy.builder("Several factors outside the office")
                    .includeAllUsers()
                    .excludeGroups("break-glass")
                    .includeAllApplications()
                    .excludeLocations("office")
                    .requireMultifactor()
                    .build())
            .policy(
                Policy.builder("Guests read only, and sign in twice a day")
                    .includeGuests()
                    .includeApplications("wiki")
                    .readOnly()
                    .signInFrequency(Duration.ofHours(12))
                    .build())
            .policy(
                Policy.builder("Administration in the office only")
                    .reportOnly() // tells what it would do, until it is turned on
                    .includeAllUsers()
                    .includeApplications("wiki")
                    .includePaths("/admin")
                    .excludeLocations("office")
                    .block()
                    .build())
            .build();
    var access = ConditionalAccess.builder().policies(policies).build();

    var request = Signals.builder(alice, WIKI).path("/admin/users").clientAddress("203.0.113.9");
    var decision = access.whatIf(request.build());
    System.out.println(decision.effect());
    for (var one : decision.policies()) {
      System.out.println(one.policy() + ": " + one.outcome() + ", " + one.reason());
    }
    // README: end
  }
}
