package io.apprxy.forward;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.UndertowClient;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.HttpServerExchange;
import java.io.IOException;
import java.net.InetAddress;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;

/**
 * Connections of HTTP/1.1 to one origin. Each I/O thread has its own, so that a request, its
 * connection and its client all live on one thread and nothing is locked.
 */
final class OriginPool {
  /** Idle connections kept by a thread. */
  private static final int MAX_IDLE = 64;

  /** Connections of a thread, in use or idle. */
  private static final int MAX_OPEN = 512;

  /** Requests of a thread that wait for a connection. */
  private static final int MAX_WAITING = 1024;

  /**
   * Shorter than the keep-alive of common servers, so that it is we who close (Node.js: 5 s, Apache
   * httpd: 5 s).
   */
  private static final Duration MAX_IDLE_TIME = Duration.ofSeconds(4);

  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);

  private final URI origin;
  private final String name;
  private final @Nullable UndertowXnioSsl tls;

  /** Whether TLS with the origin worked when last looked at, and nothing has failed since. */
  private volatile boolean checked;

  private final ConcurrentMap<XnioIoThread, Local> locals = new ConcurrentHashMap<>();
  private volatile boolean closed;

  OriginPool(URI origin, @Nullable UndertowXnioSsl tls) {
    this.origin = origin;
    this.name = origin.toString();
    this.tls = tls;
  }

  /** A route to the origin that serves one attempt of one request. */
  Attempt route(boolean onFreshConnection) {
    return new Attempt(onFreshConnection);
  }

  /** Closes idle connections now, and those in use when their request ends. */
  void close() {
    closed = true;
    locals.forEach((thread, local) -> thread.execute(local::closeIdle));
  }

  /** One attempt. Confined to its request. */
  final class Attempt implements Route {
    private final boolean onFreshConnection;
    private boolean reused;

    private Attempt(boolean onFreshConnection) {
      this.onFreshConnection = onFreshConnection;
    }

    @Override
    public boolean endsAtOrigin() {
      return true;
    }

    @Override
    public boolean reused() {
      return reused;
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public boolean carriesUpgrades() {
      return true;
    }

    @Override
    public GatewayException failure(Exception cause) {
      return OriginPool.this.failure(cause);
    }

    @Override
    public void open(HttpServerExchange exchange, Opened opened) {
      locals.computeIfAbsent(exchange.getIoThread(), Local::new).open(this, exchange, opened);
    }
  }

  private GatewayException failure(Exception cause) {
    if (cause instanceof GatewayException known) {
      return known;
    }
    checked = false;
    if (CertificateCheck.isAboutCertificate(cause)) {
      return new GatewayException(
          ErrorCode.ORIGIN_CERTIFICATE, "no trusted connection to " + origin, cause);
    }
    return cause instanceof SocketTimeoutException
        ? new GatewayException(
            ErrorCode.ORIGIN_TIMEOUT,
            "no connection to " + origin + " in " + CONNECT_TIMEOUT,
            cause)
        : new GatewayException(ErrorCode.ORIGIN_UNREACHABLE, "no connection to " + origin, cause);
  }

  /** The connections of one I/O thread; only that thread calls. */
  private final class Local {
    private final XnioIoThread thread;
    private final Deque<Idle> idle = new ArrayDeque<>();
    private final Deque<Runnable> waiting = new ArrayDeque<>();
    private int open;
    private boolean sweeping;

    Local(XnioIoThread thread) {
      this.thread = thread;
    }

    void open(Attempt attempt, HttpServerExchange exchange, Route.Opened opened) {
      ClientConnection kept = attempt.onFreshConnection ? null : pollIdle();
      if (kept != null) {
        attempt.reused = true;
        opened.opened(new PooledLease(kept));
      } else if (open < MAX_OPEN) {
        open++;
        resolveAndConnect(exchange, opened);
      } else if (waiting.size() < MAX_WAITING) {
        waiting.add(() -> open(attempt, exchange, opened));
      } else {
        opened.failed(
            new GatewayException(
                ErrorCode.ORIGIN_OVERLOADED, MAX_WAITING + " requests wait for " + origin));
      }
    }

    private @Nullable ClientConnection pollIdle() {
      for (Idle next = idle.pollLast(); next != null; next = idle.pollLast()) {
        if (next.connection.isOpen()) {
          return next.connection;
        }
      }
      return null;
    }

    /**
     * What may block comes first, on a worker: the look-up of the name fills the JDK's cache, so
     * that connecting does not block the I/O thread.
     */
    private void resolveAndConnect(HttpServerExchange exchange, Route.Opened opened) {
      try {
        exchange
            .getConnection()
            .getWorker()
            .execute(
                () -> {
                  try {
                    InetAddress.getByName(origin.getHost());
                    if (tls != null && !checked) {
                      CertificateCheck.check(tls.getSslContext(), origin, CONNECT_TIMEOUT);
                      checked = true;
                    }
                    thread.execute(() -> connect(exchange, opened));
                  } catch (UnknownHostException | SSLException e) {
                    thread.execute(() -> failed(e, opened));
                  }
                });
      } catch (RejectedExecutionException e) {
        failed(e, opened);
      }
    }

    private void connect(HttpServerExchange exchange, Route.Opened opened) {
      Connecting connecting = new Connecting(opened);
      try {
        UndertowClient.getInstance()
            .connect(
                connecting,
                origin,
                thread,
                tls,
                exchange.getConnection().getByteBufferPool(),
                OptionMap.EMPTY);
      } catch (RuntimeException e) {
        connecting.failed(new IOException(e));
      }
    }

    private void failed(Exception cause, Route.Opened opened) {
      open--;
      opened.failed(cause);
      serveNext();
    }

    private void serveNext() {
      Runnable next = waiting.poll();
      if (next != null) {
        next.run();
      }
    }

    private void release(ClientConnection connection, boolean intact) {
      if (intact
          && connection.isOpen()
          && !connection.isUpgraded()
          && !closed
          && idle.size() < MAX_IDLE) {
        idle.add(new Idle(connection, System.nanoTime()));
        sweepLater();
      } else {
        IoUtils.safeClose(connection);
      }
      serveNext();
    }

    private void sweepLater() {
      if (!sweeping) {
        sweeping = true;
        thread.executeAfter(this::sweep, MAX_IDLE_TIME.toMillis(), TimeUnit.MILLISECONDS);
      }
    }

    private void sweep() {
      sweeping = false;
      long limit = System.nanoTime() - MAX_IDLE_TIME.toNanos();
      for (Idle oldest = idle.peek();
          oldest != null && oldest.since - limit <= 0;
          oldest = idle.peek()) {
        IoUtils.safeClose(idle.remove().connection);
      }
      if (!idle.isEmpty()) {
        sweepLater();
      }
    }

    private void closeIdle() {
      idle.forEach(kept -> IoUtils.safeClose(kept.connection));
      idle.clear();
    }

    /** A connection attempt with an end: the operating system would try for minutes. */
    private final class Connecting implements ClientCallback<ClientConnection> {
      private final Route.Opened opened;
      private final XnioExecutor.Key timeout;
      private boolean answered;

      Connecting(Route.Opened opened) {
        this.opened = opened;
        this.timeout =
            thread.executeAfter(
                () -> failed(new SocketTimeoutException("connecting")),
                CONNECT_TIMEOUT.toMillis(),
                TimeUnit.MILLISECONDS);
      }

      @Override
      public void completed(ClientConnection connection) {
        thread.execute(() -> connected(connection));
      }

      private void connected(ClientConnection connection) {
        if (answered) {
          IoUtils.safeClose(connection);
          return;
        }
        answered = true;
        timeout.remove();
        // Called on this thread, as all events of the connection are.
        connection.addCloseListener(gone -> open--);
        opened.opened(new PooledLease(connection));
      }

      @Override
      public void failed(IOException cause) {
        thread.execute(
            () -> {
              if (!answered) {
                answered = true;
                timeout.remove();
                Local.this.failed(cause, opened);
              }
            });
      }
    }

    private final class PooledLease implements Route.Lease {
      private final ClientConnection connection;

      PooledLease(ClientConnection connection) {
        this.connection = connection;
      }

      @Override
      public ClientConnection connection() {
        return connection;
      }

      @Override
      public void release(boolean intact) {
        Local.this.release(connection, intact);
      }
    }
  }

  private record Idle(ClientConnection connection, long since) {}
}
