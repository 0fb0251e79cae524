package io.apprxy.forward;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Finds GOAWAY frames (RFC 9113 §6.8) among what a peer sends, and hides them from Undertow, which
 * would break off every request at once, those too that the peer is about to answer. Confined to
 * the connection's I/O thread.
 */
final class GoAwayFrames {
  private static final int TYPE = 3;
  private static final byte GOAWAY = 0x7;

  /** A type that nobody has defined, and so is ignored (RFC 9113 §4.1). */
  private static final byte IGNORED = (byte) 0xef;

  /** The frame header, the last stream, and the error code. */
  private final ByteBuffer beginning = ByteBuffer.allocate(9 + 4 + 4);

  /** How much of the present frame has been parsed. */
  private int parsed;

  /** How much of it was looked at; what is not parsed then is seen again, hidden or not. */
  private int seen;

  /**
   * @param lastStream the last that the peer will answer
   * @param code why (RFC 9113 §7)
   */
  record GoAway(int lastStream, int code) {}

  /** Looks at what is parsed next. */
  void hideIn(ByteBuffer bytes) {
    for (int i = bytes.position(); i < bytes.limit(); i++) {
      int offset = parsed + i - bytes.position();
      if (offset >= beginning.capacity()) {
        return;
      }
      if (offset >= seen) {
        byte value = bytes.get(i);
        beginning.put(offset, value);
        seen = offset + 1;
        if (offset == TYPE && value == GOAWAY) {
          bytes.put(i, IGNORED);
        }
      }
    }
  }

  /**
   * So much was parsed.
   *
   * @param whole whether a frame has ended with it
   * @return the frame that has ended, if it was GOAWAY
   */
  @Nullable GoAway parsed(int count, boolean whole) {
    parsed += count;
    if (!whole) {
      return null;
    }
    boolean found = beginning.get(TYPE) == GOAWAY && parsed >= beginning.capacity();
    parsed = 0;
    seen = 0;
    return found ? new GoAway(beginning.getInt(9) & Integer.MAX_VALUE, beginning.getInt(13)) : null;
  }
}
