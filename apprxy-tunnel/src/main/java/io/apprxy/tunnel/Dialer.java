package io.apprxy.tunnel;

import io.apprxy.forward.Buffers;
import io.apprxy.forward.CertificateCheck;
import io.undertow.UndertowOptions;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;
import org.xnio.IoFuture;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.StreamConnection;
import org.xnio.Xnio;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;
import org.xnio.XnioWorker;
import org.xnio.ssl.SslConnection;

/**
 * Opens connections to gateways, step by step: address, TCP, a proxy if there is one, TLS,
 * protocol. Nothing blocks an I/O thread, and all of it has one end in time. Thread-safe.
 */
final class Dialer {
  /** ALPN: HTTP/2 with the roles turned around (draft-thomson-ptth-potato). */
  static final String REVERSE_HTTP2 = "rh2";

  /** ALPN: HTTP/2 as it is (RFC 9113 §3.2). */
  static final String HTTP2 = "h2";

  private static final OptionMap SOCKET = OptionMap.create(Options.TCP_NODELAY, true);

  private final XnioWorker worker;
  private final Resolver resolver;
  private final @Nullable HttpProxy proxy;

  Dialer(XnioWorker worker, Resolver resolver, @Nullable HttpProxy proxy) {
    this.worker = worker;
    this.resolver = resolver;
    this.proxy = proxy;
  }

  /**
   * All addresses of a gateway. Behind a proxy it is the proxy that looks names up, so there the
   * name itself is the one address, unresolved.
   *
   * @return completes on a worker
   */
  CompletableFuture<List<InetSocketAddress>> resolve(URI gateway) {
    int port = port(gateway);
    if (proxy != null) {
      return CompletableFuture.completedFuture(
          List.of(InetSocketAddress.createUnresolved(gateway.getHost(), port)));
    }
    return lookUp(gateway.getHost())
        .thenApply(found -> found.stream().map(each -> new InetSocketAddress(each, port)).toList());
  }

  private static int port(URI gateway) {
    return gateway.getPort() < 0 ? 443 : gateway.getPort();
  }

  private CompletableFuture<List<InetAddress>> lookUp(String host) {
    CompletableFuture<List<InetAddress>> found = new CompletableFuture<>();
    try {
      worker.execute(
          () -> {
            try {
              found.complete(resolver.resolve(host));
            } catch (UnknownHostException | RuntimeException e) {
              found.completeExceptionally(
                  new IOException("the name " + host + " cannot be resolved: " + e, e));
            }
          });
    } catch (RejectedExecutionException e) {
      found.completeExceptionally(new IOException("the connector is closing", e));
    }
    return found.orTimeout(Wire.DIAL_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
  }

  /**
   * Connects to a gateway by any of its addresses: the first that can be reached.
   *
   * @return as {@link #dial}; with what the last address failed for
   */
  CompletableFuture<SslConnection> dialAny(URI gateway, SSLContext tls, String protocol) {
    return resolve(gateway).thenCompose(found -> dialFirst(gateway, found, tls, protocol));
  }

  private CompletableFuture<SslConnection> dialFirst(
      URI gateway, List<InetSocketAddress> addresses, SSLContext tls, String protocol) {
    CompletableFuture<SslConnection> first =
        dial(gateway, addresses.get(0), tls, protocol, worker.getIoThread());
    List<InetSocketAddress> others = addresses.subList(1, addresses.size());
    return others.isEmpty()
        ? first
        : first.exceptionallyCompose(failed -> dialFirst(gateway, others, tls, protocol));
  }

  /**
   * Connects to one address of a gateway.
   *
   * @param tls holds for this connection: it may be another one the next time
   * @param protocol the one that must be selected by ALPN
   * @return completes on the thread, with a connection of which nothing was read, or with an {@link
   *     IOException} that says what is wrong and what can be done; a caller that cancels it gets no
   *     connection
   */
  CompletableFuture<SslConnection> dial(
      URI gateway,
      InetSocketAddress address,
      SSLContext tls,
      String protocol,
      XnioIoThread thread) {
    Attempt attempt = new Attempt(gateway, tls, protocol, thread);
    try {
      thread.execute(() -> attempt.begin(address));
    } catch (RejectedExecutionException e) {
      attempt.result.completeExceptionally(new IOException("the connector is closing", e));
    }
    return attempt.result;
  }

  /** One connection on its way; confined to its I/O thread. */
  private final class Attempt {
    private final URI gateway;
    private final SSLContext tls;
    private final String protocol;
    private final XnioIoThread thread;
    private final CompletableFuture<SslConnection> result = new CompletableFuture<>();
    private String waitingFor = "a connection";
    private @Nullable IoFuture<StreamConnection> connecting;
    private @Nullable StreamConnection opened;

    Attempt(URI gateway, SSLContext tls, String protocol, XnioIoThread thread) {
      this.gateway = gateway;
      this.tls = tls;
      this.protocol = protocol;
      this.thread = thread;
    }

    void begin(InetSocketAddress address) {
      XnioExecutor.Key timeout =
          thread.executeAfter(
              () ->
                  fail(
                      new SocketTimeoutException(
                          "waited " + Wire.DIAL_TIMEOUT + " for " + waitingFor)),
              Wire.DIAL_TIMEOUT.toMillis(),
              TimeUnit.MILLISECONDS);
      var unused =
          result.whenComplete(
              (connection, failed) -> {
                timeout.remove();
                if (failed != null) {
                  onThread(this::abandon);
                }
              });
      HttpProxy through = proxy;
      if (through == null) {
        connect(address, this::handshake, this::fail);
      } else {
        connectToProxy(through);
      }
    }

    private void connectToProxy(HttpProxy through) {
      waitingFor = through.toString();
      var unused =
          lookUp(through.host)
              .whenComplete(
                  (found, failed) ->
                      onThread(
                          () -> {
                            if (failed == null) {
                              connectToProxy(
                                  through, found, Wire.DIAL_TIMEOUT.dividedBy(found.size() + 1));
                            } else {
                              fail(new IOException(through + ": " + failed.getMessage(), failed));
                            }
                          }));
    }

    /**
     * By the first of its addresses that can be reached.
     *
     * @param share of the time for each, so that some is left for the rest of the way
     */
    private void connectToProxy(HttpProxy through, List<InetAddress> addresses, Duration share) {
      List<InetAddress> others = addresses.subList(1, addresses.size());
      IoFuture<StreamConnection> attempt =
          connect(
              new InetSocketAddress(addresses.get(0), through.port),
              connection -> tunnel(through, connection),
              failure -> {
                if (others.isEmpty()) {
                  fail(new IOException(through + " cannot be reached: " + failure, failure));
                } else {
                  connectToProxy(through, others, share);
                }
              });
      if (!others.isEmpty()) {
        thread.executeAfter(attempt::cancel, share.toMillis(), TimeUnit.MILLISECONDS);
      }
    }

    private void onThread(Runnable step) {
      try {
        thread.execute(step);
      } catch (RejectedExecutionException e) {
        result.completeExceptionally(new IOException("the connector is closing", e));
      }
    }

    private void abandon() {
      if (connecting != null) {
        connecting.cancel();
      }
      IoUtils.safeClose(opened);
    }

    // ---- TCP

    private IoFuture<StreamConnection> connect(
        InetSocketAddress address,
        Consumer<StreamConnection> then,
        Consumer<IOException> otherwise) {
      IoFuture<StreamConnection> attempt =
          thread.openStreamConnection(
              address,
              connection -> {
                if (result.isDone()) {
                  IoUtils.safeClose(connection);
                } else {
                  opened = connection;
                  then.accept(connection);
                }
              },
              SOCKET);
      connecting = attempt;
      attempt.addNotifier(
          (future, none) -> {
            if (future.getStatus() != IoFuture.Status.DONE) {
              onThread(() -> notConnected(future, address, otherwise));
            }
          },
          null);
      return attempt;
    }

    private void notConnected(
        IoFuture<?> attempt, InetSocketAddress address, Consumer<IOException> otherwise) {
      if (!result.isDone()) {
        otherwise.accept(
            attempt.getStatus() == IoFuture.Status.FAILED
                ? attempt.getException()
                : new SocketTimeoutException(address + " did not answer"));
      }
    }

    // ---- the proxy

    private void tunnel(HttpProxy through, StreamConnection connected) {
      through.connect(
          connected,
          gateway.getHost() + ":" + port(gateway),
          new HttpProxy.Outcome() {
            @Override
            public void connected() {
              handshake(connected);
            }

            @Override
            public void failed(IOException cause) {
              result.completeExceptionally(cause);
            }
          });
    }

    // ---- TLS

    private void handshake(StreamConnection connected) {
      waitingFor = "the TLS handshake";
      SslConnection connection =
          new UndertowXnioSsl(Xnio.getInstance(), OptionMap.EMPTY, Buffers.RECORDS, tls)
              .wrapExistingConnection(
                  connected,
                  OptionMap.builder()
                      .set(Options.SSL_PEER_HOST_NAME, gateway.getHost())
                      .set(Options.SSL_PEER_PORT, port(gateway))
                      .set(UndertowOptions.ENDPOINT_IDENTIFICATION_ALGORITHM, "HTTPS")
                      .getMap());
      SSLEngine engine = UndertowXnioSsl.getSslEngine(connection);
      SSLParameters parameters = engine.getSSLParameters();
      parameters.setApplicationProtocols(new String[] {protocol});
      engine.setSSLParameters(parameters);
      connection.getHandshakeSetter().set(done -> onThread(() -> look(connection, engine)));
      connection.getSourceChannel().getReadSetter().set(source -> proceed(connection, engine));
      try {
        connection.startHandshake();
        connection.getSourceChannel().resumeReads();
      } catch (IOException e) {
        fail(e);
      }
    }

    /** Reading, even nothing, is what makes a handshake proceed. */
    private void proceed(SslConnection connection, SSLEngine engine) {
      try {
        if (connection.getSourceChannel().read(ByteBuffer.allocate(0)) < 0) {
          fail(reason(engine, new IOException("the peer closed the connection")));
        } else {
          look(connection, engine);
        }
      } catch (IOException e) {
        fail(reason(engine, e));
      }
    }

    private void look(SslConnection connection, SSLEngine engine) {
      if (result.isDone() || engine.getHandshakeStatus() != HandshakeStatus.NOT_HANDSHAKING) {
        return;
      }
      connection.getHandshakeSetter().set(null);
      connection.getSourceChannel().getReadSetter().set(null);
      connection.getSourceChannel().suspendReads();
      if (protocol.equals(engine.getApplicationProtocol())) {
        result.complete(connection);
      } else {
        result.completeExceptionally(new IOException(noTunnel()));
      }
    }

    /** An engine that has failed says why when it is asked to begin again. */
    private static IOException reason(SSLEngine engine, IOException otherwise) {
      try {
        engine.beginHandshake();
        return otherwise;
      } catch (SSLException e) {
        return e.getCause() instanceof SSLException why ? why : otherwise;
      }
    }

    // ---- what went wrong

    private void fail(IOException cause) {
      String message;
      if (CertificateCheck.isAboutCertificate(cause)) {
        message =
            "the certificate of gateway %s is not trusted: renew it, or give its CA to trust(…): %s"
                .formatted(gateway, cause);
      } else if (cause instanceof SSLException && String.valueOf(cause).contains("protocol")) {
        message = noTunnel();
      } else {
        message = "gateway %s cannot be reached: %s".formatted(gateway, cause);
      }
      result.completeExceptionally(new IOException(message, cause));
    }

    private String noTunnel() {
      return "%s does not speak %s; is it the tunnel's port?".formatted(gateway, protocol);
    }
  }
}
