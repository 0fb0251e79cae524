package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RefusalTest {
  @Test
  void refusal_crossesWhole_withItsRemedy() {
    Refusal sent =
        Refusal.of(new GatewayException(ErrorCode.CONNECTOR_OUTDATED, "for the log only"));

    assertThat(Refusal.fromJson(sent.toJson())).isEqualTo(sent);
    assertThat(sent.code()).isEqualTo("APX-711");
    assertThat(sent.remedy()).contains("Update");
    assertThat(sent.toJson() + sent.toProblem(403)).doesNotContain("for the log only");
  }

  @Test
  void refusal_isOneShortLineOfALog() {
    Refusal heard =
        Refusal.fromJson(
            "{\"code\":\"A\\nINFO all is well\",\"reason\":\""
                + "x".repeat(10_000)
                + "\",\"remedy\":\"\\u001b[2J\\u2028\\u0085\\u009b1m\\u202e\"}");

    assertThat(heard.toString())
        .doesNotContain("\n", "\u001b", "\u2028", "\u0085", "\u009b", "\u202e")
        .hasSizeLessThan(600);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "{}",
        "{\"code\":null,\"reason\":\"r\",\"remedy\":\"m\"}",
        "{\"code\":1,\"reason\":\"r\",\"remedy\":\"m\"}"
      })
  void garbage_isNoRefusal(String json) {
    assertThatThrownBy(() -> Refusal.fromJson(json)).isInstanceOf(IllegalArgumentException.class);
  }
}
