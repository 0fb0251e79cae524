package io.apprxy.tunnel;

import java.time.Duration;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a connector says of itself on the control stream: one line of JSON. A gateway believes that
 * it is well-formed, and no more. Immutable.
 *
 * @param instance names this run of the connector
 * @param load the system's load average per processor
 * @param active the requests that it serves
 * @param draining whether it leaves
 * @param updates whether it can update itself
 * @param update what became of its last turn to do so
 */
record CheckIn(
    String name,
    String instance,
    String version,
    String host,
    Duration uptime,
    double load,
    int active,
    boolean draining,
    boolean updates,
    UpdateReport update) {
  static final int MAX_LENGTH = 4 * 1024;

  private static final JsonMapper JSON = new JsonMapper();
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final Pattern HOST = Pattern.compile("[A-Za-z0-9._:-]{1,253}");
  private static final double MAX_LOAD = 1_000_000;
  private static final int MAX_ACTIVE = 100_000_000;
  private static final Duration MAX_UPTIME = Duration.ofDays(100 * 366);

  CheckIn {
    require(NAME.matcher(name).matches(), "name");
    require(NAME.matcher(instance).matches(), "instance");
    new Version(version);
    require(HOST.matcher(host).matches(), "host");
    require(!uptime.isNegative() && uptime.compareTo(MAX_UPTIME) < 0, "uptime");
    require(load >= 0 && load <= MAX_LOAD, "load"); // neither holds for NaN
    require(active >= 0 && active <= MAX_ACTIVE, "active");
  }

  private static void require(boolean fulfilled, String field) {
    if (!fulfilled) {
      throw new IllegalArgumentException("the " + field + " of a check-in is out of bounds");
    }
  }

  static boolean isName(String text) {
    return NAME.matcher(text).matches();
  }

  /** A name that systems give a machine, without what a check-in cannot say. */
  static String hostName(String name) {
    String plain = name.replaceAll("[^A-Za-z0-9._:-]", "-");
    return plain.isEmpty() ? "unknown" : plain.substring(0, Math.min(plain.length(), 253));
  }

  /** One line, without its end. */
  String toJson() {
    ObjectNode line =
        JSON.createObjectNode()
            .put("name", name)
            .put("instance", instance)
            .put("version", version)
            .put("host", host)
            .put("uptime", uptime.toSeconds())
            .put("load", load)
            .put("active", active)
            .put("draining", draining)
            .put("updates", updates);
    update.toJson(line.putObject("update"));
    return JSON.writeValueAsString(line);
  }

  /**
   * @throws IllegalArgumentException if the line is no check-in; it does not repeat what the line
   *     says
   */
  static CheckIn fromJson(String line) {
    try {
      JsonNode all = JSON.readTree(line);
      JsonNode update = all.get("update");
      return new CheckIn(
          text(all, "name"),
          text(all, "instance"),
          text(all, "version"),
          text(all, "host"),
          Duration.ofSeconds(all.required("uptime").longValue()),
          all.required("load").doubleValue(),
          all.required("active").intValue(),
          all.required("draining").booleanValue(),
          all.path("updates").booleanValue(false),
          update == null ? UpdateReport.NONE : UpdateReport.fromJson(update));
    } catch (JacksonException | IllegalArgumentException | ArithmeticException e) {
      throw new IllegalArgumentException("a line of the control stream is no check-in", e);
    }
  }

  private static String text(JsonNode all, String field) {
    return Wire.text(all.required(field));
  }

  @Override
  public String toString() {
    return "check-in of connector " + name + ", instance " + instance;
  }
}
