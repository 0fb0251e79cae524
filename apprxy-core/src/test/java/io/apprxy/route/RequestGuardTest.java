package io.apprxy.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RequestGuardTest {
  private static void check(String method, List<String> lines) {
    RequestGuard.defaults()
        .check(
            method,
            line ->
                lines.forEach(
                    text ->
                        line.accept(
                            text.substring(0, text.indexOf(':')),
                            text.substring(text.indexOf(':') + 1))));
  }

  private static void assertRefused(ErrorCode code, String method, List<String> lines) {
    assertThatThrownBy(() -> check(method, lines))
        .isInstanceOfSatisfying(
            GatewayException.class, refused -> assertThat(refused.code()).isEqualTo(code));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "get",
        "X-Own!",
        "M-SEARCH"
      })
  void method_thatIsAToken_passes(String method) {
    assertThatCode(() -> check(method, List.of())).doesNotThrowAnyException();
  }

  @ParameterizedTest
  @ValueSource(strings = {"CONNECT", "TRACE", "TRACK", "connect", "Trace", "tRACK"})
  void method_thatMakesOrReflects_isRefused(String method) {
    assertRefused(ErrorCode.METHOD_NOT_SUPPORTED, method, List.of());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "GET ",
        "G T",
        "GET\r\n",
        "GET/",
        "G\u0000T",
        "G\u00cbT",
        "\"GET\"",
        "A23456789012345678901234567890123"
      })
  void method_thatIsNoToken_isRefused(String method) {
    assertRefused(ErrorCode.AMBIGUOUS_MESSAGE, method, List.of());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Content-Length:0",
        "content-length:42",
        "Transfer-Encoding:chunked",
        "transfer-encoding:Chunked",
        "X-Any:",
        "X-Any:a\tb c",
        "X-Any:gr\u00fc\u00df",
        "X_Under_Score:1",
        "Cookie:a=b; c=d"
      })
  void message_thatIsClear_passes(String line) {
    assertThatCode(() -> check("POST", List.of(line))).doesNotThrowAnyException();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Content-Length:",
        "Content-Length:+1",
        "Content-Length:-1",
        "Content-Length: 1",
        "Content-Length:1 ",
        "Content-Length:0x1",
        "Content-Length:1,1",
        "Content-Length:1, 2",
        "Content-Length:1.0",
        "Content-Length:1e3",
        "Content-Length:\u0661",
        "Content-Length:99999999999999999999999",
        "Content-Length:9223372036854775808",
        "Transfer-Encoding:",
        "Transfer-Encoding:identity",
        "Transfer-Encoding:gzip, chunked",
        "Transfer-Encoding:chunked, chunked",
        "Transfer-Encoding:xchunked",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding:chunked;a=b",
        "Transfer-Encoding:\"chunked\"",
        "Transfer-Encoding:\u000bchunked",
        "Content-Length:1|Content-Length:1",
        "Content-Length:1|content-length:2",
        "Transfer-Encoding:chunked|Transfer-Encoding:chunked",
        "Transfer-Encoding:chunked|Content-Length:0",
        "Content-Length:5|Transfer-Encoding:chunked",
        "Content-Length:5|X:y|tRANSFER-eNCODING:CHUNKED",
        "X-Any:a\u0000b",
        "X-Any:a\rb",
        "X-Any:a\nX-User: admin",
        "X-Any:\u007f",
        "X-Any:\u001b[2J",
        "X-Any:\u0100",
        "X-Any:\ud83d\ude00",
        ":x",
        " X:y",
        "X :y",
        "X\t:y",
        "X\u0000:y",
        "X(:y",
        "X\u00e9:y",
        "X\r\nY:z"
      })
  void message_thatCouldBeReadInTwoWays_isRefused(String lines) {
    // The bar stands for the end of a line.
    assertRefused(ErrorCode.AMBIGUOUS_MESSAGE, "POST", List.of(lines.split("\\|")));
  }

  @Test
  void headers_upToTheLimit_pass() {
    assertThatCode(() -> check("GET", Collections.nCopies(200, "X:y"))).doesNotThrowAnyException();
    assertThatCode(() -> check("GET", List.of("X:" + "y".repeat(65_535))))
        .doesNotThrowAnyException();
  }

  @Test
  void headers_beyondTheLimit_areRefused() {
    assertRefused(ErrorCode.HEADERS_TOO_LARGE, "GET", Collections.nCopies(201, "X:y"));
    assertRefused(ErrorCode.HEADERS_TOO_LARGE, "GET", List.of("X:" + "y".repeat(65_536)));
    assertRefused(
        ErrorCode.HEADERS_TOO_LARGE,
        "GET",
        IntStream.range(0, 66).mapToObj(i -> "X" + i + ":" + "y".repeat(1_000)).toList());
  }

  @Test
  void limits_areAtLeastOne() {
    assertThatThrownBy(() -> new RequestGuard(0, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("0, 1");
    assertThatThrownBy(() -> new RequestGuard(1, -1)).isInstanceOf(IllegalArgumentException.class);
  }
}
