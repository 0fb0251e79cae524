package io.apprxy.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PrivateResponsesTest {
  private final HeaderMap headers = new HeaderMap();

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "public, max-age=600|max-age=600, private",
        "Public,S-MaxAge=60, max-age=5|max-age=5, private",
        "s-maxage=\"60\", must-revalidate|must-revalidate, private",
        "private=\"set-cookie, x-public\", max-age=1|max-age=1, private",
        "no-cache=\"a, public\"|no-cache=\"a, public\", private",
        "no-store|no-store",
        "no-store, public|no-store",
        ", ,max-age=1|max-age=1, private",
        "public, x=\"unended, public|private"
      })
  void sharedCaches_areShutOut_andTheUsersOwnIsNot(String sent, String kept) {
    headers.put(Headers.CACHE_CONTROL, sent);

    ResponseHeaders.keepPrivate(headers);

    assertThat(headers.get(Headers.CACHE_CONTROL)).containsExactly(kept);
  }

  @Test
  void responseThatSaysNothing_isPrivate() {
    ResponseHeaders.keepPrivate(headers);

    assertThat(headers.get(Headers.CACHE_CONTROL)).containsExactly("private");
  }

  @Test
  void severalLines_areOne() {
    headers.add(Headers.CACHE_CONTROL, "max-age=1");
    headers.add(Headers.CACHE_CONTROL, "public");

    ResponseHeaders.keepPrivate(headers);

    assertThat(headers.get(Headers.CACHE_CONTROL)).containsExactly("max-age=1, private");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "CDN-Cache-Control",
        "Cloudflare-CDN-Cache-Control",
        "Surrogate-Control",
        "Surrogate-Key",
        "X-LiteSpeed-Cache-Control",
        "X-Accel-Expires", // nginx takes it before Cache-Control
        "x_accel_expires",
        "Edge-Control"
      })
  void headersForSharedCaches_areRemoved(String name) {
    headers.put(new HttpString(name), "max-age=600");

    ResponseHeaders.keepPrivate(headers);

    assertThat(headers.getHeaderNames()).containsExactly(Headers.CACHE_CONTROL);
  }
}
