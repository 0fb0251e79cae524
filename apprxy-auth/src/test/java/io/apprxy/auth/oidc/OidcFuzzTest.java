package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.BugDetectors;
import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.session.Seal;
import io.apprxy.auth.session.SessionKeys;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What holds for anything that a browser can be made to send to the pages of the gateway. */
class OidcFuzzTest {
  private static final Pattern TAG =
      Pattern.compile("<style>[^<]*</style>|</?!?[a-z0-9]+(?: [a-z-]+(?:=\"[^\"<>]*\")?)*>");
  private static final Duration LIFETIME = Duration.ofMinutes(15);
  private static final Seal SEAL = new Seal(SessionKeys.generate(), "fuzz", new TestClock());
  private static final OidcPreAuthentication GATEWAY =
      OidcPreAuthentication.builder()
          .provider(provider("one", 1))
          .provider(provider("two", 2))
          .build();

  private static final Identity USER =
      new Identity("https://login.test", "1", "ada", Instant.EPOCH, Map.of());

  private static OidcProvider provider(String name, int port) {
    return OidcProvider.builder(name)
        .issuer("http://127.0.0.1:" + port)
        .client(OidcClient.builder("client").build())
        .build();
  }

  @FuzzTest
  void pageToReturnTo_isOneOfThisSite(byte[] input) {
    String wish = new String(input, StandardCharsets.UTF_8);
    String page = ReturnTo.checked(wish);
    assertThat(page).isIn(wish, "/").matches("/[\\x21-\\x7e]*").doesNotStartWith("//");
    assertThat(page).doesNotContain("\\");
    assertThat(ReturnTo.checked(page)).as("a fixpoint").isEqualTo(page);
    try {
      URI seen = URI.create("https://app.test/x").resolve(new URI(page)).normalize();
      assertThat(seen.getRawAuthority()).isEqualTo("app.test");
      assertThat(seen.getPath()).doesNotStartWithIgnoringCase("/.apprxy/");
    } catch (URISyntaxException e) {
      // what is no URI to java.net is judged by the test above alone
    }
  }

  @FuzzTest
  void parameters_comeOnce_orAreRefused(byte[] input) {
    Parameters parameters;
    try {
      parameters = Parameters.of(new String(input, StandardCharsets.ISO_8859_1));
    } catch (GatewayException e) {
      return;
    }
    assertThat(parameters.all().values()).allMatch(values -> values.size() == 1);
    assertThat(parameters.toString()).doesNotContain("\n", "\r");
  }

  /** What is not sent again as it was is no form that waits. */
  @FuzzTest
  void fieldsOfAForm_areThoseThatABrowserSendsAgain(byte[] input) {
    String body = new String(input, StandardCharsets.ISO_8859_1);
    List<FormFields.Field> fields = FormFields.parse(body);
    if (fields != null) {
      String again =
          fields.stream()
              .map(
                  field ->
                      URLEncoder.encode(field.name(), StandardCharsets.UTF_8)
                          + "="
                          + URLEncoder.encode(field.value(), StandardCharsets.UTF_8))
              .collect(Collectors.joining("&"));
      assertThat(again).isEqualTo(body);
      assertThat(fields)
          .allMatch(field -> !field.name().isEmpty() && field.value().indexOf('\0') < 0);
      String page =
          new String(Pages.askToSend(USER, "/save", fields).body(), StandardCharsets.UTF_8);
      assertThat(page.split("<input ", -1)).hasSize(fields.size() + 1);
      assertThat(TAG.matcher(page).replaceAll("")).doesNotContain("<");
    }
  }

  /** What the sign-in page's address says comes out of the address that is made of it. */
  @FuzzTest
  void wish_isTheSame_onAllItsWays(byte[] input) {
    Wish wish;
    try {
      wish = Wish.of(Parameters.of(new String(input, StandardCharsets.ISO_8859_1)));
    } catch (GatewayException e) {
      return;
    }
    String path = wish.path();
    assertThat(path).startsWith(SignIn.PATH + "?return=%2F").matches("[\\x21-\\x7e]*");
    assertThat(path).doesNotContain("\"", "<", ">", "'", "\\");
    assertThat(Wish.of(Parameters.of(path.substring(path.indexOf('?') + 1)))).isEqualTo(wish);
    assertThat(Wish.fromClaims(SEAL.open(SEAL.seal(wish.toClaims(), LIFETIME)))).isEqualTo(wish);
  }

  /**
   * A page of the gateway, asked for by anybody: lines of path and query, method, cookie and what
   * browsers say. The provider is not there, so nobody can be signed in.
   */
  @FuzzTest
  void pageOfTheGateway_leadsNowhereElse_andShowsNothingOfTheRequest(byte[] input) {
    // The gateway looks for its providers, which nothing in a request can change.
    var unused = BugDetectors.allowNetworkConnections((host, port) -> port <= 2);
    String[] lines = new String(input, StandardCharsets.ISO_8859_1).split("\n", -1);
    TestExchange exchange =
        new TestExchange(
            "app.test",
            line(lines, 1),
            "/.apprxy/" + line(lines, 0),
            Map.of("Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Origin", line(lines, 4)),
            Map.of(
                "__Host-apprxy-session", line(lines, 2),
                "__Host-apprxy-login", line(lines, 2),
                "__Host-apprxy-provider", line(lines, 3)),
            TestBrowser.WIKI);
    Verdict verdict;
    try {
      verdict = GATEWAY.authenticate(exchange);
    } catch (GatewayException e) {
      assertThat(e.code()).isIn(ErrorCode.SIGN_IN_FAILED, ErrorCode.NO_SUCH_PAGE);
      assertThat(e.getMessage()).matches("[\\x20-\\x7e]*").hasSizeLessThan(600);
      return;
    }
    assertThat(exchange.identity()).isNull();
    assertThat(verdict).isNotInstanceOf(Verdict.Proceed.class);
    if (verdict instanceof Verdict.Answer answer) {
      for (Response.Header header : answer.response().headers()) {
        if (header.name().equals("Location")) {
          assertThat(header.value()).startsWith("https://app.test/");
          assertThat(header.value().replace(SignOut.DONE, "")).doesNotContain("/.apprxy/");
        }
      }
      String page = new String(answer.response().body(), StandardCharsets.UTF_8);
      if (page.startsWith("<!doctype html>")) {
        // Nothing of the request is markup: there are our tags, with plain attributes, and text.
        assertThat(TAG.matcher(page).replaceAll("")).doesNotContain("<", ">", "\"");
      }
    }
  }

  private static String line(String[] lines, int number) {
    return number < lines.length ? lines[number] : "";
  }
}
