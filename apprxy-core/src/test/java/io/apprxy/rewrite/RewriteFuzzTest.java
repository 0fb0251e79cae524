package io.apprxy.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.HeaderNames;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.HttpString;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;

/** What holds for any header that a client, a proxy or an origin can send. */
class RewriteFuzzTest {
  private static final String SESSION = "__Host-apprxy-session";
  private static final IdentityHeaders IDENTITY = IdentityHeaders.named("X-User", "x_groups");
  private static final UrlMapping MAPPING =
      UrlMapping.of(
          Application.builder("app")
              .externalUrl("https://app.example.com/wiki/")
              .internalUrl("http://wiki.corp.test:8080/w/")
              .assignEveryone()
              .build());

  // ---- who the client is

  @FuzzTest
  void client_thatATrustedProxyTells(byte[] input) throws Exception {
    ForwardedHeaders trusting = ForwardedHeaders.trusting(List.of("10.0.0.0/8", "2001:db8::/32"));
    ForwardedHeaders.Client client;
    try {
      client = trusting.client(InetAddress.getByName("10.0.0.1"), "https", headers(input));
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.AMBIGUOUS_MESSAGE);
      return;
    }
    assertThat(client.scheme()).isIn("http", "https");
    InetAddress address = IpNetwork.address(client.address());
    assertThat(address).isNotNull();
    assertThat(IpNetwork.text(address)).as("a fixpoint").isEqualTo(client.address());

    HeaderMap toOrigin = new HeaderMap();
    ForwardedHeaders.set(toOrigin, client, "app.test");
    assertThat(trusting.client(InetAddress.getByName("10.0.0.1"), "https", toOrigin))
        .as("what is told is understood")
        .isEqualTo(client);
  }

  @FuzzTest
  void client_thatNobodyTrusts_isThePeer(byte[] input) throws Exception {
    ForwardedHeaders trusting = ForwardedHeaders.trusting(List.of("10.0.0.0/8"));
    assertThat(trusting.client(InetAddress.getByName("192.0.2.7"), "https", headers(input)))
        .isEqualTo(new ForwardedHeaders.Client("192.0.2.7", "https"));
  }

  @FuzzTest
  void network(byte[] input) {
    IpNetwork network;
    try {
      network = IpNetwork.parse(latin1(input));
    } catch (IllegalArgumentException e) {
      return;
    }
    assertThat(network.contains(network.address())).isTrue();
    assertThat(IpNetwork.parse(IpNetwork.text(network.address()) + "/" + network.prefix()))
        .isEqualTo(network);
  }

  // ---- requests

  @FuzzTest
  void request_thatWasCleaned(byte[] input) {
    HeaderMap headers = headers(input);
    RequestHeaders.clean(headers, IDENTITY);

    assertThat(CookieLine.find(headers, SESSION)).as("no cookie of the gateway").isNull();
    for (HeaderValues header : headers) {
      String folded = header.getHeaderName().toString().toLowerCase(Locale.ROOT);
      folded = folded.replaceAll("[^a-z0-9]", "-");
      assertThat(folded)
          .doesNotStartWith("apprxy-")
          .doesNotStartWith("x-apprxy-")
          .doesNotStartWith("x-forwarded-")
          .isNotIn("x-user", "x-groups", "forwarded", "connection", "upgrade", "keep-alive")
          .isNotIn("transfer-encoding", "proxy-authorization");
    }
    String once = headers.toString();
    RequestHeaders.clean(headers, IDENTITY);
    assertThat(headers.toString()).as("a fixpoint").isEqualTo(once);
  }

  @FuzzTest
  void protocolToSwitchTo_isOne_andComesWithNoBody(byte[] input) {
    HeaderMap headers = headers(input);
    String protocol = RequestHeaders.upgrade("GET", headers);
    if (protocol != null) {
      assertThat(headers.get("Upgrade")).containsExactly(protocol);
      assertThat(protocol).doesNotContain(",");
      assertThat(headers.contains("Transfer-Encoding")).isFalse();
      assertThat(headers.getFirst("Content-Length")).isIn(null, "0");
      assertThat(headers.get("Connection").toString()).containsIgnoringCase("upgrade");
    }
  }

  /** Whatever cookies stand beside it. */
  @FuzzTest
  void cookieOfTheGateway_isFoundByIt_andTakenOffTheRequest(byte[] input) {
    String line = latin1(input).replace("\n", "");
    HeaderMap headers = new HeaderMap();
    headers.add(new HttpString("Cookie"), line + "; " + SESSION + "=secret-value");
    assertThat(CookieLine.find(headers, SESSION)).isNotNull();

    GatewayCookies.removeFromRequest(headers);
    assertThat(CookieLine.find(headers, SESSION)).isNull();
    String left = headers.getFirst("Cookie");
    if (left != null && !line.contains("secret-value")) {
      assertThat(left).doesNotContain("secret-value");
    }
  }

  @FuzzTest
  void trailers_thatWereCleaned(byte[] input) {
    HeaderMap trailers = headers(input);
    Trailers.clean(trailers, IDENTITY);
    for (HeaderValues trailer : trailers) {
      assertThat(HeaderNames.fold(trailer.getHeaderName().toString()))
          .isNotIn("x-user", "x-groups", "content-length", "transfer-encoding", "host", "cookie")
          .isNotIn("set-cookie", "authorization", "te", "connection")
          .doesNotStartWith("apprxy-");
    }
  }

  @FuzzTest
  void names_ofTheSameSpelling(byte[] input) {
    String name = latin1(input);
    String folded = HeaderNames.fold(name);
    assertThat(HeaderNames.fold(folded)).as("a fixpoint").isEqualTo(folded);
    assertThat(folded).matches("[a-z0-9-]*").hasSameSizeAs(name);
    assertThat(HeaderNames.sameSpelling(name, folded)).isTrue();
    assertThat(HeaderNames.isInternal(name)).isEqualTo(HeaderNames.isInternal(folded));
  }

  // ---- responses

  @FuzzTest
  void response_ofAnOrigin(byte[] input) {
    HeaderMap headers = headers(input);
    ResponseHeaders.fromOrigin(headers, MAPPING);
    ResponseHeaders.keepPrivate(headers);

    HeaderValues cookies = headers.get("Set-Cookie");
    if (cookies != null) {
      assertThat(cookies).noneMatch(GatewayCookies::isOurs);
      for (String cookie : cookies) {
        assertThat(cookie.toLowerCase(Locale.ROOT))
            .doesNotContainPattern("; *domain *= *wiki.corp");
      }
    }
    String cache = headers.getFirst("Cache-Control");
    assertThat(cache.toLowerCase(Locale.ROOT)).containsAnyOf("private", "no-store");
    ResponseHeaders.keepPrivate(headers);
    assertThat(headers.getFirst("Cache-Control")).as("a fixpoint").isEqualTo(cache);
  }

  /** A reference is changed only if it names the origin; what it becomes names the gateway. */
  @FuzzTest
  void reference_inAResponse(byte[] input) {
    String reference = latin1(input);
    String external = MAPPING.toExternal(reference);
    if (external.equals(reference)) {
      return;
    }
    assertThat(external).startsWith("https://app.example.com/");
    try {
      URI seen = new URI("http://wiki.corp.test:8080/w/page").resolve(new URI(reference));
      assertThat(seen.getHost()).isEqualToIgnoringCase("wiki.corp.test");
      assertThat(seen.getRawUserInfo()).isNull();
      URI made = new URI(external);
      assertThat(made.getHost()).isEqualTo("app.example.com");
      assertThat(made.getRawPath()).startsWith("/wiki");
      assertThat(made.getRawQuery()).isEqualTo(seen.getRawQuery());
      assertThat(made.getRawFragment()).isEqualTo(seen.getRawFragment());
    } catch (URISyntaxException e) {
      // what is no URI to java.net is judged by the test above alone
    }
  }

  // ----

  /** Lines of name and value, as far as Undertow would let them in. */
  private static HeaderMap headers(byte[] input) {
    HeaderMap headers = new HeaderMap();
    for (String line : latin1(input).split("\n")) {
      int colon = line.indexOf(':');
      if (colon > 0 && line.substring(0, colon).matches("[!#$%&'*+.^_`|~0-9A-Za-z-]+")) {
        headers.add(new HttpString(line.substring(0, colon)), line.substring(colon + 1).strip());
      }
    }
    return headers;
  }

  private static String latin1(byte[] input) {
    StringBuilder text = new StringBuilder();
    for (char c : new String(input, StandardCharsets.ISO_8859_1).toCharArray()) {
      if (c == '\t' || c == '\n' || c >= ' ') { // no header has any other
        text.append(c);
      }
    }
    return text.toString();
  }
}
