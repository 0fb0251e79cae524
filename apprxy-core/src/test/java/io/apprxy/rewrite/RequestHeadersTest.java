package io.apprxy.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.util.HeaderMap;
import io.undertow.util.HttpString;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RequestHeadersTest {
  /** Of {@code Name: value} lines. */
  static HeaderMap headers(String... lines) {
    HeaderMap headers = new HeaderMap();
    for (String line : lines) {
      int colon = line.indexOf(':');
      headers.add(new HttpString(line.substring(0, colon)), line.substring(colon + 1).strip());
    }
    return headers;
  }

  private static HeaderMap cleaned(String... lines) {
    HeaderMap headers = headers(lines);
    RequestHeaders.clean(headers, IdentityHeaders.named("X-User", "X_Mail", "Authorization"));
    return headers;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-User",
        "x-user",
        "X_User",
        "x_USER",
        "X.User",
        "x-mail",
        "X-Mail",
        "X_MAIL",
        "authorization",
        "apprxy-assertion",
        "Apprxy_Assertion",
        "X-Apprxy-User",
        "x_apprxy_user",
        "apprxy-upgrade",
        "Forwarded",
        "FORWARDED",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "x-forwarded-host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-User",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "x_real_ip",
        "True-Client-IP",
        "CF-Connecting-IP",
        "Client-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Proxy",
        "Remote-User",
        "X-Remote-User",
        "Client-Cert",
        "Client-Cert-Chain",
        "client_cert",
        "X-Client-Cert",
        "X-SSL-Client-Cert",
        "SSL_CLIENT_CERT",
        "X-ARR-ClientCert",
        "X_HTTP_Method_Override",
        "X-HTTP.Method-Override",
        "x_method"
      })
  void clientSuppliedTrustedHeader_isStripped(String name) {
    assertThat(cleaned(name + ": admin", name + ": second", "Accept: text/html"))
        .extracting(header -> header.getHeaderName().toString())
        .containsExactly("Accept");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Accept",
        "Host",
        "Content-Length",
        "X-Users",
        "X-Use",
        "X-Mailer",
        "Origin",
        "Range",
        "If-None-Match",
        "X-Custom_1",
        "X-HTTP-Method-Override",
        "x-method"
      })
  void ordinaryHeader_stays(String name) {
    assertThat(cleaned(name + ": a", name + ": b").get(name)).containsExactly("a", "b");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings"
      })
  void hopByHopHeader_isRemoved(String name) {
    assertThat(cleaned(name + ": x").size()).isZero();
  }

  @Test
  void headerNamedByConnection_isRemoved() {
    HeaderMap headers =
        cleaned(
            "Connection: close, X-Hop ,, x-HOP2",
            "Connection: X-Hop3",
            "X-Hop: 1",
            "X-Hop2: 2",
            "X-Hop3: 3",
            "X: 4");

    assertThat(headers)
        .extracting(header -> header.getHeaderName().toString())
        .containsExactly("X");
  }

  @Test
  void connection_cannotRemoveFramingOrTarget() {
    HeaderMap headers =
        cleaned(
            "Connection: Host, Content-Length, Cache-Control",
            "Host: a",
            "Content-Length: 1",
            "Cache-Control: b");

    assertThat(headers.size()).isEqualTo(3);
  }

  @Test
  void connection_cannotRemoveWhatIsSetAfterwards() {
    HeaderMap headers =
        cleaned("Connection: X-User, X-Forwarded-For, X-Request-Id, apprxy-assertion, Forwarded");
    headers.put(new HttpString("X-User"), "alice");
    ForwardedHeaders.set(headers, new ForwardedHeaders.Client("192.0.2.1", "https"), "h.test");
    headers.put(new HttpString("X-Request-Id"), "1");

    RequestHeaders.toOrigin(headers);

    assertThat(headers.getFirst("X-User")).isEqualTo("alice");
    assertThat(headers.getFirst("X-Forwarded-For")).isEqualTo("192.0.2.1");
    assertThat(headers.getFirst("Forwarded")).isEqualTo("for=192.0.2.1;host=h.test;proto=https");
    assertThat(headers.getFirst("X-Request-Id")).isEqualTo("1");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "trailers",
        "Trailers",
        "gzip, trailers",
        "trailers;q=0.5",
        "deflate;q=0.5, trailers"
      })
  void te_keepsTrailersAlone(String te) {
    assertThat(cleaned("TE: " + te, "Connection: TE").get("TE")).containsExactly("trailers");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gzip", "xtrailers", "trailers-x", ""})
  void te_otherThanTrailers_isRemoved(String te) {
    assertThat(cleaned("TE: " + te).contains("TE")).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "none",
      value = {
        "__Host-apprxy-session=x | none",
        "__Host-apprxy-session=x; a=b | a=b",
        "a=b; __Host-apprxy-session=x | a=b",
        "a=b;__Host-apprxy-session=x;c=d | a=b; c=d",
        "a=b; __host-APPRXY-Session=x; c=d | a=b; c=d",
        "a=b; \t __Host-apprxy-login-1=x;; c=d | a=b; c=d",
        "a=b; =__Host-apprxy-session=x | a=b",
        "a=b; __Host-apprxy-session | a=b",
        "a=\"x y\"; b=c=d; __Host-apprxy-s=1; e=%20  ; f | a=\"x y\"; b=c=d; e=%20  ; f",
        "__Host-apprxy-a=1; __Host-apprxy-b=2 | none"
      })
  void gatewayCookie_neverTravels_andOthersStay(String sent, String kept) {
    assertThat(cleaned("Cookie: " + sent).getFirst("Cookie")).isEqualTo(kept);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a=b",
        "a=b;c=d",
        "a=b;  c=d ;;",
        "a=__Host-apprxy-session",
        "x__Host-apprxy-session=1",
        "__Host-other=1",
        "__Host-apprxy=1",
        "a=\"b\\\"c\"; d={\"e\":1}",
        "gr\u00fc\u00df=1"
      })
  void otherCookies_keepEveryByte(String sent) {
    assertThat(cleaned("Cookie: " + sent).get("Cookie")).containsExactly(sent);
  }

  @Test
  void cookieLines_becomeOne() {
    assertThat(
            cleaned("Cookie: a=b", "Cookie: __Host-apprxy-session=x; c=d", "cookie: e=f")
                .get("Cookie"))
        .containsExactly("a=b; c=d; e=f");
  }

  @Test
  void lastHop_removesInternalHeadersAndCookies_butNotWhatTheGatewaySet() {
    HeaderMap headers =
        headers(
            "apprxy-assertion: jwt",
            "Apprxy_Request_Id: 1",
            "X-Request-Id: 1",
            "X-Forwarded-For: 192.0.2.1",
            "X-User: alice",
            "Cookie: __Host-apprxy-session=x; a=b");

    RequestHeaders.toOrigin(headers);

    assertThat(headers)
        .extracting(header -> header.getHeaderName() + ": " + header.getFirst())
        .containsExactlyInAnyOrder(
            "X-Request-Id: 1", "X-Forwarded-For: 192.0.2.1", "X-User: alice", "Cookie: a=b");
  }

  @Test
  void applicationsOwnServer_seesNothingThatOnlyTheGatewayMaySay() {
    HeaderMap headers =
        headers(
            "Connection: Upgrade",
            "Upgrade: websocket",
            "apprxy-assertion: jwt",
            "x_user: mallory",
            "Forwarded: for=6.6.6.6",
            "X_Forwarded_For: 6.6.6.6",
            "X-Real-IP: 6.6.6.6",
            "ssl-client-verify: SUCCESS",
            "Accept: a");

    RequestHeaders.toApplication(headers, IdentityHeaders.named("X-User"));

    assertThat(headers)
        .extracting(header -> header.getHeaderName().toString())
        .containsExactlyInAnyOrder("Connection", "Upgrade", "Accept");
  }

  @Test
  void name_isRemovedInEverySpelling() {
    HeaderMap headers = headers("X-User: a", "x_user: b", "X_USER: c", "X-Users: d");

    RequestHeaders.remove(headers, "x-User");

    assertThat(headers)
        .extracting(header -> header.getHeaderName().toString())
        .containsExactly("X-Users");
  }

  private static final List<String> HANDSHAKE =
      List.of(
          "Connection: keep-alive, Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");

  private static HeaderMap handshakeWith(String... more) {
    return headers(
        java.util.stream.Stream.concat(HANDSHAKE.stream(), java.util.stream.Stream.of(more))
            .toArray(String[]::new));
  }

  @Test
  void webSocketHandshake_isKnown() {
    assertThat(upgrade("GET", handshakeWith())).isEqualTo("websocket");
    assertThat(upgrade("GET", handshakeWith("Content-Length: 0"))).isEqualTo("websocket");
  }

  @Test
  void webSocketHandshake_thatIsNotWhole_isNone() {
    assertThat(upgrade("POST", handshakeWith())).isNull();
    assertThat(upgrade("GET", handshakeWith("Content-Length: 5"))).isNull();
    assertThat(upgrade("GET", handshakeWith("Transfer-Encoding: chunked"))).isNull();
    assertThat(upgrade("GET", handshakeWith("Upgrade: h2c"))).isNull();
    assertThat(upgrade("GET", handshakeWith("Sec-WebSocket-Key: second"))).isNull();
    assertThat(upgrade("GET", headers("Connection: Upgrade", "Upgrade: websocket"))).isNull();
    assertThat(upgrade("GET", headers("Upgrade: websocket", "Sec-WebSocket-Key: x"))).isNull();
  }

  @Test
  void upgradeToOneProtocol_isKnown_whateverTheMethod() {
    assertThat(upgrade("POST", headers("Connection: Upgrade", "Upgrade: SPDY/3.1")))
        .isEqualTo("SPDY/3.1");
  }

  @Test
  void upgradeToOneOfSeveralProtocols_orWithABody_isNone() {
    assertThat(upgrade("GET", headers("Connection: Upgrade", "Upgrade: tcp, h2c"))).isNull();
    assertThat(upgrade("POST", headers("Connection: Upgrade", "Upgrade: tcp", "Content-Length: 5")))
        .isNull();
    assertThat(
            upgrade(
                "POST",
                headers("Connection: Upgrade", "Upgrade: tcp", "Transfer-Encoding: chunked")))
        .isNull();
    assertThat(upgrade("GET", headers("Upgrade: tcp"))).isNull();
  }

  private static String upgrade(String method, HeaderMap headers) {
    return RequestHeaders.upgrade(method, headers);
  }
}
