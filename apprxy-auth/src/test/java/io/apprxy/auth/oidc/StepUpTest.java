package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.ErrorCode;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.oidc.TestBrowser.Page;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A policy demands more than the session of a user proves. */
class StepUpTest extends OidcTest {
  private static final StepUpRequirement MFA =
      new StepUpRequirement(List.of("mfa", "hwk"), null, null, "A second factor is needed.");
  private static final StepUpRequirement C1 =
      new StepUpRequirement(List.of(), "c1", null, "A managed sign-in is needed.");

  private static StepUpRequirement newerThan(Duration age) {
    return new StepUpRequirement(List.of(), null, age, "A newer sign-in is needed.");
  }

  // ---- what the provider is asked for

  @Test
  void page_isSentToTheProvider_withTheClassesInOrder_andWhoItIs() throws Exception {
    browser.signIn(provider, "/");

    Map<String, List<String>> request = request(browser.openDemanding("/admin?x", MFA));

    assertThat(request)
        .containsEntry("acr_values", List.of("mfa hwk"))
        .containsEntry("login_hint", List.of("ada"))
        .doesNotContainKeys("max_age", "claims");
  }

  @Test
  void authenticationContext_isAnEssentialClaim_besideThoseOfTheClient() throws Exception {
    OidcClient client =
        OidcClient.builder(TestProvider.CLIENT)
            .secret(TestProvider.SECRET)
            .claims("{\"id_token\":{\"email\":null}}")
            .build();
    browser =
        new TestBrowser(
            OidcPreAuthentication.builder()
                .provider(
                    OidcProvider.builder("staff").issuer(provider.issuer()).client(client).build())
                .sessions(Sessions.builder().clock(clock).build())
                .build());
    browser.signIn(provider, "/");

    assertThat(claims(browser.openDemanding("/", C1)))
        .isEqualTo(
            new JsonMapper()
                .readTree(
                    "{\"id_token\":{\"email\":null,\"acrs\":{\"essential\":true,\"value\":\"c1\"}}}"));
  }

  /** What the provider's clock takes for new enough must be so by ours, too. */
  @ParameterizedTest
  @CsvSource({"PT1H, 3540", "PT61S, 1", "PT60S, 0", "PT30S, 0"})
  void maxAge_isAskedForShorterByTheClockSkew(Duration demanded, String asked) throws Exception {
    provider.claims = claims -> claims.put("auth_time", now() - 7_200);
    browser.signIn(provider, "/");

    assertThat(request(browser.openDemanding("/", newerThan(demanded))))
        .containsEntry("max_age", List.of(asked));
  }

  // ---- delivered

  @Test
  void stepUp_thatIsDelivered_endsAtThePage_withANewSession() throws Exception {
    browser.signIn(provider, "/");
    String before = browser.open("/").identity().sessionId();
    provider.claims = claims -> claims.put("acr", "hwk");

    Page callback = browser.open(authorize(browser.openDemanding("/admin?x", MFA)));

    assertThat(callback.header("Location")).isEqualTo("https://wiki.example/admin?x");
    assertThat(browser.open("/").identity().sessionId()).isNotEqualTo(before);
    assertThat(browser.open("/").identity().values("acr")).containsExactly("hwk");
  }

  @Test
  void authenticationContext_isDeliveredByAcrs() throws Exception {
    browser.signIn(provider, "/");
    provider.claims = claims -> claims.put("acrs", List.of("c2", "c1"));

    browser.open(authorize(browser.openDemanding("/", C1)));

    assertThat(browser.open("/").identity().values("acrs")).contains("c1");
  }

  /** As of providers that do not know the classes, but tell what they did. */
  @ParameterizedTest
  @CsvSource({"pwd mfa, true", "hwk pin, true", "hwk, false", "pwd, false"})
  void methods_thatDoAsWell_areDelivered(String methods, boolean delivered) throws Exception {
    StepUpRequirement requirement =
        new StepUpRequirement(
            List.of("gold"),
            null,
            null,
            "A second factor is needed.",
            List.of(List.of("mfa"), List.of("pin", "hwk")));
    browser.signIn(provider, "/");
    provider.claims = claims -> claims.put("amr", List.of(methods.split(" ")));
    URI callback = authorize(browser.openDemanding("/", requirement));

    if (delivered) {
      browser.open(callback);
      assertThat(browser.open("/").identity().values("amr")).contains(methods.split(" "));
      assertThat(StepUp.missing(browser.open("/").identity(), requirement, clock.instant()))
          .isNull();
    } else {
      assertRefused(() -> browser.open(callback), ErrorCode.STEP_UP_FAILED);
    }
  }

  @Test
  void methods_areInTheAddressOfTheSignInPage_too() throws Exception {
    StepUpRequirement requirement =
        new StepUpRequirement(
            List.of("gold"), null, null, "", List.of(List.of("mfa"), List.of("pin", "hwk")));
    Wish wish = new Wish(null, null, "/", 0, null, requirement);
    String query = wish.path().substring(wish.path().indexOf('?') + 1);

    assertThat(Wish.of(Parameters.of(query)).requirement()).isEqualTo(requirement);
    assertThat(Wish.fromClaims(wish.toClaims()).requirement()).isEqualTo(requirement);
  }

  @ParameterizedTest
  @CsvSource({"0", "-59", "59"})
  void newSignIn_isNew_whateverTheProvidersClockSays(long skew) throws Exception {
    browser.signIn(provider, "/");
    clock.advance(Duration.ofMinutes(10));
    provider.claims = claims -> claims.put("auth_time", now() + skew);

    browser.open(authorize(browser.openDemanding("/", newerThan(Duration.ofSeconds(30)))));

    assertThat(browser.open("/").identity().authenticatedAt()).isEqualTo(clock.instant());
  }

  @Test
  void signInThatTheProviderRemembers_isNewEnough_ifItIs() throws Exception {
    provider.claims = claims -> claims.put("auth_time", now() - 7_200);
    browser.signIn(provider, "/");
    provider.claims = claims -> claims.put("auth_time", now() - 600);

    browser.open(authorize(browser.openDemanding("/", newerThan(Duration.ofHours(1)))));

    assertThat(browser.open("/").identity().authenticatedAt())
        .isEqualTo(clock.instant().minusSeconds(600));
  }

  // ---- not delivered: an error, no storm of redirects

  @Test
  void classThatTheProviderDoesNotDeliver_isAnError() throws Exception {
    browser.signIn(provider, "/");
    provider.claims = claims -> claims.put("acr", "pwd");
    URI callback = authorize(browser.openDemanding("/", MFA));

    assertRefused(() -> browser.open(callback), ErrorCode.STEP_UP_FAILED);
  }

  @Test
  void contextThatTheProviderDoesNotDeliver_isAnError() throws Exception {
    browser.signIn(provider, "/");
    provider.claims = claims -> claims.put("acrs", List.of("c11"));
    URI callback = authorize(browser.openDemanding("/", C1));

    assertRefused(() -> browser.open(callback), ErrorCode.STEP_UP_FAILED);
  }

  @ParameterizedTest
  @CsvSource({"3601", "100000"})
  void oldSignIn_isAnError(long age) throws Exception {
    provider.claims = claims -> claims.put("auth_time", now() - 200_000);
    browser.signIn(provider, "/");
    provider.claims = claims -> claims.put("auth_time", now() - age);
    URI callback = authorize(browser.openDemanding("/", newerThan(Duration.ofHours(1))));

    assertRefused(() -> browser.open(callback), ErrorCode.STEP_UP_FAILED);
  }

  @Test
  void signInOfUnknownAge_isAnError() throws Exception {
    browser.signIn(provider, "/");
    clock.advance(Duration.ofMinutes(2));
    provider.claims = claims -> claims.remove("auth_time");
    URI callback = authorize(browser.openDemanding("/", newerThan(Duration.ofMinutes(1))));

    assertRefused(() -> browser.open(callback), ErrorCode.STEP_UP_FAILED);
  }

  @Test
  void providerThatSaysItCannot_isAnError() throws Exception {
    browser.signIn(provider, "/");
    URI callback =
        provider.refuse(
            browser.openDemanding("/", MFA).location(), "unmet_authentication_requirements");

    assertRefused(() -> browser.open(callback), ErrorCode.STEP_UP_FAILED);
  }

  @Test
  void sessionBeforeAFailedStepUp_stays() throws Exception {
    browser.signIn(provider, "/");
    URI callback = authorize(browser.openDemanding("/", MFA));
    assertRefused(() -> browser.open(callback), ErrorCode.STEP_UP_FAILED);

    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  /** The policy and the provider disagree for good: another sign-in would end here again. */
  @Test
  void policyThatDemandsWhatTheSessionHas_isAnError() throws Exception {
    provider.claims = claims -> claims.put("acr", "mfa");
    browser.signIn(provider, "/");

    assertRefused(() -> browser.openDemanding("/", MFA), ErrorCode.STEP_UP_FAILED);
  }

  @Test
  void policyThatDemandsASignInOfThisInstant_isAnError_ratherThanOneForEver() throws Exception {
    browser.signIn(provider, "/");
    clock.advance(Duration.ofSeconds(2));

    assertRefused(
        () -> browser.openDemanding("/", newerThan(Duration.ZERO)), ErrorCode.STEP_UP_FAILED);
  }

  /** The requirement is in the sealed state, not in the address of the sign-in page alone. */
  @Test
  void requirement_cannotBeLeftOutOnTheWay() throws Exception {
    browser.signIn(provider, "/");
    URI request = browser.openDemanding("/", MFA).location();
    URI bent = URI.create(request.toString().replaceAll("&acr_values=[^&]*", ""));

    assertRefused(() -> browser.open(provider.authorize(bent)), ErrorCode.STEP_UP_FAILED);
  }

  // ---- programs

  @Test
  void program_isTold_whatIsDemanded_andWhereToSignIn() throws Exception {
    browser.signIn(provider, "/");

    Page page = browser.sendDemanding("GET", "/api?x", Map.of(), MFA);

    assertThat(page.response().status()).isEqualTo(401);
    assertThat(page.header("WWW-Authenticate"))
        .contains(
            "error=\"insufficient_user_authentication\"",
            "error_description=\"A second factor is needed.\"",
            "acr_values=\"mfa hwk\"");
    JsonNode problem = new JsonMapper().readTree(page.body());
    assertThat(problem.get("code").asString()).isEqualTo("APX-207");
    assertThat(problem.get("reason").asString()).isEqualTo("A second factor is needed.");
    URI signIn = URI.create(problem.get("sign_in_url").asString());
    assertThat(request(browser.open(signIn))).containsEntry("acr_values", List.of("mfa hwk"));
  }

  @Test
  void signInUrl_carriesEveryRequirement_andChecksIt() throws Exception {
    browser.signIn(provider, "/");
    clock.advance(Duration.ofMinutes(5));
    StepUpRequirement all =
        new StepUpRequirement(List.of("a\"b"), "c7", Duration.ofSeconds(90), "Quote \" and é.");
    Page page = browser.sendDemanding("POST", "/api", TestBrowser.NAVIGATION, all);
    assertThat(page.header("WWW-Authenticate"))
        .contains("error_description=\"Quote ? and ?.\"", "acr_values=\"a?b\"", "max_age=\"90\"");
    JsonNode problem = new JsonMapper().readTree(page.body());

    Page start = browser.open(URI.create(problem.get("sign_in_url").asString()));

    assertThat(request(start))
        .containsEntry("acr_values", List.of("a\"b"))
        .containsEntry("max_age", List.of("30"));
    assertThat(claims(start).at("/id_token/acrs/value").asString()).isEqualTo("c7");
    assertRefused(() -> browser.open(authorize(start)), ErrorCode.STEP_UP_FAILED);
  }

  @Test
  void signInUrl_forWhoHasWhatIsDemanded_leadsToThePage() throws Exception {
    provider.claims = claims -> claims.put("acr", "mfa");
    browser.signIn(provider, "/");

    assertThat(browser.open("/.apprxy/sign-in?return=/x&acr_values=mfa").header("Location"))
        .isEqualTo("https://wiki.example/x");
  }

  private long now() {
    return clock.instant().getEpochSecond();
  }

  private URI authorize(Page start) {
    return provider.authorize(start.location());
  }

  private static JsonNode claims(Page start) {
    return new JsonMapper().readTree(request(start).get("claims").get(0));
  }

  private static Map<String, List<String>> request(Page start) {
    return URLUtils.parseParameters(start.location().getRawQuery());
  }
}
