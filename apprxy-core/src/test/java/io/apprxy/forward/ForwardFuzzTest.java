package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.undertow.protocols.http2.ConnectionErrorException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What holds for any bytes that a peer of HTTP/2 can send. */
class ForwardFuzzTest {
  /** The first byte says who we are, and where what arrives is torn apart. */
  @FuzzTest
  void frames_areTheSame_howeverTheyArrive(byte[] input) {
    int how = input.length == 0 ? 0 : input[0];
    FrameGuard whole = FrameGuardTest.guard((how & 1) == 0);
    FrameGuard torn = FrameGuardTest.guard((how & 1) == 0);
    ByteBuffer bytes = ByteBuffer.wrap(input);

    String verdict = verdict(whole, bytes.duplicate());
    String verdictOfParts = null;
    int step = 1 + (how >> 1 & 15);
    for (int i = 0; i < input.length && verdictOfParts == null; i += step) {
      verdictOfParts =
          verdict(torn, bytes.duplicate().position(i).limit(Math.min(input.length, i + step)));
    }

    assertThat(verdictOfParts).isEqualTo(verdict);
    assertThat(torn.maxHeaderList()).isEqualTo(whole.maxHeaderList());
  }

  private static String verdict(FrameGuard guard, ByteBuffer bytes) {
    try {
      guard.inspect(bytes);
      return null;
    } catch (IOException e) {
      assertThat(e).isInstanceOf(ConnectionErrorException.class);
      return e.getMessage();
    }
  }

  /**
   * The first byte says where what arrives is torn apart, and how much of it is seen before it is
   * parsed. Of DATA only the header is parsed as a frame.
   */
  @FuzzTest
  void goAway_isFound_andNothingElseIsTouched(byte[] input) {
    int how = input.length == 0 ? 0 : input[0] & 0xff;
    byte[] parsed = input.clone();
    List<GoAwayFrames.GoAway> found = new ArrayList<>();
    GoAwayFrames frames = new GoAwayFrames();
    byte[] hidden = input.clone();
    List<GoAwayFrames.GoAway> expected = new ArrayList<>();
    int begin = 0;
    while (begin + 9 <= input.length) {
      int length =
          (input[begin] & 0xff) << 16 | ByteBuffer.wrap(input).getShort(begin + 1) & 0xffff;
      boolean data = input[begin + 3] == 0;
      long end = (long) begin + 9 + (data ? 0 : length);
      int last = (int) Math.min(end, input.length);
      if (input[begin + 3] == 7) {
        hidden[begin + 3] = (byte) 0xef;
        if (end <= input.length && length >= 8) {
          ByteBuffer payload = ByteBuffer.wrap(input, begin + 9, 8);
          expected.add(
              new GoAwayFrames.GoAway(payload.getInt() & Integer.MAX_VALUE, payload.getInt()));
        }
      }
      int at = begin;
      while (at < last) {
        int next = Math.min(last, at + 1 + (how & 15));
        int ahead = Math.min(parsed.length, next + (how >> 4));
        frames.hideIn(ByteBuffer.wrap(parsed, at, ahead - at));
        GoAwayFrames.GoAway goAway = frames.parsed(next - at, next == end);
        if (goAway != null) {
          found.add(goAway);
        }
        at = next;
      }
      begin = (int) Math.min((long) begin + 9 + length, input.length);
    }

    assertThat(found).isEqualTo(expected);
    assertThat(Arrays.copyOf(parsed, begin)).isEqualTo(Arrays.copyOf(hidden, begin));
  }
}
