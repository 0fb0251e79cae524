package io.apprxy.tunnel;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What became of a connector's last turn to update itself; part of its {@link CheckIn}. Immutable.
 *
 * @param attempt counts the turns of this run of the connector; 0 if there was none
 * @param version that it was to update to
 * @param detail more, in a sentence for people
 */
record UpdateReport(int attempt, String version, State state, String detail) {
  static final UpdateReport NONE = new UpdateReport(0, "0.0.0", State.IDLE, "");

  private static final int MAX_DETAIL = 300;

  enum State {
    /** There was no turn. */
    IDLE,
    /** It is under way, or done but for the restart. */
    STARTED,
    /** There was a release, and it is not to be trusted. */
    REFUSED,
    /** It did not work out. */
    FAILED
  }

  UpdateReport {
    new Version(version);
    if (attempt < 0) {
      throw new IllegalArgumentException("the attempt of an update report is out of bounds");
    }
    detail = Wire.line(detail, MAX_DETAIL);
  }

  UpdateReport started(String to) {
    return new UpdateReport(attempt + 1, to, State.STARTED, "");
  }

  UpdateReport failed(Exception cause) {
    if (cause instanceof UpdateException failure) {
      State outcome = failure.reason().isRefusal() ? State.REFUSED : State.FAILED;
      return new UpdateReport(
          attempt, version, outcome, failure.reason() + ": " + failure.getMessage());
    }
    return new UpdateReport(attempt, version, State.FAILED, cause.toString());
  }

  void toJson(ObjectNode node) {
    node.put("attempt", attempt)
        .put("version", version)
        .put("state", state.name())
        .put("detail", detail);
  }

  /**
   * @throws IllegalArgumentException if it is none
   */
  static UpdateReport fromJson(JsonNode node) {
    return new UpdateReport(
        node.required("attempt").intValue(),
        Wire.text(node.required("version")),
        State.valueOf(Wire.text(node.required("state"))),
        Wire.text(node.required("detail")));
  }
}
