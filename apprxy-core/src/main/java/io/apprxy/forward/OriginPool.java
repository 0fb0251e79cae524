package io.apprxy.forward;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.UndertowClient;
import io.undertow.server.HttpServerExchange;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;

/**
 * Connections of HTTP/1.1 to one origin. Each I/O thread has its own, so that a request, its
 * connection and its client all live on one thread and nothing is locked.
 */
final class OriginPool implements OriginConnections {
  /** Idle connections kept by a thread. */
  private static final int MAX_IDLE = 64;

  /**
   * Connections of a thread, in use or idle; without those that were upgraded, which may last for
   * hours, and are bounded by their clients' connections.
   */
  private static final int MAX_OPEN = 512;

  /** Requests of a thread that wait for a connection. */
  private static final int MAX_WAITING = 1024;

  /**
   * Shorter than the keep-alive of common servers, so that it is we who close (Node.js: 5 s, Apache
   * httpd: 5 s).
   */
  static final Duration MAX_IDLE_TIME = Duration.ofSeconds(4);

  /** A request's headers go out before its body, and shall not wait for it. */
  private static final OptionMap SOCKET = OptionMap.create(Options.TCP_NODELAY, true);

  private final OriginAddress origin;
  private final int maxOpen;
  private final Duration maxIdleTime;
  private final ConcurrentMap<XnioIoThread, Local> locals = new ConcurrentHashMap<>();
  private volatile boolean closed;

  OriginPool(OriginAddress origin) {
    this(origin, MAX_OPEN, MAX_IDLE_TIME);
  }

  private OriginPool(OriginAddress origin, int maxOpen, Duration maxIdleTime) {
    this.origin = origin;
    this.maxOpen = maxOpen;
    this.maxIdleTime = maxIdleTime;
  }

  /**
   * One connection, for a client that has one: a request waits until the one before it has let go
   * of it, which may be a little after its client has the whole answer.
   */
  static OriginPool ofOne(OriginAddress origin, Duration maxIdleTime) {
    return new OriginPool(origin, 1, maxIdleTime);
  }

  @Override
  public Attempt route(OriginConnections.@Nullable Attempt failed) {
    return new Attempt(failed != null);
  }

  @Override
  public void close() {
    closed = true;
    locals.forEach((thread, local) -> thread.execute(local::closeIdle));
  }

  /** One attempt. Confined to its request. */
  private final class Attempt implements OriginConnections.Attempt {
    private final boolean onFreshConnection;
    private @Nullable Local local;
    private boolean reused;

    private Attempt(boolean onFreshConnection) {
      this.onFreshConnection = onFreshConnection;
    }

    @Override
    public boolean mayBeRepeated() {
      return reused;
    }

    @Override
    public String name() {
      return origin.toString();
    }

    @Override
    public boolean carriesUpgrades() {
      return true;
    }

    @Override
    public GatewayException failure(Exception cause) {
      return origin.failure(cause);
    }

    @Override
    public void open(HttpServerExchange exchange, Opened opened) {
      local = locals.computeIfAbsent(exchange.getIoThread(), Local::new);
      local.open(new Waiting(this, exchange, opened));
    }

    @Override
    public void cancel() {
      if (local != null) {
        local.leave(this);
      }
    }
  }

  private record Waiting(Attempt attempt, HttpServerExchange exchange, Route.Opened opened) {}

  /** The connections of one I/O thread; only that thread calls. */
  private final class Local {
    private final XnioIoThread thread;
    private final Deque<Pooled> idle = new ArrayDeque<>();
    private final Deque<Waiting> waiting = new ArrayDeque<>();
    private int open;
    private boolean sweeping;
    private boolean serving;
    private int turns;

    Local(XnioIoThread thread) {
      this.thread = thread;
    }

    void open(Waiting request) {
      Pooled kept = request.attempt.onFreshConnection ? null : pollIdle();
      if (kept != null) {
        request.attempt.reused = true;
        request.opened.opened(kept);
      } else if (open < maxOpen) {
        open++;
        resolveAndConnect(request.exchange, request.opened);
      } else if (waiting.size() < MAX_WAITING) {
        waiting.add(request);
      } else {
        request.opened.failed(
            new GatewayException(
                ErrorCode.ORIGIN_OVERLOADED, MAX_WAITING + " requests wait for " + origin));
      }
    }

    /** One that waits has ended, and makes room for another to wait. */
    void leave(Attempt attempt) {
      for (Waiting request : waiting) {
        if (request.attempt == attempt) {
          waiting.remove(request);
          request.opened.failed(
              new GatewayException(ErrorCode.CLIENT_GONE, "the request ended while it waited"));
          return;
        }
      }
    }

    private @Nullable Pooled pollIdle() {
      for (Pooled next = idle.pollLast(); next != null; next = idle.pollLast()) {
        if (next.connection.isOpen()) {
          return next;
        }
      }
      return null;
    }

    private void resolveAndConnect(HttpServerExchange exchange, Route.Opened opened) {
      origin.prepare(
          exchange.getConnection().getWorker(),
          thread,
          () -> connect(exchange, opened),
          failure -> failed(failure, opened));
    }

    private void connect(HttpServerExchange exchange, Route.Opened opened) {
      Connecting connecting = new Connecting(opened);
      try {
        UndertowClient.getInstance()
            .connect(
                connecting,
                origin.uri(),
                thread,
                origin.tls(),
                exchange.getConnection().getByteBufferPool(),
                SOCKET);
      } catch (RuntimeException e) {
        connecting.failed(new IOException(e));
      }
    }

    private void failed(Exception cause, Route.Opened opened) {
      open--;
      opened.failed(cause);
      serveNext();
    }

    /**
     * Gives one of those that wait its turn. It may pass it on at once, as do all whose connections
     * fail at once: in a loop, since there may be a thousand of them.
     */
    private void serveNext() {
      turns++;
      if (serving) {
        return;
      }
      serving = true;
      try {
        while (turns > 0) {
          turns--;
          Waiting next = waiting.poll();
          if (next != null) {
            open(next);
          }
        }
      } finally {
        serving = false;
      }
    }

    private void sweepLater() {
      if (!sweeping) {
        sweeping = true;
        thread.executeAfter(this::sweep, maxIdleTime.toMillis(), TimeUnit.MILLISECONDS);
      }
    }

    private void sweep() {
      sweeping = false;
      long limit = System.nanoTime() - maxIdleTime.toNanos();
      for (Pooled oldest = idle.peek();
          oldest != null && oldest.idleSince - limit <= 0;
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
                OriginAddress.CONNECT_TIMEOUT.toMillis(),
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
        Pooled pooled = new Pooled(connection);
        // Called on this thread, as all events of the connection are.
        connection.addCloseListener(gone -> pooled.leave());
        opened.opened(pooled);
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

    /** A connection of the pool, leased or idle. */
    private final class Pooled implements Route.Lease {
      private final ClientConnection connection;
      private boolean counted = true;
      private long idleSince;

      Pooled(ClientConnection connection) {
        this.connection = connection;
      }

      @Override
      public ClientConnection connection() {
        return connection;
      }

      @Override
      public void upgraded() {
        leave();
      }

      void leave() {
        if (counted) {
          counted = false;
          open--;
          serveNext();
        }
      }

      @Override
      public void release(boolean intact) {
        if (intact
            && connection.isOpen()
            && !connection.isUpgraded()
            && !closed
            && idle.size() < MAX_IDLE) {
          idleSince = System.nanoTime();
          idle.add(this);
          sweepLater();
          serveNext();
        } else {
          leave();
          closeSoon();
        }
      }

      /** Not now, since Undertow may be about to tell more of the connection. */
      private void closeSoon() {
        try {
          thread.execute(this::closeAtOnce);
        } catch (RejectedExecutionException e) {
          closeAtOnce(); // the thread has ended
        }
      }

      /**
       * Undertow would wait up to 10 seconds for the end of an answer that nobody wants, and leave
       * the origin at work on it; it lets go of a connection that is to be upgraded.
       */
      private void closeAtOnce() {
        try {
          IoUtils.safeClose(connection.performUpgrade());
        } catch (IOException e) {
          IoUtils.safeClose(connection); // is closed already
        }
      }
    }
  }
}
