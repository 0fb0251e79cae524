package io.apprxy.observe;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class JsonAccessLogTest {
  private static final Logger LOGGER = (Logger) LoggerFactory.getLogger("io.apprxy.access");

  private final ListAppender<ILoggingEvent> written = new ListAppender<>();

  @BeforeEach
  void listen() {
    written.start();
    LOGGER.setLevel(Level.INFO);
    LOGGER.setAdditive(false);
    LOGGER.addAppender(written);
  }

  @AfterEach
  void stopListening() {
    LOGGER.detachAppender(written);
    LOGGER.setAdditive(true);
    LOGGER.setLevel(null);
  }

  static AccessEvent event(String method, String path, String user) {
    return new AccessEvent(
        Instant.parse("2026-11-24T08:00:00.123Z"),
        "id-1",
        "wiki",
        method,
        path,
        200,
        null,
        Duration.ofNanos(12_345_678),
        5,
        6_000_000_000L,
        "192.0.2.1",
        "sub-1",
        user,
        "connector-1",
        Duration.ofMillis(7));
  }

  private static JsonNode json(AccessEvent event) {
    return new JsonMapper().readTree(JsonAccessLog.line(event));
  }

  @Test
  void event_isOneLineOfJson() {
    AccessLog.json().record(event("GET", "/a", "alice"));

    assertThat(written.list).hasSize(1);
    assertThat(written.list.get(0).getLevel()).isEqualTo(Level.INFO);
    assertThat(written.list.get(0).getFormattedMessage())
        .isEqualTo(
            "{\"time\":\"2026-11-24T08:00:00.123Z\",\"id\":\"id-1\",\"application\":\"wiki\",\"method\":\"GET\",\"path\":\"/a\","
                + "\"status\":200,\"duration_ms\":12.346,\"bytes_received\":5,\"bytes_sent\":6000000000,\"client\":\"192.0.2.1\","
                + "\"subject\":\"sub-1\",\"user\":\"alice\",\"route\":\"connector-1\",\"origin_ms\":7.0}");
  }

  @Test
  void absentParts_areLeftOut() {
    AccessEvent event =
        new AccessEvent(
            Instant.EPOCH,
            "1",
            null,
            "GET",
            null,
            400,
            "APX-101",
            Duration.ZERO,
            0,
            0,
            "::1",
            null,
            null,
            null,
            null);

    assertThat(json(event).propertyNames())
        .containsExactly(
            "time",
            "id",
            "method",
            "status",
            "code",
            "duration_ms",
            "bytes_received",
            "bytes_sent",
            "client");
    assertThat(json(event).get("code").asString()).isEqualTo("APX-101");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a\r\n{\"forged\":1}",
        "a\"},{\"user\":\"admin",
        "\u2028x\u2029",
        "\u0085",
        "\u0000\u001b[2J",
        "{}",
        "{} {}",
        "\\",
        "\\u000a",
        "${jndi:x}",
        "%d%n",
        "gr\u00fc\u00df",
        "\ud83d\ude00",
        "\ud83d",
        "\u202egnp.exe"
      })
  void hostileValue_staysInsideItsProperty(String hostile) {
    AccessEvent event = event(hostile, hostile, hostile);
    AccessLog.json().record(event);

    String line = written.list.get(0).getFormattedMessage();
    assertThat(line).matches("[\\x20-\\x7e]+");
    JsonNode read = new JsonMapper().readTree(line);
    assertThat(read.size()).isEqualTo(14);
    assertThat(read.get("user").asString()).isEqualTo(hostile);
    assertThat(read.get("path").asString()).isEqualTo(hostile);
    assertThat(read.get("method").asString()).isEqualTo(hostile);
  }

  @Test
  void silencedLogger_writesNothing() {
    LOGGER.setLevel(Level.WARN);

    AccessLog.json().record(event("GET", "/", "alice"));

    assertThat(written.list).isEmpty();
  }
}
