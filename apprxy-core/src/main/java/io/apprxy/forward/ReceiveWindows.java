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

  private final Map<Integer, Window> windows = new HashMap<>();
  private int used;

  private static final class Window {
    /** What may still come, and what has come and is not read. */
    private int size = INITIAL;

    private int ofShared;
  }

  synchronized void began(int stream) {
    windows.put(stream, new Window());
  }

  /**
   * So much of a stream was read: what it may send in addition, or 0 while it has enough left. One
   * that has ended, as the last bytes are read, gets nothing.
   */
  synchronized int read(int stream, int bytes) {
    Window window = windows.get(stream);
    if (window == null) {
      return 0;
    }
    window.size -= bytes;
    int ofShared = (SHARED - used + window.ofShared) / PART;
    int more = INITIAL + ofShared - window.size;
    if (more < (INITIAL + ofShared) / 2) {
      return 0;
    }
    used += ofShared - window.ofShared;
    window.ofShared = ofShared;
    window.size += more;
    return more;
  }

  /** A stream has ended: what it had is free for others. */
  synchronized void ended(int stream) {
    Window had = windows.remove(stream);
    if (had != null) {
      used -= had.ofShared;
    }
  }
}
