package io.apprxy.tunnel;

import io.undertow.UndertowOptions;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.util.HttpString;
import java.io.IOException;
import java.time.Duration;
import org.xnio.OptionMap;

/** What both ends of the tunnel agree on. */
final class Wire {
  static final String CONNECT_PATH = "/.apprxy/connect";
  static final String DRAINING_PATH = "/.apprxy/draining";
  static final String CONFIGURATION_PATH = "/.apprxy/configuration";

  /** The token that turns a connection around (draft-kazuho-ptth-ptth). */
  static final String PTTH = "ptth";

  static final HttpString ALPN = new HttpString("ALPN");
  static final HttpString CONNECTOR_NAME = new HttpString("apprxy-connector-name");
  static final HttpString CONNECTOR_INSTANCE = new HttpString("apprxy-connector-instance");
  static final HttpString ASSERTION = new HttpString("apprxy-assertion");
  static final HttpString ERROR = new HttpString("apprxy-error");

  /** The gateway asks for a sign of life this often, and waits as long for it. */
  static final Duration PING_INTERVAL = Duration.ofSeconds(4);

  /** A connector that hears nothing for this long, not even a ping, takes the gateway for dead. */
  static final Duration SILENCE = Duration.ofSeconds(12);

  /** What an orderly close waits for requests in flight. */
  static final Duration DRAIN = Duration.ofSeconds(30);

  /** What one stream may have under way: the memory that one slow reader can hold. */
  private static final int STREAM_WINDOW = 512 * 1024;

  /**
   * What one connection may have under way. HTTP/2 starts it at 65,535, and Undertow raises only
   * the streams': so it is raised by hand, far enough that 128 readers have to stall before others
   * notice. It also bounds the memory of a connection: 64 MiB.
   */
  private static final int CONNECTION_WINDOW = 128 * STREAM_WINDOW;

  private static final int INITIAL_CONNECTION_WINDOW = 65_535; // RFC 9113 §6.9.2

  private static final int BUFFER = 16 * 1024;

  static final OptionMap HTTP2 =
      OptionMap.builder()
          .set(UndertowOptions.HTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW)
          .set(UndertowOptions.HTTP2_SETTINGS_ENABLE_PUSH, false)
          // The default of 16 buffers for all streams together would let one slow reader stall
          // every other; the windows bound memory.
          .set(UndertowOptions.MAX_QUEUED_READ_BUFFERS, 2 * CONNECTION_WINDOW / BUFFER)
          .set(UndertowOptions.MAX_ENTITY_SIZE, -1L)
          .set(UndertowOptions.MAX_HEADER_SIZE, 128 * 1024)
          .set(UndertowOptions.MAX_HEADERS, 300)
          .set(UndertowOptions.DECODE_URL, false)
          // Users that leave early are many, and no attack of the gateway's.
          .set(UndertowOptions.MAX_RST_FRAMES_PER_WINDOW, Integer.MAX_VALUE)
          .getMap();

  private Wire() {}

  /** Called when our SETTINGS have gone out: a peer takes any other first frame for an error. */
  static void openConnectionWindow(Http2Channel channel) throws IOException {
    channel.sendUpdateWindowSize(0, CONNECTION_WINDOW - INITIAL_CONNECTION_WINDOW);
  }
}
