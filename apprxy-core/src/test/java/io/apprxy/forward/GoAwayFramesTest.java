package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GoAwayFramesTest {
  private static final int GOAWAY = 7;
  private static final int PING = 6;

  private final GoAwayFrames frames = new GoAwayFrames();
  private final List<GoAwayFrames.GoAway> found = new ArrayList<>();
  private final ByteArrayOutputStream parsed = new ByteArrayOutputStream();

  @Test
  void goAway_isFound_andUndertowSeesATypeThatItIgnores() {
    parse(frame(GOAWAY, goAway(7, 2)), 1_000);
    assertThat(found).containsExactly(new GoAwayFrames.GoAway(7, 2));
    assertThat(parsed.toByteArray()[3]).isEqualTo((byte) 0xef);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 9, 10, 16, 17})
  void goAway_isFound_whereverThePacketsAreCut(int cut) {
    parse(frame(PING, new byte[8]), cut);
    parse(frame(GOAWAY, goAway(Integer.MAX_VALUE, 0)), cut);
    parse(frame(GOAWAY, goAway(5, 0)), cut);
    parse(frame(PING, new byte[8]), cut);
    assertThat(found)
        .containsExactly(
            new GoAwayFrames.GoAway(Integer.MAX_VALUE, 0), new GoAwayFrames.GoAway(5, 0));
  }

  @Test
  void reservedBit_isIgnored() {
    parse(frame(GOAWAY, goAway(Integer.MIN_VALUE | 9, 0)), 1_000);
    assertThat(found).containsExactly(new GoAwayFrames.GoAway(9, 0));
  }

  @Test
  void otherFrames_stayAsTheyAre() {
    byte[] ping = frame(PING, new byte[] {0, 0, 0, GOAWAY, 0, 0, 0, GOAWAY});
    parse(ping, 1_000);
    assertThat(found).isEmpty();
    assertThat(parsed.toByteArray()).isEqualTo(ping);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 5, 17})
  void frameOfTheTypeThatGoAwayIsHiddenAs_isNone(int cut) {
    parse(frame(0xef, goAway(5, 0)), cut);
    assertThat(found).isEmpty();
  }

  /** As Undertow does: it takes what there is, and says whether the frame has ended. */
  private void parse(byte[] frame, int cut) {
    int end = 0;
    while (end < frame.length) {
      int begin = end;
      end = Math.min(frame.length, begin + cut);
      ByteBuffer bytes = ByteBuffer.wrap(frame.clone(), begin, end - begin);
      frames.hideIn(bytes);
      parsed.write(bytes.array(), begin, end - begin);
      GoAwayFrames.GoAway goAway = frames.parsed(end - begin, end == frame.length);
      if (goAway != null) {
        found.add(goAway);
      }
    }
  }

  private static byte[] goAway(int lastStream, int code) {
    return ByteBuffer.allocate(8).putInt(lastStream).putInt(code).array();
  }

  private static byte[] frame(int type, byte[] payload) {
    return ByteBuffer.allocate(9 + payload.length)
        .putShort((short) 0)
        .put((byte) payload.length)
        .put((byte) type)
        .put((byte) 0)
        .putInt(0)
        .put(payload)
        .array();
  }
}
