package io.apprxy.tunnel;

import static io.apprxy.tunnel.RawHttp2.frame;
import static io.apprxy.tunnel.RawHttp2.setting;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.apprxy.tunnel.Http2Victims.Attacker;
import io.apprxy.tunnel.Http2Victims.Peer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Peers that give no window, whose requests are given up, and peers whose frames are not whole,
 * whose connections end; in every role, and nobody else notices.
 */
@Timeout(60)
class Http2BrokenPeersIT {
  /** More than a peer is let open at once. */
  private static final int STREAMS = 200;

  private static Http2Victims victims;

  @BeforeAll
  static void start() throws Exception {
    victims = new Http2Victims(application -> application.stallTimeout(Duration.ofSeconds(5)));
  }

  @AfterAll
  static void stop() {
    victims.close();
  }

  // ---- no window

  /**
   * All requests can be answered, and no body of an answer can be sent; of a connector, nothing can
   * be asked. All at once, since each takes its time to be given up.
   */
  @Test
  void peers_thatGiveNoWindow_areGivenUp() throws Exception {
    Map<Attacker, List<Integer>> asked = new LinkedHashMap<>();
    for (Peer peer : Peer.values()) {
      Attacker attacker = victims.attacker(peer);
      RawHttp2 http2 = attacker.http2();
      http2.send(frame(RawHttp2.SETTINGS, 0, 0, setting(RawHttp2.INITIAL_WINDOW_SIZE, 0)));
      List<Integer> streams = new ArrayList<>();
      asked.put(attacker, streams);
      for (int i = 0; i < STREAMS && peer != Peer.CONNECTOR; i++) {
        streams.add(http2.request("/", Map.of()));
      }
    }
    victims.assertNobodyNoticed();
    for (Map.Entry<Attacker, List<Integer>> each : asked.entrySet()) {
      try (Attacker attacker = each.getKey()) {
        if (each.getValue().isEmpty()) {
          attacker.awaitEnd();
        } else {
          attacker.awaitEndOf(each.getValue());
        }
      }
    }
    victims.assertNobodyNoticed();
  }

  // ---- no whole frame

  /** Frames that are as they should be. */
  private static final Map<Integer, byte[]> PAYLOADS =
      Map.of(
          RawHttp2.DATA, new byte[100],
          RawHttp2.HEADERS, headers(),
          RawHttp2.PRIORITY, new byte[5],
          RawHttp2.RST_STREAM, RawHttp2.integer(8),
          RawHttp2.SETTINGS, setting(RawHttp2.MAX_CONCURRENT_STREAMS, 100),
          RawHttp2.PING, new byte[8],
          RawHttp2.GOAWAY, new byte[8],
          RawHttp2.WINDOW_UPDATE, RawHttp2.integer(1),
          RawHttp2.CONTINUATION, headers());

  private static byte[] headers() {
    ByteArrayOutputStream block = new ByteArrayOutputStream();
    RawHttp2.header(block, "x-name", "value");
    return block.toByteArray();
  }

  static Stream<Arguments> peersAndFrames() {
    return Arrays.stream(Peer.values())
        .flatMap(peer -> PAYLOADS.keySet().stream().sorted().map(type -> arguments(peer, type)));
  }

  @ParameterizedTest
  @MethodSource("peersAndFrames")
  void connection_thatEndsInAFrame_isClosed(Peer peer, int type) throws Exception {
    byte[] payload = PAYLOADS.get(type);
    for (int cut : new int[] {1, 8, 9, 9 + payload.length / 2, 9 + payload.length - 1}) {
      try (Attacker attacker = victims.attacker(peer)) {
        attacker.send(type, payload, cut);
        attacker.http2().endOutput();
        attacker.awaitEnd();
      }
    }
    victims.assertNobodyNoticed();
  }

  /** Frames whose length cannot be that of their type, or of what they say of themselves. */
  static Stream<Arguments> peersAndLengths() {
    return Arrays.stream(Peer.values())
        .flatMap(
            peer ->
                Stream.of(
                    arguments(peer, RawHttp2.DATA, 8, new byte[] {9, 1, 1}), // padded with more
                    arguments(peer, RawHttp2.DATA, 8, new byte[0]), // and without saying how much
                    arguments(peer, RawHttp2.HEADERS, 8 | 4, new byte[] {9, 1, 1}),
                    arguments(peer, RawHttp2.HEADERS, 0x20 | 4, new byte[4]), // no whole priority
                    arguments(peer, RawHttp2.PRIORITY, 0, new byte[4]),
                    arguments(peer, RawHttp2.PRIORITY, 0, new byte[6]),
                    arguments(peer, RawHttp2.RST_STREAM, 0, new byte[3]),
                    arguments(peer, RawHttp2.RST_STREAM, 0, new byte[5]),
                    arguments(peer, RawHttp2.SETTINGS, 0, new byte[5]),
                    arguments(peer, RawHttp2.SETTINGS, 0, new byte[7]),
                    arguments(peer, RawHttp2.SETTINGS, RawHttp2.ACK, new byte[6]),
                    arguments(peer, RawHttp2.PING, 0, new byte[7]),
                    arguments(peer, RawHttp2.PING, 0, new byte[9]),
                    arguments(peer, RawHttp2.GOAWAY, 0, new byte[7]),
                    arguments(peer, RawHttp2.WINDOW_UPDATE, 0, new byte[3]),
                    arguments(peer, RawHttp2.WINDOW_UPDATE, 0, new byte[5])));
  }

  @ParameterizedTest
  @MethodSource("peersAndLengths")
  void frame_whoseLengthIsWrong_endsTheConnection(Peer peer, int type, int flags, byte[] payload)
      throws Exception {
    try (Attacker attacker = victims.attacker(peer)) {
      attacker.send(type, flags, payload);
      attacker.awaitEnd();
    } catch (IOException e) {
      throw new AssertionError("type " + type + " with " + payload.length + " bytes", e);
    }
    victims.assertNobodyNoticed();
  }
}
