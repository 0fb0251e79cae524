package io.apprxy.rewrite;

import static io.apprxy.rewrite.RequestHeadersTest.headers;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.rewrite.ForwardedHeaders.Client;
import io.undertow.util.HeaderMap;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ForwardedHeadersTest {
  private static final ForwardedHeaders TRUSTING =
      ForwardedHeaders.trusting(List.of("10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"));

  private static Client client(String peer, String... lines) throws UnknownHostException {
    return TRUSTING.client(InetAddress.getByName(peer), "https", headers(lines));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"198.51.100.1", "192.0.2.6", "11.0.0.0", "9.255.255.255", "2001:db8:2::1"})
  void peerThatWasNotNamed_isTheClient_whateverItSays(String peer) throws UnknownHostException {
    Client client =
        client(
            peer,
            "X-Forwarded-For: 203.0.113.9",
            "Forwarded: for=203.0.113.9;proto=http",
            "X-Forwarded-Proto: http",
            "X-Real-IP: 1.1.1.1");

    assertThat(client).isEqualTo(new Client(peer, "https"));
  }

  @Test
  void nobodyIsTrusted_byDefault() {
    Client client =
        ForwardedHeaders.trusting(List.of())
            .client(
                InetAddress.getLoopbackAddress(), "https", headers("X-Forwarded-For: 203.0.113.9"));

    assertThat(client.address()).isEqualTo("127.0.0.1");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "203.0.113.9 | 203.0.113.9",
        "203.0.113.9:4711 | 203.0.113.9",
        "1.2.3.4, 203.0.113.9 | 203.0.113.9",
        "10.9.9.9, 203.0.113.9 | 203.0.113.9",
        "203.0.113.9, 10.1.1.1 | 203.0.113.9",
        "1.2.3.4, 203.0.113.9,10.1.1.1 ,  192.0.2.7 | 203.0.113.9",
        "unknown, 203.0.113.9 | 203.0.113.9",
        "<script>, 203.0.113.9, 10.0.0.1 | 203.0.113.9",
        "10.2.2.2, 10.1.1.1 | 10.2.2.2",
        "2001:DB8:2:0:0:0:0:1 | 2001:db8:2::1",
        "[2001:db8:2::1]:4711 | 2001:db8:2::1",
        "[2001:db8:2::1] | 2001:db8:2::1",
        "203.0.113.9, 2001:db8:1::5 | 203.0.113.9",
        "::ffff:203.0.113.9 | 203.0.113.9"
      })
  void trustedPeer_namesTheRightmostUntrusted(String forwardedFor, String address)
      throws UnknownHostException {
    assertThat(client("10.0.0.1", "X-Forwarded-For: " + forwardedFor).address()).isEqualTo(address);
  }

  @Test
  void severalLines_areReadInOrder() throws UnknownHostException {
    assertThat(
            client("10.0.0.1", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 203.0.113.9")
                .address())
        .isEqualTo("203.0.113.9");
    assertThat(client("10.0.0.1", "Forwarded: for=1.2.3.4", "Forwarded: for=203.0.113.9").address())
        .isEqualTo("203.0.113.9");
  }

  @Test
  void trustedPeerThatSaysNothing_isTheClient() throws UnknownHostException {
    assertThat(client("10.0.0.1")).isEqualTo(new Client("10.0.0.1", "https"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "for=203.0.113.9 | 203.0.113.9 | https",
        "For=203.0.113.9;Proto=HTTP;By=10.0.0.1;host=h.test | 203.0.113.9 | http",
        "for=1.2.3.4;proto=https, for=203.0.113.9;proto=http | 203.0.113.9 | http",
        "for=203.0.113.9;proto=https , for=10.1.1.1;proto=http | 203.0.113.9 | https",
        "for=\"[2001:db8:2::1]:4711\";proto=https | 2001:db8:2::1 | https",
        "for=\"203.0.113.9:80\" | 203.0.113.9 | https",
        "for=203.0.113.9:80 | 203.0.113.9 | https",
        "for=\"a,b;c\", for=203.0.113.9 | 203.0.113.9 | https",
        "for=_hidden, for=unknown, for=203.0.113.9;ext=\"x;y,z\" | 203.0.113.9 | https"
      })
  void forwarded_isReadAsRfc7239Says(String forwarded, String address, String scheme)
      throws UnknownHostException {
    assertThat(client("10.0.0.1", "Forwarded: " + forwarded))
        .isEqualTo(new Client(address, scheme));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-Forwarded-For: unknown",
        "X-Forwarded-For: 203.0.113.9, ",
        "X-Forwarded-For: 203.0.113.9, _x",
        "X-Forwarded-For: 203.0.113.256",
        "X-Forwarded-For: 203.0.113",
        "X-Forwarded-For: 3405803785",
        "X-Forwarded-For: 0xcb.0.113.9",
        "X-Forwarded-For: 203.0.113.09",
        "X-Forwarded-For: localhost",
        "X-Forwarded-For: evil.test",
        "X-Forwarded-For: [::1",
        "X-Forwarded-For: ::1%lo",
        "X-Forwarded-For: 1.2.3.4:",
        "X-Forwarded-For: 1.2.3.4:99999999",
        "X-Forwarded-For: ",
        "X-Forwarded-Proto: wss",
        "X-Forwarded-Proto: https, http",
        "X-Forwarded-Proto: ",
        "Forwarded: for=unknown",
        "Forwarded: for=\"203.0.113.9",
        "Forwarded: for=203.0.113.9\"",
        "Forwarded: for",
        "Forwarded: for=",
        "Forwarded: =203.0.113.9",
        "Forwarded: for = 203.0.113.9",
        "Forwarded: for=203.0.113.9,",
        "Forwarded: for=203.0.113.9;",
        "Forwarded: for=203.0.113.9 proto=http",
        "Forwarded: ",
        "Forwarded: proto=https",
        "Forwarded: for=203.0.113.9;proto=gopher",
        "Forwarded: for=\"evil, for=203.0.113.9",
        "Forwarded: for=\"a\\\"b\", for=203.0.113.9"
      })
  void trustedPeerThatIsUnclear_isRefused(String line) {
    assertThatThrownBy(() -> client("10.0.0.1", line))
        .isInstanceOfSatisfying(
            GatewayException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.AMBIGUOUS_MESSAGE));
  }

  /** The client sent the one that the proxy does not write. */
  @ParameterizedTest
  @CsvSource({
    "Forwarded: for=1.2.3.4, X-Forwarded-For: 203.0.113.9",
    "Forwarded: for=203.0.113.9;proto=https, X-Forwarded-Proto: http"
  })
  void contradictoryHeaders_areRefused(String one, String other) {
    assertThatThrownBy(() -> client("10.0.0.1", one, other)).isInstanceOf(GatewayException.class);
  }

  @Test
  void agreeingHeaders_areTaken() throws UnknownHostException {
    Client client =
        client(
            "10.0.0.1",
            "Forwarded: for=203.0.113.9;proto=http",
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Proto: http");

    assertThat(client).isEqualTo(new Client("203.0.113.9", "http"));
  }

  @Test
  void hugeHeader_isRefusedWithoutHarm() {
    assertThatThrownBy(() -> client("10.0.0.1", "Forwarded: for=\"" + "\\a".repeat(30_000)))
        .isInstanceOf(GatewayException.class);
    assertThatThrownBy(() -> client("10.0.0.1", "Forwarded: " + "for=1.2.3.4,".repeat(5_000)))
        .isInstanceOf(GatewayException.class);
    assertThatThrownBy(() -> client("10.0.0.1", "X-Forwarded-For: " + ":".repeat(60_000)))
        .isInstanceOf(GatewayException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "203.0.113.9, https, h.test, for=203.0.113.9;host=h.test;proto=https, 443",
    "203.0.113.9, http, h.test, for=203.0.113.9;host=h.test;proto=http, 80",
    "2001:db8::1, https, h.test:8443, 'for=\"[2001:db8::1]\";host=\"h.test:8443\";proto=https', 8443",
    "203.0.113.9, https, [::1], 'for=203.0.113.9;host=\"[::1]\";proto=https', 443",
    "203.0.113.9, https, [::1]:8443, 'for=203.0.113.9;host=\"[::1]:8443\";proto=https', 8443"
  })
  void origin_isToldOneClient(
      String address, String scheme, String authority, String forwarded, String port) {
    HeaderMap headers =
        headers("X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2", "Forwarded: for=1.1.1.1");

    ForwardedHeaders.set(headers, new Client(address, scheme), authority);

    assertThat(headers.get("Forwarded")).containsExactly(forwarded);
    assertThat(headers.get("X-Forwarded-For")).containsExactly(address);
    assertThat(headers.get("X-Forwarded-Proto")).containsExactly(scheme);
    assertThat(headers.get("X-Forwarded-Host")).containsExactly(authority);
    assertThat(headers.get("X-Forwarded-Port")).containsExactly(port);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "localhost", "example.com", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8",
            "10.0.0.1/8", "10.0.0/8", "10", "0xa.0.0.0",
        "010.0.0.0/8", "::/129", "2001:db8::1/32", "fe80::1%eth0", "[::1]", "*", " 10.0.0.0/8",
            "10.0.0.0/8 ", "10.0.0.0/+8", ":", ":::"
      })
  void trustedProxy_thatIsNoNetwork_isRefused(String network) {
    assertThatThrownBy(() -> ForwardedHeaders.trusting(List.of(network)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("trusted proxy must")
        .hasMessageEndingWith(network);
  }

  @ParameterizedTest
  @CsvSource({
    "0.0.0.0/0, 203.0.113.9, true",
    "0.0.0.0/0, ::1, false",
    "::/0, 10.0.0.1, false",
    "10.0.0.0/9, 10.127.255.255, true",
    "10.0.0.0/9, 10.128.0.0, false",
    "10.128.0.0/9, 10.128.0.0, true",
    "192.0.2.7, 192.0.2.7, true",
    "192.0.2.7/32, 192.0.2.6, false",
    "2001:db8::/33, 2001:db8:7fff::, true",
    "2001:db8::/33, 2001:db8:8000::, false",
    "::1, ::1, true"
  })
  void network_containsItsAddresses(String network, String address, boolean contained)
      throws UnknownHostException {
    assertThat(IpNetwork.parse(network).contains(InetAddress.getByName(address)))
        .isEqualTo(contained);
  }

  /** The examples of RFC 5952 §4. */
  @ParameterizedTest
  @CsvSource({
    "2001:0db8:0:0:0:0:0:0001, 2001:db8::1",
    "2001:db8:0:1:1:1:1:1, 2001:db8:0:1:1:1:1:1",
    "2001:0:0:1:0:0:0:1, 2001:0:0:1::1",
    "2001:db8:0:0:1:0:0:1, 2001:db8::1:0:0:1",
    "0:0:0:0:0:0:0:0, ::",
    "::1, ::1",
    "1::, 1::",
    "2001:DB8::ABCD, 2001:db8::abcd",
    "192.0.2.1, 192.0.2.1"
  })
  void address_hasOneText(String literal, String text) throws UnknownHostException {
    assertThat(IpNetwork.text(InetAddress.getByName(literal))).isEqualTo(text);
  }
}
