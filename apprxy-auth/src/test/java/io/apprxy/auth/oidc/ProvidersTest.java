package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.oidc.TestBrowser.Page;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Several providers on one gateway: who signs in with which, and where that counts. */
class ProvidersTest {
  private final TestClock clock = new TestClock();
  private TestProvider staff;
  private TestProvider guests;
  private OidcPreAuthentication gateway;
  private TestBrowser browser;

  @BeforeEach
  void start() throws Exception {
    staff = new TestProvider(clock);
    guests = new TestProvider(clock);
    guests.subject = "guest";
    gateway = gateway(provider("staff", staff).title("Staff & <co>"), provider("guests", guests));
    browser = new TestBrowser(gateway);
  }

  @AfterEach
  void stop() {
    staff.close();
    guests.close();
  }

  private OidcPreAuthentication gateway(OidcProvider.Builder... providers) {
    OidcPreAuthentication.Builder builder =
        OidcPreAuthentication.builder()
            .sessions(Sessions.builder().keys(SessionKeys.generate()).clock(clock).build());
    for (OidcProvider.Builder provider : providers) {
      builder.provider(provider.build());
    }
    return builder.build();
  }

  private static OidcProvider.Builder provider(String name, TestProvider provider) {
    return OidcProvider.builder(name)
        .issuer(provider.issuer())
        .client(client(TestProvider.CLIENT, TestProvider.SECRET).build());
  }

  private static OidcClient.Builder client(String id, String secret) {
    return OidcClient.builder(id).secret(secret);
  }

  private static Application application(String id, String... providers) {
    return Application.builder(id)
        .externalUrl("https://wiki.example/" + id + "/")
        .internalUrl("http://wiki.corp/")
        .identityProviders(providers)
        .assignEveryone()
        .build();
  }

  // ---- the choice

  @Test
  void userOfSeveralProviders_choosesOnAPage_thatNeedsNoScript() throws Exception {
    Page page = browser.open("/page?a=b");

    assertThat(page.response().status()).isEqualTo(401);
    assertThat(page.body())
        .contains("Staff &amp; &lt;co&gt;", "guests")
        .doesNotContain("<script", "<co>");
    assertThat(page.header("Content-Security-Policy")).contains("default-src 'none'");
    assertThat(page.header("Cache-Control")).isEqualTo("no-store");
    assertThat(choices(page)).hasSize(2);
  }

  @Test
  void choice_leadsToTheProvider_andBackToThePage() throws Exception {
    Page callback = signIn("guests", guests, "/page?a=b");

    assertThat(callback.header("Location")).isEqualTo("https://wiki.example/page?a=b");
    assertThat(browser.open("/").identity().subject()).isEqualTo("guest");
    assertThat(browser.open("/").identity().issuer()).isEqualTo(guests.issuer());
  }

  @Test
  void choice_isRemembered_onceTheSignInSucceeded() throws Exception {
    Page start = browser.open(choice(browser.open("/"), "guests"));
    assertThat(browser.open("/").response().status()).as("not yet").isEqualTo(401);
    browser.open(guests.authorize(start.location()));
    browser.cookies.remove(OidcTest.SESSION);

    assertThat(browser.open("/").header("Location")).startsWith(guests.issuer());
  }

  @Test
  void choice_isForgottenAtTheSignOut() throws Exception {
    signIn("guests", guests, "/");
    browser.open("/.apprxy/sign-out");

    assertThat(choices(browser.open("/"))).hasSize(2);
  }

  @Test
  void choiceThatIsNoneHere_isIgnored() throws Exception {
    browser.cookies.put("__Host-apprxy-provider", "other");
    assertThat(choices(browser.open("/"))).hasSize(2);
    assertThat(choices(browser.open("/.apprxy/sign-in?provider=other"))).hasSize(2);
  }

  @Test
  void programWithoutASession_isSentToTheChoice() throws Exception {
    String problem = browser.send("GET", "/api", Map.of()).body();

    URI signIn = URI.create(found("\"sign_in_url\":\"([^\"]+)\"", problem));
    assertThat(choices(browser.open(signIn))).hasSize(2);
  }

  @Test
  void programOfAnotherApplication_isSentToTheChoiceOfThatApplication() throws Exception {
    browser.application = application("payroll", "staff", "guests");
    String problem = browser.send("GET", "/payroll/", Map.of()).body();
    browser.application = application("wiki", "staff"); // answers for the pages of the gateway

    Page page = browser.open(URI.create(found("\"sign_in_url\":\"([^\"]+)\"", problem)));

    assertThat(page.header("Location")).isEqualTo("https://wiki.example/payroll/");
  }

  @Test
  void loginHint_isPassedOn_ifItIsNoNovel() throws Exception {
    String hinted = "/.apprxy/sign-in?provider=staff&login_hint=";
    assertThat(parameters(browser.open(hinted + "a%26b%40example.com").location()))
        .containsEntry("login_hint", List.of("a&b@example.com"));
    assertThat(parameters(browser.open(hinted + "x".repeat(400)).location()))
        .doesNotContainKey("login_hint");
  }

  @Test
  void domainHint_isPassedOn() throws Exception {
    browser = new TestBrowser(gateway(provider("staff", staff).domainHint("contoso.com")));

    assertThat(parameters(browser.open("/").location()))
        .containsEntry("domain_hint", List.of("contoso.com"));
  }

  // ---- by application and by host

  @Test
  void application_thatAllowsOneProvider_asksNobody() throws Exception {
    browser.application = application("wiki", "guests");

    assertThat(browser.open("/").header("Location")).startsWith(guests.issuer());
  }

  @Test
  void hostOfOneProvider_hasNoOther() throws Exception {
    gateway = gateway(provider("staff", staff), provider("guests", guests).hosts("guests.example"));

    assertThat(new TestBrowser(gateway, "guests.example:8443").open("/").header("Location"))
        .startsWith(guests.issuer());
    assertThat(new TestBrowser(gateway, "wiki.example").open("/").header("Location"))
        .startsWith(staff.issuer());
  }

  // ---- cookie swapping

  @Test
  void session_countsOnlyWhereItsProviderDoes() throws Exception {
    browser.application = application("wiki", "guests", "staff");
    signIn("guests", guests, "/");
    assertThat(browser.open("/").reachedApplication()).isTrue();

    browser.application = application("payroll", "staff");

    assertThat(browser.open("/payroll/").header("Location")).startsWith(staff.issuer());
    assertThat(browser.send("GET", "/payroll/", Map.of()).response().status()).isEqualTo(401);
  }

  @Test
  void session_ofAHostsOwnProvider_isNoneOfAnothers() throws Exception {
    SessionKeys keys = SessionKeys.generate();
    OidcPreAuthentication before =
        OidcPreAuthentication.builder()
            .sessions(Sessions.builder().keys(keys).clock(clock).build())
            .provider(provider("guests", guests).build())
            .build();
    browser = new TestBrowser(before);
    browser.signIn(guests, "/");
    OidcPreAuthentication after =
        OidcPreAuthentication.builder()
            .sessions(Sessions.builder().keys(keys).clock(clock).build())
            .provider(provider("guests", guests).build())
            .provider(provider("staff", staff).hosts("wiki.example").build())
            .build();
    TestBrowser swapped = new TestBrowser(after);
    swapped.cookies.putAll(browser.cookies);

    assertThat(swapped.open("/").header("Location")).startsWith(staff.issuer());
  }

  // ---- one client per application

  @Test
  void application_withAClientOfItsOwn_hasItsScopesAndClaims() throws Exception {
    gateway =
        gateway(
            provider("staff", staff)
                .client(
                    "payroll",
                    client("payroll-client", "payroll-secret")
                        .scopes("openid", "payroll")
                        .claims("{\"id_token\":{\"employee\":{\"essential\":true}}}")
                        .build()));
    browser = new TestBrowser(gateway);
    staff.otherClients.put("payroll-client", "payroll-secret");
    browser.application = application("payroll");

    Page start = browser.open("/payroll/");

    assertThat(parameters(start.location()))
        .containsEntry("client_id", List.of("payroll-client"))
        .containsEntry("scope", List.of("openid payroll"))
        .containsEntry("claims", List.of("{\"id_token\":{\"employee\":{\"essential\":true}}}"));
    browser.open(staff.authorize(start.location()));
    assertThat(browser.open("/payroll/").reachedApplication()).isTrue();

    browser.application = application("wiki");
    assertThat(parameters(browser.open("/wiki/").location()))
        .as("a session of another client is none")
        .containsEntry("client_id", List.of(TestProvider.CLIENT));
  }

  @Test
  void signInUrl_ofAnApplicationWithAClientOfItsOwn_leadsToThatClient() throws Exception {
    gateway =
        gateway(provider("staff", staff).client("payroll", client("payroll-client", "x").build()));
    browser = new TestBrowser(gateway);
    browser.application = application("payroll");
    String problem = browser.send("GET", "/payroll/", Map.of()).body();
    browser.application = application("wiki"); // answers for the pages of the gateway

    Page start = browser.open(URI.create(found("\"sign_in_url\":\"([^\"]+)\"", problem)));

    assertThat(parameters(start.location())).containsEntry("client_id", List.of("payroll-client"));
  }

  // ---- mix-up (RFC 9700 §4.4)

  @Test
  void eachProvider_hasARedirectUriOfItsOwn() throws Exception {
    assertThat(parameters(browser.open(choice(browser.open("/"), "staff")).location()))
        .containsEntry("redirect_uri", List.of("https://wiki.example/.apprxy/callback/staff"));
  }

  /** The attacker is one of the providers, and has the browser fetch a code of the other. */
  @Test
  void codeOfOneProvider_isNeverSentToAnother() throws Exception {
    staff.issuerParameter = null;
    staff.metadata = map -> map.remove("authorization_response_iss_parameter_supported");
    guests.issuerParameter = null;
    guests.metadata = map -> map.remove("authorization_response_iss_parameter_supported");
    URI request = browser.open(choice(browser.open("/"), "guests")).location();
    URI atStaff = URI.create(request.toString().replace("callback%2Fguests", "callback%2Fstaff"));

    OidcTest.assertRefused(() -> browser.open(staff.authorize(atStaff)), ErrorCode.SIGN_IN_FAILED);
    assertThat(guests.tokenRequests).hasValue(0);
    assertThat(staff.tokenRequests).hasValue(0);
  }

  @Test
  void tokenOfOneProvider_signsNobodyInAtAnother() throws Exception {
    guests.claims = claims -> claims.put("iss", staff.issuer());

    OidcTest.assertRefused(() -> signIn("guests", guests, "/"), ErrorCode.PROVIDER_INVALID);
  }

  // ---- settings

  @Test
  void providersOfOneName_orOneIssuer_areRefused() {
    assertThatThrownBy(() -> gateway(provider("a", staff), provider("a", guests)))
        .hasMessageContaining("two providers are named a");
    assertThatThrownBy(() -> gateway(provider("a", staff), provider("b", staff)))
        .hasMessageContaining("have the same issuer");
  }

  @Test
  void applicationOfAnUnknownProvider_isRefusedWhenTheGatewayIsBuilt() {
    assertThatThrownBy(() -> gateway.check(application("wiki", "stuff")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("application wiki: identityProviders names stuff");
    gateway.check(application("wiki", "staff"));
  }

  @Test
  void applicationOnAHostThatNoProviderIsFor_isRefusedWhenTheGatewayIsBuilt() {
    OidcPreAuthentication elsewhere = gateway(provider("staff", staff).hosts("mail.example"));

    assertThatThrownBy(() -> elsewhere.check(application("wiki")))
        .hasMessageContaining("no provider is for its host");
  }

  @Test
  void shortForm_besideProviders_isRefused() {
    assertThatThrownBy(
            () ->
                OidcPreAuthentication.builder()
                    .provider(provider("staff", staff).build())
                    .clientId("x")
                    .build())
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void settings_tellNoSecret() {
    assertThat(client("id", "hush").build() + "" + provider("staff", staff).build())
        .doesNotContain("hush", TestProvider.SECRET);
  }

  private Page signIn(String name, TestProvider provider, String page) throws Exception {
    return browser.open(
        provider.authorize(browser.open(choice(browser.open(page), name)).location()));
  }

  private static List<String> choices(Page page) {
    return Pattern.compile("<a href=\"([^\"]+)\"")
        .matcher(page.body())
        .results()
        .map(link -> link.group(1).replace("&amp;", "&"))
        .toList();
  }

  private static String choice(Page page, String name) {
    return choices(page).stream()
        .filter(link -> link.contains("provider=" + name))
        .findFirst()
        .orElseThrow();
  }

  private static Map<String, List<String>> parameters(URI request) {
    return URLUtils.parseParameters(request.getRawQuery());
  }

  private static String found(String pattern, String text) {
    Matcher matcher = Pattern.compile(pattern).matcher(text);
    assertThat(matcher.find()).isTrue();
    return matcher.group(1);
  }
}
