package io.apprxy;

import io.apprxy.balance.AffinityKeys;
import io.apprxy.balance.EndpointState;
import io.apprxy.forward.AskingHosts;
import io.apprxy.forward.Dispatcher;
import io.apprxy.forward.LastHop;
import io.apprxy.forward.Listener;
import io.apprxy.observe.AccessLog;
import io.apprxy.observe.Meters;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInLog;
import io.micrometer.core.instrument.MeterRegistry;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import io.undertow.server.handlers.GracefulShutdownHandler;
import java.net.InetSocketAddress;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.xnio.OptionMap;

/**
 * The public side: takes requests of users, finds out who they are and whether they may, and
 * forwards what may pass. Thread-safe.
 *
 * <p>The way of a request is the list of stages in {@link Pipeline}. A gateway runs its own server
 * ({@link #start()}), or is mounted in an Undertow that the embedding application has ({@link
 * #handler()}).
 */
public final class Gateway implements AutoCloseable {
  private static final Duration DRAIN = Duration.ofSeconds(30);

  private final Builder settings;
  private final Pipeline pipeline;
  private final LastHop lastHop;
  private final GracefulShutdownHandler handler;
  private @Nullable Listener listener;

  private Gateway(Builder settings) {
    this.settings = settings;
    this.lastHop = new LastHop(settings.signOn, settings.originTls, settings.meters);
    this.pipeline = new Pipeline(settings, lastHop);
    this.handler = new GracefulShutdownHandler(pipeline);
    if (settings.connectors != null) {
      settings.connectors.publish(settings.applications);
    }
    tellOfEndedSessions(settings);
  }

  private static void tellOfEndedSessions(Builder settings) {
    PreAuthentication sessions = settings.preAuthentication;
    if (sessions != null) {
      sessions.whenEnded(settings.signOn::forget);
      if (settings.connectors != null) {
        sessions.whenEnded(settings.connectors::forget);
      }
    }
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Opens the gateway's own listener.
   *
   * @throws IllegalStateException if it was started before, or if no TLS was given
   * @throws java.io.UncheckedIOException if the port cannot be bound
   */
  public synchronized Gateway start() {
    if (listener != null) {
      throw new IllegalStateException("the gateway was started before");
    }
    if (settings.tls == null) {
      throw new IllegalStateException(
          "a gateway's own listener needs tls(…): sign-in and session cookies travel over https only");
    }
    listener =
        Listener.open(
            new InetSocketAddress(settings.host, settings.port),
            tls(settings.tls),
            OptionMap.builder()
                // A client that stops reading holds what its streams hold, up to this many.
                .set(UndertowOptions.HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100)
                .set(UndertowOptions.MAX_ENTITY_SIZE, -1L)
                .set(UndertowOptions.MAX_HEADER_SIZE, 64 * 1024)
                .set(UndertowOptions.MAX_HEADERS, 200)
                .set(UndertowOptions.DECODE_URL, false)
                .set(UndertowOptions.ALWAYS_SET_DATE, true)
                .set(UndertowOptions.RECORD_REQUEST_START_TIME, true)
                .set(UndertowOptions.REQUEST_PARSE_TIMEOUT, 30_000)
                .set(UndertowOptions.NO_REQUEST_TIMEOUT, 60_000)
                .set(UndertowOptions.IDLE_TIMEOUT, idleTimeout())
                .getMap(),
            handler);
    return this;
  }

  /**
   * Asks for certificates where an application does, and nowhere else: browsers would ask their
   * users. It is decided by the host that the client names in TLS, when the handshake begins.
   */
  private SSLContext tls(SSLContext other) {
    Set<String> asking =
        settings.applications.stream()
            .filter(one -> one.clientCertificate() != Application.ClientCertificate.NONE)
            .map(one -> one.externalUrl().getHost())
            .collect(Collectors.toSet());
    return asking.isEmpty()
        ? other
        : AskingHosts.context(
            asking, Objects.requireNonNull(settings.clientCertificates).tls(), other);
  }

  /** The forwarder's limits come first, as it knows what a connection is idle with. */
  private int idleTimeout() {
    Duration longest =
        settings.applications.stream()
            .map(Application::idleTimeout)
            .max(Comparator.naturalOrder())
            .orElse(Duration.ZERO);
    return Math.toIntExact(longest.plusMinutes(1).toMillis());
  }

  /**
   * The port of the gateway's own listener.
   *
   * @throws IllegalStateException if it is not started
   */
  public synchronized int port() {
    if (listener == null) {
      throw new IllegalStateException("the gateway is not started");
    }
    return listener.port();
  }

  /**
   * The gateway as a handler, to be mounted at the root of an Undertow that the embedding
   * application has. That listener needs {@code DECODE_URL} off, {@code MAX_ENTITY_SIZE} -1 for
   * bodies of any size, and with HTTP/2 a bound such as {@code
   * HTTP2_SETTINGS_MAX_CONCURRENT_STREAMS} 100, or one client could take all that the connectors
   * can carry.
   */
  public HttpHandler handler() {
    return handler;
  }

  /**
   * How the endpoints of an application are doing: its connectors, the nearest first, or the
   * instances of a direct origin; of the latter nothing is known before the first request.
   *
   * @throws IllegalArgumentException if no application of this id is published
   */
  public List<EndpointState> endpoints(String application) {
    for (Application published : settings.applications) {
      if (published.id().equals(application)) {
        return published.connectorGroups().isEmpty()
            ? lastHop.states(published)
            : Objects.requireNonNull(settings.connectors).endpoints(published);
      }
    }
    throw new IllegalArgumentException("no application is published as " + application);
  }

  /**
   * Takes no more requests, lets those in flight end for up to 30 seconds, and closes. May be
   * called twice.
   */
  @Override
  public synchronized void close() {
    handler.shutdown();
    try {
      handler.awaitShutdown(DRAIN.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    lastHop.close(); // on threads that are the listener's
    if (listener != null) {
      listener.close();
    }
  }

  /** Builds a {@link Gateway}. Not thread-safe. */
  public static final class Builder {
    String host = "0.0.0.0";
    int port = 443;
    @Nullable SSLContext tls;
    SSLContext originTls = defaultTls();
    final List<Application> applications = new ArrayList<>();
    @Nullable PreAuthentication preAuthentication;
    @Nullable ClientCertificates clientCertificates;
    @Nullable AccessPolicy accessPolicy;
    @Nullable Dispatcher connectors;
    SignOn signOn = SignOn.none();
    @Nullable AssertionSigner assertions;
    List<String> trustedProxies = List.of();
    AffinityKeys affinityKeys = AffinityKeys.generate();
    Meters meters = Meters.none();
    AccessLog accessLog = AccessLog.json();
    SignInLog signInLog = SignInLog.json();

    private Builder() {}

    /** The address to listen on. Default: {@code 0.0.0.0}, every interface. */
    public Builder host(String address) {
      host = Objects.requireNonNull(address, "address");
      return this;
    }

    /** The port to listen on; 0 takes a free one. Default: 443. */
    public Builder port(int number) {
      if (number < 0 || number > 65_535) {
        throw new IllegalArgumentException("port must be 0 to 65535: " + number);
      }
      port = number;
      return this;
    }

    /**
     * The gateway's certificates. No default: {@link Gateway#start()} needs it; a mounted gateway
     * does not.
     */
    public Builder tls(SSLContext context) {
      tls = Objects.requireNonNull(context, "context");
      return this;
    }

    /** Verifies the certificates of direct https origins. Default: the JVM's own trust. */
    public Builder originTls(SSLContext context) {
      originTls = Objects.requireNonNull(context, "context");
      return this;
    }

    /** Publishes one more application. */
    public Builder publish(Application application) {
      applications.add(Objects.requireNonNull(application, "application"));
      return this;
    }

    /** Finds out who the user is. No default: needed unless every application is passthrough. */
    public Builder preAuthentication(PreAuthentication stage) {
      preAuthentication = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /**
     * Which certificates of clients count. No default: needed if an application asks for them. A
     * gateway that is mounted in another server has that ask for them, and be named the host in
     * TLS.
     */
    public Builder clientCertificates(ClientCertificates counting) {
      clientCertificates = Objects.requireNonNull(counting, "counting");
      return this;
    }

    /** Decides whether the user may. No default: needed unless every application is passthrough. */
    public Builder accessPolicy(AccessPolicy stage) {
      accessPolicy = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /** Reaches the applications that have a connector group. No default: needed if there is one. */
    public Builder connectors(Dispatcher server) {
      connectors = Objects.requireNonNull(server, "server");
      return this;
    }

    /** Signs users on to direct origins. Default: {@link SignOn#none()}. */
    public Builder signOn(SignOn stage) {
      signOn = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /**
     * Signs who the user is for the applications that have a {@link Application.SignedAssertion},
     * and serves its public keys at {@link AssertionSigner#KEYS_PATH}. No default: needed if there
     * is one.
     */
    public Builder assertions(AssertionSigner signer) {
      assertions = Objects.requireNonNull(signer, "signer");
      return this;
    }

    /**
     * Peers whose {@code Forwarded} and {@code X-Forwarded-*} headers are believed, as addresses or
     * CIDR blocks. Default: none.
     */
    public Builder trustProxies(String... cidrs) {
      trustedProxies = List.of(cidrs);
      return this;
    }

    /**
     * Signs the cookies of users that stay with their endpoints, see {@link
     * LoadBalancing.Affinity}. Gateways that serve the same users share them. Default: a random key
     * of this gateway's own.
     */
    public Builder affinityKeys(AffinityKeys keys) {
      affinityKeys = Objects.requireNonNull(keys, "keys");
      return this;
    }

    /** Takes the meters. Default: nothing is metered. */
    public Builder meters(MeterRegistry registry) {
      meters = Meters.in(registry);
      return this;
    }

    /**
     * Gets what is worth knowing of how origins authenticate: {@link
     * SignInEvent.Kind#LEGACY_AUTHENTICATION_OFFERED}. Default: {@link SignInLog#json()}.
     */
    public Builder signInLog(SignInLog log) {
      signInLog = Objects.requireNonNull(log, "log");
      return this;
    }

    /** Gets one event per request. Default: {@link AccessLog#json()}. */
    public Builder accessLog(AccessLog log) {
      accessLog = Objects.requireNonNull(log, "log");
      return this;
    }

    /**
     * The gateway, not started.
     *
     * @throws IllegalArgumentException if two applications have the same id or external URL, or
     *     nobody could sign in to one
     * @throws IllegalStateException if an application needs a stage that was not given
     */
    public Gateway build() {
      for (Application application : applications) {
        boolean authenticated =
            application.externalAuthentication()
                == Application.ExternalAuthentication.PRE_AUTHENTICATION;
        boolean signsIn =
            authenticated
                && application.clientCertificate() != Application.ClientCertificate.IDENTITY;
        require(!signsIn || preAuthentication != null, application, "preAuthentication");
        require(
            application.clientCertificate() == Application.ClientCertificate.NONE
                || clientCertificates != null,
            application,
            "clientCertificates");
        require(!authenticated || accessPolicy != null, application, "accessPolicy");
        require(
            application.connectorGroups().isEmpty() || connectors != null,
            application,
            "connectors");
        if (signsIn) {
          Objects.requireNonNull(preAuthentication).check(application);
        }
        require(
            application.singleSignOn().signedAssertion() == null || assertions != null,
            application,
            "assertions");
      }
      return new Gateway(this);
    }

    private static void require(boolean given, Application application, String stage) {
      if (!given) {
        throw new IllegalStateException(
            "application " + application.id() + " needs " + stage + "(…) on the gateway");
      }
    }

    private static SSLContext defaultTls() {
      try {
        return SSLContext.getDefault();
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("this JVM has no TLS", e);
      }
    }
  }
}
