package io.apprxy.forward;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.client.ClientConnection;
import io.undertow.server.HttpServerExchange;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;
import org.xnio.XnioIoThread;

/**
 * Connections of HTTP/2 to one origin, few, each shared by many requests. Each I/O thread has its
 * own, so that a request, its connection and its client all live on one thread and nothing is
 * locked. A further connection is opened when those that are there carry all that the origin takes.
 */
final class Http2Pool implements OriginConnections {
  /** Connections of a thread. */
  private static final int MAX_CONNECTIONS = 8;

  /** Requests of a thread that wait for a connection, or for room on one. */
  private static final int MAX_WAITING = 1024;

  private final OriginAddress origin;
  private final ConcurrentMap<XnioIoThread, Local> locals = new ConcurrentHashMap<>();
  private volatile boolean closed;

  Http2Pool(OriginAddress origin) {
    this.origin = origin;
  }

  @Override
  public Attempt route(OriginConnections.@Nullable Attempt failed) {
    return new Attempt(failed instanceof Attempt before ? before.connection : null);
  }

  @Override
  public void close() {
    closed = true;
    locals.forEach((thread, local) -> thread.execute(local::close));
  }

  private final class Attempt implements OriginConnections.Attempt {
    private final @Nullable Http2OriginConnection avoided;
    private @Nullable Local local;
    private @Nullable Http2OriginConnection connection;
    private boolean turnedAway;

    private Attempt(@Nullable Http2OriginConnection avoided) {
      this.avoided = avoided;
    }

    @Override
    public boolean mayBeRepeated() {
      return turnedAway || (connection != null && connection.served() > 1);
    }

    @Override
    public String name() {
      return origin.toString();
    }

    /** An upgrade would need extended CONNECT (RFC 8441); the pipeline asks HTTP/2 for none. */
    @Override
    public boolean carriesUpgrades() {
      return false;
    }

    @Override
    public GatewayException failure(Exception cause) {
      if (cause instanceof StreamEndedException ended) {
        turnedAway = ended.isUnprocessed();
        return new GatewayException(
            ErrorCode.ORIGIN_BROKEN, origin + " gave up the request", cause);
      }
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
  private final class Local implements Http2OriginConnection.Owner {
    private final XnioIoThread thread;
    private final List<Http2OriginConnection> connections = new ArrayList<>();
    private final Deque<Waiting> waiting = new ArrayDeque<>();
    private boolean connecting;

    Local(XnioIoThread thread) {
      this.thread = thread;
    }

    void open(Waiting request) {
      if (serve(request)) {
        return;
      }
      if (waiting.size() >= MAX_WAITING) {
        request.opened.failed(
            new GatewayException(
                ErrorCode.ORIGIN_OVERLOADED, MAX_WAITING + " requests wait for " + origin));
        return;
      }
      waiting.add(request);
      connect(request.exchange);
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

    /** On the connection with the fewest requests, if one has room. */
    private boolean serve(Waiting request) {
      Http2OriginConnection best =
          connections.stream()
              .filter(connection -> connection.hasRoom() && connection != request.attempt.avoided)
              .min(Comparator.comparingInt(Http2OriginConnection::active))
              .orElse(null);
      if (best == null) {
        return false;
      }
      request.attempt.connection = best;
      best.use();
      request.opened.opened(new StreamLease(best));
      return true;
    }

    /** One at a time: the first tells how many requests the origin takes on each. */
    private void connect(HttpServerExchange exchange) {
      if (connecting || connections.size() >= MAX_CONNECTIONS) {
        return;
      }
      connecting = true;
      origin.prepare(
          exchange.getConnection().getWorker(),
          thread,
          () ->
              Http2OriginConnection.open(
                  origin, thread, exchange.getConnection().getByteBufferPool(), this),
          this::failed);
    }

    @Override
    public void opened(Http2OriginConnection connection) {
      connecting = false;
      if (closed) {
        connection.leave();
      } else {
        connections.add(connection);
      }
      serveWaiting();
    }

    @Override
    public void failed(Exception cause) {
      connecting = false;
      if (!connections.isEmpty()) {
        return; // those that wait get their turn on the connections that there are
      }
      List<Waiting> all = new ArrayList<>(waiting);
      waiting.clear();
      all.forEach(request -> request.opened.failed(cause));
    }

    @Override
    public void hasRoom() {
      serveWaiting();
    }

    @Override
    public void gone(Http2OriginConnection connection) {
      connections.remove(connection);
      serveWaiting();
    }

    private void serveWaiting() {
      for (Waiting next = waiting.poll(); next != null; next = waiting.poll()) {
        if (!serve(next)) {
          waiting.addFirst(next);
          connect(next.exchange);
          return;
        }
      }
    }

    void close() {
      List.copyOf(connections).forEach(Http2OriginConnection::leave);
      failed(new GatewayException(ErrorCode.SHUTTING_DOWN, "no more requests are forwarded"));
    }
  }

  private static final class StreamLease implements Route.Lease {
    private final Http2OriginConnection connection;

    StreamLease(Http2OriginConnection connection) {
      this.connection = connection;
    }

    @Override
    public ClientConnection connection() {
      return connection.http2();
    }

    @Override
    public void release(boolean intact) {
      connection.release(intact);
    }
  }
}
