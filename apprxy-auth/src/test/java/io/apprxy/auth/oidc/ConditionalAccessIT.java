package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.oidc.SocketGateway.Answer;
import io.apprxy.auth.oidc.SocketGateway.Client;
import io.apprxy.auth.policy.ConditionalAccess;
import io.apprxy.auth.policy.NamedLocation;
import io.apprxy.auth.policy.Policy;
import io.apprxy.auth.policy.PolicySet;
import io.apprxy.auth.policy.TermsOfUse;
import io.apprxy.auth.session.Sessions;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.Kind;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Policies on the wire: a browser, a gateway on a socket, a provider, and an origin. */
@Timeout(60)
class ConditionalAccessIT {
  private static final String OFFICE = "X-Forwarded-For: 192.0.2.1";
  private static final String HOTEL = "X-Forwarded-For: 203.0.113.9";

  private final TestClock clock = new TestClock();
  private final ConcurrentLinkedQueue<SignInEvent> events = new ConcurrentLinkedQueue<>();
  private TestProvider provider;
  private ConditionalAccess access;
  private SocketGateway gateway;
  private Client browser;

  @BeforeEach
  void start() throws Exception {
    provider = new TestProvider(clock);
    access = ConditionalAccess.builder().clock(clock).signInLog(events::add).build();
    OidcPreAuthentication signIn =
        OidcPreAuthentication.builder()
            .issuer(provider.issuer())
            .clientId(TestProvider.CLIENT)
            .clientSecret(TestProvider.SECRET)
            .sessions(
                Sessions.builder().clock(clock).persistentCookie(access::persistsCookie).build())
            .build();
    gateway =
        new SocketGateway(
            signIn,
            access,
            self ->
                List.of(
                    Application.builder("wiki")
                        .externalUrl(self.url("wiki.test"))
                        .internalUrl(self.originUrl())
                        .assignEveryone()
                        .requireAuthenticationContext("c1", "/vault")
                        .build()));
    browser = gateway.client("wiki.test");
    browser.signIn(provider);
    gateway.reached.clear();
  }

  @AfterEach
  void stop() {
    gateway.close();
    provider.close();
  }

  private void publish(UnaryOperator<Policy.Builder> policy) {
    access.publish(
        PolicySet.builder()
            .namedLocation(NamedLocation.networks("office", "192.0.2.0/24"))
            .termsOfUse(TermsOfUse.of("rules", "1", "Be kind."))
            .policy(policy.apply(Policy.builder("p").includeAllUsers()).build())
            .build());
  }

  @Test
  void session_isGoodWhereThePolicySays_andNowhereElse() throws Exception {
    publish(policy -> policy.includeAllApplications().excludeLocations("office").block());

    assertThat(browser.get("/", OFFICE).isOfTheOrigin()).isTrue();
    assertThat(browser.get("/", HOTEL).text()).startsWith("HTTP/1.1 403").contains("APX-302");
    assertThat(browser.get("/", OFFICE).isOfTheOrigin()).isTrue();
    assertThat(gateway.reached).hasSize(2);
    assertThat(events)
        .filteredOn(event -> event.kind() == Kind.POLICY_EVALUATED)
        .extracting(event -> event.clientAddress() + " " + event.details().get("effect"))
        .contains("192.0.2.1 grant", "203.0.113.9 refuse");
  }

  /** Strangers learn neither the name of the policy nor what it looks at. */
  @Test
  void refusal_tellsTheCode_andNothingOfTheRules() throws Exception {
    publish(policy -> policy.includeAllApplications().excludeLocations("office").block());

    assertThat(browser.get("/", HOTEL, "Accept: application/json").text())
        .contains("APX-302", "\"title\":\"A policy refuses this request.\"")
        .doesNotContain("office", "location", "\"p\"");
  }

  @Test
  void policies_areChanged_forSessionsThatThereAre() throws Exception {
    assertThat(browser.get("/").isOfTheOrigin()).isTrue();

    publish(policy -> policy.includeAllApplications().block());
    assertThat(browser.get("/").status()).isEqualTo(403);

    access.publish(PolicySet.of());
    assertThat(browser.get("/").isOfTheOrigin()).isTrue();
  }

  @Test
  void page_thatDemandsSeveralFactors_sendsToTheProvider_andIsThereAfterwards() throws Exception {
    publish(
        policy -> policy.includeApplications("wiki").includePaths("/admin").requireMultifactor());
    assertThat(browser.open("/").isOfTheOrigin()).isTrue();

    Answer away = browser.open("/admin/users?x=1");
    assertThat(away.status()).isEqualTo(302);
    assertThat(away.header("Location"))
        .startsWith(provider.issuer())
        .contains("acr_values=http%3A%2F%2Fschemas.openid.net%2Fpape%2F");

    provider.claims = claims -> claims.put("amr", List.of("pwd", "mfa"));
    Answer back = browser.open(provider.authorize(URI.create(away.header("Location"))));
    assertThat(back.header("Location")).endsWith("/admin/users?x=1");
    assertThat(browser.open("/admin/users?x=1").isOfTheOrigin()).isTrue();
  }

  /** An error, and no storm of redirects. */
  @Test
  void providerThatDoesNotDeliver_endsInAnError() throws Exception {
    publish(policy -> policy.includeAllApplications().requireMultifactor());
    Answer away = browser.open("/");

    Answer back = browser.open(provider.authorize(URI.create(away.header("Location"))));

    assertThat(back.text()).contains(ErrorCode.STEP_UP_FAILED.code());
    assertThat(back.status()).isEqualTo(ErrorCode.STEP_UP_FAILED.status());
    assertThat(back.header("Location")).isNull();
    assertThat(gateway.reached).isEmpty();
  }

  @Test
  void program_isToldWhatIsMissing() throws Exception {
    publish(policy -> policy.includeAllApplications().signInFrequency(Duration.ofMinutes(10)));
    clock.advance(Duration.ofMinutes(11));

    Answer answer = browser.get("/", "Accept: application/json");

    assertThat(answer.status()).isEqualTo(401);
    assertThat(answer.header("WWW-Authenticate"))
        .contains("insufficient_user_authentication", "max_age=\"600\"");
  }

  @Test
  void partThatDemandsAContext_isForThoseWhoHaveIt() throws Exception {
    assertThat(browser.open("/").isOfTheOrigin()).isTrue();
    Answer away = browser.open("/VAULT/keys");
    assertThat(away.status()).isEqualTo(302);
    assertThat(away.header("Location")).contains("acrs");

    provider.claims = claims -> claims.put("acrs", List.of("c1"));
    browser.open(provider.authorize(URI.create(away.header("Location"))));

    assertThat(browser.open("/VAULT/keys").isOfTheOrigin()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-HTTP-Method-Override: DELETE",
        "x-http-method: PUT",
        "X-METHOD-OVERRIDE: PATCH",
        "Connection: upgrade\r\nUpgrade: websocket"
      })
  void readOnly_isNotGotRound(String header) throws Exception {
    publish(policy -> policy.includeAllApplications().readOnly());

    assertThat(browser.get("/").isOfTheOrigin()).isTrue();
    assertThat(browser.get("/", header).text()).contains("403", "APX-304");
    assertThat(browser.send("POST", "/", "Content-Length: 0").text()).contains("403", "APX-304");
  }

  @Test
  void cookie_isGoneWithTheWindow_unlessThePolicySaysOtherwise() throws Exception {
    Client other = gateway.client("wiki.test");
    publish(
        policy ->
            policy.includeAllApplications().persistentBrowser(Policy.PersistentBrowser.ALWAYS));

    Answer away = other.open("/");
    Answer back = other.open(provider.authorize(URI.create(away.header("Location"))));

    assertThat(back.headers("Set-Cookie"))
        .anySatisfy(
            cookie -> assertThat(cookie).startsWith("__Host-apprxy-session=").contains("Max-Age="));
  }

  @Test
  void terms_areAcceptedOnce_inTheNameOfNobodyElse() throws Exception {
    publish(policy -> policy.includeAllApplications().requireTermsOfUse("rules"));

    assertThat(browser.open("/start").text()).startsWith("HTTP/1.1 403").contains("I accept");
    assertThat(browser.get("/start").text()).contains("APX-306");
    assertThat(accept("Sec-Fetch-Site: cross-site").status()).isEqualTo(403);
    assertThat(browser.open("/start").status()).isEqualTo(403);

    Answer accepted = accept("Sec-Fetch-Site: same-origin");
    assertThat(accepted.status()).isEqualTo(303);
    assertThat(accepted.header("Location")).isEqualTo(gateway.url("wiki.test") + "start");
    assertThat(browser.open("/start").isOfTheOrigin()).isTrue();
    assertThat(gateway.reached).containsExactly("/start");
    assertThat(gateway.client("wiki.test").send("POST", "/.apprxy/terms").status()).isEqualTo(401);
  }

  private Answer accept(String header) throws Exception {
    String form =
        "terms=rules&version=1&return=" + URLEncoder.encode("/start", StandardCharsets.UTF_8);
    return browser.send(
        "POST",
        "/.apprxy/terms",
        header,
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: " + form.length() + "\r\n\r\n" + form);
  }
}
