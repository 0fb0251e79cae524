package io.apprxy.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CookieLineTest {
  private final HeaderMap headers = new HeaderMap();

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "id=1|1",
        "a=b; id=1; c=d|1",
        "a=b;id=1|1",
        "a=b;\tid=1 |1",
        "id=a=b==|a=b==",
        "$Version=\"1\"; id=\"1\"|1",
        "id=\"|\"",
        "id=first; id=second|first",
        "xid=2; ID=3; id=1|1",
        "idx=2; id=1|1"
      })
  void cookie_isFound(String line, String value) {
    headers.put(Headers.COOKIE, line);

    assertThat(CookieLine.find(headers, "id")).isEqualTo(value);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", ";", "id", "id ;", "=id", "a=id=1", "xid=1; idx=2; Id=3", "i=d", "a=\"b; c\""})
  void cookieThatIsNotThere_isNull(String line) {
    headers.put(Headers.COOKIE, line);

    assertThat(CookieLine.find(headers, "id")).isNull();
  }

  @Test
  void emptyValue_isAValue() {
    headers.put(Headers.COOKIE, "id=; a=b");

    assertThat(CookieLine.find(headers, "id")).isEmpty();
  }

  @Test
  void severalLines_asHttp2HasThem_areOne() {
    headers.add(Headers.COOKIE, "a=b");
    headers.add(Headers.COOKIE, "id=1");

    assertThat(CookieLine.find(headers, "id")).isEqualTo("1");
  }

  @Test
  void noCookies_isNull() {
    assertThat(CookieLine.find(headers, "id")).isNull();
  }
}
