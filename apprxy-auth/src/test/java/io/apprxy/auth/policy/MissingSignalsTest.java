package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.auth.policy.Decision.Effect;
import io.apprxy.auth.policy.Policy.ClientAppType;
import io.apprxy.auth.policy.Policy.DevicePlatform;
import io.apprxy.auth.policy.Policy.DeviceState;
import io.apprxy.auth.policy.Policy.PersistentBrowser;
import io.apprxy.auth.policy.Policy.RiskLevel;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Whatever the policies, and whoever comes: to hide a signal makes no decision milder. */
class MissingSignalsTest {
  private static final Instant NOW = Instant.parse("2025-11-24T12:00:00Z");
  private static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .assignEveryone()
          .build();

  private final Random random = new Random(4711);

  @Test
  void hiddenSignal_makesNoDecisionMilder() {
    ConditionalAccess access =
        ConditionalAccess.builder()
            .signals(
                (identity, address) ->
                    CompletableFuture.completedFuture(new SignalSource.Answer(null, null, null)))
            .countries(address -> CountryLookup.UNKNOWN)
            .build();
    int milder = 0;
    int stricter = 0;
    for (int i = 0; i < 20_000; i++) {
      PolicySet set = policies();
      Signals whole = signals();
      Decision known = access.whatIf(whole, set);
      for (UnaryOperator<Signals> hide : HIDDEN) {
        Decision hidden = access.whatIf(hide.apply(whole), set);
        assertThat(hidden.effect())
            .as("%s hidden: %s", set.toJson(), whole)
            .isGreaterThanOrEqualTo(known.effect());
        if (hidden.persistentBrowser() == PersistentBrowser.ALWAYS) {
          assertThat(known.persistentBrowser()).isEqualTo(PersistentBrowser.ALWAYS);
        }
        stricter += hidden.effect().compareTo(known.effect()) > 0 ? 1 : 0;
        milder += known.effect() == Effect.GRANT ? 1 : 0;
      }
    }
    assertThat(milder).as("some are let in").isPositive();
    assertThat(stricter).as("some are let in only by what they say").isPositive();
  }

  private static final List<UnaryOperator<Signals>> HIDDEN =
      List.of(
          // an address that is none: what-if would look up the country of one that is there
          with -> with.newBuilder().clientAddress(null).country(null).build(),
          with -> with.newBuilder().clientAddress("none").build(),
          with -> with.newBuilder().method(null).build(),
          with -> with.newBuilder().path(null).build(),
          with -> with.newBuilder().platform(null).build(),
          with -> with.newBuilder().clientAppType(null).build(),
          with -> with.newBuilder().deviceState(null).build(),
          with -> with.newBuilder().signInRisk(null).build(),
          with -> with.newBuilder().userRisk(null).build(),
          without("acr"),
          without("amr"),
          without("acrs"),
          with -> with(with, "groups", null, "hasgroups", true));

  private static UnaryOperator<Signals> without(String claim) {
    return signals -> with(signals, claim, null, "unused", true);
  }

  private static Signals with(Signals signals, String gone, Object unused, String name, Object to) {
    Map<String, Object> claims = new HashMap<>(signals.identity().claims());
    claims.remove(gone);
    claims.put(name, to);
    Signals.Builder changed =
        Signals.builder(identity(signals.identity().authenticatedAt(), claims), WIKI)
            .path(signals.path())
            .method(signals.method())
            .clientAddress(signals.clientAddress())
            .country(signals.country())
            .platform(signals.platform())
            .clientAppType(signals.clientAppType())
            .deviceState(signals.deviceState())
            .signInRisk(signals.signInRisk())
            .userRisk(signals.userRisk())
            .time(signals.time());
    return changed.build();
  }

  private PolicySet policies() {
    PolicySet.Builder set =
        PolicySet.builder()
            .namedLocation(NamedLocation.trustedNetworks("office", "192.0.2.0/24"))
            .namedLocation(new NamedLocation("abroad", false, List.of(), List.of("FR"), coin()))
            .authenticationStrength(
                new AuthenticationStrength(
                    "strong", List.of("gold"), List.of(List.of("hwk", "pin")), "c3"));
    int count = 1 + random.nextInt(3);
    for (int i = 0; i < count; i++) {
      set.policy(policy("p" + i));
    }
    return set.build();
  }

  private Policy policy(String name) {
    Policy.Builder policy = Policy.builder(name).includeAllApplications();
    List<Runnable> parts =
        List.of(
            () -> policy.includeGroups(any("staff", "admins")),
            () -> policy.excludeGroups(any("staff", "admins")),
            () -> policy.includeLocations(any("office", "abroad")),
            () -> policy.excludeLocations(any("office", "abroad", Policy.ALL_TRUSTED)),
            () -> policy.includePlatforms(any(DevicePlatform.values())),
            () -> policy.excludePlatforms(any(DevicePlatform.values())),
            () -> policy.clientAppTypes(any(ClientAppType.values())),
            () -> policy.includeDeviceStates(any(DeviceState.values())),
            () -> policy.excludeDeviceStates(any(DeviceState.values())),
            () -> policy.signInRiskLevels(any(RiskLevel.values())),
            () -> policy.userRiskLevels(any(RiskLevel.values())),
            () -> policy.includeMethods(any("GET", "POST")),
            () -> policy.excludeMethods(any("GET", "POST")),
            () -> policy.includePaths(any("/admin", "/x")),
            () -> policy.excludePaths(any("/admin", "/x")));
    if (coin()) {
      policy.includeAllUsers();
    } else {
      policy.includeGroups("staff");
    }
    for (int i = random.nextInt(3); i > 0; i--) {
      parts.get(random.nextInt(parts.size())).run();
    }
    List<Runnable> controls =
        List.of(
            policy::requireMultifactor,
            policy::requireCompliantDevice,
            () -> policy.requireAuthenticationStrength("strong"),
            () -> policy.requireAuthenticationContext("c1"),
            () -> policy.signInFrequency(Duration.ofHours(1)),
            policy::readOnly,
            () -> policy.persistentBrowser(any(PersistentBrowser.values())));
    if (random.nextInt(4) == 0) {
      policy.block();
    } else {
      for (int i = 1 + random.nextInt(2); i > 0; i--) {
        controls.get(random.nextInt(controls.size())).run();
      }
      if (coin()) {
        policy.anyControlIsEnough();
      }
    }
    return policy.build();
  }

  private Signals signals() {
    Map<String, Object> claims = new HashMap<>();
    claims.put("groups", coin() ? List.of("staff") : List.of("staff", "admins"));
    claims.put("acr", any("gold", "silver", "https://refeds.org/profile/mfa"));
    claims.put("amr", new ArrayList<>(any(List.of("mfa"), List.of("hwk", "pin"), List.of())));
    claims.put("acrs", new ArrayList<>(any(List.of("c1"), List.of("c3"), List.of())));
    return Signals.builder(
            identity(NOW.minus(Duration.ofMinutes(random.nextInt(120))), claims), WIKI)
        .method(any("GET", "POST"))
        .path(any("/admin/users", "/X", "/y"))
        .clientAddress(any("192.0.2.7", "198.51.100.7"))
        .country(any("FR", "DE", CountryLookup.UNKNOWN))
        .platform(any(DevicePlatform.values()))
        .clientAppType(any(ClientAppType.values()))
        .deviceState(any(DeviceState.values()))
        .signInRisk(any(RiskLevel.values()))
        .userRisk(any(RiskLevel.values()))
        .time(NOW)
        .build();
  }

  private static Identity identity(Instant at, Map<String, Object> claims) {
    return new Identity("https://issuer.test", "1", "session", at, claims);
  }

  @SafeVarargs
  private <T> T any(T... of) {
    return of[random.nextInt(of.length)];
  }

  private boolean coin() {
    return random.nextBoolean();
  }
}
