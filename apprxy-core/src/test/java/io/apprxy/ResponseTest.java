package io.apprxy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Response.Header;
import java.net.URI;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResponseTest {
  @Test
  void response_hasWhatItWasGiven() {
    Response response = Response.of(403, "text/plain", "n\u00f6").with("X-A", "1").with("X-A", "2");

    assertThat(response.status()).isEqualTo(403);
    assertThat(new String(response.body(), UTF_8)).isEqualTo("n\u00f6");
    assertThat(response.headers())
        .containsExactly(
            new Header("Content-Type", "text/plain"),
            new Header("X-A", "1"),
            new Header("X-A", "2"));
  }

  @Test
  void with_leavesTheFirstAsItWas() {
    Response response = Response.of(204);

    assertThat(response.with("X-A", "1").headers()).hasSize(1);
    assertThat(response.headers()).isEmpty();
  }

  @Test
  void body_isACopy() {
    Response response = Response.of(200, "text/plain", "abc");
    response.body()[0] = 'x';

    assertThat(new String(response.body(), UTF_8)).isEqualTo("abc");
  }

  @Test
  void redirect_is302() {
    Response response = Response.redirect(URI.create("https://a.test/x?y"));

    assertThat(response.status()).isEqualTo(302);
    assertThat(response.headers()).containsExactly(new Header("Location", "https://a.test/x?y"));
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 0, 99, 100, 101, 199, 600, 999})
  void status_thatIsNotFinal_isRefused(int status) {
    assertThatThrownBy(() -> Response.of(status))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("" + status);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a\r\nSet-Cookie: x=y",
        "a\nb",
        "a\rb",
        "\u0000",
        "a\u001b",
        "a\u007f",
        "\u010d\u010a"
      })
  void headerValue_thatCouldEndTheLine_isRefused(String value) {
    assertThatThrownBy(() -> Response.of(200).with("X-A", value))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("X-A");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "a b", "a:b", "a\r\nb", "a\n", "\u00e9"})
  void headerName_thatIsNoToken_isRefused(String name) {
    assertThatThrownBy(() -> Response.of(200).with(name, "x"))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
