package io.apprxy.tunnel;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.forward.Dispatcher;
import io.apprxy.forward.Listener;
import io.apprxy.forward.Route;
import io.apprxy.forward.SharedChannel;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.undertow.UndertowOptions;
import io.undertow.client.ClientRequest;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
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
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final int MAX_CONNECTIONS = 4096;

  private final Builder settings;
  private final AssertionIssuer assertions;
  private final List<TunnelConnection> connections = new CopyOnWriteArrayList<>();
  private volatile List<Application> applications = List.of();
  private volatile boolean closing;
  private @Nullable Listener listener;

  private TunnelServer(Builder settings) {
    this.settings = settings;
    this.assertions = new AssertionIssuer(settings.clock);
    MeterRegistry meters = settings.meters;
    if (meters != null) {
      for (String group : settings.tokens.groups()) {
        meters.gauge(
            "apprxy.tunnel.connections",
            Tags.of("group", group),
            this,
            tunnel -> tunnel.usable(group));
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
   * @throws IllegalStateException if it was started before
   */
  public synchronized TunnelServer start() {
    if (listener != null) {
      throw new IllegalStateException("the tunnel server was started before");
    }
    listener =
        Listener.open(
            new InetSocketAddress(settings.host, settings.port),
            Objects.requireNonNull(settings.tls),
            OptionMap.builder()
                .set(UndertowOptions.REQUEST_PARSE_TIMEOUT, 10_000)
                .set(UndertowOptions.NO_REQUEST_TIMEOUT, 10_000)
                .set(UndertowOptions.MAX_HEADER_SIZE, 16 * 1024)
                .set(UndertowOptions.HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100)
                .getMap(),
            this::handle);
    return this;
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
        if (!settings.tokens.groups().contains(group)) {
          throw new IllegalStateException(
              "application "
                  + application.id()
                  + ": no enrolment token admits connectors to its group "
                  + group);
        }
      }
    }
    applications = List.copyOf(published);
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
   * A connector that does not take the configuration loses its connection, so all that stay have
   * it.
   */
  private CompletableFuture<Void> configureAll() {
    return CompletableFuture.allOf(
        connections.stream()
            .map(connection -> configure(connection).exceptionally(failed -> null))
            .toArray(CompletableFuture<?>[]::new));
  }

  private CompletableFuture<Void> configure(TunnelConnection connection) {
    return connection.configure(
        Configuration.of(assertions.publicKeys(), applications, connection.group).toJson());
  }

  /**
   * The usable connection with the least burden; of a connector that was not tried yet, if there is
   * one.
   */
  @Override
  public @Nullable Route route(Exchange exchange, Set<Route> tried) {
    List<String> groups = exchange.application().connectorGroups();
    Set<String> triedInstances =
        tried.stream()
            .map(route -> ((TunnelConnection) route).instance)
            .collect(Collectors.toSet());
    TunnelConnection best = null;
    for (TunnelConnection connection : connections) {
      if (groups.contains(connection.group)
          && connection.isUsable()
          && !tried.contains(connection)
          && (best == null || preference(triedInstances).compare(connection, best) < 0)) {
        best = connection;
      }
    }
    if (best == null && tried.isEmpty()) {
      throw new GatewayException(
          ErrorCode.NO_CONNECTOR, "no connector of " + groups + " is connected");
    }
    return best;
  }

  private static Comparator<TunnelConnection> preference(Set<String> triedInstances) {
    return Comparator.<TunnelConnection, Boolean>comparing(
            connection -> triedInstances.contains(connection.instance))
        .thenComparing(TunnelConnection::burden);
  }

  @Override
  public void prepare(Exchange exchange, ClientRequest request) {
    request
        .getRequestHeaders()
        .put(Wire.ASSERTION, assertions.issue(exchange.identity(), exchange.application()));
  }

  private long usable(String group) {
    return connections.stream()
        .filter(connection -> connection.group.equals(group) && connection.isUsable())
        .count();
  }

  // ---- for connectors

  private void handle(HttpServerExchange exchange) {
    String group =
        settings.tokens.group(exchange.getRequestHeaders().getFirst(Headers.AUTHORIZATION));
    if (group == null) {
      LOG.debug("a peer at {} has no valid enrolment token", exchange.getSourceAddress());
      exchange.setStatusCode(401).endExchange();
    } else if (isConnect(exchange)) {
      connect(exchange, group);
    } else if (exchange.getRequestMethod().equals(Methods.POST)
        && exchange.getRequestURI().equals(Wire.DRAINING_PATH)) {
      drain(group, exchange.getRequestHeaders().getFirst(Wire.CONNECTOR_INSTANCE));
      exchange.setStatusCode(204).endExchange();
    } else {
      exchange.setStatusCode(404).endExchange();
    }
  }

  private static boolean isConnect(HttpServerExchange exchange) {
    return exchange.getRequestMethod().equals(Methods.GET)
        && exchange.getRequestURI().equals(Wire.CONNECT_PATH)
        && Wire.PTTH.equals(exchange.getRequestHeaders().getFirst(Headers.UPGRADE));
  }

  private void connect(HttpServerExchange exchange, String group) {
    HeaderMap headers = exchange.getRequestHeaders();
    String name = headers.getFirst(Wire.CONNECTOR_NAME);
    String instance = headers.getFirst(Wire.CONNECTOR_INSTANCE);
    if (name == null
        || instance == null
        || !NAME.matcher(name).matches()
        || !NAME.matcher(instance).matches()) {
      exchange.setStatusCode(400).endExchange();
    } else if (closing || connections.size() >= MAX_CONNECTIONS) {
      exchange.setStatusCode(503).endExchange();
    } else {
      exchange.upgradeChannel(
          Wire.PTTH, (stream, upgraded) -> turnAround(stream, upgraded, group, name, instance));
      exchange.endExchange();
    }
  }

  private void turnAround(
      StreamConnection stream,
      HttpServerExchange exchange,
      String group,
      String name,
      String instance) {
    try {
      Http2Channel channel =
          SharedChannel.open(
              stream, exchange.getConnection().getByteBufferPool(), null, true, Wire.HTTP2);
      TunnelConnection connection = new TunnelConnection(group, name, instance, channel);
      connection.onClose(() -> gone(connection));
      connections.add(connection);
      connection.keepAlive();
      configure(connection)
          .thenRun(
              () -> {
                LOG.info("connector {} of group {} is connected", name, group);
                replaceRetired(instance);
                changed();
              })
          .exceptionally(failed -> null);
    } catch (IOException e) {
      LOG.debug("connector {} went away while it connected", name, e);
      IoUtils.safeClose(stream);
    }
  }

  private void replaceRetired(String instance) {
    connections.stream()
        .filter(connection -> connection.instance.equals(instance) && connection.isRetired())
        .forEach(TunnelConnection::drain);
  }

  private void gone(TunnelConnection connection) {
    connections.remove(connection);
    changed();
    LOG.info(
        "a connection of connector {} of group {} has ended",
        connection.connector,
        connection.group);
  }

  private void drain(String group, @Nullable String instance) {
    connections.stream()
        .filter(
            connection -> connection.group.equals(group) && connection.instance.equals(instance))
        .forEach(TunnelConnection::drain);
  }

  /**
   * Takes no new request; lets those in flight end for up to 30 seconds; closes. May be called
   * twice.
   */
  @Override
  public synchronized void close() {
    closing = true;
    connections.forEach(TunnelConnection::drain);
    try {
      if (!await(Wire.DRAIN, connections::isEmpty)) {
        LOG.warn("requests are still in flight after {}; their connections are closed", Wire.DRAIN);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    connections.forEach(TunnelConnection::close);
    if (listener != null) {
      listener.close();
    }
  }

  private boolean await(Duration timeout, BooleanSupplier condition) throws InterruptedException {
    long end = System.nanoTime() + timeout.toNanos();
    synchronized (connections) {
      while (!condition.getAsBoolean()) {
        long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        if (left <= 0) {
          return false;
        }
        connections.wait(left);
      }
      return true;
    }
  }

  private void changed() {
    synchronized (connections) {
      connections.notifyAll();
    }
  }

  /** Builds a {@link TunnelServer}. Not thread-safe. */
  public static final class Builder {
    private String host = "0.0.0.0";
    private int port = 7443;
    private @Nullable SSLContext tls;
    private final EnrolmentTokens tokens = new EnrolmentTokens();
    private @Nullable MeterRegistry meters;
    private Clock clock = Clock.systemUTC();

    private Builder() {}

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

    /** The certificate that connectors verify. No default. */
    public Builder tls(SSLContext context) {
      tls = Objects.requireNonNull(context, "context");
      return this;
    }

    /**
     * Admits the connectors of a group by a secret that they share.
     *
     * @param token at least 32 visible ASCII characters
     * @throws IllegalArgumentException if the token is too short to be a secret
     * @throws IllegalStateException if the group has a token already
     */
    public Builder enrolmentToken(String group, String token) {
      tokens.add(group, token);
      return this;
    }

    /** Takes the gauge {@code apprxy.tunnel.connections} (group). Default: nothing is metered. */
    public Builder meters(MeterRegistry registry) {
      meters = Objects.requireNonNull(registry, "registry");
      return this;
    }

    /** Tells the time of assertions. Default: the system's. */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The server, not started.
     *
     * @throws IllegalStateException if no TLS or no enrolment token was given
     */
    public TunnelServer build() {
      if (tls == null) {
        throw new IllegalStateException(
            "a tunnel server needs tls(…): connectors verify its certificate");
      }
      if (tokens.groups().isEmpty()) {
        throw new IllegalStateException(
            "a tunnel server needs enrolmentToken(…), or no connector could prove itself");
      }
      return new TunnelServer(this);
    }
  }
}
