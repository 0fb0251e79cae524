package io.apprxy.rewrite;

import static io.apprxy.rewrite.RequestHeadersTest.headers;
import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.util.HeaderMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrailersTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-User",
        "x_user",
        "X_USER",
        "apprxy-assertion",
        "apprxy_error",
        "Forwarded",
        "X-Forwarded-For",
        "Cookie",
        "Set-Cookie",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Authorization",
        "Content-Type",
        "If-Match",
        "Location",
        "Sec-Fetch-Mode",
        "Content_Length",
        "Access-Control-Allow-Origin",
        "X-Request-Id"
      })
  void trailerThatWouldBeBelieved_isRemoved(String name) {
    HeaderMap trailers = headers(name + ": trailers", "grpc-status: 0");

    Trailers.clean(trailers, IdentityHeaders.named("X-User"));

    assertThat(trailers)
        .extracting(trailer -> trailer.getHeaderName().toString())
        .containsExactly("grpc-status");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"grpc-message", "Server-Timing", "Content-Digest", "ETag", "X-Checksum", "Digest"})
  void ordinaryTrailer_stays(String name) {
    HeaderMap trailers = headers(name + ": a");

    Trailers.clean(trailers, IdentityHeaders.named("X-User"));

    assertThat(trailers.getFirst(name)).isEqualTo("a");
  }
}
