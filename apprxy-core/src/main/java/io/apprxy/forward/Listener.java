package io.apprxy.forward;

import io.undertow.connector.ByteBufferPool;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.HttpHandler;
import io.undertow.server.protocol.http.AlpnOpenListener;
import io.undertow.server.protocol.http.HttpOpenListener;
import io.undertow.server.protocol.http2.Http2OpenListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.WeakReference;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSession;
import org.xnio.ChannelListeners;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.StreamConnection;
import org.xnio.Xnio;
import org.xnio.XnioWorker;
import org.xnio.channels.AcceptingChannel;
import org.xnio.ssl.SslConnection;

/**
 * A TLS port that serves HTTP/1.1, HTTP/2, and what else is wanted. It is opened here and not by
 * {@code io.undertow.Undertow}, which leaves open the connections of a listener that shares its
 * threads with others. For the engine. Thread-safe.
 */
public final class Listener implements AutoCloseable {
  private static final Duration HANDSHAKE_TIMEOUT = Duration.ofSeconds(10);

  private static final OptionMap SOCKETS =
      OptionMap.builder()
          .set(Options.TCP_NODELAY, true)
          .set(Options.REUSE_ADDRESSES, true)
          .set(Options.BACKLOG, 1_000)
          .getMap();

  private final AcceptingChannel<? extends StreamConnection> accepting;
  private final AlpnOpenListener connections;
  private boolean closed;

  private Listener(
      AcceptingChannel<? extends StreamConnection> accepting, AlpnOpenListener connections) {
    this.accepting = accepting;
    this.connections = connections;
  }

  /**
   * Begins to listen.
   *
   * @param options Undertow's for HTTP, and XNIO's for TLS
   * @param others what clients may select by ALPN beside HTTP
   * @throws UncheckedIOException if the port cannot be bound
   */
  public static Listener open(
      InetSocketAddress address,
      SSLContext tls,
      OptionMap options,
      HttpHandler handler,
      AlpnProtocol... others) {
    HeaderLists.max(); // before the first connection
    ByteBufferPool buffers = Buffers.newPool();
    AlpnOpenListener connections =
        new AlpnOpenListener(buffers, options, new HttpOpenListener(buffers, options));
    connections.addProtocol(Http2OpenListener.HTTP2, new Http2Connections(buffers, options), 10);
    for (AlpnProtocol other : others) {
      connections.addProtocol(other.name(), new AlpnConnections(other, buffers, options), 20);
    }
    connections.setRootHandler(handler);
    XnioWorker threads = IoThreads.acquire();
    try {
      AcceptingChannel<? extends StreamConnection> accepting =
          new UndertowXnioSsl(Xnio.getInstance(), OptionMap.EMPTY, Buffers.RECORDS, tls)
              .createSslConnectionServer(
                  threads,
                  address,
                  ChannelListeners.openListenerAdapter(
                      connection -> {
                        limitHandshake(connection);
                        connections.handleEvent(connection);
                      }),
                  OptionMap.builder().addAll(SOCKETS).addAll(options).getMap());
      accepting.resumeAccepts();
      return new Listener(accepting, connections);
    } catch (IOException e) {
      IoThreads.release();
      throw new UncheckedIOException("cannot listen on " + address, e);
    } catch (RuntimeException e) {
      IoThreads.release();
      throw e;
    }
  }

  /** Undertow's own limits begin when the handshake has ended. */
  private static void limitHandshake(StreamConnection connection) {
    WeakReference<StreamConnection> limited = new WeakReference<>(connection);
    connection
        .getIoThread()
        .executeAfter(
            () -> {
              if (limited.get() instanceof SslConnection late && !hasHandshaken(late)) {
                IoUtils.safeClose(late);
              }
            },
            HANDSHAKE_TIMEOUT.toMillis(),
            TimeUnit.MILLISECONDS);
  }

  private static boolean hasHandshaken(SslConnection connection) {
    SSLSession session = UndertowXnioSsl.getSslEngine(connection).getSession();
    return session != null // as it is until the client has named its host
        && !session
            .getCipherSuite()
            .equals("SSL_NULL_WITH_NULL_NULL"); // of a session that is none, says SSLEngine
  }

  /** The port: the one that was asked for, or the one that was free. */
  public int port() {
    return accepting.getLocalAddress(InetSocketAddress.class).getPort();
  }

  /** Closes the port, and the connections: those in use when their request has ended. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      IoUtils.safeClose(accepting);
      connections.closeConnections();
      IoThreads.release();
    }
  }
}
