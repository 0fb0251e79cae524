package io.apprxy.route;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.CanonicalPath;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** What holds for any target and any host that a client can send. */
class RouteFuzzTest {
  private static final Set<ErrorCode> DOCUMENTED =
      Set.of(ErrorCode.AMBIGUOUS_TARGET, ErrorCode.AMBIGUOUS_MESSAGE);

  @FuzzTest
  void path(byte[] input) {
    String raw = latin1(input);
    String canonical;
    try {
      canonical = CanonicalPath.of(raw);
    } catch (GatewayException e) {
      assertThat(DOCUMENTED).contains(e.code());
      return;
    }
    assertThat(CanonicalPath.of(canonical)).as("a fixpoint").isEqualTo(canonical);
    assertThat(canonical).startsWith("/").matches("[\\x21-\\x7e]+").doesNotContain("//", ";", "\\");
    assertNoTraversal(canonical);
    String once = decoded(canonical);
    assertThat(once).as("decoded as before").isEqualTo(decoded(raw));
    assertThat(slashes(once)).isEqualTo(slashes(canonical));
    assertNoTraversal(once);
    // Whoever reads it by RFC 3986, or normalises it, sees the same path.
    URI uri = URI.create("http://host.test" + canonical);
    assertThat(uri.getRawPath()).isEqualTo(canonical);
    assertThat(uri.normalize().getRawPath()).isEqualTo(canonical);
  }

  /** However often a server behind us decodes: no other segments come out. */
  @FuzzTest
  void pathThatIsDecodedAgainAndAgain(byte[] input) {
    String path;
    try {
      path = CanonicalPath.of(latin1(input));
    } catch (GatewayException e) {
      return;
    }
    long segments = slashes(path);
    for (int i = 0; i < 4; i++) {
      String next;
      try {
        next = URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.ISO_8859_1);
      } catch (IllegalArgumentException e) {
        return; // a percent sign that stands for itself: such a server refuses
      }
      assertThat(slashes(next)).isEqualTo(segments);
      assertThat(next).doesNotContain("\\", ";");
      assertNoTraversal(next);
      path = next;
    }
  }

  @FuzzTest
  void target(byte[] input) {
    String[] lines = latin1(input).split("\n", 2);
    String host = lines.length == 2 ? lines[1] : "app.test";
    RequestTarget target;
    try {
      target = RequestTarget.parse("https", lines[0], List.of(host));
    } catch (GatewayException e) {
      assertThat(DOCUMENTED).contains(e.code());
      return;
    }
    String again = target.path() + (target.query() == null ? "" : "?" + target.query());
    assertThat(RequestTarget.parse("https", again, List.of(target.authority())))
        .as("a fixpoint")
        .isEqualTo(target);
    assertThat(
            RequestTarget.parse(
                "https", "https://" + target.authority() + again, List.of(target.authority())))
        .as("the same in absolute form")
        .isEqualTo(target);
    assertThat(again).matches("[\\x21-\\x7e]+").doesNotContain("#", "\\");
    if (target.query() != null) {
      assertThat(lines[0]).as("the query travels byte for byte").endsWith("?" + target.query());
    }
  }

  @FuzzTest
  void authority(byte[] input) {
    String text = latin1(input);
    Authority authority = Authority.parse("https", text);
    if (authority == null) {
      return;
    }
    assertThat(Authority.parse("https", authority.text())).as("a fixpoint").isEqualTo(authority);
    assertThat(authority.text())
        .matches("[a-z0-9_.\\[\\]:-]+")
        .startsWith(authority.host())
        .doesNotEndWith(".")
        .doesNotEndWith(":443");
    assertThat(authority.host().length()).isLessThanOrEqualTo(253);
    if (!text.contains("_")) { // java.net.URI knows no host with an underscore
      URI uri = URI.create("https://" + authority.text() + "/");
      if (uri.getHost() != null) { // nor one whose last label begins with a digit
        assertThat(uri.getHost()).isEqualTo(authority.host());
        assertThat(uri.getRawUserInfo()).isNull();
      }
    }
  }

  private static void assertNoTraversal(String path) {
    for (String segment : path.split("/", -1)) {
      assertThat(segment).isNotEqualTo(".").isNotEqualTo("..");
    }
  }

  private static long slashes(String path) {
    return path.chars().filter(c -> c == '/').count();
  }

  private static String decoded(String path) {
    return URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  private static String latin1(byte[] input) {
    return new String(input, StandardCharsets.ISO_8859_1);
  }

  /** A line is a header, the first one the method. */
  @FuzzTest
  void message(byte[] input) {
    String[] lines = latin1(input).split("\n", -1);
    List<String[]> headers =
        Arrays.stream(lines)
            .skip(1)
            .map(line -> line.split(":", 2))
            .filter(pair -> pair.length == 2)
            .toList();
    try {
      new RequestGuard(20, 500)
          .check(lines[0], line -> headers.forEach(pair -> line.accept(pair[0], pair[1])));
    } catch (GatewayException e) {
      assertThat(e.code())
          .isIn(
              ErrorCode.AMBIGUOUS_MESSAGE,
              ErrorCode.HEADERS_TOO_LARGE,
              ErrorCode.METHOD_NOT_SUPPORTED);
      return;
    }
    assertThat(lines[0]).matches("[!-'*+.0-9A-Z^-z|~-]{1,32}").isNotIn("CONNECT", "TRACE");
    List<String> framing = new ArrayList<>();
    int size = 0;
    for (String[] pair : headers) {
      assertThat(pair[0]).matches("[!-'*+.0-9A-Z^-z|~-]+").doesNotContain("(", ")", ",");
      assertThat(pair[1]).matches("[\\t\\x20-\\x7e\\x80-\\xff]*");
      String name = pair[0].toLowerCase(Locale.ROOT);
      if (name.equals("content-length")) {
        framing.add(pair[1]);
        assertThat(pair[1]).matches("[0-9]{1,18}");
      } else if (name.equals("transfer-encoding")) {
        framing.add(pair[1]);
        assertThat(pair[1]).isEqualToIgnoringCase("chunked");
      }
      size += pair[0].length() + pair[1].length();
    }
    assertThat(framing).as("one way to tell where the body ends").hasSizeLessThan(2);
    assertThat(headers).hasSizeLessThanOrEqualTo(20);
    assertThat(size).isLessThanOrEqualTo(500);
  }
}
