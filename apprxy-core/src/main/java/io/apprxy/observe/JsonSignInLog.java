package io.apprxy.observe;

import io.apprxy.observe.SignInEvent.PolicyOutcome;
import java.io.StringWriter;
import java.util.Locale;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonWriteFeature;

/** See {@link SignInLog#json()}. */
final class JsonSignInLog implements SignInLog {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.signin");
  private static final JsonFactory JSON =
      JsonFactory.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

  @Override
  public void record(SignInEvent event) {
    if (LOG.isInfoEnabled()) {
      LOG.info(line(event));
    }
  }

  static String line(SignInEvent event) {
    StringWriter line = new StringWriter(512);
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), line)) {
      json.writeStartObject();
      json.writeStringProperty("time", event.time().toString());
      json.writeStringProperty(
          "event", event.kind().name().toLowerCase(Locale.ROOT).replace('_', '-'));
      write(json, "id", event.requestId());
      write(json, "application", event.application());
      write(json, "issuer", event.issuer());
      write(json, "subject", event.subject());
      write(json, "user", event.user());
      write(json, "client", event.clientAddress());
      write(json, "code", event.code());
      if (!event.policies().isEmpty()) {
        json.writeArrayPropertyStart("policies");
        event.policies().forEach(outcome -> write(json, outcome));
        json.writeEndArray();
      }
      if (!event.details().isEmpty()) {
        json.writeObjectPropertyStart("details");
        new TreeMap<>(event.details()).forEach(json::writeStringProperty);
        json.writeEndObject();
      }
      json.writeEndObject();
    }
    return line.toString();
  }

  private static void write(JsonGenerator json, PolicyOutcome outcome) {
    json.writeStartObject();
    json.writeStringProperty("policy", outcome.policy());
    json.writeStringProperty("state", outcome.state());
    json.writeStringProperty("outcome", outcome.outcome());
    json.writeStringProperty("reason", outcome.reason());
    json.writeEndObject();
  }

  /** Absent properties are left out. */
  private static void write(JsonGenerator json, String name, @Nullable String value) {
    if (value != null) {
      json.writeStringProperty(name, value);
    }
  }
}
