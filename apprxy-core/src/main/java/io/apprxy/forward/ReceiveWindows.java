package io.apprxy.forward;

import java.util.HashMap;
import java.util.Map;

/**
 * How much the streams of one connection may have under way to us, read by nobody yet. Each begins
 * with {@link #INITIAL}; one that is read gets more, a sixteenth of what is left of {@link
 * #SHARED}, so that few streams are fast over a long way and many cannot hold much. Whatever
 * readers do, a connection holds no more than {@code SHARED + streams × INITIAL}. Thread-safe.
 */
final class ReceiveWindows {
  /** What every stream may have under way. */
  static final int INITIAL = 64 * 1024;

  /** What the streams of a connection may have under way together beyond that. */
  static final int SHARED = 32 * 1024 * 1024;

  private static final int PART = 16;

  /** What one stream may have under way at most. */
  static final int LARGEST = INITIAL + SHARED / PART;

  private final Map<Integer, Integer> extra = new HashMap<>();
  private int used;

  /** The window that a stream gets which is read now. */
  synchronized int next() {
    return INITIAL + Math.max(0, SHARED - used) / PART;
  }

  /** A stream has got this window. */
  synchronized void granted(int stream, int window) {
    ended(stream);
    int more = Math.min(window - INITIAL, SHARED - used);
    if (more > 0) {
      extra.put(stream, more);
      used += more;
    }
  }

  /** A stream has ended: what it had is free for others. */
  synchronized void ended(int stream) {
    Integer had = extra.remove(stream);
    if (had != null) {
      used -= had;
    }
  }
}
