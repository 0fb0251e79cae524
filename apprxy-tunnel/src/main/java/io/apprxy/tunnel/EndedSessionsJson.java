package io.apprxy.tunnel;

import io.apprxy.EndedSessions;
import java.util.HashSet;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** How a gateway tells a connector which sessions have ended. */
final class EndedSessionsJson {
  private static final JsonMapper JSON = new JsonMapper();

  private EndedSessionsJson() {}

  static String text(EndedSessions ended) {
    ObjectNode whole = JSON.createObjectNode();
    ArrayNode marks = whole.putArray("marks");
    ended.marks().forEach(mark -> marks.add(Long.toHexString(mark)));
    return JSON.writeValueAsString(whole);
  }

  /**
   * @throws IllegalArgumentException if the text tells no sessions
   */
  static EndedSessions parse(String json) {
    try {
      Set<Long> marks = new HashSet<>();
      JSON.readTree(json)
          .required("marks")
          .forEach(mark -> marks.add(Long.parseUnsignedLong(Wire.text(mark), 16)));
      return new EndedSessions(marks);
    } catch (JacksonException e) {
      throw new IllegalArgumentException("no sessions that have ended", e);
    }
  }
}
