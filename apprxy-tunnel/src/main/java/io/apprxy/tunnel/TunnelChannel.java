package io.apprxy.tunnel;

import io.apprxy.forward.Forwarder;
import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import io.undertow.protocols.http2.AbstractHttp2StreamSourceChannel;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.protocols.http2.Http2RstStreamStreamSourceChannel;
import io.undertow.protocols.http2.Http2StreamSourceChannel;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.protocol.framed.FrameHeaderData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.StreamConnection;

/**
 * HTTP/2 on a connection that many users share, where one of them who leaves must not be felt by
 * another. It belongs to its I/O thread, but for what Undertow says of streams.
 */
final class TunnelChannel extends Http2Channel {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");
  private static final int NONE = -1;

  private long uncredited;
  private boolean openingStream;
  private int wouldGoAway = NONE;

  /** The stream of the request that is handed on next. */
  private int opened;

  private final Map<Integer, HttpServerExchange> requests = new ConcurrentHashMap<>();

  private TunnelChannel(StreamConnection stream, ByteBufferPool buffers, boolean client) {
    // "From an upgrade" makes a server send its SETTINGS at once, so that the window may follow.
    super(stream, null, buffers, null, client, !client, Wire.HTTP2);
  }

  /**
   * Opens HTTP/2 on a stream.
   *
   * @param client whether this end sends the requests
   */
  static TunnelChannel open(StreamConnection stream, ByteBufferPool buffers, boolean client)
      throws IOException {
    TunnelChannel channel = new TunnelChannel(stream, buffers, client);
    // After our SETTINGS have gone out: a peer takes any other first frame for an error.
    channel.sendUpdateWindowSize(0, Wire.CONNECTION_WINDOW - Wire.INITIAL_CONNECTION_WINDOW);
    return channel;
  }

  // ---- the connection's window

  /**
   * What arrives is credited at once, whoever reads it and when. Undertow credits what is read, so
   * that each response that nobody reads to its end would shrink the window for good, and readers
   * that stop would close it for all. Memory is bounded by the windows of the streams.
   */
  @Override
  protected FrameHeaderData parseFrame(ByteBuffer bytes) throws IOException {
    FrameHeaderData frame = super.parseFrame(bytes);
    if (frame != null) {
      uncredited += frame.getFrameLength(); // is that of DATA, and 0 of all other frames
      if (uncredited >= Wire.CONNECTION_WINDOW / 4) {
        sendUpdateWindowSize(0, Math.toIntExact(uncredited));
        uncredited = 0;
      }
    }
    return frame;
  }

  @Override
  public void updateReceiveFlowControlWindow(int read) {
    // credited when it came
  }

  // ---- streams that the peer resets

  /**
   * Has a handler of requests told which of them the peer has reset. Undertow tells nobody, if the
   * stream was waiting for its window: the origin's response would wait with it.
   */
  HttpHandler watching(HttpHandler handler) {
    return exchange -> {
      int stream = opened;
      requests.put(stream, exchange);
      exchange.addExchangeCompleteListener(
          (completed, next) -> {
            requests.remove(stream);
            next.proceed();
          });
      handler.handleRequest(exchange);
    };
  }

  private void peerReset(int stream) {
    HttpServerExchange request = requests.remove(stream);
    if (request != null) {
      getIoThread().execute(() -> Forwarder.clientLeft(request));
    }
  }

  // ---- frames that come too late

  /**
   * Whoever resets a stream must ignore what was under way (RFC 9113 §5.1). Undertow would end the
   * connection, and with it every other request.
   */
  @Override
  protected AbstractHttp2StreamSourceChannel createChannel(
      FrameHeaderData frame, PooledByteBuffer data) throws IOException {
    openingStream = true;
    AbstractHttp2StreamSourceChannel channel;
    try {
      channel = super.createChannel(frame, data);
    } finally {
      openingStream = false;
    }
    int status = wouldGoAway;
    wouldGoAway = NONE;
    if (status != NONE && channel == null) {
      LOG.debug("a frame of a stream that has ended is ignored");
    } else if (status != NONE) {
      super.sendGoAway(status);
    }
    if (channel instanceof Http2StreamSourceChannel request) {
      opened = request.getStreamId();
    } else if (channel instanceof Http2RstStreamStreamSourceChannel reset) {
      peerReset(reset.getStreamId());
    }
    return channel;
  }

  @Override
  public void sendGoAway(int status) {
    if (openingStream && status == ERROR_PROTOCOL_ERROR) {
      wouldGoAway = status;
    } else {
      super.sendGoAway(status);
    }
  }
}
