package io.apprxy.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.util.List;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RequestTargetTest {
  private static RequestTarget parse(String target) {
    return RequestTarget.parse("https", target, List.of("wiki.example.com"));
  }

  private static void assertRefused(ErrorCode code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            GatewayException.class, refused -> assertThat(refused.code()).isEqualTo(code));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/",
        "/a",
        "/a/",
        "/a/b.c/d",
        "/.hidden",
        "/..hidden",
        "/a..b",
        "/...",
        "/a/.../b",
        "/.well-known/openid-configuration",
        "/a:b@c",
        "/a!b$c&d'e(f)*+,=",
        "/~user/-_",
        "/%20",
        "/caf%C3%A9",
        "/%E6%97%A5%E6%9C%AC/%F0%9F%98%80",
        "/100%25",
        "/100%25/x",
        "/a%2520b",
        "/%23%3F%26%3D%22%3C%3E%7B%7C%7D%5B%5D%5E%60",
        "/%25zz"
      })
  void canonicalPath_staysAsItIs(String path) {
    assertThat(parse(path).path()).isEqualTo(path);
  }

  @ParameterizedTest
  @CsvSource({
    "/%41, /A",
    "/%61dmin, /admin",
    "/%7Euser, /~user",
    "/%7euser, /~user",
    "/%2D%5f, /-_",
    "/%30%39, /09",
    "/caf%c3%a9, /caf%C3%A9",
    "/%3f, /%3F",
    "/%e6%97%a5%41, /%E6%97%A5A"
  })
  void equivalentEscapes_getOneForm(String sent, String canonical) {
    assertThat(parse(sent).path()).isEqualTo(canonical);
    assertThat(parse(canonical).path()).isEqualTo(canonical);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        // no origin-form
        "",
        "*",
        "a",
        "?",
        "?x",
        "example.com:443",
        "wiki.example.com",
        "http:/x",
        "https:x",
        "javascript:alert(1)",
        "file:///etc",
        // slashes and dots
        "//",
        "//evil.test/",
        "/a//b",
        "/a//",
        "///",
        "/.",
        "/..",
        "/./",
        "/../",
        "/a/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "/a/../../etc/passwd",
        "/./a",
        "/../a",
        // the same, hidden
        "/%2e",
        "/%2E%2E/",
        "/.%2e/",
        "/%2e./",
        "/a/%2e%2e/b",
        "/a%2eb",
        "/%2f",
        "/a%2Fb",
        "/a%2f%2fb",
        "/%2f%2fevil.test",
        "/%5c",
        "/a%5C..%5Cb",
        "/\\",
        "/a\\b",
        "\\",
        "/\\evil.test",
        "/%5c%5cevil.test",
        // parameters of a segment
        "/;",
        "/a;b",
        "/a;jsessionid=1/b",
        "/..;/admin",
        "/a/..;/b",
        "/%3b",
        "/a%3Bb",
        "/.;/",
        "/;/../",
        // controls
        "/%00",
        "/a%00.png",
        "/%0a",
        "/%0D%0ASet-Cookie:x",
        "/%1f",
        "/%7f",
        "/%09",
        "/%C2%80",
        "/%c2%9f",
        "/\u0000",
        "/a\r\nb",
        "/\t",
        "/a b",
        "/ ",
        "/\u007f",
        // raw characters that no URI has
        "/\u00e9",
        "/\uff0e\uff0e/",
        "/\u2215",
        "/\ud83d\ude00",
        "/\ud800",
        "/a#b",
        "/#",
        "/a\"b",
        "/<x>",
        "/{x}",
        "/a|b",
        "/a^b",
        "/`",
        "/[x]",
        // escapes that are none
        "/%",
        "/%4",
        "/%%",
        "/%zz",
        "/%4g",
        "/%g4",
        "/a%",
        "/a%2",
        "/%u0041",
        "/% 41",
        "/%+1",
        "/%\uff11\uff11",
        "/%-1",
        "/%%32f",
        // no UTF-8: lone, truncated, overlong, surrogates, beyond the last
        "/%80",
        "/%ff",
        "/%fe%ff",
        "/%c3",
        "/%c3x",
        "/%c3/%a9",
        "/%e6%97",
        "/%c0%af",
        "/%c0%ae%c0%ae/",
        "/%c1%9c",
        "/%e0%80%af",
        "/%f0%80%80%af",
        "/%ed%a0%80",
        "/%ed%b0%80",
        "/%f4%90%80%80",
        "/%f8%88%80%80%80",
        "/%c0%80",
        // twice, and more often
        "/%252f",
        "/%252F",
        "/%252e%252e/",
        "/%255c",
        "/%2500",
        "/%253b",
        "/%250d%250a",
        "/%257f",
        "/%25252f",
        "/%2525252e",
        "/%25%32%66",
        "/%25%32%46",
        "/%2%35%32f",
        "/a%252fb",
        "/%25c0%25af",
        "/%252525252525255c",
        // absolute, but not where Host says
        "https://evil.test/",
        "https://wiki.example.com:8443/",
        "http://wiki.example.com/",
        "https://wiki.example.com.evil.test/",
        "https://user@wiki.example.com/",
        "https://user:pass@wiki.example.com/",
        "https://wiki.example.com@evil.test/",
        "https://wiki.example.com\\@evil.test/",
        "https://",
        "https:///",
        "https://?x",
        "https://wiki.example.com./",
        "https://wiki.example.com#@evil.test/",
        "https://wiki.example.com//x",
        "https://wiki.example.com/../x",
        "https://wiki.example.com:/",
        "https://wiki.example.com:0443/",
        "ftp://wiki.example.com/",
        "wss://wiki.example.com/",
        // queries that could be split or end the line
        "/?a b",
        "/?a#b",
        "/?a\"",
        "/?<script>",
        "/?\\",
        "/?a\r\nX: y",
        "/?\u0000",
        "/?\u00e9",
        "/?\u007f"
      })
  void ambiguousTarget_isRefused(String target) {
    assertRefused(ErrorCode.AMBIGUOUS_TARGET, () -> parse(target));
  }

  @Test
  void everyEscapedOctet_isRefusedOrKeepsItsMeaning() {
    for (int octet = 0; octet < 256; octet++) {
      String target = String.format("/a%%%02xb", octet);
      boolean refused = octet < 0x20 || octet >= 0x7F || "./\\;".indexOf(octet) >= 0;
      if (refused) {
        assertRefused(ErrorCode.AMBIGUOUS_TARGET, () -> parse(target));
      } else {
        assertThat(java.net.URI.create(parse(target).path()).getPath())
            .isEqualTo("/a" + (char) octet + "b");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a=b",
        "a=b&c=d",
        "returnTo=https://x.test/../y;z//",
        "q=%2f%2e%5c%00%0d%0a",
        "q=100%",
        "%",
        "a?b",
        "a|b{c}[d]^`",
        "a'b"
      })
  void query_travelsByteForByte(String query) {
    RequestTarget target = parse("/x?" + query);

    assertThat(target.path()).isEqualTo("/x");
    assertThat(target.query()).isEqualTo(query);
  }

  @Test
  void noQuestionMark_meansNoQuery() {
    assertThat(parse("/x").query()).isNull();
  }

  @ParameterizedTest
  @CsvSource({
    "https://wiki.example.com/x?y, /x, y",
    "HTTPS://WIKI.Example.com:443/x?y, /x, y",
    "https://wiki.example.com?y, /, y",
    "https://wiki.example.com, /,"
  })
  void absoluteTarget_ofTheSameAuthority_isTaken(String sent, String path, String query) {
    RequestTarget target = parse(sent);

    assertThat(target.path()).isEqualTo(path);
    assertThat(target.query()).isEqualTo(query);
    assertThat(target.authority()).isEqualTo("wiki.example.com");
  }

  @ParameterizedTest
  @CsvSource({
    "https, wiki.example.com, wiki.example.com, wiki.example.com",
    "https, WIKI.Example.COM, wiki.example.com, wiki.example.com",
    "https, wiki.example.com:443, wiki.example.com, wiki.example.com",
    "http, wiki.example.com:80, wiki.example.com, wiki.example.com",
    "http, wiki.example.com:443, wiki.example.com:443, wiki.example.com",
    "https, wiki.example.com:80, wiki.example.com:80, wiki.example.com",
    "https, localhost:8443, localhost:8443, localhost",
    "https, 192.0.2.1:65535, 192.0.2.1:65535, 192.0.2.1",
    "https, [2001:DB8::1], [2001:db8::1], [2001:db8::1]",
    "https, [::1]:8443, [::1]:8443, [::1]",
    "https, [::1]:443, [::1], [::1]",
    "https, my_host-1.corp, my_host-1.corp, my_host-1.corp"
  })
  void host_getsOneForm(String scheme, String sent, String authority, String host) {
    RequestTarget target = RequestTarget.parse(scheme, "/", List.of(sent));

    assertThat(target.authority()).isEqualTo(authority);
    assertThat(target.host()).isEqualTo(host);
    assertThat(target.scheme()).isEqualTo(scheme);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        ".",
        "a.",
        "a..b",
        ".a",
        "a.:443",
        "-a",
        "a-",
        "a b",
        " a",
        "a ",
        "a\tb",
        "a\u0000",
        "a,b",
        "a;b",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a@b",
        "user@a",
        "user:pass@a",
        "*",
        "*.a",
        "a%2eb",
        "%61",
        "\u00e4.test",
        "a\uff0eb",
        "\u2024",
        "a:",
        "a:0",
        "a:00443",
        "a:0443",
        "a:65536",
        "a:99999",
        "a:100000",
        "a:-1",
        "a:+1",
        "a:80:80",
        "a:8a",
        "a: 80",
        "a:\uff18",
        ":80",
        "[",
        "[]",
        "[]:80",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]:",
        "[::g]",
        "[:::]",
        "[1:2:3]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[::1].a",
        "[v1.x]",
        "[127.0.0.1]",
        "a[::1]",
        "[::1][::1]"
      })
  void invalidHost_isRefused(String host) {
    assertRefused(
        ErrorCode.AMBIGUOUS_MESSAGE, () -> RequestTarget.parse("https", "/", List.of(host)));
  }

  @Test
  void overlongHost_isRefused() {
    for (String host :
        List.of(
            "a".repeat(64),
            "a.".repeat(127) + "a",
            "a".repeat(100_000),
            "[" + ":".repeat(100_000) + "]")) {
      assertRefused(
          ErrorCode.AMBIGUOUS_MESSAGE, () -> RequestTarget.parse("https", "/", List.of(host)));
    }
  }

  @Test
  void missingOrSecondHost_isRefused() {
    assertRefused(ErrorCode.AMBIGUOUS_MESSAGE, () -> RequestTarget.parse("https", "/", List.of()));
    assertRefused(
        ErrorCode.AMBIGUOUS_MESSAGE,
        () -> RequestTarget.parse("https", "/", List.of("a.test", "b.test")));
    assertRefused(
        ErrorCode.AMBIGUOUS_MESSAGE,
        () -> RequestTarget.parse("https", "/", List.of("a.test", "a.test")));
    assertRefused(
        ErrorCode.AMBIGUOUS_MESSAGE,
        () -> RequestTarget.parse("https", "https://a.test/", List.of()));
  }

  /**
   * Whatever comes in: refused, or in a form that parses to itself and has no part that two servers
   * read in two ways.
   */
  @Test
  void anyTarget_isRefusedOrCanonical() {
    String[] pieces = {
      "/",
      "/",
      "a",
      ".",
      "..",
      "%",
      "%2",
      "%25",
      "25",
      "2f",
      "%2e",
      "%2F",
      "%5c",
      "\\",
      ";",
      "?",
      "#",
      ":",
      "@",
      "%c3%a9",
      "%c3",
      "%a9",
      "%41",
      "%00",
      "\u0000",
      "\u00e9",
      " ",
      "http://",
      "https://wiki.example.com",
      "//",
      "%ed%a0%80",
      "~",
      "\ud83d",
      "\t",
      "*",
      "%7E"
    };
    Random random = new Random(20_261_124);
    int accepted = 0;
    for (int round = 0; round < 50_000; round++) {
      StringBuilder target = new StringBuilder(random.nextBoolean() ? "/" : "");
      for (int i = random.nextInt(8); i > 0; i--) {
        target.append(pieces[random.nextInt(pieces.length)]);
      }
      try {
        RequestTarget parsed = parse(target.toString());
        accepted++;
        assertThat(parse(parsed.path()).path()).isEqualTo(parsed.path());
        assertThat(parsed.path())
            .startsWith("/")
            .matches("[\\x21-\\x7e]+")
            .doesNotContain("//", "/./", "/../", "\\", ";", "#", "%2F", "%5C", "%2E", "%00", "?")
            .doesNotMatch(".*/\\.\\.?");
        assertThat(parsed.authority()).isEqualTo("wiki.example.com");
      } catch (GatewayException e) {
        assertThat(e.code()).isEqualTo(ErrorCode.AMBIGUOUS_TARGET);
      }
    }
    assertThat(accepted).isBetween(500, 49_500);
  }

  @Test
  void anyHost_isRefusedOrCanonical() {
    String[] pieces = {
      "a", "A", ".", "-", ":", "443", "80", "[", "]", "::1", "@", "%", " ", "\u00e4", "\u0000", "/",
      "1", "_"
    };
    Random random = new Random(7);
    for (int round = 0; round < 50_000; round++) {
      StringBuilder host = new StringBuilder();
      for (int i = random.nextInt(7); i > 0; i--) {
        host.append(pieces[random.nextInt(pieces.length)]);
      }
      try {
        String authority = RequestTarget.parse("https", "/", List.of(host.toString())).authority();
        assertThat(RequestTarget.parse("https", "/", List.of(authority)).authority())
            .isEqualTo(authority);
        assertThat(authority)
            .matches("(\\[[0-9a-f:.]+]|[a-z0-9._-]+)(:[0-9]+)?")
            .doesNotEndWith(".")
            .doesNotEndWith(":443");
      } catch (GatewayException e) {
        assertThat(e.code()).isEqualTo(ErrorCode.AMBIGUOUS_MESSAGE);
      }
    }
  }

  @Test
  void text_hidesTheQuery() {
    assertThat(parse("/x?token=secret")).hasToString("https://wiki.example.com/x");
  }

  @Test
  void failure_doesNotTellTheQuery() {
    assertThatThrownBy(() -> parse("/x?token=secret<")).hasMessageNotContaining("secret");
  }
}
