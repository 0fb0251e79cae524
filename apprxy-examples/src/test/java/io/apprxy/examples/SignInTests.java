package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.oidc.OidcClient;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.oidc.OidcProvider;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What holds with every provider that we did not write: the same tests for each. Browser, gateway,
 * origin and provider are real.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class SignInTests {
  static final String NAME = "real";
  private static final Pattern FORM = Pattern.compile("<form[^>]* action=\"([^\"]+)\"");

  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private DemoCertificates certificates;
  private URI url;
  private URI backChannel;
  private String issuer;

  /**
   * Starts the provider, for a gateway at this address; tells its issuer.
   *
   * @param backChannel where {@code gateway-basic} is told when users log out
   */
  abstract String startProvider(String gateway, URI backChannel) throws Exception;

  abstract X509Certificate providerCertificate();

  @BeforeAll
  void prepare(@TempDir Path directory) throws Exception {
    certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    backChannel = URI.create("http://127.0.0.1:" + DemoSetup.portOrFree(0) + "/");
    issuer = startProvider(url.toString(), backChannel.resolve("/.apprxy/backchannel-logout"));
  }

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
    running.clear();
  }

  // ---- the gateway proves itself

  @ParameterizedTest
  @ValueSource(strings = {"gateway-basic", "gateway-post", "gateway-key", "gateway-tls"})
  void user_signsIn_howeverTheGatewayProvesItself(String client) throws Exception {
    start(client, settings -> settings);

    assertGreeted(signIn(browser(), url.resolve("/reports?year=2026"), "wonderland"));
  }

  @Test
  void gatewayWithAnotherSecret_signsNobodyIn() throws Exception {
    start(
        "gateway-basic",
        OidcClient.builder("gateway-basic").secret("a guess of fair length").build());

    HttpResponse<String> page = signIn(browser(), url, "wonderland");

    assertThat(page.statusCode()).isEqualTo(403);
    assertThat(page.body()).contains("APX-202").doesNotContain("Hello");
  }

  // ---- what it asks for

  @Test
  void pushedRequest_signsIn() throws Exception {
    start("gateway-basic", OidcClient.Builder::pushRequests);

    DemoBrowser browser = browser();
    HttpResponse<String> asked = browser.open(url.resolve("/reports?year=2026"));
    assertThat(addresses(asked)).anyMatch(address -> address.contains("request_uri="));
    assertThat(addresses(asked)).noneMatch(address -> address.contains("code_challenge="));
    assertGreeted(submit(browser, asked, "wonderland"));
  }

  @Test
  void signedRequest_signsIn() throws Exception {
    start("gateway-key", OidcClient.Builder::signRequests);

    DemoBrowser browser = browser();
    HttpResponse<String> asked = browser.open(url.resolve("/reports?year=2026"));
    assertThat(addresses(asked)).anyMatch(address -> address.contains("request="));
    assertThat(addresses(asked)).noneMatch(address -> address.contains("code_challenge="));
    assertGreeted(submit(browser, asked, "wonderland"));
  }

  @Test
  void signedAndPushedRequest_signsIn() throws Exception {
    start("gateway-key", client -> client.signRequests().pushRequests());

    assertGreeted(signIn(browser(), url.resolve("/reports?year=2026"), "wonderland"));
  }

  // ---- sessions

  @Test
  void wrongPassword_neverReachesTheApplication() throws Exception {
    start("gateway-basic", client -> client);
    DemoBrowser browser = browser();

    assertThat(form(signIn(browser, url, "builder"))).isNotNull();
    assertThat(form(browser.open(url))).as("still asked").isNotNull();
  }

  @Test
  void user_isRememberedByTheProvider_untilTheSignOut() throws Exception {
    start("gateway-basic", client -> client);
    DemoBrowser browser = browser();
    signIn(browser, url, "wonderland");

    HttpResponse<String> page = browser.open(url.resolve("/.apprxy/sign-out"));
    URI confirm = form(page);
    if (confirm != null) { // some ask
      browser.post(confirm, fields(page));
    }

    assertThat(form(browser.open(url))).as("asked for the password").isNotNull();
  }

  /** At its own page: the gateway is told by the provider, and by nobody else. */
  @Test
  void logoutAtTheProvider_endsTheSession() throws Exception {
    start("gateway-basic", client -> client);
    DemoBrowser browser = browser();
    signIn(browser, url, "wonderland");
    DemoBrowser another = browser();
    signIn(another, url, "wonderland");

    HttpResponse<String> asked =
        browser.open(URI.create(metadata().get("end_session_endpoint").asString()));
    browser.post(form(asked), fields(asked));

    Instant end = Instant.now().plusSeconds(30);
    while (browser.open(url.resolve("/.apprxy/user")).statusCode() != 401) {
      assertThat(Instant.now()).as("told within half a minute").isBefore(end);
    }
    assertThat(form(browser.open(url))).as("the page that asks for a password").isNotNull();
    assertGreeted(another.open(url));
  }

  /** For a program, and not for a browser: some make an HTML page of it for those. */
  private JsonNode metadata() throws Exception {
    HttpResponse<String> answer =
        HttpClient.newBuilder()
            .sslContext(PemFiles.trust(List.of(providerCertificate())))
            .build()
            .send(
                HttpRequest.newBuilder(URI.create(issuer + "/.well-known/openid-configuration"))
                    .timeout(Duration.ofSeconds(30))
                    .build(),
                BodyHandlers.ofString());
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    return new JsonMapper().readTree(answer.body());
  }

  @Test
  void userPage_tellsWhoIsSignedIn() throws Exception {
    start("gateway-basic", client -> client);
    DemoBrowser browser = browser();
    signIn(browser, url, "wonderland");

    assertThat(browser.open(url.resolve("/.apprxy/user")).body())
        .contains("\"name\":\"alice\"", "\"groups\":[\"staff\"]");
  }

  // ---- step-up

  /** The provider knows no such class: it signs the user in as ever, or says so. */
  @ParameterizedTest
  @ValueSource(strings = {"acr", "acrs"})
  void stepUp_thatTheProviderDoesNotDeliver_isAnErrorPage_notAStorm(String kind) throws Exception {
    start("gateway-basic", client -> client);
    DemoBrowser browser = browser();
    signIn(browser, url, "wonderland");

    HttpResponse<String> page = browser.open(url.resolve("/demanding/" + kind));
    if (form(page) != null && page.uri().getPort() != url.getPort()) { // some ask once more
      page = submit(browser, page, "wonderland");
    }

    assertThat(page.statusCode()).isEqualTo(403);
    assertThat(page.body()).contains("APX-208");
    assertThat(addresses(page)).hasSizeLessThan(12);
    assertGreeted(browser.open(url));
  }

  // ---- the way there

  private void start(String client, UnaryOperator<OidcClient.Builder> settings) throws Exception {
    OidcClient.Builder builder = OidcClient.builder(client);
    switch (client) {
      case "gateway-key" -> builder.privateKey(TestClient.shared().key(), TestClient.KEY_ID);
      case "gateway-tls" -> builder.mutualTls();
      case "gateway-post" -> builder.secret("secret-of-" + client).secretInForm();
      default -> builder.secret("secret-of-" + client);
    }
    start(client, settings.apply(builder).build());
  }

  private void start(String name, OidcClient client) throws Exception {
    DemoApplication origin = opened(DemoApplication.start(0));
    AssignmentPolicy assigned = new AssignmentPolicy();
    Gateway gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .provider(
                        OidcProvider.builder(NAME)
                            .issuer(issuer)
                            .client(client)
                            .trust(
                                name.equals("gateway-tls")
                                    ? TestClient.shared().tls(providerCertificate())
                                    : PemFiles.trust(List.of(providerCertificate())))
                            .build())
                    .build())
            .accessPolicy(
                exchange ->
                    switch (exchange.path()) {
                      case "/demanding/acr" ->
                          Verdict.stepUp(
                              new StepUpRequirement(List.of("urn:test:none"), null, null, "More."));
                      case "/demanding/acrs" ->
                          Verdict.stepUp(new StepUpRequirement(List.of(), "c1", null, "More."));
                      default -> assigned.authorize(exchange);
                    })
            .signOn(new HeaderSignOn())
            .publish(
                Application.builder("demo")
                    .externalUrl(url.toString())
                    .internalUrl(origin.url().resolve("/").toString())
                    .assignGroups("staff")
                    .headerSignOn(DemoApplication.IDENTITY_HEADERS)
                    .build())
            .publish(
                Application.builder("back-channel")
                    .externalUrl(backChannel.toString())
                    .internalUrl(origin.url().resolve("/").toString())
                    .passthrough()
                    .build())
            .build();
    opened(gateway.start());
    Undertow plain =
        Undertow.builder()
            .addHttpListener(backChannel.getPort(), "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setHandler(
                exchange -> {
                  // The next test has another gateway at this port: no connection is to be kept.
                  exchange.setPersistent(false);
                  gateway.handler().handleRequest(exchange);
                })
            .build();
    plain.start();
    running.push(plain::stop);
  }

  private <T extends AutoCloseable> T opened(T server) {
    running.push(server);
    return server;
  }

  private DemoBrowser browser() throws Exception {
    return new DemoBrowser(PemFiles.trust(List.of(providerCertificate(), certificates.ca())));
  }

  private static HttpResponse<String> signIn(DemoBrowser browser, URI page, String password)
      throws Exception {
    return submit(browser, browser.open(page), password);
  }

  private static HttpResponse<String> submit(
      DemoBrowser browser, HttpResponse<String> asked, String password) throws Exception {
    URI form = form(asked);
    assertThat(form).as("a form at %s: %s", asked, asked.body()).isNotNull();
    return browser.post(form, Map.of("username", "alice", "password", password));
  }

  private void assertGreeted(HttpResponse<String> page) {
    assertThat(page.statusCode()).as(page.body()).isEqualTo(200);
    assertThat(page.uri().getPort()).isEqualTo(url.getPort());
    assertThat(page.body()).contains("Hello, Alice Ångström", "staff", "alice@example.com");
  }

  /** Where the form on this page is sent to, or null if there is none. */
  private static URI form(HttpResponse<String> page) {
    Matcher form = FORM.matcher(page.body());
    return form.find() ? page.uri().resolve(form.group(1).replace("&amp;", "&")) : null;
  }

  /** What a form says already, and its button. */
  private static Map<String, String> fields(HttpResponse<String> page) {
    Map<String, String> fields = new java.util.HashMap<>();
    Matcher field = Pattern.compile("name=\"([^\"]+)\" value=\"([^\"]*)\"").matcher(page.body());
    while (field.find()) {
      fields.put(field.group(1), field.group(2));
    }
    return fields;
  }

  /** All addresses on the way to this page. */
  private static List<String> addresses(HttpResponse<String> page) {
    List<String> all = new java.util.ArrayList<>();
    for (HttpResponse<String> at = page; at != null; at = at.previousResponse().orElse(null)) {
      all.add(at.uri().toString());
    }
    return all;
  }
}
