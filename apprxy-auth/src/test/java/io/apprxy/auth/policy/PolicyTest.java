package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.auth.policy.Policy.BuiltInControl;
import io.apprxy.auth.policy.Policy.ClientAppType;
import io.apprxy.auth.policy.Policy.DevicePlatform;
import io.apprxy.auth.policy.Policy.DeviceState;
import io.apprxy.auth.policy.Policy.PersistentBrowser;
import io.apprxy.auth.policy.Policy.RiskLevel;
import io.apprxy.auth.policy.Policy.State;
import io.apprxy.auth.policy.Policy.TimeWindow;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.LocalTime;
import java.time.ZoneId;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyTest {
  private static Policy.Builder forAll(String name) {
    return Policy.builder(name).includeAllUsers().includeAllApplications();
  }

  private static Policy everything() {
    return Policy.builder("everything")
        .reportOnly()
        .includeUsers("alice")
        .excludeUsers("bob")
        .includeGuests()
        .excludeGuests()
        .includeGroups("staff")
        .excludeGroups("/break/glass")
        .includeRoles("editor")
        .excludeRoles("reader")
        .includeApplications("wiki", "mail")
        .excludeApplications("mail")
        .includePaths("/admin")
        .excludePaths("/admin/health")
        .includeMethods("PUT")
        .excludeMethods("DELETE")
        .includeLocations("abroad", Policy.ALL_TRUSTED)
        .excludeLocations("office")
        .includePlatforms(DevicePlatform.IOS)
        .excludePlatforms(DevicePlatform.LINUX)
        .clientAppTypes(ClientAppType.BROWSER)
        .includeDeviceStates(DeviceState.NON_COMPLIANT)
        .excludeDeviceStates(DeviceState.COMPLIANT)
        .signInRiskLevels(RiskLevel.MEDIUM, RiskLevel.HIGH)
        .userRiskLevels(RiskLevel.LOW)
        .includeTimes(
            new TimeWindow(
                List.of(DayOfWeek.MONDAY),
                LocalTime.of(22, 0),
                LocalTime.of(6, 30),
                ZoneId.of("Europe/Berlin")))
        .requireMultifactor()
        .requireCompliantDevice()
        .requireAuthenticationStrength("phishingResistant")
        .requireAuthenticationContext("c7")
        .anyControlIsEnough()
        .signInFrequency(Duration.ofHours(4))
        .persistentBrowser(PersistentBrowser.NEVER)
        .readOnly()
        .build();
  }

  @Test
  void policy_isTheSame_afterItWasJson() {
    assertThat(Policy.fromJson(everything().toJson())).isEqualTo(everything());
    assertThat(Policy.fromJson(everything().toJson()).hashCode())
        .isEqualTo(everything().hashCode());
  }

  @Test
  void set_isTheSame_afterItWasJson() {
    PolicySet set =
        PolicySet.builder()
            .namedLocation(NamedLocation.trustedNetworks("office", "192.0.2.0/24", "2001:db8::/32"))
            .namedLocation(new NamedLocation("abroad", false, List.of(), List.of("FR"), true))
            .authenticationStrength(
                new AuthenticationStrength(
                    "passwordless", List.of("gold"), List.of(List.of("hwk", "pin")), "c3"))
            .policy(everything())
            .build();

    assertThat(PolicySet.fromJson(set.toJson())).isEqualTo(set);
    assertThat(set.newBuilder().build()).isEqualTo(set);
  }

  /** The names are those of Microsoft Graph, as far as it has them. */
  @Test
  void shortJson_isEnough_andTheRestIsDefault() {
    String json =
        """
        {
          "namedLocations": [{"displayName": "office", "trusted": true, "ipRanges": ["192.0.2.0/24"]}],
          "authenticationStrengths": [{"displayName": "multifactor", "acrValues": ["gold"]}],
          "policies": [{
            "displayName": "Several factors outside the office",
            "state": "enabledForReportingButNotEnforced",
            "conditions": {
              "users": {"includeUsers": ["All"], "excludeGroups": ["break-glass"]},
              "applications": {"includeApplications": ["wiki"]},
              "locations": {"excludeLocations": ["AllTrusted"]},
              "platforms": {"includePlatforms": ["iOS", "macOS"]},
              "clientAppTypes": ["mobileAppsAndDesktopClients"]
            },
            "grantControls": {"operator": "OR", "builtInControls": ["mfa", "compliantDevice"]},
            "sessionControls": {"signInFrequency": "PT8H", "persistentBrowser": "never"}
          }]
        }
        """;

    assertThat(PolicySet.fromJson(json))
        .isEqualTo(
            PolicySet.builder()
                .namedLocation(NamedLocation.trustedNetworks("office", "192.0.2.0/24"))
                .authenticationStrength(
                    new AuthenticationStrength("multifactor", List.of("gold"), List.of(), null))
                .policy(
                    Policy.builder("Several factors outside the office")
                        .reportOnly()
                        .includeAllUsers()
                        .excludeGroups("break-glass")
                        .includeApplications("wiki")
                        .excludeTrustedLocations()
                        .includePlatforms(DevicePlatform.IOS, DevicePlatform.MACOS)
                        .clientAppTypes(ClientAppType.MOBILE_APPS_AND_DESKTOP_CLIENTS)
                        .anyControlIsEnough()
                        .requireMultifactor()
                        .requireCompliantDevice()
                        .signInFrequency(Duration.ofHours(8))
                        .persistentBrowser(PersistentBrowser.NEVER)
                        .build())
                .build());
  }

  @Test
  void policyIsOn_unlessItSaysOtherwise() {
    assertThat(forAll("p").block().build().state()).isEqualTo(State.ON);
    assertThat(forAll("p").block().off().build().state()).isEqualTo(State.OFF);
    assertThat(forAll("p").block().build().grantControls().builtInControls())
        .containsExactly(BuiltInControl.BLOCK);
  }

  /** Read otherwise, each would be a policy that protects less than its author believes. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        // not known, or twice
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']},'priority':1}",
        "{'displayName':'p','conditions':{'users':{'includeUser':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','displayName':'q','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}} {}",
        // of another type
        "{'displayName':'p','conditions':{'users':{'includeUsers':'All'},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':[1]},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':[null]},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','conditions':{'users':null,'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','state':0,'conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','state':'Enabled','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','state':'ON','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'sessionControls':{'readOnly':'true'}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'sessionControls':{'readOnly':1}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'sessionControls':{'readOnly':null}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}},'grantControls':{'builtInControls':['Block']}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']},'times':{'includeTimes':[{'days':['MONDAY'],'from':'08:00','to':'25:00','zone':'UTC'}]}},'grantControls':{'builtInControls':['block']}}",
        // about nobody or nothing
        "{'displayName':'p','grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']}},'grantControls':{'builtInControls':['block']}}",
        "{'displayName':'p','conditions':{'users':{'includeUsers':['All']},'applications':{'includeApplications':['All']}}}",
        "[]",
        "null",
        "",
        "{"
      })
  void jsonThatIsNoPolicy_isRefused(String json) {
    assertThatThrownBy(() -> Policy.fromJson(json.replace('\'', '"')))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("no valid policy: ");
  }

  @Test
  void policyThatCouldHaveNoEffect_orContradictsItself_isRefused() {
    assertThatThrownBy(() -> Policy.builder("p").includeAllApplications().block().build())
        .hasMessage("policy \"p\" is about nobody: include users, groups, roles, guests or all");
    assertThatThrownBy(() -> Policy.builder("p").includeAllUsers().block().build())
        .hasMessageContaining("must target either applications or authentication contexts");
    assertThatThrownBy(() -> forAll("p").includeAuthenticationContexts("c1").block().build())
        .hasMessageContaining("must target either applications or authentication contexts");
    assertThatThrownBy(() -> forAll("p").build())
        .hasMessageContaining("demands nothing: add a grant control or a session control");
    assertThatThrownBy(() -> forAll("p").block().requireMultifactor().build())
        .hasMessage("block must be the only grant control");
    assertThatThrownBy(() -> forAll("p").excludeUsers("All").block().build())
        .hasMessageContaining("turn it off instead");
    assertThatThrownBy(() -> forAll("p").excludeApplications("All").block().build())
        .hasMessageContaining("turn it off instead");
    assertThatThrownBy(() -> forAll("p").excludeLocations("All").block().build())
        .hasMessageContaining("turn it off instead");
    assertThatThrownBy(() -> forAll(" ").block().build())
        .hasMessageContaining("must have 1 to 256 characters");
    assertThatThrownBy(() -> forAll("p").includeGroups(" ").block().build())
        .hasMessage("includeGroups must name nothing blank");
    assertThatThrownBy(() -> forAll("p").includePaths("admin").block().build())
        .hasMessage("includePaths must begin with a slash: admin");
    assertThatThrownBy(() -> forAll("p").includeMethods("GET,PUT").block().build())
        .hasMessage("includeMethods must be tokens: GET,PUT");
    assertThatThrownBy(() -> forAll("p").requireAuthenticationContext("c0").build())
        .hasMessage("authenticationContexts must be of c1 to c99: c0");
    assertThatThrownBy(() -> forAll("p").signInFrequency(Duration.ofSeconds(119)).build())
        .hasMessage("signInFrequency must be at least 2 minutes: PT1M59S");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "All           | 10.0.0.0/8        |    | must have a name, other than All and AllTrusted",
        "AllTrusted    | 10.0.0.0/8        |    | must have a name, other than All and AllTrusted",
        "office        | 10.0.0.1/8        |    | no bit set beyond its prefix",
        "office        | 10.0.0.0/33       |    | a prefix of at most 32 bits",
        "office        | ::ffff:10.0.0.0/104 |  | a prefix of at most 32 bits",
        "office        | office.example    |    | must be an IP address",
        "office        |                   | de | must be two letters",
        "office        |                   | ZZ | must be two letters",
        "office        |                   | DEU| must be two letters",
        "office        |                   |    | must have an IP range or a country"
      })
  void locationThatIsNowhere_isRefused(String name, String range, String country, String rule) {
    assertThatThrownBy(
            () ->
                new NamedLocation(
                    name,
                    false,
                    range == null ? List.of() : List.of(range),
                    country == null ? List.of() : List.of(country),
                    false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(rule);
  }

  @Test
  void strengthThatNoProviderCouldBeAskedFor_isRefused() {
    assertThatThrownBy(
            () -> new AuthenticationStrength("s", List.of(), List.of(List.of("mfa")), null))
        .hasMessageContaining("a provider could be asked for nothing");
    assertThatThrownBy(() -> new AuthenticationStrength("s", List.of("a b"), List.of(), null))
        .hasMessageContaining("must have no space");
    assertThatThrownBy(
            () -> new AuthenticationStrength("s", List.of("a"), List.of(List.of()), null))
        .hasMessageContaining("must name a method");
    assertThatThrownBy(() -> new AuthenticationStrength("s", List.of("a"), List.of(), "c100"))
        .hasMessageContaining("must be c1 to c99");
  }

  @Test
  void set_thatNamesWhatIsNotThere_orHasANameTwice_isRefused() {
    Policy policy = forAll("p").excludeLocations("office").block().build();

    assertThatThrownBy(() -> PolicySet.of(policy))
        .hasMessage("policy \"p\" names no named location of the set: office");
    assertThatThrownBy(
            () -> PolicySet.of(forAll("p").requireAuthenticationStrength("gold").build()))
        .hasMessage("policy \"p\" names no authentication strength of the set: gold");
    assertThatThrownBy(
            () -> PolicySet.of(forAll("p").block().build(), forAll("p").readOnly().build()))
        .hasMessage("there must be one policy \"p\" only");
  }
}
