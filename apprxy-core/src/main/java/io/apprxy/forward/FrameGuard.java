package io.apprxy.forward;

import io.undertow.connector.PooledByteBuffer;
import io.undertow.protocols.http2.ConnectionErrorException;
import io.undertow.protocols.http2.Http2Channel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.xnio.channels.StreamSinkChannel;
import org.xnio.conduits.AbstractStreamSourceConduit;
import org.xnio.conduits.ConduitReadableByteChannel;
import org.xnio.conduits.Conduits;
import org.xnio.conduits.StreamSourceConduit;

/**
 * Follows the frames of HTTP/2 as they arrive, and breaks off the connection of a peer that uses
 * what the protocol allows to do harm (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316 and
 * their kin). Undertow holds nobody to the windows, takes some frames that are too short, keeps
 * headers for a peer without bound, counts no reset of a request that has no body, and reads frames
 * that ask for nothing for ever. The size of header lists it bounds itself. Confined to the I/O
 * thread of the connection, but for what says otherwise.
 */
final class FrameGuard extends AbstractStreamSourceConduit<StreamSourceConduit> {
  private static final int DATA = 0;
  private static final int HEADERS = 1;
  private static final int PRIORITY = 2;
  private static final int RST_STREAM = 3;
  private static final int SETTINGS = 4;
  private static final int PUSH_PROMISE = 5;
  private static final int WINDOW_UPDATE = 8;
  private static final int CONTINUATION = 9;

  private static final int END_STREAM = 1;
  private static final int ACK = 1;
  private static final int PADDED = 8;
  private static final int PRIORITISED = 0x20;

  private static final int HEADER_TABLE_SIZE = 1;
  private static final int MAX_HEADER_LIST_SIZE = 6;

  private static final int PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length();

  /** A header list has one per 16 KiB, of those who keep to the usual size of frames. */
  private static final int MAX_CONTINUATIONS = 64;

  /** What we would keep for a peer that asks for it (RFC 7541 §4.2); browsers ask for 64 KiB. */
  private static final int MAX_HEADER_TABLE = 1024 * 1024;

  /** Of how many streams the window is known. */
  private static final int STREAMS = 16 * 1024;

  private final boolean client;

  /**
   * Frames that ask for nothing: PING, SETTINGS, PRIORITY, DATA without data, unknown ones. Peers
   * that measure their bandwidth send some hundred PINGs a second.
   */
  private final Allowance idle = new Allowance(10_000, 1_000);

  /** Streams that the peer resets; who ends most of them otherwise gets more. */
  private final Allowance resets;

  private final int window;
  private final int largestWindow;

  /** What each stream may still send; guarded by itself. */
  private final Map<Integer, Long> windows = new LinkedHashMap<>(16, 0.75f, true);

  private boolean windowsForgotten;
  private volatile int lastOpened;
  private volatile long maxHeaderList = Long.MAX_VALUE;

  // What of the present frame has arrived.
  private final byte[] header = new byte[9];
  private final byte[] setting = new byte[6];
  private int prefaceLeft;
  private int headerRead;
  private int settingRead;
  private int payloadLeft;
  private boolean inSettings;
  private int continuations;

  /** What is to be said of what had arrived before. */
  private @Nullable IOException failure;

  /**
   * @param arrived what was read from the connection already
   * @param client whether this end sends the requests
   * @param window what each stream may send before it is let send more
   * @param largestWindow what it may have then
   * @param resets of how many streams at once
   */
  FrameGuard(
      StreamSourceConduit next,
      @Nullable PooledByteBuffer arrived,
      boolean client,
      int window,
      int largestWindow,
      int resets) {
    super(next);
    this.client = client;
    this.window = window;
    this.largestWindow = largestWindow;
    this.resets = new Allowance(resets, resets / 100.0);
    this.prefaceLeft = client ? 0 : PREFACE;
    if (arrived != null && arrived.isOpen()) { // Undertow closes one that is empty
      try {
        inspect(arrived.getBuffer().duplicate());
      } catch (IOException e) {
        failure = e;
      }
    }
  }

  /** So many at once, and so many a second. */
  private static final class Allowance {
    private final double most;
    private final double perSecond;
    private double left;
    private long since = System.nanoTime();

    Allowance(double most, double perSecond) {
      this.most = most;
      this.perSecond = perSecond;
      this.left = most;
    }

    void give(double more) {
      left = Math.min(most, left + more);
    }

    boolean spent() {
      if (left < 1) {
        long now = System.nanoTime();
        give((now - since) * perSecond / TimeUnit.SECONDS.toNanos(1));
        since = now;
      }
      left--;
      return left < 0;
    }
  }

  // ---- what this end does

  /** A stream was opened. Thread-safe. */
  void opened(int stream) {
    lastOpened = stream;
  }

  /** A stream may send more. Thread-safe. */
  void credited(int stream, int more) {
    synchronized (windows) {
      windows.computeIfPresent(stream, (id, left) -> left + more);
    }
  }

  /** A frame was of no use, since it came too late. */
  void ignored() throws IOException {
    idle();
  }

  /**
   * The largest header list that the peer takes (RFC 9113 §6.5.2): more would cost the connection.
   * Thread-safe.
   */
  long maxHeaderList() {
    return maxHeaderList;
  }

  // ---- what arrives

  @Override
  public int read(ByteBuffer into) throws IOException {
    if (failure != null) {
      throw failure;
    }
    int start = into.position();
    int count = super.read(into);
    if (count > 0) {
      inspect(into.duplicate().position(start).limit(start + count));
    }
    return count;
  }

  @Override
  public long read(ByteBuffer[] into, int offset, int length) throws IOException {
    for (int i = offset; i < offset + length; i++) {
      if (into[i].hasRemaining()) {
        return read(into[i]);
      }
    }
    return 0;
  }

  @Override
  public long transferTo(long position, long count, FileChannel target) throws IOException {
    return target.transferFrom(new ConduitReadableByteChannel(this), position, count);
  }

  @Override
  public long transferTo(long count, ByteBuffer through, StreamSinkChannel target)
      throws IOException {
    return Conduits.transfer(this, count, through, target);
  }

  /**
   * Looks at bytes in the order in which they come, as {@link #read} does.
   *
   * @throws IOException if that is no way to treat us
   */
  void inspect(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      if (prefaceLeft > 0) {
        prefaceLeft -= skip(bytes, prefaceLeft);
      } else if (payloadLeft > 0) {
        payload(bytes);
      } else {
        header[headerRead++] = bytes.get();
        if (headerRead == header.length) {
          headerRead = 0;
          frame();
        }
      }
    }
  }

  private static int skip(ByteBuffer bytes, int most) {
    int count = Math.min(most, bytes.remaining());
    bytes.position(bytes.position() + count);
    return count;
  }

  private void payload(ByteBuffer bytes) throws IOException {
    if (!inSettings) {
      payloadLeft -= skip(bytes, payloadLeft);
      return;
    }
    setting[settingRead++] = bytes.get();
    payloadLeft--;
    if (settingRead == setting.length) {
      settingRead = 0;
      ByteBuffer entry = ByteBuffer.wrap(setting);
      setting(entry.getShort(), Integer.toUnsignedLong(entry.getInt()));
    }
  }

  private void setting(int id, long value) throws IOException {
    if (id == HEADER_TABLE_SIZE && value > MAX_HEADER_TABLE) {
      throw harm("asks for a table of headers of " + value + " bytes");
    } else if (id == MAX_HEADER_LIST_SIZE) {
      maxHeaderList = value;
    }
  }

  /** RFC 9113 §4.1. */
  private void frame() throws IOException {
    ByteBuffer fields = ByteBuffer.wrap(header);
    int lengthAndType = fields.getInt();
    int type = lengthAndType & 0xff;
    int flags = fields.get();
    int stream = fields.getInt() & Integer.MAX_VALUE;
    payloadLeft = lengthAndType >>> 8;
    inSettings = type == SETTINGS;
    settingRead = 0;
    if (type == HEADERS) {
      headers(flags, stream);
    } else if (stream > lastOpened && type <= CONTINUATION && type != PRIORITY) {
      throw idleStream(type); // RFC 9113 §5.1
    }
    switch (type) {
      case DATA -> data(flags, stream);
      case CONTINUATION -> {
        if (++continuations > MAX_CONTINUATIONS) {
          throw harm("sends headers without end");
        }
      }
      case RST_STREAM -> {
        forget(stream);
        if (resets.spent()) {
          throw harm("resets too many streams");
        }
      }
      case PUSH_PROMISE -> throw harm("pushes, which nobody asked for");
      case SETTINGS -> settings(flags);
      // Each WINDOW_UPDATE is for what was sent before; the increments end at 2^31.
      case HEADERS, WINDOW_UPDATE -> {}
      default -> idle();
    }
  }

  /** What Undertow does not see, and waits for more of: RFC 9113 §4.2. */
  private void headers(int flags, int stream) throws IOException {
    int fields = ((flags & PADDED) != 0 ? 1 : 0) + ((flags & PRIORITISED) != 0 ? 5 : 0);
    if (payloadLeft < fields) {
      throw wrongLength(HEADERS);
    }
    continuations = 0;
    if (stream > lastOpened) {
      if (client) {
        throw idleStream(HEADERS);
      }
      lastOpened = stream;
      resets.give(0.5);
    }
  }

  private void settings(int flags) throws IOException {
    if ((flags & ACK) != 0 && payloadLeft > 0) {
      throw wrongLength(SETTINGS); // RFC 9113 §6.5
    }
    idle();
  }

  private void data(int flags, int stream) throws IOException {
    boolean last = (flags & END_STREAM) != 0;
    if (payloadLeft == 0 && !last) {
      idle();
    }
    spend(stream, payloadLeft);
    if (last) {
      forget(stream);
    }
  }

  // ---- what is too much

  private void idle() throws IOException {
    if (idle.spent()) {
      throw harm("sends frames that ask for nothing");
    }
  }

  /** RFC 9113 §6.9.1. */
  private void spend(int stream, int length) throws IOException {
    synchronized (windows) {
      Long known = windows.get(stream);
      long left = (known != null ? known : windowsForgotten ? largestWindow : window) - length;
      if (left < 0) {
        throw new ConnectionErrorException(
            Http2Channel.ERROR_FLOW_CONTROL_ERROR, "the peer sends more than it was let send");
      }
      windows.put(stream, left);
      if (windows.size() > STREAMS) {
        windowsForgotten = true;
        windows.remove(windows.keySet().iterator().next());
      }
    }
  }

  private void forget(int stream) {
    synchronized (windows) {
      windows.remove(stream);
    }
  }

  private static IOException idleStream(int type) {
    return new ConnectionErrorException(
        Http2Channel.ERROR_PROTOCOL_ERROR,
        "the peer sends a frame of type " + type + " for a stream that nobody opened");
  }

  private static IOException wrongLength(int type) {
    return new ConnectionErrorException(
        Http2Channel.ERROR_FRAME_SIZE_ERROR,
        "the peer sends a frame of type " + type + " whose length cannot be");
  }

  private static IOException harm(String what) {
    return new ConnectionErrorException(Http2Channel.ERROR_ENHANCE_YOUR_CALM, "the peer " + what);
  }
}
