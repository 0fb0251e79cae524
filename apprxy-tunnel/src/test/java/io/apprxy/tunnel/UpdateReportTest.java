package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.tunnel.UpdateException.Reason;
import io.apprxy.tunnel.UpdateReport.State;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What connectors tell of their turns. */
class UpdateReportTest {
  private static final JsonMapper JSON = new JsonMapper();

  @ParameterizedTest
  @EnumSource(Reason.class)
  void failure_isRefusal_orNot_byItsReason(Reason reason) {
    UpdateReport report =
        UpdateReport.NONE.started("1.1.0").failed(new UpdateException(reason, "the details"));

    assertThat(report.state()).isEqualTo(reason.isRefusal() ? State.REFUSED : State.FAILED);
    assertThat(report.detail()).isEqualTo(reason + ": the details");
    assertThat(report.version()).isEqualTo("1.1.0");
  }

  @Test
  void anythingElseThatIsThrown_isAFailure() {
    assertThat(UpdateReport.NONE.started("1.1.0").failed(new IOException("disk")).state())
        .isEqualTo(State.FAILED);
  }

  @Test
  void attempts_areCounted() {
    UpdateReport first = UpdateReport.NONE.started("1.1.0");

    assertThat(first.attempt()).isEqualTo(1);
    assertThat(first.failed(new IOException()).attempt()).isEqualTo(1);
    assertThat(first.failed(new IOException()).started("1.1.0").attempt()).isEqualTo(2);
  }

  @Test
  void detail_isOneLine_andNotALongOne() {
    UpdateReport report =
        new UpdateReport(1, "1.1.0", State.FAILED, "a\r\nINFO forged\u001b[2J" + "x".repeat(999));

    assertThat(report.detail()).startsWith("a  INFO forged [2Jx").hasSize(300);
  }

  @Test
  void json_isReadAsItWasWritten() {
    UpdateReport report = new UpdateReport(3, "1.1.0-rc.1", State.REFUSED, "SIGNATURE: bad");
    ObjectNode node = JSON.createObjectNode();
    report.toJson(node);

    assertThat(UpdateReport.fromJson(JSON.readTree(node.toString()))).isEqualTo(report);
  }

  @ParameterizedTest
  @ValueSource(strings = {"version", "state", "detail", "attempt"})
  void json_withAFieldThatIsNone_isRefused(String field) {
    ObjectNode node = JSON.createObjectNode();
    UpdateReport.NONE.toJson(node);

    assertThatThrownBy(() -> UpdateReport.fromJson(node.deepCopy().putNull(field)))
        .isInstanceOfAny(IllegalArgumentException.class, JacksonException.class);
    assertThatThrownBy(() -> UpdateReport.fromJson(node.deepCopy().without(field)))
        .isInstanceOfAny(IllegalArgumentException.class, JacksonException.class);
  }

  @Test
  void report_outOfBounds_isRefused() {
    assertThatThrownBy(() -> new UpdateReport(-1, "1.1.0", State.FAILED, ""))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new UpdateReport(1, "latest", State.FAILED, ""))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
