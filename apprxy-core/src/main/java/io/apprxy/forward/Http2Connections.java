package io.apprxy.forward;

import io.undertow.UndertowOptions;
import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import io.undertow.server.ConnectorStatistics;
import io.undertow.server.DelegateOpenListener;
import io.undertow.server.HttpHandler;
import io.undertow.server.protocol.http2.Http2ReceiveListener;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.StreamConnection;

/**
 * The HTTP/2 connections of users. Undertow's own would leave a request alone that its user has
 * given up (a cancelled call, a page that was left), until something can be written to it.
 */
final class Http2Connections implements DelegateOpenListener {
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
    IsolatingChannel channel = new IsolatingChannel(connection, buffers, arrived, false, options);
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
