package io.apprxy.tunnel;

import io.apprxy.SignOn;
import io.apprxy.forward.CertificateCheck;
import io.apprxy.forward.LastHop;
import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.ClientExchange;
import io.undertow.client.ClientRequest;
import io.undertow.client.UndertowClient;
import io.undertow.connector.ByteBufferPool;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.DefaultByteBufferPool;
import io.undertow.server.HttpHandler;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.Xnio;
import org.xnio.XnioIoThread;
import org.xnio.XnioWorker;

/**
 * The private side: dials out to gateways and serves, over these connections, requests to the
 * origins that it allows. Opens no port. Thread-safe.
 */
public final class Connector implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");

  private final Builder settings;
  private final String instance = UUID.randomUUID().toString();
  private final UndertowXnioSsl tls;
  private final ByteBufferPool buffers = new DefaultByteBufferPool(true, 16 * 1024);
  private final LastHop lastHop;
  private final Set<Link> links = ConcurrentHashMap.newKeySet();

  /** Guarded by itself; notified of every change. */
  private final Set<Link> connected = new HashSet<>();

  /** What was last wrong. */
  private final AtomicReference<String> trouble = new AtomicReference<>("");

  private volatile @Nullable XnioWorker worker;
  private volatile boolean closing;

  private Connector(Builder settings) {
    this.settings = settings;
    this.tls = new UndertowXnioSsl(Xnio.getInstance(), OptionMap.EMPTY, settings.trust);
    this.lastHop = new LastHop(settings.signOn, settings.originTls);
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Begins to dial, and returns at once: a gateway that cannot be reached is dialled again, with
   * growing and random pauses of up to 30 seconds, until {@link #close}.
   *
   * @throws IllegalStateException if it was started before
   */
  public synchronized Connector start() {
    if (worker != null) {
      throw new IllegalStateException("the connector was started before");
    }
    XnioWorker started = newWorker();
    worker = started;
    for (URI gateway : settings.gateways) {
      for (int i = 0; i < settings.connections; i++) {
        dial(gateway, started);
      }
    }
    return this;
  }

  private void dial(URI gateway, XnioWorker with) {
    Link link = new Link(gateway, this, with.getIoThread());
    links.add(link);
    if (!closing) {
      link.start();
    }
  }

  private XnioWorker newWorker() {
    try {
      return Xnio.getInstance()
          .createWorker(
              OptionMap.builder()
                  .set(
                      Options.WORKER_IO_THREADS,
                      Math.max(2, Runtime.getRuntime().availableProcessors()))
                  .set(Options.WORKER_TASK_MAX_THREADS, 16)
                  .set(Options.WORKER_NAME, "apprxy-connector")
                  .set(Options.TCP_NODELAY, true)
                  .getMap());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether at least one gateway sends requests to this connector. */
  public boolean isConnected() {
    synchronized (connected) {
      return !connected.isEmpty();
    }
  }

  /**
   * Waits until {@link #isConnected}.
   *
   * @return false if the time was over before
   * @throws InterruptedException if the thread was interrupted
   */
  public boolean awaitConnected(Duration timeout) throws InterruptedException {
    return await(timeout, () -> !connected.isEmpty());
  }

  /**
   * Announces to its gateways that it leaves, lets requests in flight end for up to 30 seconds, and
   * closes. May be called twice.
   */
  @Override
  public synchronized void close() {
    XnioWorker running = worker;
    if (closing || running == null) {
      return;
    }
    closing = true;
    links.forEach(Link::stop);
    try {
      announceDrain();
      if (!await(Wire.DRAIN, connected::isEmpty)) {
        LOG.warn("requests are still in flight after {}; their connections are closed", Wire.DRAIN);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    links.forEach(Link::close);
    lastHop.close();
    running.shutdown();
  }

  private void announceDrain() throws InterruptedException {
    if (!isConnected()) {
      return;
    }
    CompletableFuture<?>[] told =
        settings.gateways.stream().map(this::announceDrain).toArray(CompletableFuture<?>[]::new);
    try {
      CompletableFuture.allOf(told).get(Wire.SILENCE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException | TimeoutException e) {
      LOG.warn("a gateway could not be told that this connector leaves: {}", e.toString());
    }
  }

  private boolean await(Duration timeout, BooleanSupplier condition) throws InterruptedException {
    long end = System.nanoTime() + timeout.toNanos();
    synchronized (connected) {
      while (!condition.getAsBoolean()) {
        long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        if (left <= 0) {
          return false;
        }
        connected.wait(left);
      }
      return true;
    }
  }

  /**
   * On a connection of its own: the turned-around ones carry requests in the other direction only.
   *
   * @return completes with what the gateway answered
   */
  private CompletableFuture<Integer> announceDrain(URI gateway) {
    XnioIoThread thread = Objects.requireNonNull(worker).getIoThread();
    ClientRequest request = new ClientRequest().setMethod(Methods.POST).setPath(Wire.DRAINING_PATH);
    identify(request.getRequestHeaders(), gateway);
    request.getRequestHeaders().put(Headers.CONTENT_LENGTH, 0);
    Announcement announcement = new Announcement(request);
    resolve(
        gateway,
        false,
        thread,
        () ->
            UndertowClient.getInstance()
                .connect(announcement, gateway, thread, tls, buffers, OptionMap.EMPTY),
        announcement::failed);
    return announcement.answer;
  }

  private static final class Announcement implements ClientCallback<ClientConnection> {
    private final ClientRequest request;
    private final CompletableFuture<Integer> answer = new CompletableFuture<>();

    Announcement(ClientRequest request) {
      this.request = request;
    }

    @Override
    public void completed(ClientConnection connection) {
      connection.sendRequest(
          request,
          new ClientCallback<>() {
            @Override
            public void completed(ClientExchange sent) {
              sent.setResponseListener(onAnswer());
            }

            @Override
            public void failed(IOException e) {
              Announcement.this.failed(e);
            }
          });
    }

    private ClientCallback<ClientExchange> onAnswer() {
      return new ClientCallback<>() {
        @Override
        public void completed(ClientExchange answered) {
          answer.complete(answered.getResponse().getResponseCode());
        }

        @Override
        public void failed(IOException e) {
          Announcement.this.failed(e);
        }
      };
    }

    @Override
    public void failed(IOException e) {
      answer.completeExceptionally(e);
    }
  }

  // ---- what links need

  UndertowXnioSsl tls() {
    return tls;
  }

  ByteBufferPool buffers() {
    return buffers;
  }

  int bufferSize() {
    return 16 * 1024;
  }

  /** Says who we are; the token proves it. */
  void identify(HeaderMap headers, URI gateway) {
    headers
        .put(Headers.HOST, gateway.getRawAuthority())
        .put(Headers.AUTHORIZATION, "Bearer " + settings.enrolmentToken)
        .put(Wire.CONNECTOR_NAME, settings.name)
        .put(Wire.CONNECTOR_INSTANCE, instance);
  }

  HttpHandler handler(ConnectorHandler.Orders orders) {
    return new ConnectorHandler(settings.allowed, lastHop, settings.clock, orders);
  }

  void connected(Link link) {
    synchronized (connected) {
      connected.add(link);
      connected.notifyAll();
    }
    trouble.set("");
    LOG.info("connector {} is connected", settings.name);
  }

  /** In place of a link that the gateway will close. */
  void dialAnother(URI gateway) {
    dial(gateway, Objects.requireNonNull(worker));
  }

  void disconnected(Link link, boolean forGood) {
    if (forGood) {
      links.remove(link);
    }
    synchronized (connected) {
      connected.remove(link);
      connected.notifyAll();
    }
  }

  /** Says what is wrong, once for all connections that suffer from it. */
  void trouble(String what) {
    if (!what.equals(trouble.getAndSet(what))) {
      LOG.warn(what);
    } else {
      LOG.debug(what);
    }
  }

  /**
   * Looks the gateway's name up on a worker, which fills the JDK's cache: dialling then does not
   * block the I/O thread.
   *
   * @param checking whether to look at the certificate, too, because something was wrong before
   */
  void resolve(
      URI gateway,
      boolean checking,
      XnioIoThread thread,
      Runnable then,
      Consumer<IOException> otherwise) {
    try {
      Objects.requireNonNull(worker)
          .execute(
              () -> {
                try {
                  InetAddress.getByName(gateway.getHost());
                  if (checking) {
                    CertificateCheck.check(settings.trust, gateway, Wire.DIAL_TIMEOUT);
                  }
                  handOver(thread, then);
                } catch (UnknownHostException | SSLException e) {
                  handOver(thread, () -> otherwise.accept(e));
                }
              });
    } catch (RejectedExecutionException e) {
      LOG.debug("the connector is closing", e);
    }
  }

  private static void handOver(XnioIoThread thread, Runnable task) {
    try {
      thread.execute(task);
    } catch (RejectedExecutionException e) {
      LOG.debug("the connector is closing", e);
    }
  }

  /** Builds a {@link Connector}. Not thread-safe. */
  public static final class Builder {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");

    private final Set<URI> gateways = new LinkedHashSet<>();
    private final OriginAllowList allowed = new OriginAllowList();
    private SSLContext trust = jvmTrust();
    private SSLContext originTls = jvmTrust();
    private String name = "connector";
    private @Nullable String enrolmentToken;
    private int connections = 4;
    private SignOn signOn = SignOn.none();
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /**
     * Adds a gateway: the address of its tunnel, such as {@code https://gateway.example.com:7443}.
     *
     * @throws IllegalArgumentException if it is not https, or has a path
     */
    public Builder gateway(String url) {
      URI gateway = URI.create(url);
      if (!"https".equals(gateway.getScheme())
          || gateway.getHost() == null
          || !(gateway.getRawPath().isEmpty() || gateway.getRawPath().equals("/"))) {
        throw new IllegalArgumentException("a gateway must be https://, a host and a port: " + url);
      }
      gateways.add(URI.create("https://" + gateway.getRawAuthority()));
      return this;
    }

    /**
     * Verifies the gateway's certificate, always together with its host name. Default: the JVM's
     * own trust.
     */
    public Builder trust(SSLContext context) {
      trust = Objects.requireNonNull(context, "context");
      return this;
    }

    /** Verifies the certificates of https origins. Default: the JVM's own trust. */
    public Builder originTls(SSLContext context) {
      originTls = Objects.requireNonNull(context, "context");
      return this;
    }

    /**
     * A name for the logs of gateways: 1 to 64 letters, digits or {@code . _ -}. Default: {@code
     * connector}.
     */
    public Builder name(String label) {
      if (!NAME.matcher(label).matches()) {
        throw new IllegalArgumentException(
            "a connector's name must be 1 to 64 letters, digits or . _ -: " + label);
      }
      name = label;
      return this;
    }

    /**
     * The secret of the connector's group. No default.
     *
     * @throws IllegalArgumentException if it has less than 32 visible ASCII characters
     */
    public Builder enrolmentToken(String token) {
      EnrolmentTokens.checkLength(token);
      enrolmentToken = token;
      return this;
    }

    /** How many connections to each gateway, 1 to 64. Default: 4. */
    public Builder connections(int number) {
      if (number < 1 || number > 64) {
        throw new IllegalArgumentException("connections must be 1 to 64: " + number);
      }
      connections = number;
      return this;
    }

    /**
     * Allows requests to an origin, such as {@code http://wiki.corp.test:8080}. No default: what is
     * not named is refused.
     *
     * @throws IllegalArgumentException if it is no scheme, host and port
     */
    public Builder allowOrigin(String origin) {
      allowed.add(origin);
      return this;
    }

    /** Signs users on to origins. Default: {@link SignOn#none()}. */
    public Builder signOn(SignOn stage) {
      signOn = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /** Tells the time that assertions are checked with. Default: the system's. */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The connector, not started.
     *
     * @throws IllegalStateException if no gateway, no enrolment token or no origin was given
     */
    public Connector build() {
      require(!gateways.isEmpty(), "gateway(…)");
      require(enrolmentToken != null, "enrolmentToken(…)");
      require(!allowed.isEmpty(), "allowOrigin(…), or it would serve nothing");
      return new Connector(this);
    }

    private static void require(boolean given, String setting) {
      if (!given) {
        throw new IllegalStateException("a connector needs " + setting);
      }
    }

    private static SSLContext jvmTrust() {
      try {
        return SSLContext.getDefault();
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("this JVM has no TLS", e);
      }
    }
  }
}
