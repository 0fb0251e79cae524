package io.apprxy.tunnel;

import io.apprxy.EndedSessions;
import io.apprxy.forward.SharedChannel;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.protocol.http2.Http2ReceiveListener;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.XnioIoThread;
import org.xnio.ssl.SslConnection;

/**
 * One connection to one gateway, from its dial to its end: turned around (the gateway is the HTTP/2
 * client on it: draft-thomson-ptth-potato), it serves requests and the gateway's orders. All state
 * belongs to its I/O thread.
 */
final class Link implements Node.Connection {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");

  private final URI gateway;
  private final InetSocketAddress address;
  private final Connector connector;
  private final Owner owner;
  private final XnioIoThread thread;
  private final SSLContext tls;
  private @Nullable CompletableFuture<SslConnection> dialling;
  private @Nullable SharedChannel channel;
  private @Nullable Heartbeat heartbeat;
  private @Nullable CheckIns checkIns;
  private @Nullable Configuration configuration;
  private boolean leaving;
  private boolean useful;
  private boolean ended;

  /** Who keeps links up. Called on the link's I/O thread. */
  interface Owner {
    /**
     * The gateway sends requests that are to be served by this configuration: by another one, if it
     * sent some before.
     */
    void serves(Link link, Configuration configuration);

    /** The gateway wants another connection in place of this one. */
    void toBeReplaced(Link link);

    /**
     * The gateway leaves, and waits for the answer to close its connections.
     *
     * @param answer to be run, on any thread, when it is needed no more
     */
    void gatewayLeaves(Runnable answer);

    /** There is an end to this link. Called once. */
    void ended(Link link, boolean refused);
  }

  Link(
      URI gateway,
      InetSocketAddress address,
      Connector connector,
      Owner owner,
      XnioIoThread thread) {
    this.gateway = gateway;
    this.address = address;
    this.connector = connector;
    this.owner = owner;
    this.thread = thread;
    this.tls = connector.tls();
  }

  /** Dials. Any thread. */
  void start() {
    onThread(
        () -> {
          CompletableFuture<SslConnection> connection =
              connector.dialer().dial(gateway, address, tls, Dialer.REVERSE_HTTP2, thread);
          dialling = connection;
          var unused =
              connection.whenComplete((opened, failed) -> onThread(() -> dialled(opened, failed)));
        });
  }

  /** Any thread. */
  @Override
  public void close() {
    onThread(
        () -> {
          if (dialling != null) {
            dialling.cancel(false);
          }
          IoUtils.safeClose(channel);
        });
  }

  /** Any thread. */
  @Override
  public void leave() {
    onThread(
        () -> {
          leaving = true;
          if (checkIns != null) {
            checkIns.send();
          } else if (channel == null && dialling != null) {
            dialling.cancel(false);
          }
        });
  }

  /** Says how the connector does, since it has changed. Any thread. */
  void checkIn() {
    onThread(
        () -> {
          if (checkIns != null) {
            checkIns.send();
          }
        });
  }

  /** Any thread. */
  @Override
  public void doubt() {
    onThread(
        () -> {
          if (heartbeat != null) {
            heartbeat.doubt();
          }
        });
  }

  private void onThread(Runnable task) {
    try {
      thread.execute(task);
    } catch (RejectedExecutionException e) {
      LOG.debug("the connector is closing", e);
    }
  }

  private void dialled(@Nullable SslConnection connection, @Nullable Throwable failed) {
    if (connection == null) {
      end(failed == null ? "" : message(failed), false);
      return;
    }
    try {
      serve(connection);
    } catch (IOException e) {
      IoUtils.safeClose(connection);
      end("gateway %s cannot be reached: %s".formatted(gateway, e), false);
    }
  }

  private static String message(Throwable failed) {
    return failed instanceof CancellationException ? "" : String.valueOf(failed.getMessage());
  }

  private void serve(SslConnection connection) throws IOException {
    SharedChannel http2 =
        SharedChannel.open(connection, connector.buffers(), null, false, Wire.HTTP2);
    channel = http2;
    http2.addCloseTask(
        closed ->
            onThread(
                () ->
                    end(
                        "gateway %s closed the connection before it said why".formatted(gateway),
                        false)));
    http2
        .getReceiveSetter()
        .set(
            new Http2ReceiveListener(
                http2.watching(connector.handler(new FromGateway())),
                Wire.HTTP2,
                connector.bufferSize(),
                null));
    http2.resumeReceives();
    heartbeat = Heartbeat.of(http2, http2::framesArrived, this::gatewayIsDead);
    thread.executeAfter(this::requireUse, Wire.DIAL_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void gatewayIsDead() {
    connector.trouble("gateway %s does not answer any more".formatted(gateway));
    IoUtils.safeClose(channel);
  }

  private void requireUse() {
    if (!useful) {
      end("gateway %s did not send requests".formatted(gateway), false);
      IoUtils.safeClose(channel);
    }
  }

  /**
   * @param trouble told if the link was of no use
   */
  private void end(String trouble, boolean refused) {
    if (!ended) {
      ended = true;
      if (!useful && !trouble.isEmpty()) {
        connector.trouble(trouble);
      }
      owner.ended(this, refused);
    }
  }

  /** What the gateway tells, beside requests. */
  private final class FromGateway implements ConnectorHandler.Orders {
    @Override
    public void configured(Configuration taken) {
      configuration = taken;
      if (!ended) {
        connector.configured(Link.this, taken);
      }
      if (useful) {
        owner.serves(Link.this, taken);
      }
    }

    /** Later than the configuration, since the gateway waits for it to be taken. */
    @Override
    public void serving() {
      Configuration toServe = configuration;
      if (toServe != null) {
        useful = true;
        connector.enrolment().accepted(tls);
        owner.serves(Link.this, toServe);
      }
    }

    @Override
    public void replace() {
      owner.toBeReplaced(Link.this);
    }

    @Override
    public void leaving(Runnable answer) {
      owner.gatewayLeaves(answer);
    }

    @Override
    public void refused(Refusal refusal) {
      connector.trouble("gateway %s refuses this connector: %s".formatted(gateway, refusal));
      connector.enrolment().refused(tls, refusal.code());
      end("", true);
      thread.executeAfter(Link.this::close, Wire.CALL_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    public void update(int attempt, String version) {
      connector.update(attempt, version);
    }

    @Override
    public void forget(EndedSessions sessions) {
      connector.forget(sessions);
    }

    @Override
    public void control(HttpServerExchange exchange) {
      checkIns = CheckIns.begin(exchange, () -> connector.checkIn(leaving));
    }
  }
}
