package io.apprxy.tunnel;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.Application;
import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.balance.Balancer;
import io.apprxy.balance.EndpointState;
import io.apprxy.balance.Selection;
import io.apprxy.forward.AlpnProtocol;
import io.apprxy.forward.BalancedRoute;
import io.apprxy.forward.Dispatcher;
import io.apprxy.forward.Listener;
import io.apprxy.forward.Route;
import io.apprxy.forward.SharedChannel;
import io.apprxy.observe.Meters;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.undertow.UndertowOptions;
import io.undertow.client.ClientRequest;
import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import io.undertow.util.Protocols;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSession;
import javax.net.ssl.TrustManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.SslClientAuthMode;
import org.xnio.StreamConnection;

/**
 * The gateway's side of the tunnel: connectors dial in, prove themselves, and serve the
 * applications of their group. Thread-safe.
 *
 * <p>It has a listener of its own, since a browser must never be asked for what connectors prove
 * themselves with.
 */
public final class TunnelServer implements Dispatcher, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");
  private static final Duration WATCH = Duration.ofSeconds(1);
  private static final Duration FORGET = Duration.ofHours(1);
  private static final int MAX_CONNECTIONS = 4096;

  /**
   * Of one connector: it may have 64 to each address of the gateway, of which there may be two, and
   * while it replaces them there are more.
   */
  private static final int MAX_CONNECTIONS_OF_ONE = 256;

  /** Peers that are told why they are not taken, and may be slow to hear it. */
  private static final int MAX_REFUSALS = 256;

  private final Builder settings;
  private final AssertionIssuer assertions;
  private final Authority authority;
  private final Admission admission;
  private final TunnelEvents events;
  private final EnrolmentHandler enrolment;

  /** Of peers that have proved who they are. */
  private final Set<TunnelConnection> connections = ConcurrentHashMap.newKeySet();

  /** Those that are told why they are not taken, whoever they are. */
  private final Set<TunnelConnection> refusals = ConcurrentHashMap.newKeySet();

  private final ConcurrentMap<Key, RemoteConnector> connectors = new ConcurrentHashMap<>();

  /** Of connectors that left a moment ago, and may be back soon. */
  private final Cache<Key, Endings> left =
      Caffeine.newBuilder().maximumSize(1_000).expireAfterWrite(Duration.ofMinutes(5)).build();

  private final Object changes = new Object();
  private final ConcurrentMap<String, UpdateTurns> updates = new ConcurrentHashMap<>();
  private volatile List<Application> applications = List.of();
  private volatile @Nullable Version recommendedVersion;

  /** Of each application, by its id. */
  private volatile Map<String, Balancer<RemoteConnector>> balancers = Map.of();

  private volatile boolean closing;
  private volatile boolean stateFailed;
  private @Nullable Listener listener;
  private @Nullable ScheduledExecutorService watch;

  /** One run of a connector. */
  record Key(String group, String id, String instance) {}

  private TunnelServer(Builder settings) {
    this.settings = settings;
    this.assertions = new AssertionIssuer(settings.clock);
    this.recommendedVersion = settings.recommendedVersion;
    Set<String> groups = settings.groups;
    this.authority =
        new Authority(settings.store(), groups, settings.certificateLifetime, settings.clock);
    this.admission = new Admission(authority);
    this.events = new TunnelEvents(settings.clock, settings.listener, settings.meters, groups);
    this.enrolment = new EnrolmentHandler(authority, settings.clock, new Certified());
    MeterRegistry meters = settings.meters;
    if (meters != null) {
      for (String group : groups) {
        Tags tags = Tags.of("group", group);
        meters.gauge("apprxy.tunnel.connections", tags, this, tunnel -> tunnel.usable(group));
        meters.gauge(
            "apprxy.tunnel.connectors", tags, this, tunnel -> tunnel.inGroup(group).count());
      }
    }
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Opens the listener.
   *
   * @throws IllegalStateException if it was started or closed before
   */
  public synchronized TunnelServer start() {
    if (listener != null || closing) {
      throw new IllegalStateException("the tunnel server was started or closed before");
    }
    listener =
        Listener.open(
            new InetSocketAddress(settings.host, settings.port),
            tls(),
            OptionMap.builder()
                .set(Options.SSL_CLIENT_AUTH_MODE, SslClientAuthMode.REQUESTED)
                .set(UndertowOptions.REQUEST_PARSE_TIMEOUT, 10_000)
                .set(UndertowOptions.NO_REQUEST_TIMEOUT, 10_000)
                .set(UndertowOptions.MAX_HEADER_SIZE, 16 * 1024)
                .set(UndertowOptions.HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100)
                .getMap(),
            this::handle,
            new AlpnProtocol(Dialer.REVERSE_HTTP2, this::turnAround));
    watch = newWatch();
    return this;
  }

  /** Peers are asked for a certificate; those that have none yet can do no more than enrol. */
  private SSLContext tls() {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      TrustManager[] trust = {new ConnectorTrust(authority)};
      context.init(settings.keys(), trust, null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no TLS", e);
    }
  }

  /**
   * The port of the listener.
   *
   * @throws IllegalStateException if it is not started
   */
  public synchronized int port() {
    if (listener == null) {
      throw new IllegalStateException("the tunnel server is not started");
    }
    return listener.port();
  }

  /**
   * Waits until a connector of the group can be sent requests.
   *
   * @return false if the time was over before
   * @throws InterruptedException if the thread was interrupted
   */
  public boolean awaitConnector(String group, Duration timeout) throws InterruptedException {
    return await(timeout, () -> usable(group) > 0);
  }

  // ---- for the gateway

  @Override
  public void publish(Collection<Application> published) {
    for (Application application : published) {
      for (String group : application.connectorGroups()) {
        if (!settings.groups.contains(group)) {
          throw new IllegalStateException(
              "application %s: there is no connector group %s; name it with group(…)"
                  .formatted(application.id(), group));
        }
      }
    }
    applications =
        published.stream().filter(application -> !application.connectorGroups().isEmpty()).toList();
    balancers =
        applications.stream()
            .collect(Collectors.toUnmodifiableMap(Application::id, this::balancer));
    applications.forEach(this::rebalance);
    // A connection that does not take it is closed; there is nothing to wait for.
    var unused = configureAll();
  }

  /**
   * Signs assertions with a new key. Connectors learn it first; what the present key has signed
   * stays valid.
   *
   * @return completes when the new key is in use
   */
  public CompletableFuture<Void> rotateSigningKey() {
    assertions.addKey();
    return configureAll().thenRun(assertions::useNewestKey);
  }

  /**
   * Recommends another version to connectors, in place of that of the builder. They are told, and
   * those that can update themselves get their turn.
   *
   * @param version by semver.org
   * @throws IllegalArgumentException if it is no version, or older than the least
   */
  public void recommendVersion(String version) {
    Version recommended = new Version(version);
    Version least = settings.leastVersion;
    if (least != null && recommended.compareTo(least) < 0) {
      throw new IllegalArgumentException(
          "%s is older than leastVersion(%s)".formatted(recommended, least));
    }
    recommendedVersion = recommended;
    var unused = configureAll();
    connectors.values().stream()
        .map(connector -> connector.group)
        .distinct()
        .forEach(this::advanceUpdates);
  }

  /** The connectors that are connected to this gateway and take requests, or finish some. */
  public List<ConnectorState> connectors() {
    return connectors.values().stream()
        .filter(RemoteConnector::isUp)
        .map(RemoteConnector::state)
        .toList();
  }

  // ---- for operators

  /**
   * A token that admits one connector to a group, within 15 minutes: see {@link
   * #createEnrolmentToken(String, Duration)}.
   */
  public String createEnrolmentToken(String group) {
    return createEnrolmentToken(group, Duration.ofMinutes(15));
  }

  /**
   * A token that admits one connector to a group, once: whoever has it can serve the applications
   * of the group. Hand it over on a way that nobody reads along. It is kept as a hash only; at most
   * 1,000 unused ones are. May write to the state directory.
   *
   * @param lifetime how long it may be used: 1 second to 24 hours
   * @throws IllegalArgumentException if there is no such group, or the lifetime is out of bounds
   * @throws IllegalStateException if there are too many unused tokens
   * @throws java.io.UncheckedIOException if the state directory cannot be written
   */
  public String createEnrolmentToken(String group, Duration lifetime) {
    if (lifetime.compareTo(Duration.ofSeconds(1)) < 0
        || lifetime.compareTo(Duration.ofHours(24)) > 0) {
      throw new IllegalArgumentException(
          "the lifetime of a token must be 1 second to 24 hours: " + lifetime);
    }
    return authority.createToken(group, lifetime);
  }

  /**
   * Takes back what admits a connector: its connections are closed at once, whatever they carry,
   * and none is taken any more, nor is its certificate renewed. Other gateways with the same state
   * directory follow within about a second. It can come back with a new token only.
   *
   * @param connectorId as in {@link ConnectorState#id} and {@link TunnelEvent#connector}
   * @return whether it had a certificate that was valid
   * @throws IllegalArgumentException if it is no id of a connector
   * @throws java.io.UncheckedIOException if the state directory cannot be written
   */
  public boolean revoke(String connectorId) {
    if (!CheckIn.isName(connectorId)) {
      throw new IllegalArgumentException("no id of a connector: " + connectorId);
    }
    boolean known = authority.revoke(connectorId);
    connections.forEach(this::watch);
    events.tell(
        TunnelEvent.Type.REVOKED, "", connectorId, "connector " + connectorId + " was revoked");
    return known;
  }

  /**
   * Has the connector authority sign with a new key. What its older keys have signed stays valid
   * until it expires, so that connectors notice nothing: from their next renewal on they have
   * certificates of the new key. The new key is first used after five seconds, when all gateways
   * with the same state directory know it.
   *
   * @throws java.io.UncheckedIOException if the state directory cannot be written
   */
  public void rotateAuthorityKey() {
    authority.rotateKey();
  }

  // ---- for requests

  /**
   * A connector that does not take the configuration loses its connection, so all that stay have
   * it.
   */
  private CompletableFuture<Void> configureAll() {
    return CompletableFuture.allOf(
        connectors.values().stream()
            .flatMap(RemoteConnector::connections)
            .map(connection -> configure(connection).exceptionally(failed -> null))
            .toArray(CompletableFuture<?>[]::new));
  }

  private CompletableFuture<Void> configure(TunnelConnection connection) {
    RemoteConnector owner = Objects.requireNonNull(connection.owner());
    return connection.configure(
        new Configuration(
                assertions.publicKeys(),
                Configuration.of(owner.group, applications),
                List.copyOf(settings.advertised),
                recommendedVersion,
                settings.leastVersion)
            .toJson());
  }

  @Override
  public Dispatch dispatch(Exchange exchange, long pinned, @Nullable String clientConnection) {
    Balancer<RemoteConnector> balancer =
        Objects.requireNonNull(balancers.get(exchange.application().id()));
    Identity identity = exchange.identity();
    Selection<RemoteConnector> selection =
        balancer.begin(
            identity == null ? exchange.clientAddress() : identity.subject(),
            pinned == 0 ? null : connector -> connector.tag == pinned);
    return new Dispatch() {
      private long served;

      @Override
      public @Nullable Route route() {
        return BalancedRoute.next(
            selection,
            (connector, anew) -> {
              served = connector.tag;
              return clientConnection == null
                  ? connector.connection()
                  : connector.connection(clientConnection);
            });
      }

      @Override
      public void prepare(ClientRequest request) {
        request
            .getRequestHeaders()
            .put(Wire.ASSERTION, assertions.issue(identity, exchange.application()));
      }

      @Override
      public long connector() {
        return served;
      }
    };
  }

  @Override
  public void forget(EndedSessions ended) {
    // In this order: one that leaves now, or comes back, is among the former or the latter.
    Stream.concat(
            connectors.values().stream().map(connector -> connector.endings),
            left.asMap().values().stream())
        .distinct()
        .forEach(endings -> endings.add(ended));
  }

  @Override
  public List<EndpointState> endpoints(Application application) {
    Balancer<RemoteConnector> balancer = balancers.get(application.id());
    return balancer == null ? List.of() : balancer.states();
  }

  /** Has the applications of a group balanced over the connectors that are there now. */
  private void rebalance(String group) {
    for (Application application : applications) {
      if (application.connectorGroups().contains(group)) {
        rebalance(application);
      }
    }
  }

  private void rebalance(Application application) {
    Balancer<RemoteConnector> balancer = balancers.get(application.id());
    if (balancer != null) {
      synchronized (balancer) { // or an older look could be taken for the newer
        balancer.update(application.connectorGroups().stream().flatMap(this::inGroup).toList());
      }
    }
  }

  private Balancer<RemoteConnector> balancer(Application application) {
    Meters meters = settings.meters == null ? Meters.none() : Meters.in(settings.meters);
    Balancer<RemoteConnector> balancer =
        new Balancer<>(
            "application " + application.id(),
            application.loadBalancing(),
            ErrorCode.NO_CONNECTOR,
            meters.balancing(application.id(), "connector"));
    meters.watch(application.id(), "connector", balancer);
    return balancer;
  }

  private Stream<RemoteConnector> inGroup(String group) {
    return connectors.values().stream()
        .filter(connector -> connector.group.equals(group) && connector.isUp());
  }

  private int usable(String group) {
    return inGroup(group).mapToInt(RemoteConnector::usableConnections).sum();
  }

  // ---- for connectors

  private void handle(HttpServerExchange exchange) {
    try {
      serve(exchange);
    } catch (GatewayException e) {
      refuse(exchange, e);
    }
  }

  private void serve(HttpServerExchange exchange) {
    if (isPost(exchange, Wire.ENROL_PATH)) {
      enrolment.enrol(exchange);
      return;
    }
    ConnectorCertificate peer = admission.admit(Admission.session(exchange));
    if (isPost(exchange, Wire.RENEW_PATH)) {
      enrolment.renew(exchange, peer);
    } else if (!isConnect(exchange)) {
      exchange.setStatusCode(404).endExchange();
    } else if (closing || connections.size() >= MAX_CONNECTIONS) {
      exchange.setStatusCode(503).endExchange();
    } else {
      exchange.upgradeChannel(
          Wire.PTTH,
          (stream, upgraded) ->
              turnAround(stream, upgraded.getConnection().getByteBufferPool(), null));
      exchange.endExchange();
    }
  }

  private static boolean isPost(HttpServerExchange exchange, String path) {
    return exchange.getRequestMethod().equals(Methods.POST)
        && exchange.getRequestURI().equals(path);
  }

  private static boolean isConnect(HttpServerExchange exchange) {
    return exchange.getRequestMethod().equals(Methods.GET)
        && exchange.getRequestURI().equals(Wire.CONNECT_PATH)
        && exchange.getProtocol().equals(Protocols.HTTP_1_1)
        && Wire.PTTH.equals(exchange.getRequestHeaders().getFirst(Headers.UPGRADE));
  }

  private void refuse(HttpServerExchange exchange, GatewayException cause) {
    Refusal refusal = Refusal.of(cause);
    events.tell(
        TunnelEvent.Type.REFUSED, "", "", exchange.getSourceAddress() + ": " + cause.getMessage());
    exchange.setStatusCode(cause.code().status());
    exchange.setPersistent(false); // of a body that was not read there may be more
    exchange
        .getResponseHeaders()
        .put(Headers.CONTENT_TYPE, "application/problem+json")
        .put(Headers.CACHE_CONTROL, "no-store");
    if (cause.code() == ErrorCode.TOO_MANY_ATTEMPTS) {
      exchange.getResponseHeaders().put(Headers.RETRY_AFTER, "60");
    }
    exchange.getResponseSender().send(refusal.toProblem(cause.code().status()));
  }

  private final class Certified implements EnrolmentHandler.Events {
    @Override
    public void enrolled(Authority.Certified connector) {
      tell(TunnelEvent.Type.ENROLLED, connector, "was enrolled");
    }

    @Override
    public void renewed(Authority.Certified connector) {
      tell(TunnelEvent.Type.RENEWED, connector, "has renewed its certificate");
    }

    private void tell(TunnelEvent.Type type, Authority.Certified connector, String what) {
      events.tell(
          type,
          connector.group(),
          connector.id(),
          "connector %s of group %s %s".formatted(connector.id(), connector.group(), what));
    }

    @Override
    public void refused(HttpServerExchange exchange, GatewayException cause) {
      refuse(exchange, cause);
    }
  }

  /** From here on this gateway is the client. Called on the connection's I/O thread. */
  private void turnAround(
      StreamConnection stream, ByteBufferPool buffers, @Nullable PooledByteBuffer arrived) {
    try {
      SSLSession session = Admission.session(stream);
      TunnelConnection connection =
          new TunnelConnection(SharedChannel.open(stream, buffers, arrived, true, Wire.HTTP2));
      connection.onClose(() -> gone(connection));
      try {
        ConnectorCertificate peer = admission.admit(session);
        connection.admitted(peer);
        connections.add(connection);
        if (closing || connections.size() > MAX_CONNECTIONS) {
          connection.close();
          return;
        }
        requireFewConnections(connection, peer);
        admission.check(peer); // it may have been revoked before it was known here
      } catch (GatewayException e) {
        refuse(connection, e);
        return;
      }
      connection.begin(
          new ControlStream.Reader() {
            @Override
            public void checkedIn(CheckIn checkIn) {
              TunnelServer.this.checkedIn(connection, checkIn);
            }

            @Override
            public void ended(Exception cause) {
              controlEnded(connection, cause);
            }
          });
    } catch (IOException e) {
      LOG.debug("a peer went away while it connected", e);
      IoUtils.safeClose(stream);
    }
  }

  /** One connector must not keep out the others. */
  private void requireFewConnections(TunnelConnection added, ConnectorCertificate peer) {
    long open =
        connections.stream()
            .map(TunnelConnection::certificate)
            .filter(other -> other != null && other.id().equals(peer.id()))
            .count();
    if (open > settings.maxConnectionsOfOne) {
      connections.remove(added);
      throw new GatewayException(
          ErrorCode.TOO_MANY_CONNECTIONS,
          "connector %s of group %s has %d connections already"
              .formatted(peer.id(), peer.group(), settings.maxConnectionsOfOne));
    }
  }

  private void checkedIn(TunnelConnection connection, CheckIn checkIn) {
    RemoteConnector owner = connection.owner();
    if (owner == null) {
      try {
        requireVersion(checkIn);
        connect(connection, checkIn);
      } catch (GatewayException e) {
        refuse(connection, e);
      }
    } else {
      owner.checkedIn(checkIn, settings.clock.instant());
      drainIfLeaving(owner, connection, checkIn);
      advanceUpdates(owner.group);
    }
  }

  /** Groups of the gateway's own region come first, and so do those of no region. */
  private int tier(String group) {
    String region = settings.regions.get(group);
    return region == null || settings.region == null || region.equals(settings.region) ? 0 : 1;
  }

  private void requireVersion(CheckIn checkIn) {
    Version least = settings.leastVersion;
    if (least != null && new Version(checkIn.version()).compareTo(least) < 0) {
      throw new GatewayException(
          ErrorCode.CONNECTOR_OUTDATED,
          checkIn + " runs " + checkIn.version() + ", and the least is " + least.text());
    }
  }

  private void connect(TunnelConnection connection, CheckIn checkIn) {
    ConnectorCertificate peer = Objects.requireNonNull(connection.certificate());
    RemoteConnector owner =
        connectors.compute(
            new Key(peer.group(), peer.id(), checkIn.instance()),
            (key, known) -> {
              RemoteConnector connector =
                  known == null
                      ? new RemoteConnector(
                          key,
                          tier(peer.group()),
                          connection.address(),
                          checkIn,
                          settings.clock.instant(),
                          Objects.requireNonNullElseGet(left.getIfPresent(key), Endings::new))
                      : known;
              connection.belongsTo(connector);
              connector.add(connection);
              return connector;
            });
    drainIfLeaving(owner, connection, checkIn);
    var unused =
        configure(connection)
            .thenRun(() -> usable(owner))
            .thenCompose(nothing -> connection.serving())
            .exceptionally(failed -> null);
  }

  private void usable(RemoteConnector owner) {
    owner.replaceRetired();
    if (setUp(owner)) {
      events.tell(TunnelEvent.Type.UP, owner, owner + " is connected");
      Version recommended = recommendedVersion;
      if (recommended != null && new Version(owner.version()).compareTo(recommended) < 0) {
        events.tell(
            TunnelEvent.Type.VERSION_BEHIND,
            owner,
            "%s runs %s; %s is recommended".formatted(owner, owner.version(), recommended.text()));
      }
    }
    changed();
    advanceUpdates(owner.group);
  }

  /** The answer is whether it was not up before. When it is given, requests can be sent. */
  private boolean setUp(RemoteConnector owner) {
    synchronized (owner) { // or its next connection would be of use before this one is
      boolean first = owner.setUp();
      if (first) {
        rebalance(owner.group);
      }
      return first;
    }
  }

  private void drainIfLeaving(RemoteConnector owner, TunnelConnection connection, CheckIn checkIn) {
    if (checkIn.draining()) {
      connection.drain();
      tellIfDraining(owner);
    }
  }

  private void tellIfDraining(RemoteConnector owner) {
    if (owner.beginsToDrain()) {
      events.tell(TunnelEvent.Type.DRAINING, owner, owner + " leaves");
    }
  }

  /** Gives the next connector of the group its turn to update itself, when the time has come. */
  private void advanceUpdates(String group) {
    Version recommended = recommendedVersion;
    if (recommended == null || closing) {
      return;
    }
    UpdateTurns turns = updates.computeIfAbsent(group, this::newTurns);
    turns
        .advance(inGroup(group).map(RemoteConnector::member).toList(), recommended)
        .ifPresent(
            order ->
                inGroup(group)
                    .filter(
                        connector ->
                            connector.id.equals(order.id()) // the instance is what it says
                                && connector.key.instance().equals(order.instance()))
                    .forEach(connector -> connector.update(order)));
  }

  private UpdateTurns newTurns(String group) {
    return new UpdateTurns(
        settings.updateTime,
        settings.updateOnlyConnector,
        settings.clock,
        (type, id, detail) -> {
          events.tell(type, group, id, detail);
          if (type == TunnelEvent.Type.UPDATE_STARTED) {
            // Check-ins are what turns advance by, and there may be none.
            CompletableFuture.delayedExecutor(settings.updateTime.toMillis(), TimeUnit.MILLISECONDS)
                .execute(() -> advanceUpdates(group));
          }
        });
  }

  private void controlEnded(TunnelConnection connection, Exception cause) {
    if (cause instanceof IllegalArgumentException) {
      refuse(
          connection,
          new GatewayException(ErrorCode.CHECK_IN_REFUSED, String.valueOf(cause), cause));
    } else {
      LOG.debug("{} has no control stream any more", connection, cause);
      connection.close();
    }
  }

  private void refuse(TunnelConnection connection, GatewayException cause) {
    RemoteConnector owner = connection.owner();
    events.tell(
        TunnelEvent.Type.REFUSED,
        owner == null ? "" : owner.group,
        owner == null ? "" : owner.id,
        connection + ": " + cause.getMessage());
    refusals.add(connection);
    if (closing || refusals.size() > settings.maxRefusals) {
      connection.close();
    } else {
      connection.refuse(Refusal.of(cause));
    }
  }

  private void gone(TunnelConnection connection) {
    connections.remove(connection);
    refusals.remove(connection);
    RemoteConnector owner = connection.owner();
    if (owner != null) {
      RemoteConnector remaining =
          connectors.computeIfPresent(
              owner.key,
              (key, connector) -> {
                if (!connector.remove(connection)) {
                  return connector;
                }
                left.put(key, connector.endings);
                return null;
              });
      if (remaining != null) {
        tellIfDraining(remaining);
      } else if (owner.isUp()) {
        rebalance(owner.group);
        events.tell(TunnelEvent.Type.DOWN, owner, owner + " is not connected any more");
      }
    }
    changed();
  }

  // ---- certificates of connections that are open

  private ScheduledExecutorService newWatch() {
    ScheduledExecutorService scheduler =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "apprxy-tunnel-authority");
              thread.setDaemon(true);
              return thread;
            });
    var unused =
        scheduler.scheduleWithFixedDelay(
            this::watch, WATCH.toMillis(), WATCH.toMillis(), TimeUnit.MILLISECONDS);
    unused =
        scheduler.scheduleWithFixedDelay(
            () -> withState(authority::forgetOld), 0, FORGET.toMillis(), TimeUnit.MILLISECONDS);
    return scheduler;
  }

  /** Takes up what other gateways have revoked, and looks whose time is over. */
  private void watch() {
    withState(authority::refresh);
    for (TunnelConnection connection : connections) {
      try {
        watch(connection);
      } catch (RuntimeException e) {
        LOG.error("{} could not be looked after; it is closed", connection, e);
        connection.close();
      }
    }
  }

  private void withState(Runnable task) {
    try {
      task.run();
      if (stateFailed) {
        stateFailed = false;
        LOG.info("the state of the connector authority can be read again");
      }
    } catch (RuntimeException e) {
      if (!stateFailed) {
        stateFailed = true;
        LOG.error("what other gateways revoke cannot be learnt: the state directory fails", e);
      }
    }
  }

  /**
   * Closes a connection at once, if its connector was revoked. One whose certificate has expired
   * takes no new request; what it carries goes on while the connector has others that are valid.
   */
  private void watch(TunnelConnection connection) {
    ConnectorCertificate certificate = Objects.requireNonNull(connection.certificate());
    try {
      admission.check(certificate);
    } catch (GatewayException e) {
      if (e.code() != ErrorCode.CERTIFICATE_EXPIRED) {
        LOG.info("{} is closed: {}", connection, e.getMessage());
        connection.close();
        return;
      }
      connection.drain();
      RemoteConnector owner = connection.owner();
      if (settings.clock.instant().isAfter(certificate.notAfter().plus(Wire.DRAIN))
          && (owner == null || !owner.isUsable())) {
        connection.close();
      }
    }
  }

  /**
   * Has its connectors connect to other gateways, if there are others, before it lets go of them;
   * lets requests in flight end for up to 30 seconds; closes. A gateway that uses it is closed
   * first. May be called twice.
   */
  @Override
  public synchronized void close() {
    closing = true;
    sayThatWeLeave();
    connections.forEach(TunnelConnection::drain);
    try {
      if (!await(Wire.DRAIN, connections::isEmpty)) {
        LOG.warn("requests are still in flight after {}; their connections are closed", Wire.DRAIN);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    connections.forEach(TunnelConnection::close);
    refusals.forEach(TunnelConnection::close);
    if (watch != null) {
      watch.shutdownNow();
    }
    if (listener != null) {
      listener.close();
    }
  }

  /** The connectors go on to serve: they are waited for before anything is taken from them. */
  private void sayThatWeLeave() {
    CompletableFuture<?>[] told =
        connections.stream()
            .map(connection -> connection.leave().exceptionally(failed -> null))
            .toArray(CompletableFuture<?>[]::new);
    CompletableFuture.allOf(told)
        .completeOnTimeout(null, Wire.LEAVE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)
        .join();
  }

  private boolean await(Duration timeout, BooleanSupplier condition) throws InterruptedException {
    long end = System.nanoTime() + timeout.toNanos();
    synchronized (changes) {
      while (!condition.getAsBoolean()) {
        long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        if (left <= 0) {
          return false;
        }
        changes.wait(left);
      }
      return true;
    }
  }

  private void changed() {
    synchronized (changes) {
      changes.notifyAll();
    }
  }

  /** Builds a {@link TunnelServer}. Not thread-safe. */
  public static final class Builder {
    private String host = "0.0.0.0";
    private int port = 7443;
    private KeyManager @Nullable [] keys;
    private final Set<String> groups = new LinkedHashSet<>();
    private @Nullable Path state;
    private int maxConnectionsOfOne = MAX_CONNECTIONS_OF_ONE;
    private int maxRefusals = MAX_REFUSALS;
    private Duration certificateLifetime = Duration.ofHours(24);
    private final Map<String, String> regions = new HashMap<>();
    private @Nullable String region;
    private @Nullable MeterRegistry meters;
    private Clock clock = Clock.systemUTC();
    private Consumer<TunnelEvent> listener = event -> {};
    private final Set<URI> advertised = new LinkedHashSet<>();
    private @Nullable Version recommendedVersion;
    private @Nullable Version leastVersion;
    private Duration updateTime = Duration.ofMinutes(15);
    private boolean updateOnlyConnector;

    private Builder() {}

    /** For tests: the bounds of what one peer, or many that are refused, may take. */
    Builder bounds(int connectionsOfOne, int refusals) {
      maxConnectionsOfOne = connectionsOfOne;
      maxRefusals = refusals;
      return this;
    }

    /** The address to listen on. Default: {@code 0.0.0.0}, every interface. */
    public Builder host(String address) {
      host = Objects.requireNonNull(address, "address");
      return this;
    }

    /** The port to listen on; 0 takes a free one. Default: 7443. */
    public Builder port(int number) {
      if (number < 0 || number > 65_535) {
        throw new IllegalArgumentException("port must be 0 to 65535: " + number);
      }
      port = number;
      return this;
    }

    /**
     * The key and certificate that connectors verify. Whom the gateway trusts is not for choice:
     * its own connector authority. Default: the JVM's own, {@code -Djavax.net.ssl.keyStore=…}.
     */
    public Builder tls(KeyManager... managers) {
      keys = managers.clone();
      return this;
    }

    /**
     * A group of connectors, which serve the applications of the same {@link
     * Application.Builder#connectorGroup}. May be called for several; there must be one.
     *
     * @param name 1 to 64 letters, digits or {@code . _ -}
     * @throws IllegalArgumentException if it is none
     */
    public Builder group(String name) {
      if (!CheckIn.isName(name)) {
        throw new IllegalArgumentException(
            "a connector group must be 1 to 64 letters, digits or . _ -: " + name);
      }
      groups.add(name);
      return this;
    }

    /**
     * A directory for what must survive a restart: the keys of the connector authority, unused
     * tokens (their hashes), revocations. Gateways that serve the same connectors share it. It is
     * made if need be, and must be its owner's alone, on a file system with hard links and atomic
     * moves. Default: nothing survives, and after a restart each connector needs a new token.
     */
    public Builder state(Path directory) {
      state = Objects.requireNonNull(directory, "directory");
      return this;
    }

    /**
     * How long connectors' certificates are valid: 10 minutes to 30 days. They are renewed from
     * half of it on; a connector that was off for longer than the rest needs a new token. Default:
     * 24 hours.
     *
     * @throws IllegalArgumentException if it is out of bounds
     */
    public Builder certificateLifetime(Duration lifetime) {
      if (lifetime.compareTo(Duration.ofMinutes(10)) < 0
          || lifetime.compareTo(Duration.ofDays(30)) > 0) {
        throw new IllegalArgumentException(
            "the lifetime of certificates must be 10 minutes to 30 days: " + lifetime);
      }
      certificateLifetime = lifetime;
      return this;
    }

    /**
     * A group of connectors, as {@link #group(String)}, which are in a region. A gateway of the
     * same {@link #region(String)} prefers them to those of other regions. Default: a group has no
     * region, and is near everywhere.
     *
     * @throws IllegalArgumentException if the name is none of a group
     */
    public Builder group(String name, String ofRegion) {
      regions.put(name, Objects.requireNonNull(ofRegion, "ofRegion"));
      return group(name);
    }

    /** The region of this gateway. Default: none, and all groups are as near. */
    public Builder region(String name) {
      region = Objects.requireNonNull(name, "name");
      return this;
    }

    /**
     * Tells connectors the address of the tunnel of a gateway that serves the same applications,
     * such as {@code https://gateway-2.example.com:7443}: they connect to it, too. May be called
     * for up to 16 gateways; its own address may be among them. Default: none.
     *
     * @throws IllegalArgumentException if it is not https, or has a path
     */
    public Builder advertise(String url) {
      advertised.add(GatewayAddress.parse(url));
      if (advertised.size() > Configuration.MAX_GATEWAYS) {
        throw new IllegalArgumentException(
            "at most " + Configuration.MAX_GATEWAYS + " gateways can be advertised");
      }
      return this;
    }

    /**
     * The version of apprxy that connectors should have, by semver.org. They are told, and an older
     * one raises {@link TunnelEvent.Type#VERSION_BEHIND}. Default: none.
     *
     * @throws IllegalArgumentException if it is no version
     */
    public Builder recommendVersion(String version) {
      recommendedVersion = new Version(version);
      return this;
    }

    /**
     * The oldest version of apprxy that a connector may have, by semver.org: older ones are
     * refused. Default: none.
     *
     * @throws IllegalArgumentException if it is no version
     */
    public Builder leastVersion(String version) {
      leastVersion = new Version(version);
      return this;
    }

    /**
     * How long a connector may take to update itself and be back, at most a day; then the next one
     * of its group gets the turn. Default: 15 minutes.
     *
     * @throws IllegalArgumentException if it is out of bounds
     */
    public Builder updateTime(Duration turn) {
      if (turn.toMillis() < 1 || turn.compareTo(Duration.ofDays(1)) > 0) {
        throw new IllegalArgumentException(
            "updateTime must be from a millisecond to a day: " + turn);
      }
      updateTime = turn;
      return this;
    }

    /**
     * Lets a connector update itself though no other of its group is there to serve meanwhile.
     * Default: it is left as it is.
     */
    public Builder updateOnlyConnector() {
      updateOnlyConnector = true;
      return this;
    }

    /**
     * Is told what happens to connectors. Called on I/O threads, by several at once: it must not
     * block. What it throws is logged. Default: nobody.
     */
    public Builder listener(Consumer<TunnelEvent> events) {
      listener = Objects.requireNonNull(events, "events");
      return this;
    }

    /**
     * Takes the gauges {@code apprxy.tunnel.connections} and {@code apprxy.tunnel.connectors}
     * (group), and the counter {@code apprxy.tunnel.events} (type, group). Default: nothing is
     * metered.
     */
    public Builder meters(MeterRegistry registry) {
      meters = Objects.requireNonNull(registry, "registry");
      return this;
    }

    /** Tells the time of assertions and events. Default: the system's. */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The server, not started.
     *
     * @throws IllegalStateException if there is no key for TLS or no group, or if the recommended
     *     version is older than the least
     * @throws java.io.UncheckedIOException if the state directory cannot be used
     */
    public TunnelServer build() {
      if (keys == null) {
        keys = jvmKeys();
      }
      if (groups.isEmpty()) {
        throw new IllegalStateException(
            "a tunnel server needs group(…): connectors serve the applications of a group");
      }
      if (recommendedVersion != null
          && leastVersion != null
          && recommendedVersion.compareTo(leastVersion) < 0) {
        throw new IllegalStateException(
            "recommendVersion("
                + recommendedVersion.text()
                + ") is older than leastVersion("
                + leastVersion.text()
                + ")");
      }
      return new TunnelServer(this);
    }

    private KeyManager[] keys() {
      return Objects.requireNonNull(keys);
    }

    private AuthorityStore store() {
      return state == null ? AuthorityStore.inMemory() : AuthorityStore.in(state);
    }

    /** As {@link SSLContext#getDefault} has them, which does not hand them out. */
    private static KeyManager[] jvmKeys() {
      String file = System.getProperty("javax.net.ssl.keyStore", "");
      if (file.isEmpty()) {
        throw new IllegalStateException(
            "a tunnel server needs tls(…), or -Djavax.net.ssl.keyStore=…: connectors verify its certificate");
      }
      char[] password = System.getProperty("javax.net.ssl.keyStorePassword", "").toCharArray();
      try {
        KeyStore store =
            KeyStore.getInstance(
                System.getProperty("javax.net.ssl.keyStoreType", KeyStore.getDefaultType()));
        try (InputStream in = Files.newInputStream(Path.of(file))) {
          store.load(in, password);
        }
        KeyManagerFactory factory =
            KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, password);
        return factory.getKeyManagers();
      } catch (GeneralSecurityException | IOException e) {
        throw new IllegalStateException("the key store " + file + " cannot be used: " + e, e);
      }
    }
  }
}
