package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;

/** What holds for any Accept header that a client can send to be refused with. */
class ErrorResponseFuzzTest {
  @FuzzTest
  void accept(byte[] input) {
    List<String> accept = List.of(new String(input, StandardCharsets.ISO_8859_1).split("\n", -1));

    Response response =
        ErrorResponse.of(
            new GatewayException(ErrorCode.NOT_ASSIGNED, "of no concern"), "id-1", accept);

    assertThat(response.status()).isEqualTo(403);
    String body = new String(response.body(), StandardCharsets.UTF_8);
    if (body.startsWith("<!doctype html>")) {
      assertThat(String.join(",", accept).toLowerCase(Locale.ROOT)).contains("html");
    } else {
      assertThat(body).startsWith("{").contains("APX-301");
    }
    assertThat(body).doesNotContain("of no concern");
  }
}
