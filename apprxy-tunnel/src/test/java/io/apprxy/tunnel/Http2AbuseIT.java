package io.apprxy.tunnel;

import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.apprxy.tunnel.Http2Victims.Attacker;
import io.apprxy.tunnel.Http2Victims.Peer;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Who abuses HTTP/2 is cut off, in every role, and nobody else notices. */
@Timeout(60)
class Http2AbuseIT {
  private static Http2Victims victims;

  @BeforeAll
  static void start() throws Exception {
    victims = new Http2Victims(application -> application);
  }

  @AfterAll
  static void stop() {
    victims.close();
  }

  static Stream<Arguments> attacks() {
    return Stream.of(Peer.CONNECTOR, Peer.GATEWAY, Peer.STRANGER, Peer.USER)
        .flatMap(
            peer ->
                Arrays.stream(Http2Attack.values())
                    .filter(attack -> peer != Peer.CONNECTOR || attack != Http2Attack.RAPID_RESET)
                    .map(attack -> arguments(peer, attack)));
  }

  @ParameterizedTest
  @MethodSource("attacks")
  void peer_thatAbusesWhatTheProtocolAllows_isCutOff(Peer peer, Http2Attack attack)
      throws Exception {
    try (Attacker attacker = victims.attacker(peer)) {
      attack.run(attacker.http2(), attacker.stream());
      victims.assertNobodyNoticed();
    }
  }
}
