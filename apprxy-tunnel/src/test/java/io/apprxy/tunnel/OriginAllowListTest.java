package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OriginAllowListTest {

  @ParameterizedTest
  @CsvSource({
    "http://wiki.corp:8080, http://wiki.corp:8080/",
    "http://wiki.corp:8080/, http://wiki.corp:8080/deep/path?a=b",
    "http://wiki.corp, http://wiki.corp:80/",
    "https://wiki.corp:443, https://wiki.corp/",
    "http://WIKI.corp, http://wiki.CORP/",
    "http://[::1]:8080, http://[::1]:8080/",
    "http://127.0.0.1:1, http://127.0.0.1:1/a",
  })
  void namedOrigin_isAllowed(String named, URI asked) {
    assertThat(listOf(named).allows(asked)).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "http://wiki.corp:8080, http://wiki.corp:8081/",
    "http://wiki.corp:8080, http://wiki.corp/",
    "http://wiki.corp, https://wiki.corp/",
    "http://wiki.corp, http://mail.corp/",
    "http://wiki.corp, http://wiki.corp.evil.test/",
    "http://wiki.corp, http://evil.wiki.corp/",
    "http://wiki.corp, http://wiki.corp@evil.test/",
    "http://wiki.corp, http://wiki.corp./",
    "http://127.0.0.1, http://localhost/",
  })
  void anyOtherOrigin_isNot(String named, URI asked) {
    assertThat(listOf(named).allows(asked)).isFalse();
  }

  @Test
  void nothing_isAllowedUnlessNamed() {
    assertThat(new OriginAllowList().allows(URI.create("http://wiki.corp/"))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "wiki.corp",
        "ftp://wiki.corp",
        "http://wiki.corp/path",
        "http://wiki.corp?a",
        "http://wiki.corp#a",
        "http://user@wiki.corp",
        "http://*.corp",
        "http://",
        "file:///etc/passwd",
        "*"
      })
  void whatIsNoOrigin_isRefusedAtOnce(String text) {
    assertThatThrownBy(() -> listOf(text)).isInstanceOf(IllegalArgumentException.class);
  }

  private static OriginAllowList listOf(String origin) {
    OriginAllowList list = new OriginAllowList();
    list.add(origin);
    return list;
  }
}
