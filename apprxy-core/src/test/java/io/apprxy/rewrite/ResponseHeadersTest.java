package io.apprxy.rewrite;

import static io.apprxy.rewrite.RequestHeadersTest.headers;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.undertow.util.HeaderMap;
import io.undertow.util.HttpString;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ResponseHeadersTest {
  private static Application.Builder application(String external, String internal) {
    return Application.builder("app").externalUrl(external).internalUrl(internal).assignEveryone();
  }

  private static final UrlMapping SAME_PATH =
      UrlMapping.of(
          application("https://wiki.example.com/", "http://wiki.corp.test:8080/").build());

  private static final UrlMapping OTHER_PATH =
      UrlMapping.of(application("https://example.com/wiki/", "http://wiki.corp.test/app/").build());

  private static final UrlMapping TO_ROOT =
      UrlMapping.of(application("https://example.com/wiki/", "https://wiki.corp.test/").build());

  private static final UrlMapping FROM_ROOT =
      UrlMapping.of(application("https://wiki.example.com/", "http://corp.test/app/").build());

  private static final UrlMapping HOST_KEPT =
      UrlMapping.of(
          application("https://wiki.example.com/", "http://wiki.corp.test:8080/")
              .translateHostHeader(false)
              .build());

  // ---- requests

  @Test
  void externalPath_becomesInternal() {
    assertThat(SAME_PATH.toInternalPath("/a/b")).isEqualTo("/a/b");
    assertThat(OTHER_PATH.toInternalPath("/wiki/")).isEqualTo("/app/");
    assertThat(OTHER_PATH.toInternalPath("/wiki/wiki/x%20y")).isEqualTo("/app/wiki/x%20y");
    assertThat(TO_ROOT.toInternalPath("/wiki/x")).isEqualTo("/x");
    assertThat(FROM_ROOT.toInternalPath("/x")).isEqualTo("/app/x");
  }

  @ParameterizedTest
  @ValueSource(strings = {"/", "/wiki", "/wikis/x", "/WIKI/x", "", "/app/x"})
  void pathOfNobody_isRefused(String path) {
    assertThatThrownBy(() -> OTHER_PATH.toInternalPath(path))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("/wiki/");
  }

  @Test
  void host_isTheOriginsOwn_unlessTheApplicationKeepsIt() {
    assertThat(SAME_PATH.hostHeader()).isEqualTo("wiki.corp.test:8080");
    assertThat(OTHER_PATH.hostHeader()).isEqualTo("wiki.corp.test");
    assertThat(HOST_KEPT.hostHeader()).isEqualTo("wiki.example.com");
    assertThat(
            UrlMapping.of(application("https://A.test:443/", "http://B.Test:80/").build())
                .hostHeader())
        .isEqualTo("b.test");
  }

  // ---- URLs in responses

  private static String location(UrlMapping mapping, String value) {
    HeaderMap headers = headers("Location: " + value, "Content-Location: " + value);
    ResponseHeaders.fromOrigin(headers, mapping);
    assertThat(headers.getFirst("Content-Location")).isEqualTo(headers.getFirst("Location"));
    return headers.getFirst("Location");
  }

  @ParameterizedTest
  @CsvSource({
    "http://wiki.corp.test/app/x?y#z, https://example.com/wiki/x?y#z",
    "http://wiki.corp.test:80/app/, https://example.com/wiki/",
    "HTTP://WIKI.Corp.TEST/app/X, https://example.com/wiki/X",
    "http://wiki.corp.test/app, https://example.com/wiki",
    "http://wiki.corp.test/app?x, https://example.com/wiki?x",
    "//wiki.corp.test/app/x, https://example.com/wiki/x",
    "/app/x, https://example.com/wiki/x",
    "/app/?a=/app/, https://example.com/wiki/?a=/app/",
    "/app, https://example.com/wiki"
  })
  void urlOfTheOrigin_becomesExternal(String internal, String external) {
    assertThat(location(OTHER_PATH, internal)).isEqualTo(external);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://wiki.corp.test:8080/app/x",
        "https://wiki.corp.test/app/x",
        "http://wiki.corp.test.evil.test/app/",
        "http://evil.test/app/",
        "http://user@wiki.corp.test/app/",
        "http://wiki.corp.test@evil.test/app/",
        "http://wiki.corp.test/other",
        "http://wiki.corp.test/apps",
        "http://wiki.corp.test",
        "/other",
        "/apps",
        "/APP/x",
        "x",
        "../x",
        "?x",
        "#x",
        "",
        "mailto:a@b",
        "javascript:alert(1)",
        "/.apprxy/sign-out",
        "https://login.example.com/app/?r=http://wiki.corp.test/app/",
        "ws://wiki.corp.test/app/",
        "//evil.test/app/"
      })
  void urlOfOthers_staysAsItIs(String url) {
    assertThat(location(OTHER_PATH, url)).isEqualTo(url);
  }

  @ParameterizedTest
  @CsvSource({
    "http://wiki.corp.test:8080/x, https://wiki.example.com/x",
    "http://wiki.corp.test:8080, https://wiki.example.com/",
    "http://wiki.corp.test:8080?x, https://wiki.example.com/?x",
    "/x, /x",
    "//wiki.corp.test:8080/x, https://wiki.example.com/x",
    "http://wiki.corp.test/x, http://wiki.corp.test/x",
    "http://wiki.corp.test:80/x, http://wiki.corp.test:80/x"
  })
  void samePath_mapsOriginOnly(String internal, String external) {
    assertThat(location(SAME_PATH, internal)).isEqualTo(external);
  }

  @ParameterizedTest
  @CsvSource({
    "https://wiki.corp.test:443/x, https://example.com/wiki/x",
    "/x, https://example.com/wiki/x",
    "/, https://example.com/wiki/",
    "/.apprxy/user, /.apprxy/user"
  })
  void rootOfTheOrigin_mapsUnderThePublishedPath(String internal, String external) {
    assertThat(location(TO_ROOT, internal)).isEqualTo(external);
  }

  /** Cut to a path, each of these would name another host. */
  @ParameterizedTest
  @ValueSource(strings = {"/evil.test/", "\\evil.test/", "/\\evil.test", "\t/evil.test"})
  void mappedPath_neverBecomesAnotherHost(String rest) {
    assertThat(location(FROM_ROOT, "/app/" + rest)).isEqualTo("https://wiki.example.com/" + rest);
    assertThat(location(FROM_ROOT, "http://corp.test/app/" + rest))
        .isEqualTo("https://wiki.example.com/" + rest);
  }

  @Test
  void originThatSeesTheExternalHost_mayUseItsOwnScheme() {
    assertThat(location(HOST_KEPT, "http://wiki.example.com/x"))
        .isEqualTo("https://wiki.example.com/x");
    assertThat(location(HOST_KEPT, "https://wiki.example.com/x"))
        .isEqualTo("https://wiki.example.com/x");
    assertThat(location(HOST_KEPT, "http://wiki.corp.test:8080/x"))
        .isEqualTo("https://wiki.example.com/x");
    assertThat(location(SAME_PATH, "http://wiki.example.com/x"))
        .isEqualTo("http://wiki.example.com/x");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "5 | 5",
        "5; url=http://wiki.corp.test/app/x | 5; url=https://example.com/wiki/x",
        "0;URL='/app/x' | 0;URL='https://example.com/wiki/x'",
        "0, \"http://wiki.corp.test/app/x\" | 0, \"https://example.com/wiki/x\"",
        "5; url=http://other.test/app/x | 5; url=http://other.test/app/x",
        "garbage | garbage"
      })
  void refresh_isMapped(String internal, String external) {
    HeaderMap headers = headers("Refresh: " + internal);
    ResponseHeaders.fromOrigin(headers, OTHER_PATH);
    assertThat(headers.getFirst("Refresh")).isEqualTo(external);
  }

  // ---- cookies

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "a=b | a=b",
        "a=b; Path=/app/ | a=b; Path=/wiki/",
        "a=b; Path=/app | a=b; Path=/wiki",
        "a=b;path=/app/x/;HttpOnly | a=b; Path=/wiki/x/;HttpOnly",
        "a=b; Path=/ | a=b; Path=/wiki/",
        "a=b; Path=/other/ | a=b; Path=/wiki/",
        "a=b; Path=/apps | a=b; Path=/wiki/",
        "a=b; PATH = /app/ ; Secure | a=b; Path=/wiki/; Secure",
        "a=b; Path= | a=b; Path=",
        "a=b; Path=relative | a=b; Path=relative",
        "a=\"/app/\"; Expires=Wed, 21 Oct 2026 07:28:00 GMT; SameSite=Lax | a=\"/app/\"; Expires=Wed, 21 Oct 2026 07:28:00 GMT; SameSite=Lax",
        "a=b; Domain=wiki.corp.test; Secure | a=b; Secure",
        "a=b; domain=.CORP.test | a=b",
        "a=b; Domain=test; Path=/app/ | a=b; Path=/wiki/",
        "a=b; Domain=example.com | a=b; Domain=example.com",
        "a=b; Domain=evil.test | a=b; Domain=evil.test",
        "a=b; Domain=xcorp.test | a=b; Domain=xcorp.test",
        "a=b; Domain=wiki.corp.test; Domain=corp.test | a=b",
        "__Host-own=1; Path=/; Secure | __Host-own=1; Path=/; Secure",
        "__Secure-own=1; Path=/app/; Secure | __Secure-own=1; Path=/wiki/; Secure"
      })
  void cookie_becomesExternal(String internal, String external) {
    HeaderMap headers = headers("Set-Cookie: " + internal, "Set-Cookie: other=1; Path=/app/");
    ResponseHeaders.fromOrigin(headers, OTHER_PATH);
    assertThat(headers.get("Set-Cookie")).containsExactly(external, "other=1; Path=/wiki/");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "__Host-apprxy-session=evil; Path=/; Secure",
        "__host-APPRXY-session=evil",
        " \t__Host-apprxy-x=1",
        "=__Host-apprxy-session=evil",
        "= __Host-apprxy-session=evil",
        "__Host-apprxy-session"
      })
  void originCannotSetCookiesOfTheGateway(String cookie) {
    HeaderMap headers = new HeaderMap();
    headers.add(io.undertow.util.Headers.SET_COOKIE, cookie);
    headers.add(io.undertow.util.Headers.SET_COOKIE, "a=b");
    HeaderMap fromConnector = new HeaderMap();
    fromConnector.add(io.undertow.util.Headers.SET_COOKIE, cookie);

    ResponseHeaders.fromOrigin(headers, SAME_PATH);
    ResponseHeaders.clean(fromConnector);

    assertThat(headers.get("Set-Cookie")).containsExactly("a=b");
    assertThat(fromConnector.contains("Set-Cookie")).isFalse();
  }

  // ---- the rest

  @Test
  void internalAndHopByHopHeaders_areRemoved() {
    HeaderMap headers =
        headers(
            "apprxy-error: APX-301",
            "Apprxy_Upgrade: websocket",
            "X-Apprxy-User: x",
            "Connection: X-Hop, close",
            "X-Hop: 1",
            "Keep-Alive: 5",
            "Transfer-Encoding: chunked",
            "Upgrade: h2c",
            "Proxy-Authenticate: Basic",
            "TE: trailers",
            "Server: x",
            "ETag: \"1\"");

    ResponseHeaders.clean(headers);

    assertThat(headers)
        .extracting(header -> header.getHeaderName().toString())
        .containsExactlyInAnyOrder("Server", "ETag");
  }

  // ---- what is no header

  /** What a peer of HTTP/2 sends as a name may have any bytes in it. */
  @ParameterizedTest
  @ValueSource(
      strings = {"set-cookie ", " set-cookie", "set-cookie\t", "a:b", "a b", "a\0", "\u00e4"})
  void headerWhoseNameIsNone_doesNotTravel_inAnyDirection(String name) {
    HeaderMap headers = new HeaderMap();
    headers.put(new HttpString(name), "x").put(new HttpString("x-other_1"), "y");

    HeaderMap response = copy(headers);
    ResponseHeaders.clean(response);
    HeaderMap trailers = copy(headers);
    Trailers.clean(trailers, IdentityHeaders.none());
    HeaderMap request = copy(headers);
    RequestHeaders.toOrigin(request);

    assertThat(List.of(response, trailers, request))
        .allSatisfy(
            left -> assertThat(left.getHeaderNames()).containsExactly(new HttpString("x-other_1")));
  }

  private static HeaderMap copy(HeaderMap headers) {
    HeaderMap copy = new HeaderMap();
    headers.forEach(header -> copy.putAll(header.getHeaderName(), header));
    return copy;
  }
}
