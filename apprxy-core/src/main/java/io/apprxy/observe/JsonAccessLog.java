package io.apprxy.observe;

import java.io.StringWriter;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonWriteFeature;

/** See {@link AccessLog#json()}. */
final class JsonAccessLog implements AccessLog {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.access");
  private static final JsonFactory JSON =
      JsonFactory.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

  @Override
  public void record(AccessEvent event) {
    if (LOG.isInfoEnabled()) {
      LOG.info(line(event));
    }
  }

  static String line(AccessEvent event) {
    StringWriter line = new StringWriter(512);
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), line)) {
      json.writeStartObject();
      json.writeStringProperty("time", event.time().toString());
      json.writeStringProperty("id", event.id());
      write(json, "application", event.application());
      json.writeStringProperty("method", event.method());
      write(json, "path", event.path());
      json.writeNumberProperty("status", event.status());
      write(json, "code", event.code());
      json.writeNumberProperty("duration_ms", milliseconds(event.duration()));
      json.writeNumberProperty("bytes_received", event.bytesReceived());
      json.writeNumberProperty("bytes_sent", event.bytesSent());
      json.writeStringProperty("client", event.clientAddress());
      write(json, "subject", event.subject());
      write(json, "user", event.user());
      write(json, "route", event.route());
      Duration originLatency = event.originLatency();
      if (originLatency != null) {
        json.writeNumberProperty("origin_ms", milliseconds(originLatency));
      }
      json.writeEndObject();
    }
    return line.toString();
  }

  /** Absent properties are left out. */
  private static void write(JsonGenerator json, String name, @Nullable String value) {
    if (value != null) {
      json.writeStringProperty(name, value);
    }
  }

  /** With three decimals: more are noise. */
  private static double milliseconds(Duration duration) {
    return Math.round(duration.toNanos() / 1e3) / 1e3;
  }
}
