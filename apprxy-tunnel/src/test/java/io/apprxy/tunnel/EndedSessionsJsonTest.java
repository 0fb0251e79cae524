package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.EndedSessions;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EndedSessionsJsonTest {
  @Test
  void marks_crossWhole() {
    EndedSessions ended = new EndedSessions(Set.of(0L, -1L, Long.MIN_VALUE, Long.MAX_VALUE));

    assertThat(EndedSessionsJson.parse(EndedSessionsJson.text(ended))).isEqualTo(ended);
    assertThat(EndedSessionsJson.parse(EndedSessionsJson.text(EndedSessions.all())))
        .isEqualTo(EndedSessions.all());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "{}",
        "{\"marks\":[1]}",
        "{\"marks\":[\"\"]}",
        "{\"marks\":[\"x\"]}",
        "{\"marks\":[null]}",
        "{\"marks\":[\"11111111111111111\"]}"
      })
  void garbage_tellsNothing(String json) {
    assertThatThrownBy(() -> EndedSessionsJson.parse(json))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
