package io.apprxy.forward;

import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.ConnectorStatistics;
import io.undertow.server.DelegateOpenListener;
import io.undertow.server.HttpHandler;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.StreamConnection;
import org.xnio.XnioExecutor;
import org.xnio.conduits.ConduitStreamSourceChannel;
import org.xnio.ssl.SslConnection;

/**
 * Hands the connections of one {@link AlpnProtocol} on when their handshake has ended. Undertow
 * tells of a protocol as soon as it is selected, which is before the client has proved who it is.
 */
final class AlpnConnections implements DelegateOpenListener {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tls");
  private static final Duration HANDSHAKE_TIMEOUT = Duration.ofSeconds(10);

  private final AlpnProtocol protocol;
  private final ByteBufferPool buffers;
  private final OptionMap options;

  AlpnConnections(AlpnProtocol protocol, ByteBufferPool buffers, OptionMap options) {
    this.protocol = protocol;
    this.buffers = buffers;
    this.options = options;
  }

  @Override
  public void handleEvent(StreamConnection connection) {
    handleEvent(connection, null);
  }

  /**
   * @param read what Undertow has read, ready to be read from it
   */
  @Override
  public void handleEvent(StreamConnection connection, @Nullable PooledByteBuffer read) {
    PooledByteBuffer arrived = read;
    if (arrived == null) {
      arrived = buffers.allocate();
      arrived.getBuffer().flip();
    }
    new Handshake((SslConnection) connection, arrived).await();
  }

  /** Confined to the connection's I/O thread. */
  private final class Handshake {
    private final SslConnection connection;
    private final PooledByteBuffer arrived;
    private final XnioExecutor.Key timeout;
    private boolean over;

    Handshake(SslConnection connection, PooledByteBuffer arrived) {
      this.connection = connection;
      this.arrived = arrived;
      this.timeout =
          connection
              .getIoThread()
              .executeAfter(
                  () -> IoUtils.safeClose(connection),
                  HANDSHAKE_TIMEOUT.toMillis(),
                  TimeUnit.MILLISECONDS);
    }

    void await() {
      connection.getHandshakeSetter().set(done -> connection.getIoThread().execute(this::look));
      connection.getCloseSetter().set(closed -> end()); // XNIO never forgets one
      connection.getSourceChannel().getReadSetter().set(source -> proceed());
      if (!look()) {
        connection.getSourceChannel().resumeReads();
      }
    }

    /** Reading is what makes a handshake proceed; the client's first bytes are its end, too. */
    private void proceed() {
      if (over) {
        return;
      }
      ConduitStreamSourceChannel source = connection.getSourceChannel();
      try {
        arrived.getBuffer().clear();
        int count = source.read(arrived.getBuffer());
        arrived.getBuffer().flip();
        if (count < 0) {
          IoUtils.safeClose(connection);
        } else {
          look();
        }
      } catch (IOException e) {
        LOG.debug("a handshake failed", e);
        IoUtils.safeClose(connection);
      }
    }

    private boolean look() {
      if (over) {
        return true;
      }
      boolean done =
          arrived.getBuffer().hasRemaining()
              || UndertowXnioSsl.getSslEngine(connection).getHandshakeStatus()
                  == HandshakeStatus.NOT_HANDSHAKING;
      if (done && connection.isOpen()) {
        over = true;
        timeout.remove();
        connection.getHandshakeSetter().set(null);
        connection.getSourceChannel().getReadSetter().set(null);
        connection.getSourceChannel().suspendReads();
        protocol.opener().open(connection, buffers, arrived);
      }
      return over;
    }

    private void end() {
      if (!over) {
        over = true;
        timeout.remove();
        arrived.close();
      }
    }
  }

  // ---- what Undertow asks of every open listener

  @Override
  public @Nullable HttpHandler getRootHandler() {
    return null;
  }

  @Override
  public void setRootHandler(HttpHandler rootHandler) {
    // this protocol has none
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
