package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.undertow.protocols.http2.ConnectionErrorException;
import java.io.IOException;
import java.nio.ByteBuffer;

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
}
