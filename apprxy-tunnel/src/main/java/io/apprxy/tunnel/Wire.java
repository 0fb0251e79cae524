package io.apprxy.tunnel;

import io.apprxy.forward.HeaderLists;
import io.undertow.UndertowOptions;
import io.undertow.util.HttpString;
import java.time.Duration;
import org.xnio.OptionMap;

/** What both ends of the tunnel agree on. */
final class Wire {
  static final String CONNECT_PATH = "/.apprxy/connect";
  static final String ENROL_PATH = "/.apprxy/enrol";
  static final String RENEW_PATH = "/.apprxy/renew";
  static final String DRAINING_PATH = "/.apprxy/draining";
  static final String REPLACEMENT_PATH = "/.apprxy/replacement";
  static final String CONFIGURATION_PATH = "/.apprxy/configuration";

  /** The token that turns a connection around (draft-kazuho-ptth-ptth). */
  static final String PTTH = "ptth";

  static final HttpString ALPN = new HttpString("ALPN");
  static final HttpString CONNECTOR_NAME = new HttpString("apprxy-connector-name");
  static final HttpString CONNECTOR_INSTANCE = new HttpString("apprxy-connector-instance");
  static final HttpString ASSERTION = new HttpString("apprxy-assertion");
  static final HttpString ERROR = new HttpString("apprxy-error");

  /** How long it may take to connect, and to be turned around. */
  static final Duration DIAL_TIMEOUT = Duration.ofSeconds(15);

  /** How long either side waits for the answer to what it says beside users' requests. */
  static final Duration CALL_TIMEOUT = Duration.ofSeconds(8);

  /** The gateway asks for a sign of life this often, and waits as long for it. */
  static final Duration PING_INTERVAL = Duration.ofSeconds(4);

  /** A connector that hears nothing for this long, not even a ping, takes the gateway for dead. */
  static final Duration SILENCE = Duration.ofSeconds(12);

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

  private Wire() {}
}
