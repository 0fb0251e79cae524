package io.apprxy.tunnel;

import io.apprxy.Application;
import io.apprxy.EndedSessions;
import io.apprxy.SignOn;
import io.apprxy.forward.Buffers;
import io.apprxy.forward.LastHop;
import io.apprxy.observe.Meters;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.undertow.connector.ByteBufferPool;
import io.undertow.server.HttpHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.NoSuchAlgorithmException;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
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
  private static final String NO_VERSION = "0.0.0"; // of classes that are in no jar

  private final Builder settings;
  private final String instance = UUID.randomUUID().toString();
  private final ByteBufferPool buffers = Buffers.newPool();
  private final LastHop lastHop;
  private final AtomicInteger active = new AtomicInteger();
  private final long began = System.nanoTime();

  /** Guarded by itself; notified of every change. */
  private final Set<Link> connected = new HashSet<>();

  /** The applications that gateways have configured, by connection; guarded by itself. */
  private final Map<Link, Set<Application>> configured = new HashMap<>();

  /** What was last wrong. */
  private final AtomicReference<String> trouble = new AtomicReference<>("");

  /** What gateways last said of versions. */
  private final AtomicReference<@Nullable Versions> versions = new AtomicReference<>();

  private final Enrolment enrolment;
  private volatile String host = "unknown";

  private final Object updating = new Object();

  /** What became of the last turn to update itself; changed while {@code updating} is locked. */
  private volatile UpdateReport update = UpdateReport.NONE;

  private @Nullable XnioWorker worker;
  private @Nullable Dialer dialer;
  private volatile @Nullable Nodes nodes;
  private volatile boolean dialling;
  private boolean closing;

  private record Versions(@Nullable Version recommended, @Nullable Version least) {}

  private Connector(Builder settings) {
    this.settings = settings;
    this.enrolment =
        new Enrolment(
            settings.trust,
            settings.identity,
            settings.enrolmentToken,
            new Calls(),
            new Enrolled(),
            settings.clock);
    MeterRegistry meters = settings.meters;
    this.lastHop =
        new LastHop(
            settings.signOn,
            settings.originTls,
            meters == null ? Meters.none() : Meters.in(meters));
    if (meters != null) {
      Tags named = Tags.of("connector", settings.name);
      meters.gauge("apprxy.connector.connections", named, this, Connector::connections);
      meters.gauge("apprxy.connector.requests", named, active);
    }
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Begins to dial, having enrolled first if it has no identity yet, and returns at once: a gateway
   * that cannot be reached is dialled again, with growing and random pauses of up to 30 seconds,
   * until {@link #close}.
   *
   * @throws IllegalStateException if it was started before
   */
  public synchronized Connector start() {
    if (worker != null) {
      throw new IllegalStateException("the connector was started before");
    }
    XnioWorker started = newWorker();
    worker = started;
    dialer = new Dialer(started, settings.resolver, settings.proxy());
    started.execute(() -> host = hostName());
    nodes = new Nodes(this, dialer, started.getIoThread(), settings.gateways);
    if (enrolment.isEnrolled()) {
      nodes.start();
      dialling = true;
    }
    enrolment.start();
    return this;
  }

  /** What the connector's identity makes necessary. */
  private final class Enrolled implements Enrolment.Listener {
    @Override
    public void identityChanged() {
      Nodes all = Objects.requireNonNull(nodes);
      if (dialling) {
        all.replaceAll();
      } else {
        dialling = true;
        all.start();
      }
    }

    @Override
    public void trouble(String what) {
      Connector.this.trouble(what);
    }
  }

  /** Calls to gateways as an ordinary client. */
  private final class Calls implements Enrolment.Gateways {
    @Override
    public Collection<URI> given() {
      return settings.gateways;
    }

    @Override
    public Collection<URI> known() {
      return Objects.requireNonNull(nodes).known();
    }

    @Override
    public CompletableFuture<Call.Answer> post(
        URI gateway, SSLContext tls, String path, String json) {
      return Call.post(dialer(), buffers, gateway, tls, path, json);
    }
  }

  /** May ask a name server. */
  private static String hostName() {
    try {
      return CheckIn.hostName(InetAddress.getLocalHost().getHostName());
    } catch (UnknownHostException e) {
      return "unknown";
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

  /** On which gateways send requests. */
  private int connections() {
    synchronized (connected) {
      return connected.size();
    }
  }

  /** Whether at least one gateway sends requests to this connector. */
  public boolean isConnected() {
    return connections() > 0;
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
    if (closing || worker == null || nodes == null) {
      return;
    }
    closing = true;
    enrolment.close();
    nodes.leave();
    try {
      // The gateways close the connections, each after its last request.
      if (!await(Wire.DRAIN, this::mayClose)) {
        LOG.warn("requests are still in flight after {}; their connections are closed", Wire.DRAIN);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    nodes.close();
    lastHop.close();
    worker.shutdown();
  }

  /** A gateway may have sent requests to a connection before it could say that it does. */
  private boolean mayClose() {
    synchronized (configured) {
      return configured.isEmpty();
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

  // ---- what nodes and links need

  Clock clock() {
    return settings.clock;
  }

  int connectionsPerNode() {
    return settings.connections;
  }

  Dialer dialer() {
    return Objects.requireNonNull(dialer);
  }

  XnioIoThread nextThread() {
    return Objects.requireNonNull(worker).getIoThread();
  }

  /** For the next dial; it may be replaced while the connector runs. */
  SSLContext tls() {
    return enrolment.tls();
  }

  Enrolment enrolment() {
    return enrolment;
  }

  ByteBufferPool buffers() {
    return buffers;
  }

  int bufferSize() {
    return Buffers.SIZE;
  }

  HttpHandler handler(ConnectorHandler.Orders orders) {
    return new ConnectorHandler(settings.allowed, lastHop, settings.clock, active, orders);
  }

  /** How this connector does. */
  CheckIn checkIn(boolean leaving) {
    OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
    return new CheckIn(
        settings.name,
        instance,
        settings.version,
        host,
        Duration.ofNanos(System.nanoTime() - began),
        Math.max(0, system.getSystemLoadAverage() / system.getAvailableProcessors()),
        active.get(),
        leaving,
        settings.updateListener != null,
        update);
  }

  /** A gateway gives the turn to update itself; two of them may mean the same one. */
  void update(int attempt, String version) {
    UpdateListener listener = settings.updateListener;
    synchronized (updating) {
      if (listener == null
          || attempt != update.attempt() + 1
          || update.state() == UpdateReport.State.STARTED) {
        return;
      }
      update = update.started(version);
    }
    checkIn();
    LOG.info("connector {} is to update itself to {}", settings.name, version);
    runOnWorker(
        () -> {
          try {
            listener.update(version);
          } catch (UpdateException | RuntimeException e) {
            synchronized (updating) {
              update = update.failed(e);
            }
            LOG.warn("connector {} was not updated: {}", settings.name, update.detail());
            LOG.debug("the update to {}", version, e);
            checkIn();
          }
        });
  }

  /** Says to all gateways that something has changed. */
  private void checkIn() {
    synchronized (connected) {
      connected.forEach(Link::checkIn);
    }
  }

  /** Has the sign-on drop what it keeps for sessions that have ended. */
  void forget(EndedSessions ended) {
    runOnWorker(() -> settings.signOn.forget(ended));
  }

  /** Takes it, and forgets the applications that no connection's configuration names any more. */
  void configured(Link link, Configuration configuration) {
    synchronized (configured) {
      configured.put(link, Set.copyOf(configuration.applications()));
      lastHop.retain(
          application -> configured.values().stream().anyMatch(all -> all.contains(application)));
    }
  }

  void serves(Link link, Configuration configuration) {
    boolean first;
    synchronized (connected) {
      first = connected.add(link);
      connected.notifyAll();
    }
    if (first) {
      trouble.set("");
      LOG.info("connector {} is connected", settings.name);
    }
    tellOfVersions(new Versions(configuration.recommendedVersion(), configuration.leastVersion()));
  }

  private void tellOfVersions(Versions told) {
    if (!told.equals(versions.getAndSet(told))
        && (told.recommended != null || told.least != null)) {
      runOnWorker(
          () ->
              settings.versionListener.announced(
                  settings.version, text(told.recommended), text(told.least)));
    }
  }

  private static @Nullable String text(@Nullable Version version) {
    return version == null ? null : version.text();
  }

  private void runOnWorker(Runnable task) {
    try {
      Objects.requireNonNull(worker)
          .execute(
              () -> {
                try {
                  task.run();
                } catch (RuntimeException e) {
                  LOG.error("a listener of this connector failed", e);
                }
              });
    } catch (RejectedExecutionException e) {
      LOG.debug("the connector is closing", e);
    }
  }

  /** What it was configured with is kept until the next configuration: it may well be the same. */
  void disconnected(Link link) {
    synchronized (configured) {
      configured.remove(link);
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

  /** Builds a {@link Connector}. Not thread-safe. */
  public static final class Builder {
    private final Set<URI> gateways = new LinkedHashSet<>();
    private final OriginAllowList allowed = new OriginAllowList();
    private TrustManager @Nullable [] trust;
    private SSLContext originTls = jvmTrust();
    private String name = "connector";
    private Supplier<@Nullable String> enrolmentToken = () -> null;
    private @Nullable Path identity;
    private boolean mayEnrol;
    private int connections = 4;
    private SignOn signOn = SignOn.none();
    private Clock clock = Clock.systemUTC();
    private @Nullable MeterRegistry meters;
    private Resolver resolver = Resolver.ofJvm();
    private String version = ofThisJar();
    private @Nullable String proxyHost;
    private int proxyPort;
    private @Nullable String proxyCredentials;
    private VersionListener versionListener = (running, recommended, least) -> {};
    private @Nullable UpdateListener updateListener;

    private Builder() {}

    /**
     * Adds a gateway: the address of its tunnel, such as {@code https://gateway.example.com:7443}.
     * The connector connects to every address that the name has, and to the gateways that this one
     * advertises.
     *
     * @throws IllegalArgumentException if it is not https, or has a path
     */
    public Builder gateway(String url) {
      gateways.add(GatewayAddress.parse(url));
      return this;
    }

    /**
     * Verifies the gateway's certificate by these CAs alone, always together with its host name.
     * Default: the JVM's own trust.
     *
     * @throws IllegalArgumentException if there is none
     */
    public Builder trust(X509Certificate... authorities) {
      trust = trustManagers(List.of(authorities));
      return this;
    }

    /**
     * Verifies the gateway's certificate by the CAs in a file of PEM certificates: see {@link
     * #trust(X509Certificate...)}.
     *
     * @throws IllegalArgumentException if it cannot be read, or holds no certificate
     */
    public Builder trust(Path pemBundle) {
      try (InputStream pem = Files.newInputStream(pemBundle)) {
        trust = trustManagers(CertificateFactory.getInstance("X.509").generateCertificates(pem));
        return this;
      } catch (IOException | CertificateException e) {
        throw new IllegalArgumentException("no PEM file with certificates: " + pemBundle, e);
      }
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
      if (!CheckIn.isName(label)) {
        throw new IllegalArgumentException(
            "a connector's name must be 1 to 64 letters, digits or . _ -: " + label);
      }
      name = label;
      return this;
    }

    /**
     * The one-time token that enrols this connector: see {@link #enrolmentToken(Supplier)}.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder enrolmentToken(String token) {
      if (token.isBlank()) {
        throw new IllegalArgumentException("an enrolment token must not be blank");
      }
      return enrolmentToken(() -> token);
    }

    /**
     * Gives the one-time token that enrols this connector, which an operator gets from {@link
     * TunnelServer#createEnrolmentToken(String)}. It is asked for only while the connector has no
     * identity, or one that has expired, and anew before each attempt, on a thread that may block;
     * null is none yet. Default: none, which suffices if the {@link #identity} is there.
     */
    public Builder enrolmentToken(Supplier<@Nullable String> source) {
      enrolmentToken = Objects.requireNonNull(source, "source");
      mayEnrol = true;
      return this;
    }

    /**
     * The file that the connector's identity is kept in: its private key, and the certificate that
     * the gateway gave it and that is renewed by itself. It is made when the connector enrols, must
     * be its owner's alone, and belongs to one running connector. A connector that was off for
     * longer than its certificate lives enrols again with a new token. Default: it is kept in
     * memory, so that each start needs a new token.
     */
    public Builder identity(Path file) {
      identity = Objects.requireNonNull(file, "file");
      return this;
    }

    /**
     * How many connections to each address of a gateway, 1 to 64; a gateway takes up to 256 of one
     * connector. Default: 4.
     */
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

    /**
     * Dials gateways through an HTTP proxy, by CONNECT (RFC 9110 §9.3.6). The proxy looks up the
     * names of gateways. Default: none.
     *
     * @param port 1 to 65535
     */
    public Builder proxy(String name, int port) {
      if (name.isEmpty() || port < 1 || port > 65_535) {
        throw new IllegalArgumentException(
            "a proxy must be a host, and a port of 1 to 65535: " + name + ":" + port);
      }
      proxyHost = name;
      proxyPort = port;
      return this;
    }

    /**
     * Proves to the proxy who this is, by Basic authentication (RFC 7617). Default: nothing is
     * proved.
     *
     * @param user without a colon
     */
    public Builder proxyCredentials(String user, String password) {
      if (user.isEmpty() || user.indexOf(':') >= 0) {
        throw new IllegalArgumentException(
            "the user of a proxy must have a character at least, and no colon");
      }
      proxyCredentials = user + ":" + Objects.requireNonNull(password, "password");
      return this;
    }

    /**
     * Is told which versions gateways recommend and support, when the first one says so and at each
     * change. Default: nobody.
     */
    public Builder onVersionAnnounced(VersionListener listener) {
      versionListener = Objects.requireNonNull(listener, "listener");
      return this;
    }

    /**
     * Updates this connector when gateways give it the turn. Default: nobody, and no turn is given.
     */
    public Builder onUpdateTurn(UpdateListener listener) {
      updateListener = Objects.requireNonNull(listener, "listener");
      return this;
    }

    private static String ofThisJar() {
      Version ofJar = Version.ofThisJar();
      return ofJar == null ? NO_VERSION : ofJar.text();
    }

    /** For tests: which version runs. */
    Builder version(String running) {
      version = running;
      return this;
    }

    /** For tests: the look-up of names. */
    Builder resolver(Resolver lookUp) {
      resolver = lookUp;
      return this;
    }

    /** Signs users on to origins. Default: {@link SignOn#none()}. */
    public Builder signOn(SignOn stage) {
      signOn = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /**
     * Takes the gauges {@code apprxy.connector.connections}, of connections on which gateways send
     * requests, and {@code apprxy.connector.requests}, of requests under way (connector: its {@link
     * #name}), and the meters {@code apprxy.balance.*} of the origins. Default: nothing is metered.
     */
    public Builder meters(MeterRegistry registry) {
      meters = Objects.requireNonNull(registry, "registry");
      return this;
    }

    /**
     * Tells the time that assertions are checked with, and when a certificate is to be renewed.
     * Default: the system's.
     */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The connector, not started.
     *
     * @throws IllegalStateException if no gateway, no origin, or neither an enrolment token nor an
     *     identity was given
     * @throws UncheckedIOException if the identity cannot be read, or others than its owner may
     */
    public Connector build() {
      require(
          proxyHost != null || proxyCredentials == null, "proxy(…), if it has proxyCredentials(…)");
      require(!gateways.isEmpty(), "gateway(…)");
      require(
          mayEnrol || identity != null, "enrolmentToken(…), or the identity(…) of an earlier run");
      require(!allowed.isEmpty(), "allowOrigin(…), or it would serve nothing");
      return new Connector(this);
    }

    private @Nullable HttpProxy proxy() {
      return proxyHost == null ? null : new HttpProxy(proxyHost, proxyPort, proxyCredentials);
    }

    private static void require(boolean given, String setting) {
      if (!given) {
        throw new IllegalStateException("a connector needs " + setting);
      }
    }

    private static TrustManager[] trustManagers(Collection<? extends Certificate> authorities) {
      if (authorities.isEmpty()) {
        throw new IllegalArgumentException("there must be a CA to trust");
      }
      try {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        for (Certificate authority : authorities) {
          store.setCertificateEntry("ca-" + store.size(), authority);
        }
        TrustManagerFactory factory =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
      } catch (GeneralSecurityException | IOException e) {
        throw new IllegalStateException("this JVM cannot trust a CA", e);
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
