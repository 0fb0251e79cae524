package io.apprxy.forward;

import io.undertow.UndertowOptions;
import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.server.ConnectorStatistics;
import io.undertow.server.DelegateOpenListener;
import io.undertow.server.HttpHandler;
import io.undertow.server.protocol.http2.Http2ReceiveListener;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.StreamConnection;
import org.xnio.XnioExecutor;

/**
 * The HTTP/2 connections of users. Undertow's own would leave a request alone that its user has
 * given up (a cancelled call, a page that was left), until something can be written to it.
 */
final class Http2Connections implements DelegateOpenListener {
  /** A page that is left resets what it was loading, up to all streams. */
  private static final int MAX_RESETS = 1_000;

  /** An answer of our own that waits for its window is given up in twice that time at most. */
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final Set<IsolatingChannel> open = ConcurrentHashMap.newKeySet();
  private final ByteBufferPool buffers;
  private final OptionMap options;
  private final int bufferSize;
  private volatile @Nullable HttpHandler handler;

  Http2Connections(ByteBufferPool buffers, OptionMap options) {
    this.buffers = buffers;
    this.options = options;
    try (PooledByteBuffer buffer = buffers.allocate()) {
      this.bufferSize = buffer.getBuffer().remaining();
    }
  }

  @Override
  public void handleEvent(StreamConnection connection) {
    handleEvent(connection, null);
  }

  @Override
  public void handleEvent(StreamConnection connection, @Nullable PooledByteBuffer arrived) {
    IsolatingChannel channel =
        new IsolatingChannel(
            connection,
            buffers,
            arrived,
            false,
            options,
            UndertowOptions.DEFAULT_HTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
            MAX_RESETS);
    Integer idleTimeout = options.get(UndertowOptions.IDLE_TIMEOUT);
    if (idleTimeout != null) {
      channel.setIdleTimeout(idleTimeout);
    }
    open.add(channel);
    channel.addCloseTask(closed -> open.remove(channel));
    channel
        .getReceiveSetter()
        .set(
            new Http2ReceiveListener(
                channel.watching(Objects.requireNonNull(handler)), options, bufferSize, null));
    channel.resumeReceives();
    awaitFirstRequest(channel);
    watchAnswers(channel);
  }

  /** Undertow's own limit, which is the same, begins when a request has ended. */
  private void awaitFirstRequest(IsolatingChannel channel) {
    int limit = options.get(UndertowOptions.NO_REQUEST_TIMEOUT, 60_000);
    XnioExecutor.Key timeout =
        channel
            .getIoThread()
            .executeAfter(
                () -> {
                  if (!channel.hasOpenedStream()) {
                    IoUtils.safeClose(channel);
                  }
                },
                limit,
                TimeUnit.MILLISECONDS);
    channel.addCloseTask(closed -> timeout.remove());
  }

  /**
   * Undertow would wait ten minutes for a window. One timer for all streams, which may be many in a
   * flood.
   */
  private static void watchAnswers(IsolatingChannel channel) {
    XnioExecutor.Key watch =
        channel
            .getIoThread()
            .executeAtInterval(
                () -> {
                  if (channel.hasStalled()) {
                    channel.sendGoAway(Http2Channel.ERROR_ENHANCE_YOUR_CALM);
                    IoUtils.safeClose(channel);
                  }
                },
                PATIENCE.toMillis(),
                TimeUnit.MILLISECONDS);
    channel.addCloseTask(closed -> watch.remove());
  }

  @Override
  public void closeConnections() {
    open.forEach(IoUtils::safeClose);
  }

  // ---- what Undertow asks of every open listener

  @Override
  public @Nullable HttpHandler getRootHandler() {
    return handler;
  }

  @Override
  public void setRootHandler(HttpHandler rootHandler) {
    handler = rootHandler;
  }

  @Override
  public OptionMap getUndertowOptions() {
    return options;
  }

  @Override
  public void setUndertowOptions(OptionMap undertowOptions) {
    // given once
  }

  @Override
  public ByteBufferPool getBufferPool() {
    return buffers;
  }

  @Override
  public @Nullable ConnectorStatistics getConnectorStatistics() {
    return null;
  }
}
