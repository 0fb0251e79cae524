package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.policy.Decision.Outcome;
import io.apprxy.auth.policy.Policy.ClientAppType;
import io.apprxy.auth.policy.Policy.DevicePlatform;
import io.apprxy.auth.policy.Policy.DeviceState;
import io.apprxy.auth.policy.Policy.PersistentBrowser;
import io.apprxy.auth.policy.Policy.RiskLevel;
import io.apprxy.auth.policy.Policy.TimeWindow;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.PolicyOutcome;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConditionalAccessTest {
  private static final String OFFICE = "192.0.2.1";
  private static final Application WIKI = application("wiki").build();

  /** A Monday, at noon. */
  private final TestClock clock = new TestClock();

  private final ConcurrentLinkedQueue<SignInEvent> events = new ConcurrentLinkedQueue<>();

  // ---- whom a policy is about

  @ParameterizedTest
  @ValueSource(strings = {"4711", "alice@example.com", "Alice@Example.com", "ALICE@EXAMPLE.COM"})
  void includedUser_isFound_whateverTheCase(String name) {
    assertRefused(blocking(policy -> policy.includeUsers(name)), alice());
  }

  @ParameterizedTest
  @ValueSource(strings = {"alice", "4711 ", "alice@example.co", "staff", "alice@example.com.evil"})
  void otherUsers_areNotFound(String name) {
    assertGranted(blocking(policy -> policy.includeUsers(name)), alice());
  }

  @Test
  void excludedUser_isLetOut_byTheExactNameOnly() {
    assertGranted(
        blocking(policy -> policy.includeAllUsers().excludeUsers("alice@example.com")), alice());
    assertRefused(
        blocking(policy -> policy.includeAllUsers().excludeUsers("Alice@example.com")), alice());
  }

  /** OpenID Connect Core §5.7: users of some providers choose them. */
  @Test
  void excludedUser_isNotFoundByAClaimThatUsersMayChoose() {
    Identity mallory =
        identity("1", Map.of("preferred_username", "alice", "email", "alice@example.com"));

    assertRefused(
        blocking(policy -> policy.includeAllUsers().excludeUsers("alice", "alice@example.com")),
        mallory);
    assertGranted(
        access(blocking(policy -> policy.includeAllUsers().excludeUsers("alice")))
            .believing("preferred_username")
            .build(),
        mallory);
  }

  @ParameterizedTest
  @ValueSource(strings = {"staff", "/staff", "Staff", "sales/emea", "/sales/emea", "/Sales/EMEA"})
  void includedGroup_isFound_whateverItsCaseAndFirstSlash(String group) {
    assertRefused(blocking(policy -> policy.includeGroups(group)), alice());
  }

  @ParameterizedTest
  @CsvSource({"staff, true", "/staff, true", "Staff, false", "sales, false", "//staff, false"})
  void excludedGroup_isFound_whateverItsFirstSlash_butExactly(String group, boolean excluded) {
    PolicySet set = blocking(policy -> policy.includeAllUsers().excludeGroups(group));

    if (excluded) {
      assertGranted(set, alice());
    } else {
      assertRefused(set, alice());
    }
  }

  @Test
  void exclusionWins_whereSomebodyIsIncludedTwice() {
    assertGranted(
        blocking(
            policy -> policy.includeAllUsers().includeGroups("staff").excludeGroups("sales/emea")),
        alice());
  }

  /** Entra writes no more than 200 groups into a token. */
  @Test
  void groupsThatNobodyKnows_mayBeAny_andExcludeNobody() {
    Identity many =
        identity("1", Map.of("_claim_names", Map.of("groups", "src1"), "_claim_sources", Map.of()));
    Identity implicit = identity("1", Map.of("hasgroups", true));

    for (Identity who : List.of(many, implicit)) {
      assertRefused(blocking(policy -> policy.includeGroups("staff")), who);
      assertRefused(blocking(policy -> policy.includeAllUsers().excludeGroups("staff")), who);
    }
    assertGranted(blocking(policy -> policy.includeGroups("staff")), identity("1", Map.of()));
  }

  @Test
  void roles_areThoseOfEntraAndKeycloak() {
    for (Map<String, Object> claims :
        List.<Map<String, Object>>of(
            Map.of("roles", List.of("editor")),
            Map.of("wids", List.of("editor")),
            Map.of("realm_access", Map.of("roles", List.of("editor"))))) {
      assertRefused(blocking(policy -> policy.includeRoles("Editor")), identity("1", claims));
      assertGranted(
          blocking(policy -> policy.includeAllUsers().excludeRoles("editor")),
          identity("1", claims));
      assertRefused(
          blocking(policy -> policy.includeAllUsers().excludeRoles("Editor")),
          identity("1", claims));
    }
    assertGranted(
        blocking(policy -> policy.includeRoles("editor")),
        identity("1", Map.of("realm_access", "editor", "groups", List.of("editor"))));
  }

  @Test
  void guests_areWhomEntraCallsSo_orTheGateway() {
    Identity guest = identity("1", Map.of("acct", 1));
    Identity chosen = identity("1", Map.of("preferred_username", "x#EXT#@corp", "acct", "1"));

    assertRefused(blocking(Policy.Builder::includeGuests), guest);
    assertGranted(blocking(policy -> policy.includeAllUsers().excludeGuests()), guest);
    assertRefused(blocking(policy -> policy.includeAllUsers().excludeGuests()), chosen);
    assertRefused(
        access(blocking(Policy.Builder::includeGuests))
            .guests(who -> who.issuer().contains("issuer"))
            .build(),
        alice());
  }

  /** The words that mean many users are no names. */
  @ParameterizedTest
  @ValueSource(strings = {"GuestsOrExternalUsers", "All", "None"})
  void userWhoseNameIsAWordOfPolicies_isNobodySpecial(String subject) {
    assertRefused(
        blocking(policy -> policy.includeAllUsers().excludeGuests().excludeUsers("4711")),
        identity(subject, Map.of()));
    assertGranted(blocking(Policy.Builder::includeGuests), identity(subject, Map.of()));
  }

  @Test
  void letters_thatUnicodeCallsTheSame_areTheSame_whereIncluded_andOthersWhereExcluded() {
    String decomposed = "u\u0308ber";
    String composed = "\u00fcber";
    Identity member = identity("1", Map.of("groups", List.of(decomposed)));

    assertRefused(blocking(policy -> policy.includeGroups("\u00dcBER")), member);
    assertRefused(blocking(policy -> policy.includeGroups(composed)), member);
    assertRefused(blocking(policy -> policy.includeAllUsers().excludeGroups(composed)), member);
    // fullwidth letters, a long s, and the sign of Kelvin
    assertRefused(
        blocking(policy -> policy.includeGroups("staff")),
        identity("1", Map.of("groups", List.of("\uff53\u017ftaff".substring(1)))));
    assertRefused(
        blocking(policy -> policy.includeGroups("kelvin")),
        identity("1", Map.of("groups", List.of("\u212aelvin"))));
  }

  // ---- what it is about

  @Test
  void applications_areNamedById_orAllButSome() {
    PolicySet wikiOnly =
        PolicySet.of(
            Policy.builder("p").includeAllUsers().includeApplications("wiki").block().build());
    PolicySet allButWiki =
        PolicySet.of(
            Policy.builder("p")
                .includeAllUsers()
                .includeAllApplications()
                .excludeApplications("wiki")
                .block()
                .build());
    Application mail = application("mail").build();

    assertRefused(wikiOnly, alice());
    assertGranted(allButWiki, alice());
    assertThat(decide(access(wikiOnly).build(), request(mail, "GET", "/", Map.of()), alice()))
        .isEqualTo(Verdict.proceed());
    assertRefusedWith(
        ErrorCode.REFUSED_BY_POLICY,
        access(allButWiki).build(),
        request(mail, "GET", "/", Map.of()),
        alice());
  }

  /** As the most careless of origins would understand them. */
  @ParameterizedTest
  @CsvSource({
    "/admin, true",
    "/admin/, true",
    "/admin/users, true",
    "/ADMIN/users, true",
    "/Admin, true",
    "/admin./users, true",
    "/admin%20/users, true",
    "/admin.., true",
    "/%EF%BD%81dmin, true",
    "/%2561dmin, true",
    "/%252561dmin, true",
    "/administrator, false",
    "/admin-x, false",
    "/x/admin, false",
    "/, false",
    "/admi, false"
  })
  void includedPath_isFound_howeverItIsWritten(String path, boolean found) {
    PolicySet set = blocking(policy -> policy.includeAllUsers().includePaths("/admin/"));

    if (found) {
      assertRefusedWith(
          ErrorCode.REFUSED_BY_POLICY,
          access(set).build(),
          request(WIKI, "GET", path, Map.of()),
          alice());
    } else {
      assertThat(decide(access(set).build(), request(WIKI, "GET", path, Map.of()), alice()))
          .isEqualTo(Verdict.proceed());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "/, top",
    "/a, top a",
    "/a/, top a",
    "/A/b, top a",
    "/a/b/cc, top a",
    "/a/b/c, top a abc",
    "/a/b/c./d/e/f/g/h/i/j, top a abc",
    "/b/a/b/c, top"
  })
  void pathsOfManyPolicies_areFoundForThoseAbove(String path, String found) {
    PolicySet set =
        PolicySet.builder()
            .policy(all("top").includePaths("/").block().build())
            .policy(all("a").includePaths("/a").block().build())
            .policy(all("abc").includePaths("/x/y", "/a/b/c/").block().build())
            .policy(all("elsewhere").includePaths("/ab", "/a/b/c/d/e/f/g/h/i/j/k").block().build())
            .build();

    assertThat(whatIf(set, signals -> signals.path(path)).policies())
        .filteredOn(result -> result.outcome() == Decision.Outcome.BLOCK)
        .extracting(Decision.PolicyResult::policy)
        .containsExactly(found.split(" "));
  }

  @ParameterizedTest
  @CsvSource({
    "/health, true",
    "/health/live, true",
    "/Health, false",
    "/healthy, false",
    "/health%20, false",
    "/x/health, false"
  })
  void excludedPath_isFoundExactly(String path, boolean excluded) {
    PolicySet set = blocking(policy -> policy.includeAllUsers().excludePaths("/health/"));

    if (excluded) {
      assertThat(decide(access(set).build(), request(WIKI, "GET", path, Map.of()), alice()))
          .isEqualTo(Verdict.proceed());
    } else {
      assertRefusedWith(
          ErrorCode.REFUSED_BY_POLICY,
          access(set).build(),
          request(WIKI, "GET", path, Map.of()),
          alice());
    }
  }

  @ParameterizedTest
  @CsvSource({"DELETE, true", "delete, true", "GET, true", "HEAD, true", "POST, false"})
  void includedMethod_isFound_whateverItsCase_andHeadIsGet(String method, boolean found) {
    Decision decision =
        whatIf(
            blocking(policy -> policy.includeAllUsers().includeMethods("DELETE", "GET")),
            signals -> signals.method(method));

    assertThat(decision.effect() == Decision.Effect.REFUSE).isEqualTo(found);
  }

  /** A framework may take a GET for a DELETE, and a WebSocket carries anything. */
  @ParameterizedTest
  @ValueSource(
      strings = {"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Upgrade"})
  void methodThatIsInDoubt_isAny_andExcludesNothing(String header) {
    TestExchange request = request(WIKI, "GET", "/", Map.of(header, "DELETE"));

    assertRefusedWith(
        ErrorCode.REFUSED_BY_POLICY,
        access(blocking(policy -> policy.includeAllUsers().includeMethods("DELETE"))).build(),
        request,
        alice());
    assertRefusedWith(
        ErrorCode.REFUSED_BY_POLICY,
        access(blocking(policy -> policy.includeAllUsers().excludeMethods("GET"))).build(),
        request,
        alice());
    assertRefusedWith(
        ErrorCode.READ_ONLY,
        access(one(policy -> policy.includeAllUsers().readOnly())).build(),
        request,
        alice());
  }

  // ---- authentication contexts

  @Test
  void policyForAnAuthenticationContext_isDemandedWhereTheApplicationDemandsIt() {
    Application shop =
        application("shop")
            .requireAuthenticationContext("c1", "/checkout")
            .requireAuthenticationContext("c2", "/", "DELETE")
            .build();
    ConditionalAccess access =
        access(
                PolicySet.of(
                    Policy.builder("checkout")
                        .includeAllUsers()
                        .includeAuthenticationContexts("c1", "c2")
                        .block()
                        .build()))
            .build();

    assertThat(decide(access, request(shop, "GET", "/", Map.of()), alice()))
        .isEqualTo(Verdict.proceed());
    for (TestExchange request :
        List.of(
            request(shop, "GET", "/checkout/pay", Map.of()),
            request(shop, "GET", "/CHECKOUT", Map.of()),
            request(shop, "DELETE", "/", Map.of()),
            request(shop, "GET", "/", Map.of("X-HTTP-Method-Override", "DELETE")),
            request(shop, "GET", "/", Map.of("X-Method", "DELETE")))) {
      assertRefusedWith(ErrorCode.REFUSED_BY_POLICY, access, request, alice());
    }
  }

  @Test
  void contextThatOnlyPoliciesOnTrialTarget_isDemandedOfTheProviderStill() {
    Application shop = application("shop").requireAuthenticationContext("c5", "/checkout").build();
    Policy.Builder draft =
        Policy.builder("draft").includeAllUsers().includeAuthenticationContexts("c5").block();

    for (Policy idle : List.of(draft.reportOnly().build(), draft.off().build())) {
      ConditionalAccess access = access(PolicySet.of(idle)).build();
      assertThat(
              stepUp(decide(access, request(shop, "GET", "/checkout", Map.of()), alice()))
                  .authenticationContext())
          .isEqualTo("c5");
    }
  }

  @Test
  void contextThatNoPolicyTargets_isDemandedOfTheProvider() {
    Application shop = application("shop").requireAuthenticationContext("c5", "/checkout").build();
    ConditionalAccess access = access(PolicySet.of()).build();
    TestExchange request = request(shop, "GET", "/checkout", Map.of());

    assertThat(stepUp(decide(access, request, alice())).authenticationContext()).isEqualTo("c5");
    assertThat(decide(access, request, identity("1", Map.of("acrs", List.of("c1", "c5")))))
        .isEqualTo(Verdict.proceed());
    for (Object forged : List.of("c5", "c1 c5", List.of("c55"), Map.of("c5", true))) {
      assertThat(decide(access, request, identity("1", Map.of("acrs", forged))))
          .isInstanceOf(Verdict.StepUp.class);
    }
  }

  // ---- where

  @ParameterizedTest
  @CsvSource({
    "192.0.2.1, true",
    "192.0.2.255, true",
    "192.0.3.0, false",
    "192.0.1.255, false",
    "::ffff:192.0.2.1, true",
    "::192.0.2.1, false",
    "198.51.100.7, true",
    "198.51.100.8, false",
    "2001:db8:1::1, true",
    "2001:db8:2::, false",
    "2001:DB8:1:ffff:ffff:ffff:ffff:ffff, true",
    "::1, false",
    "127.0.0.1, false"
  })
  void location_isFoundByTheAddress(String address, boolean found) {
    NamedLocation office =
        NamedLocation.networks(
            "office", "192.0.2.0/24", "192.0.2.128/25", "198.51.100.7", "2001:db8:1::/48");
    ConditionalAccess included =
        access(located(office, policy -> policy.includeLocations("office"))).build();
    ConditionalAccess excluded =
        access(located(office, policy -> policy.excludeLocations("office"))).build();

    assertThat(isGranted(included, address)).isEqualTo(!found);
    assertThat(isGranted(excluded, address)).isEqualTo(found);
  }

  /** All of IPv6 is not all of IPv4. */
  @Test
  void networkOfOneFamily_hasNoAddressOfTheOther() {
    NamedLocation six = NamedLocation.networks("six", "::/0");
    ConditionalAccess access =
        access(located(six, policy -> policy.excludeLocations("six"))).build();

    assertThat(isGranted(access, "2001:db8::1")).isTrue();
    assertThat(isGranted(access, "192.0.2.1")).isFalse();
    assertThat(isGranted(access, "::ffff:192.0.2.1")).isFalse();
  }

  @Test
  void addressThatIsNone_isInEveryIncludedLocation_andInNoExcludedOne() {
    NamedLocation office = NamedLocation.networks("office", "192.0.2.0/24");

    for (String address : List.of("unix:", "192.0.2.1:443", "192.0.2", "", "office.example")) {
      assertThat(
              isGranted(
                  access(located(office, policy -> policy.includeLocations("office"))).build(),
                  address))
          .isFalse();
      assertThat(
              isGranted(
                  access(located(office, policy -> policy.excludeLocations("office"))).build(),
                  address))
          .isFalse();
    }
  }

  @Test
  void trustedLocations_areThoseThatAreCalledSo() {
    PolicySet set =
        PolicySet.builder()
            .namedLocation(NamedLocation.trustedNetworks("office", "192.0.2.0/24"))
            .namedLocation(NamedLocation.networks("hotel", "198.51.100.0/24"))
            .policy(
                Policy.builder("p")
                    .includeAllUsers()
                    .includeAllApplications()
                    .excludeTrustedLocations()
                    .block()
                    .build())
            .build();
    ConditionalAccess access = access(set).build();

    assertThat(isGranted(access, "192.0.2.9")).isTrue();
    assertThat(isGranted(access, "198.51.100.9")).isFalse();
  }

  @Test
  void country_thatIsUnknown_isACaseOfItsOwn() {
    NamedLocation france = NamedLocation.countries("france", "FR");
    NamedLocation franceOrUnknown =
        new NamedLocation("france", false, List.of(), List.of("FR"), true);
    CountryLookup lookup =
        address -> address.getHostAddress().startsWith("192") ? "FR" : CountryLookup.UNKNOWN;

    assertThat(inFrance(france, lookup, "192.0.2.1")).isEqualTo("included and excluded");
    assertThat(inFrance(france, lookup, "10.0.0.1")).isEqualTo("neither");
    assertThat(inFrance(franceOrUnknown, lookup, "10.0.0.1")).isEqualTo("included and excluded");
  }

  /** Unlike one that the database does not know. */
  @Test
  void country_thatCannotBeTold_letsNobodyOut() {
    CountryLookup broken =
        address -> {
          throw new IllegalStateException("no database");
        };

    assertThat(inFrance(NamedLocation.countries("france", "FR"), broken, "192.0.2.1"))
        .isEqualTo("included");
  }

  @Test
  void address_thatChangesInTheMiddleOfASession_countsAtOnce() {
    NamedLocation office = NamedLocation.networks("office", "192.0.2.0/24");
    ConditionalAccess access =
        access(located(office, policy -> policy.excludeLocations("office"))).build();

    assertThat(isGranted(access, "192.0.2.1")).isTrue();
    assertThat(isGranted(access, "198.51.100.1")).isFalse();
    assertThat(isGranted(access, "192.0.2.1")).isTrue();
  }

  // ---- on what

  @Test
  void platformThatIsNotKnown_isNeverExcluded_andAlwaysIncluded() {
    PolicySet unlessWindows =
        blocking(policy -> policy.includeAllUsers().excludePlatforms(DevicePlatform.WINDOWS));
    PolicySet windows =
        blocking(policy -> policy.includeAllUsers().includePlatforms(DevicePlatform.WINDOWS));

    assertThat(whatIf(unlessWindows, with -> with.platform(DevicePlatform.WINDOWS)).effect())
        .isEqualTo(Decision.Effect.GRANT);
    assertThat(whatIf(unlessWindows, with -> with.platform(DevicePlatform.LINUX)).effect())
        .isEqualTo(Decision.Effect.REFUSE);
    assertThat(whatIf(unlessWindows, with -> with.platform(null)).effect())
        .isEqualTo(Decision.Effect.REFUSE);
    assertThat(whatIf(windows, with -> with.platform(DevicePlatform.LINUX)).effect())
        .isEqualTo(Decision.Effect.GRANT);
    assertThat(whatIf(windows, with -> with.platform(null)).effect())
        .isEqualTo(Decision.Effect.REFUSE);
  }

  @Test
  void clientAppType_isOfTheCredentials() {
    ConditionalAccess access =
        access(
                blocking(
                    policy ->
                        policy
                            .includeAllUsers()
                            .clientAppTypes(ClientAppType.MOBILE_APPS_AND_DESKTOP_CLIENTS)))
            .build();

    assertThat(decide(access, request(WIKI, "GET", "/", Map.of()), alice()))
        .isEqualTo(Verdict.proceed());
    Application api =
        application("api").bearerTokens(BearerTokens.forAudiences("api").build()).build();
    for (String credentials : List.of("Bearer x", "bearer x", "DPoP x", " BEARER\tx", "bearer")) {
      assertRefusedWith(
          ErrorCode.REFUSED_BY_POLICY,
          access,
          request(api, "GET", "/", Map.of("Authorization", credentials)),
          alice());
    }
    // who comes with a session is in a browser, whatever they send beside it
    for (TestExchange request :
        List.of(
            request(WIKI, "GET", "/", Map.of("Authorization", "Bearer x")),
            request(api, "GET", "/", Map.of("Authorization", "Basic x")),
            request(api, "GET", "/", Map.of("Authorization", "BearerX x")))) {
      assertThat(decide(access, request, alice())).isEqualTo(Verdict.proceed());
    }
  }

  // ---- device and risk

  @ParameterizedTest
  @CsvSource({"true, COMPLIANT", "false, NON_COMPLIANT", "'\"true\"', ", "1, ", "null, "})
  void device_isCompliant_byAClaimThatIsTrue(String json, DeviceState state) {
    Map<String, Object> claims = new HashMap<>();
    switch (json) {
      case "true" -> claims.put("compliant", true);
      case "false" -> claims.put("compliant", false);
      case "\"true\"" -> claims.put("compliant", "true");
      case "1" -> claims.put("compliant", 1);
      default -> {}
    }
    ConditionalAccess access =
        access(one(policy -> policy.includeAllUsers().requireCompliantDevice()))
            .deviceComplianceClaim("compliant")
            .build();

    if (state == DeviceState.COMPLIANT) {
      assertGranted(access, identity("1", claims));
    } else {
      assertRefusedWith(
          ErrorCode.DEVICE_NOT_COMPLIANT,
          access,
          request(WIKI, "GET", "/", Map.of()),
          identity("1", claims));
    }
  }

  @ParameterizedTest
  @CsvSource({"high, true", "HIGH, true", "medium, false", "none, false", "hidden, true", ", true"})
  void risk_isReadFromClaims_andUnknownRiskIsAny(String level, boolean applies) {
    Map<String, Object> claims = level == null ? Map.of() : Map.of("risk", level);
    for (PolicySet set :
        List.of(
            blocking(policy -> policy.includeAllUsers().signInRiskLevels(RiskLevel.HIGH)),
            blocking(policy -> policy.includeAllUsers().userRiskLevels(RiskLevel.HIGH)))) {
      ConditionalAccess access = access(set).signInRiskClaim("risk").userRiskClaim("risk").build();
      if (applies) {
        assertRefused(access, identity("1", claims));
      } else {
        assertGranted(access, identity("1", claims));
      }
    }
  }

  @Test
  void sourceOfSignals_isAsked_andItsAnswerWins_andIsKeptForAWhile() {
    AtomicInteger asked = new AtomicInteger();
    ConditionalAccess access =
        access(blocking(policy -> policy.includeAllUsers().signInRiskLevels(RiskLevel.HIGH)))
            .signInRiskClaim("risk")
            .signals(
                (identity, address) -> {
                  asked.incrementAndGet();
                  return CompletableFuture.completedFuture(
                      new SignalSource.Answer(
                          null,
                          address.equals("192.0.2.1") ? RiskLevel.HIGH : RiskLevel.NONE,
                          null));
                })
            .build();
    Identity alice = identity("1", Map.of("risk", "high"));

    assertThat(decide(access, from("127.0.0.1"), alice)).isEqualTo(Verdict.proceed());
    assertThat(decide(access, from("127.0.0.1"), alice)).isEqualTo(Verdict.proceed());
    assertThat(asked).hasValue(1);
    assertRefusedWith(ErrorCode.REFUSED_BY_POLICY, access, from("192.0.2.1"), alice);
  }

  @Test
  void sourceThatTakesItsTime_isWaitedFor() {
    CompletableFuture<SignalSource.Answer> answer = new CompletableFuture<>();
    ConditionalAccess access =
        access(one(policy -> policy.includeAllUsers().requireCompliantDevice()))
            .signals((identity, address) -> answer)
            .build();

    Verdict.Later later = (Verdict.Later) decide(access, from("127.0.0.1"), alice());
    assertThat(later.outcome().toCompletableFuture()).isNotDone();
    answer.complete(new SignalSource.Answer(DeviceState.COMPLIANT, null, null));

    assertThat(later.outcome().toCompletableFuture()).isCompletedWithValue(Verdict.proceed());
  }

  /** What a sign-in once said does not stand in for what is not known now. */
  @ParameterizedTest
  @ValueSource(strings = {"throws", "fails", "nothing", "late"})
  void sourceThatFails_letsNobodyThrough_whateverClaimsSay(String how) throws Exception {
    ConditionalAccess access =
        access(
                PolicySet.of(
                    Policy.builder("risk")
                        .includeAllUsers()
                        .includeAllApplications()
                        .signInRiskLevels(RiskLevel.HIGH)
                        .block()
                        .build()))
            .signInRiskClaim("risk")
            .signalTimeout(Duration.ofMillis(20))
            .signals(
                (identity, address) ->
                    switch (how) {
                      case "throws" -> throw new IllegalStateException("down");
                      case "fails" ->
                          CompletableFuture.failedFuture(new IllegalStateException("down"));
                      case "nothing" -> CompletableFuture.completedFuture(null);
                      default -> new CompletableFuture<>();
                    })
            .build();
    Identity safe = identity("1", Map.of("risk", "none"));

    assertThatThrownBy(() -> await(decide(access, from("127.0.0.1"), safe)))
        .satisfies(
            failed ->
                assertThat(failed instanceof GatewayException ? failed : failed.getCause())
                    .isInstanceOfSatisfying(
                        GatewayException.class,
                        refusal ->
                            assertThat(refusal.code()).isEqualTo(ErrorCode.REFUSED_BY_POLICY)));
  }

  @Test
  void policyThatNeedsWhatNothingTells_isNotPublished_andThoseFromBeforeStay() {
    ConditionalAccess access = access(PolicySet.of()).build();

    assertThatThrownBy(
            () -> access.publish(one(policy -> policy.includeAllUsers().requireCompliantDevice())))
        .hasMessageContaining("policy \"p\" asks for the state of the device, which nothing tells");
    assertThatThrownBy(
            () ->
                access.publish(
                    blocking(policy -> policy.includeAllUsers().signInRiskLevels(RiskLevel.HIGH))))
        .hasMessageContaining("asks for the risk of the sign-in, which nothing tells");
    assertThatThrownBy(
            () ->
                access.publish(
                    blocking(policy -> policy.includeAllUsers().userRiskLevels(RiskLevel.HIGH))))
        .hasMessageContaining("asks for the risk of the user, which nothing tells");
    assertThatThrownBy(
            () ->
                access.publish(
                    located(
                        NamedLocation.countries("france", "FR"),
                        policy -> policy.includeLocations("france"))))
        .hasMessageContaining("a named location has countries, which nothing tells");
    assertThat(access.policies()).isEqualTo(PolicySet.of());
    access.publish(one(policy -> policy.includeAllUsers().requireCompliantDevice().off()));
    assertGranted(access, alice());
  }

  // ---- when

  @ParameterizedTest
  @CsvSource({
    "2025-11-24T08:00:00Z, true",
    "2025-11-24T07:59:59Z, false",
    "2025-11-24T16:59:59.999Z, true",
    "2025-11-24T17:00:00Z, false",
    "2025-11-23T12:00:00Z, false"
  })
  void hoursOfWork_endBeforeTheirEnd_onTheirDays(Instant time, boolean within) {
    TimeWindow work =
        new TimeWindow(
            List.of(DayOfWeek.MONDAY), LocalTime.of(8, 0), LocalTime.of(17, 0), ZoneOffset.UTC);

    assertThat(appliesAt(policy -> policy.includeTimes(work), time)).isEqualTo(within);
    assertThat(appliesAt(policy -> policy.excludeTimes(work), time)).isEqualTo(!within);
  }

  @ParameterizedTest
  @CsvSource({
    "2025-11-24T22:00:00Z, true",
    "2025-11-25T05:59:59Z, true",
    "2025-11-25T06:00:00Z, false",
    "2025-11-24T05:00:00Z, false",
    "2025-11-25T22:00:00Z, false"
  })
  void night_endsOnTheDayAfter(Instant time, boolean within) {
    TimeWindow night =
        new TimeWindow(
            List.of(DayOfWeek.MONDAY), LocalTime.of(22, 0), LocalTime.of(6, 0), ZoneOffset.UTC);

    assertThat(appliesAt(policy -> policy.includeTimes(night), time)).isEqualTo(within);
  }

  /** Berlin is an hour ahead of UTC in winter, and two in summer. */
  @ParameterizedTest
  @CsvSource({
    "2025-11-24T07:00:00Z, true",
    "2025-11-24T06:59:59Z, false",
    "2025-07-21T06:00:00Z, true",
    "2025-07-21T05:59:59Z, false"
  })
  void hours_areThoseOfTheZone(Instant time, boolean within) {
    TimeWindow work =
        new TimeWindow(
            List.of(DayOfWeek.MONDAY),
            LocalTime.of(8, 0),
            LocalTime.of(17, 0),
            ZoneId.of("Europe/Berlin"));

    assertThat(appliesAt(policy -> policy.includeTimes(work), time)).isEqualTo(within);
  }

  // ---- what it demands

  @Test
  void multifactor_isOneOfTheMethods_orAKnownClass() {
    PolicySet set = one(policy -> policy.includeAllUsers().requireMultifactor());

    assertGranted(set, identity("1", Map.of("amr", List.of("pwd", "mfa"))));
    assertGranted(set, identity("1", Map.of("acr", "https://refeds.org/profile/mfa")));
    StepUpRequirement demanded =
        stepUp(decide(access(set).build(), from("127.0.0.1"), identity("1", Map.of())));
    assertThat(demanded.acrValues())
        .startsWith("http://schemas.openid.net/pape/policies/2007/06/multi-factor");
    assertThat(demanded.methods()).containsExactly(List.of("mfa"));
    assertThat(demanded.maxAge()).isNull();
    assertThat(demanded.reason()).isEqualTo("This needs a stronger sign-in.");
  }

  /** What is no list of methods says nothing, whatever is written in it. */
  @Test
  void claimOfAnotherType_satisfiesNothing() {
    PolicySet set = one(policy -> policy.includeAllUsers().requireMultifactor());

    for (Map<String, Object> claims :
        List.<Map<String, Object>>of(
            Map.of("amr", "mfa"),
            Map.of("amr", "pwd mfa"),
            Map.of("amr", List.of(List.of("mfa"))),
            Map.of("amr", Map.of("mfa", true)),
            Map.of("amr", List.of("MFA")),
            Map.of("amr", List.of("mfa ")),
            Map.of("acr", List.of("https://refeds.org/profile/mfa")),
            Map.of("acr", "https://refeds.org/profile/mfa x"),
            Map.of("acr", 2))) {
      assertThat(decide(access(set).build(), from("127.0.0.1"), identity("1", claims)))
          .as("%s", claims)
          .isInstanceOf(Verdict.StepUp.class);
    }
  }

  @Test
  void strength_isASetOfClassesAndCombinations_andAContext() {
    PolicySet set =
        PolicySet.builder()
            .authenticationStrength(
                new AuthenticationStrength(
                    "strong",
                    List.of("gold", "platinum"),
                    List.of(List.of("hwk", "pin"), List.of("fido")),
                    "c9"))
            .policy(
                Policy.builder("p")
                    .includeAllUsers()
                    .includeAllApplications()
                    .requireAuthenticationStrength("strong")
                    .build())
            .build();

    assertGranted(set, identity("1", Map.of("acr", "platinum")));
    assertGranted(set, identity("1", Map.of("amr", List.of("pin", "x", "hwk"))));
    assertGranted(set, identity("1", Map.of("amr", List.of("fido"))));
    assertGranted(set, identity("1", Map.of("acrs", List.of("c9"))));
    StepUpRequirement demanded =
        stepUp(
            decide(
                access(set).build(),
                from("127.0.0.1"),
                identity("1", Map.of("acr", "silver", "amr", List.of("hwk")))));
    assertThat(demanded.acrValues()).containsExactly("gold", "platinum");
    assertThat(demanded.authenticationContext()).isNull();
    StepUpRequirement ofEntra =
        stepUp(
            decide(access(set).build(), from("127.0.0.1"), identity("1", Map.of("tid", "tenant"))));
    assertThat(ofEntra.acrValues()).as("Entra knows none").isEmpty();
    assertThat(ofEntra.authenticationContext()).isEqualTo("c9");
  }

  @Test
  void multifactor_meansWhatTheSetSays() {
    PolicySet set =
        PolicySet.builder()
            .authenticationStrength(
                new AuthenticationStrength("multifactor", List.of("2"), List.of(), null))
            .policy(
                Policy.builder("p")
                    .includeAllUsers()
                    .includeAllApplications()
                    .requireMultifactor()
                    .build())
            .build();

    assertGranted(set, identity("1", Map.of("acr", "2")));
    assertThat(
            stepUp(
                    decide(
                        access(set).build(),
                        from("127.0.0.1"),
                        identity("1", Map.of("amr", List.of("mfa")))))
                .acrValues())
        .containsExactly("2");
  }

  @Test
  void signInThatIsTooOld_isAskedForAnew() {
    PolicySet set = one(policy -> policy.includeAllUsers().signInFrequency(Duration.ofHours(4)));
    ConditionalAccess access = access(set).build();
    Instant now = clock.instant();

    assertGranted(access, signedInAt(now.minus(Duration.ofHours(4))));
    StepUpRequirement demanded =
        stepUp(
            decide(
                access,
                from("127.0.0.1"),
                signedInAt(now.minus(Duration.ofHours(4)).minusMillis(1))));
    assertThat(demanded.maxAge()).isEqualTo(Duration.ofHours(4));
    assertThat(demanded.acrValues()).isEmpty();
    assertThat(demanded.reason()).isEqualTo("Your sign-in is too old for this.");
  }

  @ParameterizedTest
  @CsvSource({
    "GET, true",
    "HEAD, true",
    "OPTIONS, true",
    "TRACE, true",
    "POST, false",
    "PUT, false",
    "get, false",
    "PROPFIND, false",
    "CONNECT, false"
  })
  void readOnly_letsSafeMethodsThrough(String method, boolean safe) {
    ConditionalAccess access = access(one(policy -> policy.includeAllUsers().readOnly())).build();
    TestExchange request = request(WIKI, method, "/", Map.of());

    if (safe) {
      assertThat(decide(access, request, alice())).isEqualTo(Verdict.proceed());
    } else {
      assertRefusedWith(ErrorCode.READ_ONLY, access, request, alice());
    }
  }

  @Test
  void anyControl_isEnough_whereThePolicySaysSo() {
    ConditionalAccess access =
        access(
                one(
                    policy ->
                        policy
                            .includeAllUsers()
                            .requireCompliantDevice()
                            .requireMultifactor()
                            .anyControlIsEnough()))
            .deviceComplianceClaim("compliant")
            .build();

    assertGranted(access, identity("1", Map.of("compliant", true)));
    assertGranted(access, identity("1", Map.of("amr", List.of("mfa"))));
    assertThat(decide(access, from("127.0.0.1"), identity("1", Map.of())))
        .as("what a sign-in can bring is asked for")
        .isInstanceOf(Verdict.StepUp.class);
  }

  @Test
  void sessionControls_areNeeded_evenWhereAnyGrantControlIsEnough() {
    ConditionalAccess access =
        access(
                one(
                    policy ->
                        policy
                            .includeAllUsers()
                            .requireMultifactor()
                            .requireAuthenticationContext("c1")
                            .anyControlIsEnough()
                            .readOnly()))
            .build();

    assertRefusedWith(
        ErrorCode.READ_ONLY,
        access,
        request(WIKI, "POST", "/", Map.of()),
        identity("1", Map.of("amr", List.of("mfa"))));
  }

  /** To sign in again would not help. */
  @Test
  void whatNoSignInCanBring_isRefused_ratherThanAskedFor() {
    ConditionalAccess access =
        access(
                one(
                    policy ->
                        policy.includeAllUsers().requireMultifactor().requireCompliantDevice()))
            .deviceComplianceClaim("compliant")
            .build();

    assertRefusedWith(
        ErrorCode.DEVICE_NOT_COMPLIANT, access, from("127.0.0.1"), identity("1", Map.of()));
  }

  @ParameterizedTest
  @CsvSource({
    "false, , false",
    "true, , true",
    "false, ALWAYS, true",
    "true, NEVER, false",
    "true, ALWAYS NEVER, false",
    "true, NEVER ALWAYS, false"
  })
  void cookie_outlivesTheWindow_asThePoliciesSay_orElseTheApplication(
      boolean ofApplication, String modes, boolean persistent) {
    PolicySet.Builder set = PolicySet.builder();
    for (String mode : modes == null ? new String[0] : modes.split(" ")) {
      set.policy(all(mode).persistentBrowser(PersistentBrowser.valueOf(mode)).build());
    }
    Application wiki = application("wiki").persistentCookie(ofApplication).build();

    assertThat(
            access(set.build())
                .build()
                .persistsCookie(request(wiki, "GET", "/.apprxy/callback", Map.of()), alice()))
        .isEqualTo(persistent);
  }

  /** What gives something must not be had by hiding who one is. */
  @Test
  void cookie_outlivesTheWindow_onlyWhereThatIsBeyondDoubt() {
    ConditionalAccess access =
        access(
                PolicySet.of(
                    all("own devices")
                        .includeDeviceStates(DeviceState.COMPLIANT)
                        .persistentBrowser(PersistentBrowser.ALWAYS)
                        .build()))
            .deviceComplianceClaim("compliant")
            .build();

    assertThat(access.persistsCookie(from(OFFICE), identity("1", Map.of("compliant", true))))
        .isTrue();
    assertThat(access.persistsCookie(from(OFFICE), identity("1", Map.of()))).isFalse();
    access.publish(
        PolicySet.of(
            all("somewhere")
                .excludePaths("/admin")
                .persistentBrowser(PersistentBrowser.ALWAYS)
                .build()));
    assertThat(access.persistsCookie(from(OFFICE), identity("1", Map.of())))
        .as("a cookie is for all paths")
        .isFalse();
  }

  // ---- several policies

  @Test
  void block_wins_overEverythingElse_inAnyOrder() {
    Policy block = all("block").block().build();
    Policy readOnly = all("read").readOnly().build();
    Policy multifactor = all("mfa").requireMultifactor().build();

    for (List<Policy> policies :
        List.of(
            List.of(block, readOnly, multifactor),
            List.of(multifactor, readOnly, block),
            List.of(readOnly, block, multifactor))) {
      assertRefusedWith(
          ErrorCode.REFUSED_BY_POLICY,
          access(new PolicySet(List.of(), List.of(), List.of(), policies)).build(),
          request(WIKI, "POST", "/", Map.of()),
          identity("1", Map.of("amr", List.of("mfa"))));
    }
  }

  @Test
  void demandsOfSeveralPolicies_areOneStepUp() {
    PolicySet set =
        PolicySet.builder()
            .authenticationStrength(
                new AuthenticationStrength(
                    "low", List.of("bronze", "silver", "gold"), List.of(), null))
            .authenticationStrength(
                new AuthenticationStrength("high", List.of("gold", "silver"), List.of(), null))
            .policy(all("a").requireAuthenticationStrength("low").build())
            .policy(all("b").requireAuthenticationStrength("high").build())
            .policy(all("c").requireAuthenticationContext("c3").build())
            .policy(all("d").signInFrequency(Duration.ofHours(1)).build())
            .policy(all("e").signInFrequency(Duration.ofHours(8)).build())
            .build();
    Identity old = signedInAt(clock.instant().minus(Duration.ofHours(9)));

    StepUpRequirement demanded = stepUp(decide(access(set).build(), from("127.0.0.1"), old));

    assertThat(demanded.acrValues()).containsExactly("silver", "gold");
    assertThat(demanded.methods()).isEmpty();
    assertThat(demanded.authenticationContext()).isEqualTo("c3");
    assertThat(demanded.maxAge()).isEqualTo(Duration.ofHours(1));
  }

  /** A token has one class: to ask for one would lose the other, and so on for ever. */
  @Test
  void policiesThatNoSignInCanSatisfyTogether_refuse_ratherThanSendToAndFro() {
    PolicySet set =
        PolicySet.builder()
            .authenticationStrength(
                new AuthenticationStrength("left", List.of("a"), List.of(List.of("x")), null))
            .authenticationStrength(
                new AuthenticationStrength("right", List.of("b"), List.of(), null))
            .policy(all("one").requireAuthenticationStrength("left").build())
            .policy(all("other").requireAuthenticationStrength("right").build())
            .build();
    ConditionalAccess access = access(set).build();

    for (Map<String, Object> claims :
        List.<Map<String, Object>>of(Map.of(), Map.of("acr", "a"), Map.of("acr", "b"))) {
      assertThatThrownBy(() -> decide(access, from("127.0.0.1"), identity("1", claims)))
          .hasMessageContaining("no acr value is strong enough both for it and for the policy");
    }
    assertThat(
            stepUp(
                    decide(
                        access,
                        from("127.0.0.1"),
                        identity("1", Map.of("amr", List.of("x"), "acr", "c"))))
                .acrValues())
        .as("methods are not lost")
        .containsExactly("b");
  }

  // ---- states

  @Test
  void policyThatIsReportOnly_changesNothing_andTellsWhatItWouldDo() {
    PolicySet set =
        PolicySet.of(
            all("trial").reportOnly().block().build(),
            all("off").off().block().build(),
            all("demands").reportOnly().requireMultifactor().build());
    ConditionalAccess access = access(set).build();

    assertGranted(access, alice());
    Decision decision = access.whatIf(Signals.builder(alice(), WIKI).build());
    assertThat(decision.of("trial").outcome()).isEqualTo(Outcome.BLOCK);
    assertThat(decision.of("demands").outcome()).isEqualTo(Outcome.STEP_UP);
    assertThat(decision.of("off")).isNull();
  }

  @Test
  void policies_areChanged_whileRequestsCome() {
    ConditionalAccess access = access(PolicySet.of()).build();
    assertGranted(access, alice());

    access.publish(blocking(Policy.Builder::includeAllUsers));
    assertRefused(access, alice());

    access.publish(PolicySet.of());
    assertGranted(access, alice());
  }

  // ---- assignments

  @Test
  void assignment_isNeeded_unlessTheCallerSaysOtherwise() {
    Application others =
        Application.builder("others")
            .externalUrl("https://others.example/")
            .internalUrl("http://others/")
            .assignGroups("admins")
            .build();

    assertRefusedWith(
        ErrorCode.NOT_ASSIGNED,
        access(PolicySet.of()).build(),
        request(others, "GET", "/", Map.of()),
        alice());
    assertThat(
            decide(
                access(PolicySet.of()).ignoringAssignments().build(),
                request(others, "GET", "/", Map.of()),
                alice()))
        .isEqualTo(Verdict.proceed());
  }

  @Test
  void nobody_isRefused() {
    assertThatThrownBy(
            () ->
                access(PolicySet.of())
                    .ignoringAssignments()
                    .build()
                    .authorize(request(WIKI, "GET", "/", Map.of())))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.SIGN_IN_REQUIRED));
  }

  // ---- what-if

  @Test
  void whatIf_tellsTheOutcomeAndReasonOfEachPolicy_ofADraft_withoutAnyEffect() {
    NamedLocation office = NamedLocation.trustedNetworks("office", "192.0.2.0/24");
    PolicySet draft =
        PolicySet.builder()
            .namedLocation(office)
            .policy(all("elsewhere").excludeLocations("office").block().build())
            .policy(all("guests").excludeGroups("staff").block().build())
            .policy(
                Policy.builder("mail")
                    .includeAllUsers()
                    .includeApplications("mail")
                    .block()
                    .build())
            .policy(
                Policy.builder("bob").includeUsers("bob").includeAllApplications().block().build())
            .policy(all("factors").requireMultifactor().build())
            .policy(all("age").signInFrequency(Duration.ofHours(1)).build())
            .build();
    ConditionalAccess access = access(PolicySet.of()).build();

    Decision decision =
        access.whatIf(
            Signals.builder(signedInAt(clock.instant(), Map.of("groups", List.of("staff"))), WIKI)
                .clientAddress("192.0.2.7")
                .time(clock.instant())
                .build(),
            draft);

    assertThat(decision.effect()).isEqualTo(Decision.Effect.STEP_UP);
    assertThat(decision.policies())
        .extracting(result -> result.policy() + ": " + result.outcome() + ", " + result.reason())
        .containsExactly(
            "elsewhere: not-applied, the location is excluded",
            "guests: not-applied, the user is excluded",
            "mail: not-applied, it is not about this part of the application",
            "bob: not-applied, it is not about this user",
            "factors: step-up, the sign-in is not of the strength multifactor",
            "age: satisfied, what it demands is there");
    assertThat(access.policies()).isEqualTo(PolicySet.of());
    assertThat(events).isEmpty();
  }

  @Test
  void whatIf_looksUpTheCountryOfAHypotheticalAddress() {
    PolicySet set =
        located(
            NamedLocation.countries("france", "FR"), policy -> policy.includeLocations("france"));
    ConditionalAccess access = access(set).countries(address -> "FR").build();

    assertThat(
            access
                .whatIf(Signals.builder(alice(), WIKI).clientAddress("192.0.2.1").build())
                .effect())
        .isEqualTo(Decision.Effect.REFUSE);
    assertThat(access.whatIf(Signals.builder(alice(), WIKI).country("DE").build()).effect())
        .isEqualTo(Decision.Effect.GRANT);
  }

  // ---- events

  @Test
  void outcomes_areRecorded_onceForASessionAndApplication_andWhenTheyChange() {
    NamedLocation office = NamedLocation.networks("office", "192.0.2.0/24");
    PolicySet set =
        PolicySet.builder()
            .namedLocation(office)
            .policy(all("elsewhere").reportOnly().excludeLocations("office").block().build())
            .policy(all("age").signInFrequency(Duration.ofDays(1)).build())
            .policy(
                Policy.builder("bob").includeUsers("bob").includeAllApplications().block().build())
            .build();
    ConditionalAccess access = access(set).build();
    Identity alice = signedInAt(clock.instant());

    for (int i = 0; i < 3; i++) {
      decide(access, from("192.0.2.1"), alice);
    }
    assertThat(events).hasSize(1);
    SignInEvent first = events.poll();
    assertThat(first.kind()).isEqualTo(SignInEvent.Kind.POLICY_EVALUATED);
    assertThat(first.subject()).isEqualTo("1");
    assertThat(first.application()).isEqualTo("wiki");
    assertThat(first.clientAddress()).isEqualTo("192.0.2.1");
    assertThat(first.details()).containsEntry("effect", "grant");
    assertThat(first.policies())
        .containsExactly(
            new PolicyOutcome(
                "elsewhere", "report-only", "not-applied", "the location is excluded"),
            new PolicyOutcome("age", "on", "satisfied", "what it demands is there"));

    decide(access, from("198.51.100.1"), alice);
    decide(access, from("198.51.100.2"), alice);
    assertThat(events).hasSize(1);
    assertThat(events.poll().policies())
        .contains(new PolicyOutcome("elsewhere", "report-only", "block", "it blocks"));
  }

  @Test
  void refusalsAndStepUps_areRecorded_withCodeAndPolicy_once() {
    ConditionalAccess access =
        access(PolicySet.of(all("mfa").requireMultifactor().build())).build();
    Identity alice = alice();
    for (int i = 0; i < 100; i++) {
      decide(access, from("192.0.2.1"), alice);
    }
    assertThat(events)
        .extracting(SignInEvent::kind)
        .containsExactly(SignInEvent.Kind.POLICY_EVALUATED, SignInEvent.Kind.STEP_UP_REQUIRED);

    events.clear();
    access.publish(PolicySet.of(all("nobody").block().build()));
    assertRefused(access, alice);
    assertRefused(access, alice);
    assertThat(events).hasSize(1);
    assertThat(events.poll())
        .satisfies(
            event -> {
              assertThat(event.code()).isEqualTo("APX-302");
              assertThat(event.details())
                  .containsEntry("policy", "nobody")
                  .containsEntry("reason", "it blocks")
                  .containsEntry("effect", "refuse");
            });
  }

  @Test
  void logThatFails_changesNothing() {
    ConditionalAccess access =
        access(PolicySet.of())
            .signInLog(
                event -> {
                  throw new IllegalStateException("full");
                })
            .build();

    assertGranted(access, alice());
  }

  // ---- helpers

  private ConditionalAccess.Builder access(PolicySet set) {
    return ConditionalAccess.builder().policies(set).clock(clock).signInLog(events::add);
  }

  private static Policy.Builder all(String name) {
    return Policy.builder(name).includeAllUsers().includeAllApplications();
  }

  private static PolicySet one(UnaryOperator<Policy.Builder> rest) {
    return PolicySet.of(rest.apply(Policy.builder("p").includeAllApplications()).build());
  }

  private static PolicySet blocking(UnaryOperator<Policy.Builder> rest) {
    return one(policy -> rest.apply(policy).block());
  }

  private static PolicySet located(NamedLocation location, UnaryOperator<Policy.Builder> rest) {
    return PolicySet.builder()
        .namedLocation(location)
        .policy(rest.apply(all("p")).block().build())
        .build();
  }

  private String inFrance(NamedLocation france, CountryLookup lookup, String address) {
    List<String> is = new ArrayList<>();
    if (!isGranted(
        access(located(france, policy -> policy.includeLocations("france")))
            .countries(lookup)
            .build(),
        address)) {
      is.add("included");
    }
    if (isGranted(
        access(located(france, policy -> policy.excludeLocations("france")))
            .countries(lookup)
            .build(),
        address)) {
      is.add("excluded");
    }
    return is.isEmpty() ? "neither" : String.join(" and ", is);
  }

  private boolean appliesAt(UnaryOperator<Policy.Builder> times, Instant time) {
    return whatIf(
                blocking(policy -> times.apply(policy.includeAllUsers())),
                signals -> signals.time(time))
            .effect()
        == Decision.Effect.REFUSE;
  }

  private Decision whatIf(PolicySet set, UnaryOperator<Signals.Builder> signals) {
    return access(set).build().whatIf(signals.apply(Signals.builder(alice(), WIKI)).build());
  }

  private static boolean isGranted(ConditionalAccess access, String address) {
    try {
      return decide(access, from(address), alice()) instanceof Verdict.Proceed;
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.REFUSED_BY_POLICY);
      return false;
    }
  }

  private void assertGranted(PolicySet set, Identity identity) {
    assertGranted(access(set).build(), identity);
  }

  private static void assertGranted(ConditionalAccess access, Identity identity) {
    assertThat(decide(access, from("127.0.0.1"), identity)).isEqualTo(Verdict.proceed());
  }

  private void assertRefused(PolicySet set, Identity identity) {
    assertRefused(access(set).build(), identity);
  }

  private static void assertRefused(ConditionalAccess access, Identity identity) {
    assertRefusedWith(ErrorCode.REFUSED_BY_POLICY, access, from("127.0.0.1"), identity);
  }

  private static void assertRefusedWith(
      ErrorCode code, ConditionalAccess access, TestExchange request, Identity identity) {
    assertThatThrownBy(() -> decide(access, request, identity))
        .isInstanceOfSatisfying(
            GatewayException.class, refusal -> assertThat(refusal.code()).isEqualTo(code));
  }

  private static StepUpRequirement stepUp(Verdict verdict) {
    assertThat(verdict).isInstanceOf(Verdict.StepUp.class);
    return ((Verdict.StepUp) verdict).requirement();
  }

  private static Verdict await(Verdict verdict) throws Exception {
    return verdict instanceof Verdict.Later later
        ? later.outcome().toCompletableFuture().get(10, TimeUnit.SECONDS)
        : verdict;
  }

  private static Verdict decide(ConditionalAccess access, TestExchange request, Identity identity) {
    request.identify(identity);
    return access.authorize(request);
  }

  private static TestExchange from(String address) {
    return request(WIKI, "GET", "/", Map.of()).withClientAddress(address);
  }

  private static TestExchange request(
      Application application, String method, String path, Map<String, String> headers) {
    return new TestExchange("wiki.example", method, path, headers, Map.of(), application);
  }

  private static Application.Builder application(String id) {
    return Application.builder(id)
        .externalUrl("https://" + id + ".example/")
        .internalUrl("http://" + id + ".corp/")
        .assignEveryone();
  }

  private static Identity alice() {
    return identity(
        "4711",
        Map.of(
            "preferred_username",
            "alice",
            "email",
            "alice@example.com",
            "email_verified",
            true,
            "groups",
            List.of("staff", "/sales/emea")));
  }

  private static Identity identity(String subject, Map<String, Object> claims) {
    return new Identity("https://issuer.test", subject, "session", Instant.EPOCH, claims);
  }

  private static Identity signedInAt(Instant time) {
    return signedInAt(time, Map.of());
  }

  private static Identity signedInAt(Instant time, Map<String, Object> claims) {
    return new Identity("https://issuer.test", "1", "session", time, claims);
  }
}
