package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.forward.HeaderLists;
import io.apprxy.forward.Route;
import io.undertow.client.ClientConnection;
import io.undertow.client.http2.Http2ClientConnection;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Methods;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;

/**
 * One turned-around connection, as the gateway sees it. It is shared by many requests: a request
 * that fails resets its own stream (the forwarder does), and never closes the connection.
 * Thread-safe.
 */
final class TunnelConnection implements Route {
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

  final String group;
  final String connector;
  final String instance;
  private final Http2Channel channel;
  private final Http2ClientConnection http2;
  private final AtomicInteger active = new AtomicInteger();
  private final AtomicInteger served = new AtomicInteger();
  private final AtomicInteger broken = new AtomicInteger();
  private volatile boolean configured;
  private volatile boolean retired;
  private volatile boolean draining;

  TunnelConnection(String group, String connector, String instance, Http2Channel channel) {
    this.group = group;
    this.connector = connector;
    this.instance = instance;
    this.channel = channel;
    this.http2 = new Http2ClientConnection(channel, false, "connector", null, true);
  }

  void onClose(Runnable task) {
    channel.addCloseTask(closed -> task.run());
  }

  boolean isUsable() {
    return configured && !draining && active.get() < Wire.MAX_STREAMS && http2.isOpen();
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
    return connector;
  }

  @Override
  public boolean carriesUpgrades() {
    return false;
  }

  @Override
  public GatewayException failure(Exception cause) {
    if (cause instanceof HeaderLists.TooLargeException) {
      return new GatewayException(ErrorCode.HEADERS_TOO_LARGE, "too large for the tunnel", cause);
    }
    return new GatewayException(ErrorCode.CONNECTOR_LOST, "lost connector " + connector, cause);
  }

  @Override
  public void open(HttpServerExchange exchange, Opened opened) {
    // Counted before it is looked at, so that a drain which begins now waits for this request.
    active.incrementAndGet();
    if (draining || !http2.isOpen()) {
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
    LOG.debug("a connection of connector {} is to be replaced", connector);
    command(Wire.REPLACEMENT_PATH, "")
        .exceptionally(
            failed -> {
              LOG.warn("connector {} does not replace its connection", connector, failed);
              drain();
              return null;
            });
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
    channel.getIoThread().execute(() -> IoUtils.safeClose(http2, channel));
  }

  /** Sends the configuration; the connection is usable when the connector has taken it. */
  CompletableFuture<Void> configure(String json) {
    return command(Wire.CONFIGURATION_PATH, json)
        .whenComplete(
            (ok, failed) -> {
              configured = failed == null;
              if (failed != null) {
                LOG.warn("connector {} did not take its configuration", connector, failed);
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

  /**
   * A connection whose peer vanished without a word is closed, so that requests stop waiting on it.
   */
  void keepAlive() {
    channel
        .getIoThread()
        .executeAfter(this::ping, Wire.PING_INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void ping() {
    if (!channel.isOpen()) {
      return;
    }
    http2.sendPing(
        new ClientConnection.PingListener() {
          @Override
          public void acknowledged() {
            keepAlive();
          }

          @Override
          public void failed(IOException e) {
            LOG.warn("connector {} does not answer; its connection is closed", connector);
            close();
          }
        },
        Wire.PING_INTERVAL.toMillis(),
        TimeUnit.MILLISECONDS);
  }
}
