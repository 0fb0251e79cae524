package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Why a gateway does not take a connector, told before it closes the connection.
 *
 * @param code one of the gateway's {@link ErrorCode}s
 * @param reason what is wrong
 * @param remedy what the connector's operator can do
 */
record Refusal(String code, String reason, String remedy) {
  private static final JsonMapper JSON = new JsonMapper();
  private static final int MAX_LENGTH = 500;

  static Refusal of(GatewayException cause) {
    ErrorCode code = cause.code();
    return new Refusal(code.code(), code.cause(), code.remedy());
  }

  String toJson() {
    return JSON.writeValueAsString(
        JSON.createObjectNode().put("code", code).put("reason", reason).put("remedy", remedy));
  }

  /** The same for a peer that asked by an HTTP request (RFC 9457). */
  String toProblem(int status) {
    return JSON.writeValueAsString(
        JSON.createObjectNode()
            .put("title", reason)
            .put("status", status)
            .put("detail", remedy)
            .put("code", code));
  }

  /**
   * @throws IllegalArgumentException if the text is no refusal
   */
  static Refusal fromJson(String json) {
    try {
      JsonNode all = JSON.readTree(json);
      return new Refusal(line(all, "code"), line(all, "reason"), line(all, "remedy"));
    } catch (JacksonException e) {
      throw new IllegalArgumentException("no refusal", e);
    }
  }

  /**
   * Reads what {@link #toProblem} wrote.
   *
   * @throws IllegalArgumentException if the text is no problem of a gateway
   */
  static Refusal fromProblem(String json) {
    try {
      JsonNode all = JSON.readTree(json);
      return new Refusal(line(all, "code"), line(all, "title"), line(all, "detail"));
    } catch (JacksonException e) {
      throw new IllegalArgumentException("no problem of a gateway", e);
    }
  }

  private static String line(JsonNode all, String field) {
    return Wire.line(Wire.text(all.required(field)), MAX_LENGTH);
  }

  @Override
  public String toString() {
    return code + " " + reason + " " + remedy;
  }
}
