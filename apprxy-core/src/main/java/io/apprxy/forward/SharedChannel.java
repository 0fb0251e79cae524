package io.apprxy.forward;

import io.undertow.UndertowOptions;
import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import io.undertow.protocols.http2.AbstractHttp2StreamSourceChannel;
import io.undertow.protocols.http2.Http2RstStreamStreamSourceChannel;
import io.undertow.protocols.http2.Http2SettingsStreamSourceChannel;
import io.undertow.protocols.http2.Http2StreamSourceChannel;
import io.undertow.server.protocol.framed.FrameHeaderData;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.xnio.OptionMap;
import org.xnio.StreamConnection;

/**
 * HTTP/2 on a connection that many users share (of the tunnel, or to an origin), where one of them
 * who stops reading must not be felt by another. For the engine.
 *
 * <p>What arrives and is not read is bounded by the windows of the streams ({@link ReceiveWindows}:
 * 32 MiB a connection, and 64 KiB for each of its streams), not by the connection's, nor by the
 * number of buffers: those would be used up by the readers that have stopped.
 */
public final class SharedChannel extends IsolatingChannel {
  /** What one connection may have under way: what it can carry in a round trip. */
  static final int CONNECTION_WINDOW = 16 * 1024 * 1024;

  private static final int INITIAL_CONNECTION_WINDOW = 65_535; // RFC 9113 §6.9.2
  private static final int BUFFER = 16 * 1024;

  /** Of the streams that a bound of buffers is computed for. */
  private static final int STREAMS = 1_000;

  /**
   * Users who leave early are many, and no attack of the gateway's, which replaces a connection
   * after 1,000 of them. Undertow keeps up to a buffer of each for a minute: this bounds it at 64
   * MiB.
   */
  private static final int MAX_RESETS = 2_000;

  private final ReceiveWindows windows = new ReceiveWindows();
  private final GoAwayFrames goAwayFrames = new GoAwayFrames();
  private @Nullable Peer peer;
  private volatile int maxStreams = Integer.MAX_VALUE;
  private int uncredited;
  private long framesArrived;

  /** What a peer says of the whole connection. Called on the connection's I/O thread. */
  interface Peer {
    /** Its settings have arrived, and with them {@link #maxStreams}. */
    void settings();

    /** It takes no further request, and answers none after this stream (RFC 9113 §6.8). */
    void goesAway(int lastStream, int code);

    /** Something has arrived. */
    void isAlive();
  }

  private SharedChannel(
      StreamConnection connection,
      ByteBufferPool buffers,
      @Nullable PooledByteBuffer arrived,
      boolean client,
      OptionMap options) {
    super(connection, buffers, arrived, client, options, ReceiveWindows.LARGEST, MAX_RESETS);
  }

  /**
   * Opens HTTP/2 on a connection.
   *
   * @param arrived what was read from it already; is closed with it
   * @param client whether this end sends the requests
   * @param options Undertow's, but for the windows
   */
  public static SharedChannel open(
      StreamConnection connection,
      ByteBufferPool buffers,
      @Nullable PooledByteBuffer arrived,
      boolean client,
      OptionMap options)
      throws IOException {
    SharedChannel channel =
        new SharedChannel(connection, buffers, arrived, client, withWindows(options));
    // After our SETTINGS have gone out: a peer takes any other first frame for an error.
    channel.sendUpdateWindowSize(0, CONNECTION_WINDOW - INITIAL_CONNECTION_WINDOW);
    return channel;
  }

  private static OptionMap withWindows(OptionMap options) {
    return OptionMap.builder()
        .addAll(options)
        .set(UndertowOptions.HTTP2_SETTINGS_INITIAL_WINDOW_SIZE, ReceiveWindows.INITIAL)
        // The default of 16 buffers for all streams together would let one slow reader stall every
        // other. Twice the windows, since a buffer may hold parts of two streams.
        .set(
            UndertowOptions.MAX_QUEUED_READ_BUFFERS,
            2 * (ReceiveWindows.SHARED + STREAMS * ReceiveWindows.INITIAL) / BUFFER)
        .getMap();
  }

  /** Has somebody told what the peer says of the connection. */
  void observe(Peer observer) {
    peer = observer;
  }

  // ---- windows

  /**
   * What arrives is credited to the connection at once, whoever reads it and when. Undertow credits
   * what is read, so that each response that nobody reads to its end would shrink the window for
   * good, and readers that stop would close it for all.
   */
  @Override
  protected @Nullable FrameHeaderData parseFrame(ByteBuffer bytes) throws IOException {
    if (peer != null) {
      goAwayFrames.hideIn(bytes);
    }
    int begin = bytes.position();
    FrameHeaderData frame = super.parseFrame(bytes);
    if (peer != null) {
      tell(peer, goAwayFrames.parsed(bytes.position() - begin, frame != null));
    }
    if (frame != null) {
      framesArrived++;
      credit((int) frame.getFrameLength()); // is that of DATA, and 0 of all other frames
    }
    return frame;
  }

  private static void tell(Peer peer, GoAwayFrames.@Nullable GoAway goAway) {
    peer.isAlive();
    if (goAway != null) {
      peer.goesAway(goAway.lastStream(), goAway.code());
    }
  }

  private void credit(int arrived) throws IOException {
    uncredited += arrived;
    if (uncredited >= CONNECTION_WINDOW / 4) {
      sendUpdateWindowSize(0, uncredited);
      uncredited = 0;
    }
  }

  @Override
  public void updateReceiveFlowControlWindow(int read) {
    // credited when it came
  }

  /** Undertow tells what was read whenever half of this was. */
  @Override
  public int getInitialReceiveWindowSize() {
    return ReceiveWindows.INITIAL;
  }

  /** For a stream, what was read of it. */
  @Override
  public void sendUpdateWindowSize(int stream, int read) throws IOException {
    int more = stream == 0 ? read : windows.read(stream, read);
    if (more > 0) {
      super.sendUpdateWindowSize(stream, more);
    }
  }

  @Override
  public void sendRstStream(int stream, int code) {
    windows.ended(stream);
    super.sendRstStream(stream, code);
  }

  // ---- what the peer says

  @Override
  protected @Nullable AbstractHttp2StreamSourceChannel createChannel(
      FrameHeaderData frame, PooledByteBuffer data) throws IOException {
    AbstractHttp2StreamSourceChannel channel = super.createChannel(frame, data);
    if (channel instanceof Http2StreamSourceChannel stream) {
      if (stream.isOpen()) { // Undertow has closed one whose headers were all, and tells nobody
        windows.began(stream.getStreamId());
        stream.addCloseTask(closed -> windows.ended(stream.getStreamId()));
      }
    } else if (channel instanceof Http2RstStreamStreamSourceChannel reset) {
      windows.ended(reset.getStreamId());
    } else if (channel instanceof Http2SettingsStreamSourceChannel) {
      takeMaxStreams();
      if (peer != null) {
        peer.settings();
      }
    }
    return channel;
  }

  /** Counts the frames of the peer: signs of life. On the connection's I/O thread. */
  public long framesArrived() {
    return framesArrived;
  }

  /** How many requests the peer takes at once. */
  public int maxStreams() {
    return maxStreams;
  }

  /**
   * The limit is kept by whoever opens streams. Undertow miscounts them (a response without a body
   * leaves its stream counted), and would soon refuse all; so it is told that there is none.
   */
  private void takeMaxStreams() {
    int told = getSendMaxConcurrentStreams();
    if (isClient() && told != -1) {
      maxStreams = told < 0 ? Integer.MAX_VALUE : told;
      setSendMaxConcurrentStreams(-1);
    }
  }
}
