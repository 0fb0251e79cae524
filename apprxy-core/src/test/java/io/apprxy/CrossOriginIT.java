package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The CORS protocol of the Fetch standard, as a browser sees it at the edge. */
@Timeout(60)
class CrossOriginIT {
  private static final String PAGE = "https://app.example.com";
  private static ProtectedGateway gateway;

  @BeforeAll
  static void start() {
    gateway =
        new ProtectedGateway(
            application ->
                application
                    .cors(
                        CorsConfiguration.forOrigins(PAGE, "http://localhost:3000")
                            .resource("/api")
                            .methods("PUT", "DELETE")
                            .headers("Content-Type", "Authorization", "X-App-*")
                            .exposeHeaders("X-Total")
                            .credentials()
                            .build())
                    .cors(CorsConfiguration.forOrigins("*").resource("/public").build()));
    gateway.answers =
        exchange -> {
          exchange.getResponseHeaders().put(Headers.VARY, "Accept-Encoding");
          for (String name :
              List.of(
                  "Access-Control-Allow-Origin", "access_control_allow_origin",
                  "Access-Control-Allow-Credentials", "Access-Control-Allow-Private-Network")) {
            exchange.getResponseHeaders().put(new HttpString(name), "of-the-origin");
          }
        };
  }

  @AfterAll
  static void stop() {
    gateway.close();
  }

  @BeforeEach
  void forget() {
    gateway.originRequests.set(0);
  }

  private static String preflight(String path, String origin, String method, String headers)
      throws IOException {
    return gateway.send(
        "OPTIONS",
        path,
        "Origin: " + origin + "\nAccess-Control-Request-Method: " + method + "\n" + headers);
  }

  /** The values of a header, in order. */
  private static List<String> values(String response, String name) {
    return Arrays.stream(response.split("\r\n\r\n", 2)[0].split("\r\n"))
        .filter(line -> line.regionMatches(true, 0, name + ": ", 0, name.length() + 2))
        .map(line -> line.substring(name.length() + 2))
        .toList();
  }

  private static void assertTellsNothing(String response) {
    assertThat(response.split("\r\n\r\n", 2)[0]).doesNotContainIgnoringCase("access-control-");
  }

  // ---- preflights

  @Test
  void preflight_isAnswered_withoutSignIn_andWithoutTheOrigin() throws Exception {
    String response =
        preflight(
            "/api/x",
            PAGE,
            "PUT",
            "Access-Control-Request-Headers: authorization,content-type, x-app-page,x-other\n");

    assertThat(response).startsWith("HTTP/1.1 204");
    assertThat(values(response, "Access-Control-Allow-Origin")).containsExactly(PAGE);
    assertThat(values(response, "Access-Control-Allow-Credentials")).containsExactly("true");
    assertThat(values(response, "Access-Control-Allow-Methods")).containsExactly("PUT, DELETE");
    assertThat(values(response, "Access-Control-Allow-Headers"))
        .containsExactly("authorization, content-type, x-app-page");
    assertThat(values(response, "Access-Control-Max-Age")).containsExactly("600");
    assertThat(values(response, "Vary")).contains("Origin");
    assertThat(gateway.originRequests).hasValue(0);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "null",
        "https://evil.test",
        "https://app.example.com.evil.test",
        "https://APP.example.com",
        "http://app.example.com",
        "https://app.example.com/",
        "https://app.example.com:443",
        "*",
        ""
      })
  void preflightOfAnotherOrigin_isTold_nothing(String origin) throws Exception {
    String response = preflight("/api/x", origin, "PUT", "");

    assertTellsNothing(response);
    assertThat(values(response, "Vary")).contains("Origin");
    assertThat(gateway.originRequests).hasValue(0);
  }

  @Test
  void preflightWithTwoOrigins_isTold_nothing() throws Exception {
    assertTellsNothing(preflight("/api/x", PAGE, "PUT", "Origin: https://evil.test\n"));
    assertTellsNothing(preflight("/api/x", "https://evil.test", "PUT", "Origin: " + PAGE + "\n"));
  }

  @Test
  void headersThatAreAskedFor_areNotReflected_unlessTheyAreAllowed() throws Exception {
    String response =
        preflight(
            "/api/x",
            PAGE,
            "PUT",
            "Access-Control-Request-Headers: x-evil, x-app-a b, *, x-app-\u00e9, ,cookie\n");
    assertThat(values(response, "Access-Control-Allow-Headers")).isEmpty();
  }

  @Test
  void preflightOfSomebodyWhoIsSignedIn_isAnsweredTheSame() throws Exception {
    assertThat(preflight("/api/x", PAGE, "DELETE", ProtectedGateway.SIGNED_IN))
        .startsWith("HTTP/1.1 204");
    assertThat(gateway.originRequests).hasValue(0);
  }

  @Test
  void anyOrigin_isAllowed_whereThatIsSaid_withoutCredentials() throws Exception {
    String response = preflight("/public/x", "https://any.test", "GET", "");

    assertThat(values(response, "Access-Control-Allow-Origin")).containsExactly("*");
    assertThat(values(response, "Access-Control-Allow-Credentials")).isEmpty();
  }

  // ---- other requests

  @Test
  void answer_canBeRead_byItsPage_andTheOriginsOwnHeadersAreReplaced() throws Exception {
    String response =
        gateway.send("GET", "/api/x", ProtectedGateway.SIGNED_IN + "Origin: " + PAGE + "\n");

    assertThat(response).startsWith("HTTP/1.1 200").contains("x-user: alice");
    assertThat(values(response, "Access-Control-Allow-Origin")).containsExactly(PAGE);
    assertThat(values(response, "Access-Control-Allow-Credentials")).containsExactly("true");
    assertThat(values(response, "Access-Control-Expose-Headers"))
        .containsExactly("WWW-Authenticate, X-Request-Id, X-Total");
    assertThat(values(response, "Vary")).contains("Origin", "Accept-Encoding");
    assertThat(response).doesNotContain("of-the-origin");
  }

  @Test
  void refusalOfTheGateway_canBeRead_byThePage() throws Exception {
    String response = gateway.send("PUT", "/api/x", "Origin: " + PAGE + "\nContent-Length: 0\n");

    assertThat(response).startsWith("HTTP/1.1 401").contains("APX-201");
    assertThat(values(response, "Access-Control-Allow-Origin")).containsExactly(PAGE);
    assertThat(values(response, "Vary")).contains("Origin");
    assertThat(gateway.originRequests).hasValue(0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"null", "https://evil.test", "https://app.example.com.evil.test", "*"})
  void answer_cannotBeRead_byAnotherOriginsPage_whateverTheOriginSays(String origin)
      throws Exception {
    String response =
        gateway.send("GET", "/api/x", ProtectedGateway.SIGNED_IN + "Origin: " + origin + "\n");

    assertThat(response).startsWith("HTTP/1.1 200");
    assertTellsNothing(response);
    assertThat(values(response, "Vary")).contains("Origin");
  }

  /** Or else a cache would give what it has of one to the other. */
  @Test
  void answerToARequestWithoutAnOrigin_variesToo() throws Exception {
    String response = gateway.send("GET", "/api/x", ProtectedGateway.SIGNED_IN);

    assertTellsNothing(response);
    assertThat(values(response, "Vary")).contains("Origin");
  }

  // ---- where there are no rules

  @Test
  void preflightWithoutRules_isARequestAsAnyOther() throws Exception {
    assertThat(preflight("/other", PAGE, "PUT", "")).startsWith("HTTP/1.1 401");
    assertThat(gateway.originRequests).hasValue(0);
    assertThat(preflight("/other", PAGE, "PUT", ProtectedGateway.SIGNED_IN))
        .startsWith("HTTP/1.1 200")
        .containsIgnoringCase("Access-Control-Allow-Origin: of-the-origin");
    assertThat(gateway.originRequests).hasValue(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "Origin: https://app.example.com\n", "Access-Control-Request-Method: PUT\n"})
  void optionsThatIsNoPreflight_needsSignIn(String headers) throws Exception {
    assertThat(gateway.send("OPTIONS", "/api/x", headers)).startsWith("HTTP/1.1 401");
    assertThat(gateway.send("options", "/api/x", headers)).startsWith("HTTP/1.1 401");
    assertThat(gateway.originRequests).hasValue(0);
  }

  @Test
  void requestThatLooksLikeAPreflight_withAnotherMethod_needsSignIn() throws Exception {
    assertThat(
            gateway.send(
                "GET", "/api/x", "Origin: " + PAGE + "\nAccess-Control-Request-Method: PUT\n"))
        .startsWith("HTTP/1.1 401");
    assertThat(
            gateway.send(
                "POST",
                "/api/x",
                "X-HTTP-Method-Override: OPTIONS\nOrigin: "
                    + PAGE
                    + "\nAccess-Control-Request-Method: PUT\nContent-Length: 0\n"))
        .startsWith("HTTP/1.1 401");
    assertThat(gateway.originRequests).hasValue(0);
  }

  @Test
  void reservedPath_isForNoOtherOrigin() throws Exception {
    assertTellsNothing(gateway.send("GET", "/.apprxy/user", "Origin: https://any.test\n"));
  }
}
