package io.apprxy.tunnel;

import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.forward.HeaderLists;
import io.apprxy.forward.Route;
import io.apprxy.forward.SharedChannel;
import io.undertow.client.ClientConnection;
import io.undertow.client.http2.Http2ClientConnection;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Methods;
import java.net.InetSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;

/**
 * One turned-around connection, as the gateway sees it. It is shared by many requests: a request
 * that fails resets its own stream (the forwarder does), and never closes the connection.
 * Thread-safe.
 */
final class TunnelConnection implements Route, Endings.Way {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");

  /**
   * Stream ids are finite (RFC 9113 §5.1.1): long before they end, the connector is made to dial
   * another connection.
   */
  private static final int MAX_REQUESTS = 100_000_000;

  /**
   * Undertow keeps something of some streams that were reset, up to a buffer, until the connection
   * ends.
   */
  private static final int MAX_BROKEN = 1_000;

  /** How many requests more a connection of the caller's own thread may have under way. */
  private static final int OTHER_THREAD = 32;

  private final SharedChannel channel;
  private final Http2ClientConnection http2;
  private final AtomicInteger active = new AtomicInteger();
  private final AtomicInteger served = new AtomicInteger();
  private final AtomicInteger broken = new AtomicInteger();
  private volatile boolean configured;
  private volatile boolean retired;
  private volatile boolean draining;
  private volatile boolean refused;
  private volatile @Nullable ConnectorCertificate certificate;
  private volatile @Nullable RemoteConnector owner;

  TunnelConnection(SharedChannel channel) {
    this.channel = channel;
    this.http2 = new Http2ClientConnection(channel, false, "connector", null, true);
  }

  void onClose(Runnable task) {
    channel.addCloseTask(closed -> task.run());
  }

  /** Asks the connector who it is and how it does, and watches whether it is still there. */
  void begin(ControlStream.Reader reader) {
    ControlStream.open(http2, reader);
    var unused =
        Heartbeat.of(
            channel,
            channel::framesArrived,
            () -> {
              LOG.warn("{} does not answer; its connection is closed", this);
              close();
            });
  }

  String address() {
    return channel.getPeerAddress(InetSocketAddress.class).getAddress().getHostAddress();
  }

  /** What the peer has proved itself with; null until it has. */
  @Nullable ConnectorCertificate certificate() {
    return certificate;
  }

  void admitted(ConnectorCertificate peer) {
    certificate = peer;
  }

  /** Whose connection it is; null until that is known. */
  @Nullable RemoteConnector owner() {
    return owner;
  }

  void belongsTo(RemoteConnector connector) {
    owner = connector;
  }

  boolean isOpen() {
    return http2.isOpen();
  }

  boolean isUsable() {
    return configured && !draining && !refused && active.get() < Wire.MAX_STREAMS && http2.isOpen();
  }

  /** The requests under way. */
  int active() {
    return active.get();
  }

  /**
   * The requests under way; as if there were some more, if the caller would have to wake another
   * thread.
   */
  int burden() {
    return active.get() + (Thread.currentThread() == channel.getIoThread() ? 0 : OTHER_THREAD);
  }

  @Override
  public String name() {
    RemoteConnector connector = owner;
    return connector == null ? "unknown" : connector.name();
  }

  @Override
  public boolean carriesUpgrades() {
    return false;
  }

  /** A connector has several connections, and they do not end together, but in turn. */
  @Override
  public Next afterCut() {
    return draining || !http2.isOpen() ? Next.HERE_IF_NOWHERE_ELSE : Next.ELSEWHERE;
  }

  @Override
  public GatewayException failure(Exception cause) {
    if (cause instanceof HeaderLists.TooLargeException) {
      return new GatewayException(ErrorCode.HEADERS_TOO_LARGE, "too large for the tunnel", cause);
    }
    return new GatewayException(ErrorCode.CONNECTOR_LOST, "lost connector " + name(), cause);
  }

  @Override
  public void open(HttpServerExchange exchange, Opened opened) {
    // Counted before it is looked at, so that a drain which begins now waits for this request.
    active.incrementAndGet();
    if (draining || refused || !http2.isOpen()) {
      ended();
      opened.failed(new ClosedChannelException());
      return;
    }
    if (served.incrementAndGet() == MAX_REQUESTS) {
      retire();
    }
    opened.opened(new StreamLease());
  }

  private final class StreamLease implements Lease {
    @Override
    public ClientConnection connection() {
      return http2;
    }

    @Override
    public void release(boolean intact) {
      if (!intact && broken.incrementAndGet() == MAX_BROKEN) {
        retire();
      }
      ended();
    }
  }

  private void ended() {
    if (active.decrementAndGet() == 0 && draining) {
      close();
    }
  }

  /** Has the connector dial another connection; serves until that one is there. */
  private void retire() {
    retired = true;
    LOG.debug("{} is to be replaced", this);
    command(Wire.REPLACEMENT_PATH, "")
        .exceptionally(
            failed -> {
              LOG.warn("{} is not replaced", this, failed);
              drain();
              return null;
            });
  }

  boolean isDraining() {
    return draining;
  }

  boolean isRetired() {
    return retired;
  }

  /** Takes no new request, and closes after the last one: GOAWAY would fail those in flight. */
  void drain() {
    draining = true;
    if (active.get() == 0) {
      close();
    }
  }

  void close() {
    try {
      channel.getIoThread().execute(() -> IoUtils.safeClose(http2, channel));
    } catch (RejectedExecutionException e) {
      LOG.debug("the I/O threads end, and {} with them", this, e);
    }
  }

  /** Sends the configuration; the connection is usable when the connector has taken it. */
  CompletableFuture<Void> configure(String json) {
    return required(Wire.CONFIGURATION_PATH, json)
        .whenComplete((ok, failed) -> configured = failed == null);
  }

  /** Says that requests come from now on, so that the connector may let go of others. */
  CompletableFuture<Void> serving() {
    return required(Wire.SERVING_PATH, "");
  }

  private CompletableFuture<Void> required(String path, String json) {
    return command(path, json)
        .whenComplete(
            (ok, failed) -> {
              if (failed != null) {
                LOG.debug("{} did not obey {}", this, path, failed);
                close();
              }
            });
  }

  private CompletableFuture<Void> command(String path, String json) {
    return Call.send(http2, Methods.PUT, path, json)
        .thenAccept(
            answer -> {
              if (answer.status() != 204) {
                throw new IllegalStateException("the connector answered " + answer.status());
              }
            });
  }

  /** Tells the connector that it is its turn to update itself. */
  CompletableFuture<Void> update(UpdateTurns.Order order) {
    return command(Wire.UPDATE_PATH, order.toJson());
  }

  @Override
  public CompletableFuture<Void> forget(EndedSessions ended) {
    return command(Wire.ENDED_SESSIONS_PATH, EndedSessionsJson.text(ended));
  }

  /** Says that this gateway leaves; done when the connector needs it no more. */
  CompletableFuture<Void> leave() {
    return command(Wire.LEAVING_PATH, "");
  }

  /** Sends it no further request, says why the connector is not taken, and closes. */
  void refuse(Refusal refusal) {
    refused = true;
    var unused = command(Wire.REFUSAL_PATH, refusal.toJson()).whenComplete((ok, failed) -> close());
  }

  @Override
  public String toString() {
    RemoteConnector connector = owner;
    return "a connection of " + (connector == null ? "a peer at " + address() : connector);
  }
}
