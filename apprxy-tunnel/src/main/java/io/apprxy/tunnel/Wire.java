package io.apprxy.tunnel;

import io.apprxy.forward.HeaderLists;
import io.undertow.UndertowOptions;
import io.undertow.util.HttpString;
import java.time.Duration;
import java.util.regex.Pattern;
import org.xnio.OptionMap;
import tools.jackson.databind.JsonNode;

/** What both ends of the tunnel agree on. */
final class Wire {
  static final String CONNECT_PATH = "/.apprxy/connect";
  static final String ENROL_PATH = "/.apprxy/enrol";
  static final String RENEW_PATH = "/.apprxy/renew";
  static final String CONTROL_PATH = "/.apprxy/control";
  static final String LEAVING_PATH = "/.apprxy/leaving";
  static final String REFUSAL_PATH = "/.apprxy/refusal";
  static final String SERVING_PATH = "/.apprxy/serving";
  static final String UPDATE_PATH = "/.apprxy/update";
  static final String REPLACEMENT_PATH = "/.apprxy/replacement";
  static final String CONFIGURATION_PATH = "/.apprxy/configuration";
  static final String ENDED_SESSIONS_PATH = "/.apprxy/ended-sessions";

  /** The token that turns a connection around (draft-kazuho-ptth-ptth). */
  static final String PTTH = "ptth";

  static final HttpString ASSERTION = new HttpString("apprxy-assertion");
  static final HttpString ERROR = new HttpString("apprxy-error");

  /** How long it may take to connect, and to be turned around. */
  static final Duration DIAL_TIMEOUT = Duration.ofSeconds(15);

  /** How long either side waits for the answer to what it says beside users' requests. */
  static final Duration CALL_TIMEOUT = Duration.ofSeconds(8);

  /** A connector says this often how it does. */
  static final Duration CHECK_IN_INTERVAL = Duration.ofSeconds(5);

  /** What a gateway that leaves waits for its connectors to be connected elsewhere. */
  static final Duration LEAVE_TIMEOUT = Duration.ofSeconds(5);

  /** What an orderly close waits for requests in flight. */
  static final Duration DRAIN = Duration.ofSeconds(30);

  /**
   * Requests that a connection carries at once. With what a connection and a stream may have under
   * way unread ({@link io.apprxy.forward.SharedChannel}) it bounds the memory of a connection whose
   * readers all stall: 32 MiB + 1,000 × 64 KiB, which is 95 MiB.
   */
  static final int MAX_STREAMS = 1_000;

  static final OptionMap HTTP2 =
      OptionMap.builder()
          .set(UndertowOptions.HTTP2_SETTINGS_ENABLE_PUSH, false)
          .set(UndertowOptions.MAX_ENTITY_SIZE, -1L)
          .set(UndertowOptions.MAX_HEADER_SIZE, HeaderLists.max())
          .set(UndertowOptions.HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS)
          .set(UndertowOptions.MAX_HEADERS, 300)
          .set(UndertowOptions.DECODE_URL, false)
          // Counted by the channel, which knows better what is an attack.
          .set(UndertowOptions.MAX_RST_FRAMES_PER_WINDOW, Integer.MAX_VALUE)
          .getMap();

  /** Ends of lines, and what tells a terminal something; halves of characters, too. */
  private static final Pattern NOT_PRINTED =
      Pattern.compile("[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]");

  private Wire() {}

  /**
   * The text of a JSON string.
   *
   * @throws IllegalArgumentException if the value is no string
   */
  static String text(JsonNode value) {
    if (!value.isString()) {
      throw new IllegalArgumentException("a string was expected");
    }
    return value.stringValue();
  }

  /** What the other end says for a log: one line, and not a long one. */
  static String line(String text, int maxLength) {
    String line = NOT_PRINTED.matcher(text).replaceAll(" ");
    if (line.length() <= maxLength) {
      return line;
    }
    boolean cutsOne = Character.isHighSurrogate(line.charAt(maxLength - 1));
    return line.substring(0, cutsOne ? maxLength - 1 : maxLength);
  }
}
