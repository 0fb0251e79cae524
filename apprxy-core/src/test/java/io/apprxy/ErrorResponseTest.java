package io.apprxy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.net.ConnectException;
import java.net.UnknownHostException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ErrorResponseTest {
  private static final String HOSTILE = "<script>alert('x')</script>\"&";
  private static final List<String> BROWSER =
      List.of("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8");

  private static GatewayException failure(ErrorCode code) {
    return new GatewayException(
        code, "secret detail " + HOSTILE, new IllegalStateException("secret cause"));
  }

  private static @Nullable String header(Response response, String name) {
    List<String> values =
        response.headers().stream()
            .filter(header -> header.name().equalsIgnoreCase(name))
            .map(Response.Header::value)
            .toList();
    assertThat(values).hasSizeLessThan(2);
    return values.isEmpty() ? null : values.get(0);
  }

  private static String body(Response response) {
    return new String(response.body(), UTF_8);
  }

  @ParameterizedTest
  @EnumSource(ErrorCode.class)
  void page_tellsWhatHappenedAndWhatToDo(ErrorCode code) {
    Response response = ErrorResponse.of(failure(code), "id-1", BROWSER);

    assertThat(response.status()).isEqualTo(code.status());
    assertThat(header(response, "Content-Type")).isEqualTo("text/html; charset=utf-8");
    assertThat(body(response))
        .startsWith("<!doctype html>")
        .contains(
            code.code(),
            "id-1",
            code.cause().replace("'", "&#39;"),
            code.remedy().replace("'", "&#39;"))
        .doesNotContain("secret", "%1$s", "<script", "http://", "https://", "style=\"", "onclick");
  }

  @ParameterizedTest
  @EnumSource(ErrorCode.class)
  void problem_tellsTheSameToPrograms(ErrorCode code) {
    Response response = ErrorResponse.of(failure(code), "id-1", List.of("application/json"));

    JsonNode problem = new JsonMapper().readTree(body(response));
    assertThat(response.status()).isEqualTo(code.status());
    assertThat(header(response, "Content-Type")).isEqualTo("application/problem+json");
    assertThat(problem.get("type").asString()).isEqualTo("urn:apprxy:error:" + code.code());
    assertThat(problem.get("title").asString()).isEqualTo(code.cause());
    assertThat(problem.get("status").asInt()).isEqualTo(code.status());
    assertThat(problem.get("detail").asString()).contains(code.cause(), code.remedy());
    assertThat(problem.get("code").asString()).isEqualTo(code.code());
    assertThat(problem.get("remedy").asString()).isEqualTo(code.remedy());
    assertThat(problem.get("request_id").asString()).isEqualTo("id-1");
    assertThat(body(response)).doesNotContain("secret");
  }

  @ParameterizedTest
  @EnumSource(ErrorCode.class)
  void everyError_isNotCached_andCarriesTheId(ErrorCode code) {
    for (List<String> accept : List.of(BROWSER, List.<String>of())) {
      Response response = ErrorResponse.of(failure(code), "id-1", accept);

      assertThat(header(response, "Cache-Control")).isEqualTo("no-store");
      assertThat(header(response, "Vary")).isEqualTo("Accept");
      assertThat(header(response, "X-Request-Id")).isEqualTo("id-1");
      assertThat(header(response, "X-Content-Type-Options")).isEqualTo("nosniff");
      assertThat(header(response, "Retry-After") != null).isEqualTo(code.status() == 503);
    }
  }

  @Test
  void hostileId_isEscaped() {
    assertThat(body(ErrorResponse.of(failure(ErrorCode.INTERNAL), HOSTILE, BROWSER)))
        .contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;")
        .doesNotContain("<script");
  }

  @Test
  void page_hasTheOneStyleThatItsPolicyAllows() throws Exception {
    Response response = ErrorResponse.of(failure(ErrorCode.NO_APPLICATION), "id-1", BROWSER);
    Matcher style = Pattern.compile("<style>(.*)</style>", Pattern.DOTALL).matcher(body(response));

    assertThat(style.find()).isTrue();
    String hash =
        Base64.getEncoder()
            .encodeToString(
                MessageDigest.getInstance("SHA-256").digest(style.group(1).getBytes(UTF_8)));
    assertThat(header(response, "Content-Security-Policy"))
        .contains("default-src 'none'", "style-src 'sha256-" + hash + "'", "frame-ancestors 'none'")
        .doesNotContain("unsafe");
  }

  @Test
  void userWithoutAssignment_mayUseAnotherAccount() {
    assertThat(body(ErrorResponse.of(failure(ErrorCode.NOT_ASSIGNED), "id-1", BROWSER)))
        .contains("href=\"/.apprxy/sign-out\"");
    assertThat(body(ErrorResponse.of(failure(ErrorCode.ORIGIN_TIMEOUT), "id-1", BROWSER)))
        .doesNotContain("href");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "text/html",
        "TEXT/HTML",
        "text/html;q=0.1",
        "text/html; charset=utf-8",
        "application/xhtml+xml",
        "application/json;q=0.5,text/html",
        "text/html, application/json",
        "*/*, text/html;q=0.01"
      })
  void clientThatNamesHtml_getsThePage(String accept) {
    assertThat(ErrorResponse.wantsPage(List.of(accept))).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "*/*",
        "text/*",
        "application/json",
        "application/json, text/html;q=0.9",
        "application/problem+json, text/html;q=0.1",
        "text/html;q=0",
        "text/html;q=0.000",
        "text/html;q=x",
        "text/html;q=-1",
        "text/html;q=1.1",
        "text/html;q=NaN",
        "text/html;q=",
        "text/htmlx",
        "xtext/html",
        ",,;;,",
        "text/event-stream",
        "image/*;q=0.8"
      })
  void anyoneElse_getsTheProblem(String accept) {
    assertThat(ErrorResponse.wantsPage(List.of(accept))).isFalse();
  }

  @Test
  void acceptOfSeveralLines_isReadAsOne() {
    assertThat(ErrorResponse.wantsPage(List.of("image/png", "text/html"))).isTrue();
    assertThat(ErrorResponse.wantsPage(List.of("text/html;q=0.5", "application/json"))).isFalse();
    assertThat(ErrorResponse.wantsPage(List.of())).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "NO_CONNECTOR, destination_unavailable",
    "CONNECTOR_LOST, connection_terminated",
    "CONNECTOR_REFUSED, proxy_configuration_error",
    "ORIGIN_UNREACHABLE, destination_unavailable",
    "ORIGIN_TIMEOUT, http_response_timeout",
    "ORIGIN_CERTIFICATE, tls_certificate_error",
    "ORIGIN_BROKEN, http_response_incomplete",
    "ORIGIN_OVERLOADED, connection_limit_reached",
    "CIRCUIT_OPEN, destination_unavailable",
    "PINNED_ENDPOINT_GONE, destination_unavailable"
  })
  void failureBeyondTheGateway_hasAProxyStatus(ErrorCode code, String error) {
    assertThat(header(ErrorResponse.of(failure(code), "id-1", BROWSER), "Proxy-Status"))
        .isEqualTo("apprxy; error=" + error + "; details=\"" + code.code() + "\"");
  }

  @Test
  void unreachableOrigin_tellsWhy() {
    assertThat(proxyStatus(new java.io.IOException(new ConnectException("10.1.2.3:80"))))
        .contains("error=connection_refused")
        .doesNotContain("10.1");
    assertThat(proxyStatus(new UnknownHostException("wiki.corp")))
        .contains("error=dns_error")
        .doesNotContain("corp");
  }

  private static @Nullable String proxyStatus(Exception cause) {
    return header(
        ErrorResponse.of(
            new GatewayException(ErrorCode.ORIGIN_UNREACHABLE, "down", cause), "id-1", BROWSER),
        "Proxy-Status");
  }

  @Test
  void failureOfTheRequestItself_hasNoProxyStatus() {
    assertThat(
            header(
                ErrorResponse.of(failure(ErrorCode.NOT_ASSIGNED), "id-1", BROWSER), "Proxy-Status"))
        .isNull();
    assertThat(
            header(
                ErrorResponse.of(failure(ErrorCode.AMBIGUOUS_TARGET), "id-1", BROWSER),
                "Proxy-Status"))
        .isNull();
  }

  @Test
  void codes_areUniqueAndWellFormed() {
    assertThat(Arrays.stream(ErrorCode.values()).map(ErrorCode::code).collect(Collectors.toSet()))
        .hasSize(ErrorCode.values().length);
    assertThat(ErrorCode.values())
        .allSatisfy(code -> assertThat(code.code()).matches("APX-[1-9][0-9]{2}"));
    assertThat(ErrorCode.values())
        .allSatisfy(code -> assertThat(code.status()).isBetween(400, 599));
  }
}
