package io.apprxy.forward;

import io.undertow.UndertowOptions;
import io.undertow.client.ALPNClientSelector;
import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.http2.Http2ClientConnection;
import io.undertow.connector.ByteBufferPool;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.ChannelListener;
import org.xnio.IoFuture;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.StreamConnection;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;
import org.xnio.ssl.SslConnection;

/**
 * One connection of HTTP/2 to an origin. A request that fails resets its own stream (the forwarder
 * does); the connection goes on, until it is idle, the origin leaves (GOAWAY: what the origin still
 * answers is awaited, RFC 9113 §6.8), or it does not answer a PING. Confined to its I/O thread.
 */
final class Http2OriginConnection implements SharedChannel.Peer {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.forward");

  /** Requests at once, where the origin takes more. */
  private static final int MAX_STREAMS = 1_000;

  /** Stream ids are finite (RFC 9113 §5.1.1): long before they end, the connection is left. */
  private static final int MAX_REQUESTS = 100_000_000;

  /** Undertow keeps something of some streams that were reset, until the connection ends. */
  private static final int MAX_BROKEN = 1_000;

  private static final String CLOSED_EARLY = "it closed the connection before it sent its SETTINGS";

  private static final Duration MAX_IDLE_TIME = Duration.ofSeconds(60);

  /** Requests that wait while nothing at all arrives make the connection suspect. */
  private static final Duration SUSPECT = Duration.ofSeconds(10);

  /**
   * A suspect connection that has answered is asked again only after this long, if nothing else has
   * arrived: servers take more for abuse (gRPC's: more than one PING in 5 minutes, without data).
   */
  private static final Duration NEXT_PING = Duration.ofMinutes(5);

  private static final OptionMap OPTIONS =
      OptionMap.builder()
          .set(UndertowOptions.HTTP2_SETTINGS_ENABLE_PUSH, false)
          .set(UndertowOptions.MAX_ENTITY_SIZE, -1L)
          .set(UndertowOptions.MAX_HEADER_SIZE, 128 * 1024)
          .set(UndertowOptions.MAX_HEADERS, 300)
          // Users that leave early are many, and no attack of the origin's.
          .set(UndertowOptions.MAX_RST_FRAMES_PER_WINDOW, Integer.MAX_VALUE)
          .getMap();

  private final OriginAddress origin;
  private final XnioIoThread thread;
  private final Owner owner;
  private final SharedChannel channel;
  private final Http2ClientConnection http2;
  private final XnioExecutor.Key timeout;
  private boolean ready;
  private boolean leaving;
  private boolean gone;
  private int active;
  private int served;
  private int broken;
  private long lastArrival = System.nanoTime();
  private long idleSince = System.nanoTime();
  private long pingedAt = System.nanoTime() - NEXT_PING.toNanos();
  private long arrivalAtPong;
  private boolean pinging;

  /** Whose connection it is. All on its thread. */
  interface Owner {
    /** The connection can be used. */
    void opened(Http2OriginConnection connection);

    /** There is no connection, once and instead of the above. */
    void failed(Exception cause);

    /** A request has ended, or the origin takes more. */
    void hasRoom();

    /** The connection takes no more requests; once. */
    void gone(Http2OriginConnection connection);
  }

  private Http2OriginConnection(
      OriginAddress origin,
      XnioIoThread thread,
      Owner owner,
      SharedChannel channel,
      XnioExecutor.Key timeout) {
    this.origin = origin;
    this.thread = thread;
    this.owner = owner;
    this.channel = channel;
    this.timeout = timeout;
    channel.observe(this);
    channel.addCloseTask(closed -> closed()); // all of the connection happens on the thread
    this.http2 =
        new Http2ClientConnection(
            channel, false, origin.uri().getHost(), null, origin.tls() != null);
  }

  // ---- opening

  /** Connects, and tells the owner. */
  static void open(OriginAddress origin, XnioIoThread thread, ByteBufferPool buffers, Owner owner) {
    new Opening(origin, thread, buffers, owner).connect();
  }

  /** A connection attempt, with an end: the operating system would try for minutes. */
  private static final class Opening {
    private final OriginAddress origin;
    private final XnioIoThread thread;
    private final ByteBufferPool buffers;
    private final Owner owner;
    private final XnioExecutor.Key timeout;
    private @Nullable StreamConnection connected;
    private @Nullable Http2OriginConnection opened;
    private boolean over;

    Opening(OriginAddress origin, XnioIoThread thread, ByteBufferPool buffers, Owner owner) {
      this.origin = origin;
      this.thread = thread;
      this.buffers = buffers;
      this.owner = owner;
      this.timeout =
          thread.executeAfter(
              this::timedOut, OriginAddress.CONNECT_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    }

    void connect() {
      URI uri = origin.uri();
      UndertowXnioSsl tls = origin.tls();
      int port = uri.getPort() >= 0 ? uri.getPort() : tls == null ? 80 : 443;
      InetSocketAddress address = new InetSocketAddress(uri.getHost(), port);
      if (tls == null) {
        notice(thread.openStreamConnection(address, onConnected(this::start), socket().getMap()));
      } else {
        notice(
            tls.openSslConnection(
                thread,
                address,
                onConnected(this::handshake),
                socket()
                    .set(Options.SSL_STARTTLS, true)
                    .set(UndertowOptions.ENDPOINT_IDENTIFICATION_ALGORITHM, "HTTPS")
                    .getMap()));
      }
    }

    private static OptionMap.Builder socket() {
      return OptionMap.builder().set(Options.TCP_NODELAY, true).set(Options.KEEP_ALIVE, true);
    }

    private <C extends StreamConnection> ChannelListener<C> onConnected(ChannelListener<C> then) {
      return connection -> {
        connected = connection;
        if (over) {
          IoUtils.safeClose(connection);
        } else {
          then.handleEvent(connection);
        }
      };
    }

    private void notice(IoFuture<? extends StreamConnection> connecting) {
      connecting.addNotifier(
          (future, none) -> {
            if (future.getStatus() == IoFuture.Status.FAILED) {
              thread.execute(() -> fail(future.getException()));
            }
          },
          null);
    }

    private void handshake(StreamConnection connection) {
      ALPNClientSelector.runAlpn(
          (SslConnection) connection,
          other -> fail(origin.notSpoken("it did not select h2 by ALPN", null)),
          new ClientCallback<>() {
            @Override
            public void completed(ClientConnection result) {}

            @Override
            public void failed(IOException e) {
              fail(e);
            }
          },
          new ALPNClientSelector.ALPNProtocol(this::start, OriginAddress.HTTP_2));
    }

    private void start(StreamConnection connection) {
      if (over) {
        return;
      }
      over = true;
      try {
        SharedChannel channel = SharedChannel.open(connection, buffers, null, true, OPTIONS);
        opened = new Http2OriginConnection(origin, thread, owner, channel, timeout);
      } catch (IOException e) {
        over = false;
        fail(origin.notSpoken(CLOSED_EARLY, e));
      }
    }

    private void timedOut() {
      if (opened != null) {
        opened.timedOut();
      } else {
        fail(new SocketTimeoutException("connecting"));
      }
    }

    private void fail(Exception cause) {
      if (!over) {
        over = true;
        timeout.remove();
        IoUtils.safeClose(connected);
        owner.failed(cause);
      }
    }
  }

  private void timedOut() {
    if (!ready && !gone) {
      gone = true;
      IoUtils.safeClose(channel);
      owner.failed(new SocketTimeoutException("the origin sent no SETTINGS"));
    }
  }

  // ---- what the origin says of the connection

  /** Not before is it known that it speaks HTTP/2, and how many requests it takes. */
  @Override
  public void settings() {
    if (!ready) {
      ready = true;
      timeout.remove();
      tickLater();
      owner.opened(this);
    } else {
      owner.hasRoom();
    }
  }

  @Override
  public void goesAway(int lastStream, int code) {
    LOG.debug("{} goes away, with code {} after stream {}", origin, code, lastStream);
    channel.tellUnprocessed(lastStream);
    leave();
  }

  @Override
  public void isAlive() {
    lastArrival = System.nanoTime();
  }

  private void closed() {
    timeout.remove();
    if (gone) {
      return;
    }
    gone = true;
    if (ready) {
      owner.gone(this);
    } else {
      owner.failed(origin.notSpoken(CLOSED_EARLY, null));
    }
  }

  // ---- requests

  boolean hasRoom() {
    return ready
        && !leaving
        && active < Math.min(channel.maxStreams(), MAX_STREAMS)
        && http2.isOpen();
  }

  int active() {
    return active;
  }

  int served() {
    return served;
  }

  ClientConnection http2() {
    return http2;
  }

  void use() {
    active++;
    if (active == 1) {
      lastArrival = System.nanoTime(); // silence before it is nobody's
    }
    served++;
    if (served == MAX_REQUESTS) {
      leave();
    }
  }

  void release(boolean intact) {
    active--;
    idleSince = System.nanoTime();
    if (!intact && ++broken == MAX_BROKEN) {
      leave();
    }
    if (leaving) {
      closeIfIdle();
    } else {
      owner.hasRoom();
    }
  }

  /** Takes no more requests, and closes when the last has ended. */
  void leave() {
    leaving = true;
    if (!gone) {
      gone = true;
      owner.gone(this);
    }
    closeIfIdle();
  }

  private void closeIfIdle() {
    if (active == 0) {
      IoUtils.safeClose(http2, channel);
    }
  }

  // ---- time

  private void tickLater() {
    thread.executeAfter(this::tick, SUSPECT.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void tick() {
    if (!channel.isOpen()) {
      return;
    }
    long now = System.nanoTime();
    if (active == 0 && now - idleSince >= MAX_IDLE_TIME.toNanos()) {
      leave();
      return;
    }
    if (active > 0 && now - lastArrival >= SUSPECT.toNanos() && mayPing(now)) {
      ping(now);
    }
    tickLater();
  }

  private boolean mayPing(long now) {
    return !pinging && (lastArrival != arrivalAtPong || now - pingedAt >= NEXT_PING.toNanos());
  }

  private void ping(long now) {
    pinging = true;
    pingedAt = now;
    http2.sendPing(
        new ClientConnection.PingListener() {
          @Override
          public void acknowledged() {
            pinging = false;
            arrivalAtPong = lastArrival;
          }

          @Override
          public void failed(IOException e) {
            if (pinging && channel.isOpen()) {
              LOG.warn("{} does not answer; a connection to it is closed", origin);
              IoUtils.safeClose(http2, channel);
            }
          }
        },
        SUSPECT.toMillis(),
        TimeUnit.MILLISECONDS);
  }
}
