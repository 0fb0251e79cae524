package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.TestExchange;
import io.apprxy.cluster.SharedState;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.Kind;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TermsOfUseTest {
  private static final Map<String, String> PAGE = Map.of("Sec-Fetch-Mode", "navigate");
  private static final Map<String, String> FORM = Map.of("Sec-Fetch-Site", "same-origin");
  private static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .assignEveryone()
          .build();

  private final ConcurrentLinkedQueue<SignInEvent> events = new ConcurrentLinkedQueue<>();
  private final SharedState state = SharedState.inMemory();
  private ConditionalAccess access = access(policies("1"));

  private ConditionalAccess access(PolicySet set) {
    return ConditionalAccess.builder()
        .policies(set)
        .state(state)
        .clock(new TestClock())
        .signInLog(events::add)
        .build();
  }

  private static PolicySet policies(String version) {
    return PolicySet.builder()
        .termsOfUse(TermsOfUse.of("House <rules>", version, "Be kind.\n\nBe & stay \"kind\"."))
        .policy(
            Policy.builder("rules")
                .includeAllUsers()
                .includeAllApplications()
                .requireTermsOfUse("House <rules>")
                .build())
        .build();
  }

  @Test
  void terms_areShownInPlaceOfThePage_andNothingInThemIsMarkup() {
    Response page = ((Verdict.Answer) open("/a?b=<c>&d", alice())).response();

    assertThat(page.status()).isEqualTo(403);
    assertThat(new String(page.body(), StandardCharsets.UTF_8))
        .contains("<h1>House &lt;rules&gt;</h1>", "<p>Be kind.</p>")
        .contains("<p>Be &amp; stay &quot;kind&quot;.</p>")
        .contains("name=\"return\" value=\"/a?b=&lt;c&gt;&amp;d\"")
        .doesNotContain("House <rules>");
    assertThat(header(page, "Content-Security-Policy")).contains("frame-ancestors 'none'");
  }

  @Test
  void program_isRefused() {
    assertThatThrownBy(() -> decide(request("GET", "/api", Map.of()), alice()))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.TERMS_NOT_ACCEPTED));
  }

  @Test
  void userWhoAccepts_comesBackToThePage_andGetsThrough_atEveryGateway() {
    Response answer = accept("1", "/a?b=c", FORM, alice());

    assertThat(answer.status()).isEqualTo(303);
    assertThat(header(answer, "Location")).isEqualTo("https://wiki.example/a?b=c");
    assertThat(open("/a", alice())).isEqualTo(Verdict.proceed());
    assertThat(open("/a", identity("bob"))).isInstanceOf(Verdict.Answer.class);
    access = access(policies("1"));
    assertThat(open("/a", alice())).isEqualTo(Verdict.proceed());
    assertThat(events)
        .filteredOn(event -> event.kind() == Kind.TERMS_ACCEPTED)
        .hasSize(1)
        .allSatisfy(
            event ->
                assertThat(event.details())
                    .containsEntry("terms", "House <rules>")
                    .containsEntry("version", "1"));
  }

  @Test
  void newVersion_isToBeAcceptedAnew_andAnOldOneCannotBeAccepted() {
    accept("1", "/", FORM, alice());
    access.publish(policies("2"));
    assertThat(open("/", alice())).isInstanceOf(Verdict.Answer.class);

    accept("1", "/", FORM, alice());
    assertThat(open("/", alice())).isInstanceOf(Verdict.Answer.class);

    accept("2", "/", FORM, alice());
    assertThat(open("/", alice())).isEqualTo(Verdict.proceed());
  }

  /** Nobody accepts in the name of another. */
  @ParameterizedTest
  @ValueSource(strings = {"cross-site", "same-site", "none", ""})
  void formOfAnotherSite_acceptsNothing(String site) {
    Map<String, String> headers = new HashMap<>();
    headers.put("Origin", site.isEmpty() ? "https://evil.example" : "https://wiki.example");
    if (!site.isEmpty()) {
      headers.put("Sec-Fetch-Site", site);
    }

    assertThatThrownBy(() -> accept("1", "/", headers, alice()))
        .isInstanceOf(GatewayException.class);
    assertThat(open("/", alice())).isInstanceOf(Verdict.Answer.class);
  }

  @Test
  void browserWithoutFetchMetadata_isKnownByItsOrigin() {
    accept("1", "/", Map.of("Origin", "https://wiki.example"), alice());

    assertThat(open("/", alice())).isEqualTo(Verdict.proceed());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "@evil.example/",
        ".evil.example/",
        "/\r\nSet-Cookie: x=y",
        ""
      })
  void wayBack_neverLeadsToAnotherHost(String wish) {
    String location = header(accept("1", wish, FORM, alice()), "Location");

    assertThat(location).startsWith("https://wiki.example/");
    assertThat(location).doesNotContain("\n", "\r");
  }

  @Test
  void nobody_acceptsNothing_andThereIsNoOtherPage() {
    assertThatThrownBy(() -> access.page(request("POST", "/.apprxy/terms", FORM)))
        .hasMessageContaining("APX-201");
    assertThatThrownBy(() -> access.page(request("GET", "/.apprxy/other", PAGE)))
        .hasMessageContaining("APX-402");
    TestExchange get = request("GET", "/.apprxy/terms", PAGE);
    get.identify(alice());
    assertThat(((Verdict.Answer) access.page(get)).response().status()).isEqualTo(405);
  }

  @ParameterizedTest
  @ValueSource(strings = {"%zz=1", "", "&&&=", "terms"})
  void formThatIsNone_acceptsNothing(String body) {
    TestExchange post = request("POST", "/.apprxy/terms", FORM).withBody(body);
    post.identify(alice());

    try {
      settle(access.page(post));
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.TERMS_NOT_ACCEPTED);
    }
    assertThat(open("/", alice())).isInstanceOf(Verdict.Answer.class);
  }

  @Test
  void stateThatCannotBeReached_isNoAcceptance() {
    access =
        ConditionalAccess.builder().policies(policies("1")).state(new StateOutOfReach()).build();

    assertThat(settle(open("/", alice()))).isInstanceOf(Verdict.Answer.class);
  }

  @Test
  void stepUpAndRefusal_comeFirst_andReportOnlyAsksNobody() {
    PolicySet set =
        policies("1")
            .newBuilder()
            .policy(
                Policy.builder("factors")
                    .includeAllUsers()
                    .includeAllApplications()
                    .requireMultifactor()
                    .build())
            .build();
    access = access(set);
    assertThat(open("/", alice())).isInstanceOf(Verdict.StepUp.class);

    access =
        access(
            PolicySet.builder()
                .termsOfUse(TermsOfUse.of("rules", "1", "Be kind."))
                .policy(
                    Policy.builder("rules")
                        .reportOnly()
                        .includeAllUsers()
                        .includeAllApplications()
                        .requireTermsOfUse("rules")
                        .build())
                .build());
    assertThat(open("/", alice())).isEqualTo(Verdict.proceed());
    assertThat(access.whatIf(Signals.builder(alice(), WIKI).build()).of("rules").outcome())
        .isEqualTo(Decision.Outcome.ACCEPT_TERMS);
    assertThat(
            access
                .whatIf(Signals.builder(alice(), WIKI).acceptedTerms("rules").build())
                .of("rules")
                .outcome())
        .isEqualTo(Decision.Outcome.SATISFIED);
  }

  @Test
  void terms_areData_andThoseThatAreNotThereAreRefused() {
    assertThat(PolicySet.fromJson(policies("1").toJson())).isEqualTo(policies("1"));
    assertThat(
            PolicySet.fromJson(
                    "{\"termsOfUse\":[{\"displayName\":\"a\",\"version\":\"1\",\"text\":\"b\"}]}")
                .termsOfUse())
        .containsExactly(new TermsOfUse("a", "1", "b", Duration.ofDays(365)));
    assertThatThrownBy(
            () ->
                PolicySet.of(
                    Policy.builder("p")
                        .includeAllUsers()
                        .includeAllApplications()
                        .requireTermsOfUse("none")
                        .build()))
        .hasMessage("policy \"p\" names no terms of use of the set: none");
    assertThatThrownBy(() -> TermsOfUse.of("a", " ", "b"))
        .hasMessageContaining("must have a name, a version and a text");
    assertThatThrownBy(() -> new TermsOfUse("a", "1", "b", Duration.ZERO))
        .hasMessageContaining("must be longer than zero");
  }

  private Verdict open(String page, Identity identity) {
    return decide(request("GET", page, PAGE), identity);
  }

  private Verdict decide(TestExchange request, Identity identity) {
    request.identify(identity);
    return access.authorize(request);
  }

  private Response accept(
      String version, String returnTo, Map<String, String> headers, Identity identity) {
    TestExchange post =
        request("POST", "/.apprxy/terms", headers)
            .withBody(
                "terms="
                    + encode("House <rules>")
                    + "&version="
                    + version
                    + "&return="
                    + encode(returnTo));
    post.identify(identity);
    return ((Verdict.Answer) settle(access.page(post))).response();
  }

  private static Verdict settle(Verdict verdict) {
    try {
      return verdict instanceof Verdict.Later later
          ? settle(later.outcome().toCompletableFuture().orTimeout(10, TimeUnit.SECONDS).join())
          : verdict;
    } catch (CompletionException e) {
      throw (RuntimeException) e.getCause();
    }
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  private static String header(Response response, String name) {
    return response.headers().stream()
        .filter(header -> header.name().equals(name))
        .map(Response.Header::value)
        .findFirst()
        .orElseThrow();
  }

  private static TestExchange request(String method, String path, Map<String, String> headers) {
    return new TestExchange("wiki.example", method, path, headers, Map.of(), WIKI);
  }

  private static Identity alice() {
    return identity("alice");
  }

  private static Identity identity(String subject) {
    return new Identity("https://issuer.test", subject, "session", Instant.EPOCH, Map.of());
  }
}
