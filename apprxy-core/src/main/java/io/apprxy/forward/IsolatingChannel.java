package io.apprxy.forward;

import io.undertow.UndertowOptions;
import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import io.undertow.protocols.http2.AbstractHttp2StreamSinkChannel;
import io.undertow.protocols.http2.AbstractHttp2StreamSourceChannel;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.protocols.http2.Http2HeadersStreamSinkChannel;
import io.undertow.protocols.http2.Http2PingStreamSourceChannel;
import io.undertow.protocols.http2.Http2RstStreamStreamSourceChannel;
import io.undertow.protocols.http2.Http2StreamSinkChannel;
import io.undertow.protocols.http2.Http2StreamSourceChannel;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.protocol.framed.FrameHeaderData;
import io.undertow.util.HeaderMap;
import java.io.IOException;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.ChannelExceptionHandler;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.StreamConnection;
import org.xnio.conduits.ConduitStreamSinkChannel;

/**
 * HTTP/2 where the end of one stream is a matter of that stream alone: whoever waits for a stream
 * is told at once that the peer has reset it, and a frame that comes too late ends nothing. It
 * belongs to its I/O thread, but for what Undertow says of streams. For the engine.
 */
public class IsolatingChannel extends Http2Channel {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.forward");
  private static final int NONE = -1;

  /** Writes that one turn of the thread puts off. */
  private static final int MAX_DEFERRED = 64;

  /** Whoever waits for something of a stream. Called on the connection's I/O thread. */
  interface Waiting {
    /** The peer has ended the stream. */
    void ended(StreamEndedException cause);
  }

  private final FrameGuard guard;
  private final Map<Integer, Waiting> waiting = new ConcurrentHashMap<>();
  private final int maxRequests;

  /** Of the I/O thread. */
  private boolean flushDue;

  private int deferred;

  private boolean openingStream;
  private int wouldGoAway = NONE;

  /** The stream that Undertow has reset because of the present frame; it tells nobody. */
  private int malformed = NONE;

  private boolean goesAway;

  /** That of the request that is handed on next. */
  private @Nullable Http2StreamSourceChannel opened;

  /**
   * @param largestWindow what a stream may have under way at most
   * @param maxResets how many streams the peer may reset at once; a hundredth of it each second
   */
  IsolatingChannel(
      StreamConnection connection,
      ByteBufferPool buffers,
      @Nullable PooledByteBuffer arrived,
      boolean client,
      OptionMap options,
      int largestWindow,
      int maxResets) {
    // "From an upgrade" makes a server send its SETTINGS at once, so that WINDOW_UPDATE may follow.
    super(connection, null, buffers, arrived, client, !client, options);
    guard =
        new FrameGuard(
            connection.getSourceChannel().getConduit(),
            arrived,
            client,
            options.get(
                UndertowOptions.HTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                UndertowOptions.DEFAULT_HTTP2_SETTINGS_INITIAL_WINDOW_SIZE),
            largestWindow,
            maxResets);
    connection.getSourceChannel().setConduit(guard);
    int announced = options.get(UndertowOptions.HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, -1);
    // Undertow tells the limit, and holds nobody to it. A client may take for ended what we have
    // not yet ended: so it gets twice as many.
    maxRequests = announced > 0 ? 2 * announced : Integer.MAX_VALUE;
  }

  // ---- what the guard is told

  /**
   * @throws HeaderLists.TooLargeException if the peer would end the connection for it
   */
  @Override
  public synchronized Http2HeadersStreamSinkChannel createStream(HeaderMap headers)
      throws IOException {
    HeaderLists.check(headers, guard.maxHeaderList());
    Http2HeadersStreamSinkChannel stream = super.createStream(headers);
    guard.opened(stream.getStreamId());
    return stream;
  }

  @Override
  public void sendUpdateWindowSize(int stream, int delta) throws IOException {
    if (stream != 0) {
      guard.credited(stream, delta);
    }
    super.sendUpdateWindowSize(stream, delta);
  }

  /** Whether there was a request at all. */
  final boolean hasOpenedStream() {
    return opened != null;
  }

  // ---- frames that are written together

  /** What is to be sent is gathered in these. */
  @Override
  public ByteBufferPool getBufferPool() {
    return new FrameBuffers(super.getBufferPool());
  }

  /**
   * Writes what is queued when the thread has dealt with all events at hand, so that the small
   * frames of many streams share a system call and a TLS record, at both ends. Whatever ends a
   * stream or the connection has it written before. A peer that sends without a pause has the
   * thread deal with its frames without end: so much is queued, a buffer for each, and no more.
   */
  @Override
  public void flush() {
    if (Thread.currentThread() != getIoThread()) {
      super.flush();
    } else if (flushDue && ++deferred >= MAX_DEFERRED) {
      flushNow();
    } else if (!flushDue) {
      flushDue = true;
      try {
        getIoThread().execute(this::flushNow);
      } catch (RejectedExecutionException e) {
        flushNow(); // the thread is about to end
      }
    }
  }

  private void flushNow() {
    if (Thread.currentThread() == getIoThread() && flushDue) {
      flushDue = false;
      deferred = 0;
      if (isOpen()) {
        super.flush();
      }
    }
  }

  /** A full buffer goes out at once: its stream has more to send. */
  @Override
  protected void queueFrame(AbstractHttp2StreamSinkChannel frame) throws IOException {
    super.queueFrame(frame);
    if (frame.isBufferFull()) {
      flushNow();
    }
  }

  /** A stream whose request were dropped before it has gone out would hold up every later one. */
  @Override
  public void sendRstStream(int stream, int code) {
    flushNow();
    if (openingStream) {
      malformed = stream;
    }
    super.sendRstStream(stream, code);
  }

  @Override
  public void close() throws IOException {
    flushNow(); // such as GOAWAY
    super.close();
  }

  // ---- streams that the peer resets

  /**
   * Has a handler of requests told which of them the peer has reset. Undertow tells nobody, if the
   * stream was waiting for its window: the origin's response would wait with it.
   */
  public final HttpHandler watching(HttpHandler handler) {
    return exchange -> {
      Http2StreamSourceChannel request = Objects.requireNonNull(opened);
      int stream = request.getStreamId();
      waiting.put(stream, new Served(exchange, request.getResponseChannel()));
      exchange.addExchangeCompleteListener(
          (completed, next) -> {
            forget(stream);
            next.proceed();
          });
      handler.handleRequest(exchange);
    };
  }

  /** A request of the peer's. Confined to the I/O thread. */
  private final class Served implements Waiting {
    private final HttpServerExchange exchange;
    private final Http2StreamSinkChannel answer;
    private boolean waits;

    Served(HttpServerExchange exchange, Http2StreamSinkChannel answer) {
      this.exchange = exchange;
      this.answer = answer;
    }

    @Override
    public void ended(StreamEndedException cause) {
      getIoThread().execute(() -> Forwarder.clientLeft(exchange));
    }

    /** Whether it waits to be sent now, and did when this was asked last. */
    boolean hasWaited() {
      boolean before = waits;
      waits = answer.isReadyForFlush() && !Forwarder.isForwarded(exchange);
      return before && waits;
    }
  }

  /**
   * Whether the peer has left us no room for an answer of our own, a page at most, since this was
   * asked last. What is forwarded may wait for as long as its application says. Called on the I/O
   * thread, from time to time.
   */
  final boolean hasStalled() {
    boolean stalled = false;
    for (Waiting each : waiting.values()) {
      if (each instanceof Served served && served.hasWaited()) {
        stalled = true; // the others are asked, too: they remember
      }
    }
    return stalled;
  }

  /** Has somebody told if the peer ends the stream, until {@link #forget}. */
  final void await(int stream, Waiting whoever) {
    waiting.put(stream, whoever);
  }

  final void forget(int stream) {
    waiting.remove(stream);
  }

  /** The peer has said that it does nothing with the streams after this one (RFC 9113 §6.8). */
  final void tellUnprocessed(int lastStream) {
    for (Integer stream : waiting.keySet()) {
      if (stream > lastStream) {
        tell(stream, "the peer goes away", true);
      }
    }
  }

  private void tell(int stream, String what, boolean unprocessed) {
    Waiting whoever = waiting.remove(stream);
    if (whoever != null) {
      whoever.ended(new StreamEndedException(what, unprocessed));
    }
  }

  // ---- frames that come too late

  /**
   * Whoever resets a stream must ignore what was under way (RFC 9113 §5.1). Undertow would end the
   * connection, and with it every other request.
   */
  @Override
  protected @Nullable AbstractHttp2StreamSourceChannel createChannel(
      FrameHeaderData frame, PooledByteBuffer data) throws IOException {
    openingStream = true;
    AbstractHttp2StreamSourceChannel channel;
    try {
      channel = super.createChannel(frame, data);
    } finally {
      openingStream = false;
    }
    if (malformed != NONE) {
      int stream = malformed;
      malformed = NONE;
      tell(stream, "the peer's message is malformed (RFC 9113 §8.1.1)", false);
    }
    int status = wouldGoAway;
    wouldGoAway = NONE;
    if (status != NONE && channel == null) {
      LOG.debug("a frame of a stream that has ended is ignored");
      if (frame.getFrameLength() == 0) { // what has a length is bounded by the stream's window
        guard.ignored();
      }
    } else if (status != NONE) {
      super.sendGoAway(status);
    }
    if (channel instanceof Http2StreamSourceChannel stream) {
      return accept(stream);
    } else if (channel instanceof Http2RstStreamStreamSourceChannel reset) {
      int code = reset.getErrorCode();
      tell(
          reset.getStreamId(),
          "the peer has reset the stream, with code " + code,
          code == ERROR_REFUSED_STREAM);
    } else if (channel instanceof Http2PingStreamSourceChannel ping
        && isClient()
        && !ping.isAck()) {
      // Answered already. Undertow's client would send one of its own for each, which a server may
      // take for abuse.
      return null;
    }
    return channel;
  }

  private @Nullable AbstractHttp2StreamSourceChannel accept(Http2StreamSourceChannel stream) {
    opened = stream;
    String status = stream.getHeaders().getFirst(STATUS);
    if (!isClient() && waiting.size() >= maxRequests) {
      refuse(stream, ERROR_REFUSED_STREAM);
      return null;
    } else if (isClient() && !isExpected(status)) {
      // Undertow would wait for the final response in vain, or end the connection.
      refuse(stream, ERROR_CANCEL);
      tell(
          stream.getStreamId(),
          "the peer sent status " + status + ", which nobody asked for",
          false);
      return null;
    }
    return stream;
  }

  /** RFC 9110 §15: three digits; and no interim response but the one that was asked for. */
  private static boolean isExpected(@Nullable String status) {
    return status != null
        && status.length() == 3
        && isDigit(status.charAt(1))
        && isDigit(status.charAt(2))
        && ((status.charAt(0) >= '2' && isDigit(status.charAt(0))) || status.equals("100"));
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private void refuse(Http2StreamSourceChannel stream, int code) {
    sendRstStream(stream.getStreamId(), code);
    IoUtils.safeClose(stream);
  }

  @Override
  public void sendGoAway(int status) {
    if (openingStream && status == ERROR_PROTOCOL_ERROR) {
      wouldGoAway = status;
    } else {
      super.sendGoAway(status);
    }
  }

  @Override
  public void sendGoAway(
      int status, ChannelExceptionHandler<AbstractHttp2StreamSinkChannel> otherwise) {
    if (isClient() && !goesAway) {
      goesAway = true;
      ConduitStreamSinkChannel sink = getUnderlyingConnection().getSinkChannel();
      sink.setConduit(new ClientGoAway(sink.getConduit()));
    }
    super.sendGoAway(status, otherwise);
  }
}
