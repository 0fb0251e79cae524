package io.apprxy.forward;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.Application;
import io.apprxy.Application.OriginProtocol;
import io.apprxy.Application.SignedAssertion;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.OriginAnswer;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import io.apprxy.balance.EndpointState;
import io.apprxy.balance.Selection;
import io.apprxy.forward.OriginInstances.Instance;
import io.apprxy.observe.Meters;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.rewrite.LegacyCredentials;
import io.apprxy.rewrite.RequestHeaders;
import io.apprxy.rewrite.ResponseHeaders;
import io.apprxy.rewrite.Trailers;
import io.apprxy.rewrite.UrlMapping;
import io.apprxy.route.RequestTarget;
import io.undertow.client.ClientRequest;
import io.undertow.client.ClientResponse;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Predicate;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.xnio.OptionMap;
import org.xnio.Xnio;

/**
 * From here to the origin: sign on, forward, rewrite. Runs in the gateway for direct origins, and
 * in the connector for the others. Thread-safe.
 */
public final class LastHop implements AutoCloseable {
  /**
   * Settings of one application that are kept: the present ones, and those that other gateways may
   * have configured a connector with.
   */
  private static final int MAX_VERSIONS = 8;

  /**
   * Names an origin instance between gateway and connector: the one that a user is pinned to, and
   * the one that has answered.
   */
  public static final HttpString INSTANCE = new HttpString("apprxy-instance");

  /** What the gateway signed for the origin; passed on under the name that the origin looks for. */
  public static final HttpString SIGNED_ASSERTION = new HttpString("apprxy-signed-assertion");

  /** What the origin gets as the user's access token. */
  public static final HttpString ORIGIN_TOKEN = new HttpString("apprxy-origin-token");

  /**
   * Names the connection of a client that authenticates to the origin for as long as a connection
   * lasts: what is sent by it goes by connections to the origin that nothing else goes by.
   */
  public static final HttpString CLIENT_CONNECTION = new HttpString("apprxy-client-connection");

  /** Then the client authenticates once more, unseen by its user. */
  private static final Duration BOUND_IDLE_TIME = Duration.ofMinutes(1);

  private static final int MAX_BOUND = 5_000;
  private static final int MAX_ANONYMOUS = 500;

  /** Of IIS: the connection, and not the request, is a user's. */
  private static final HttpString PERSISTENT_AUTH = new HttpString("Persistent-Auth");

  private final SignOn signOn;
  private final UndertowXnioSsl tls;
  private final Meters meters;
  // By the origins that a gateway publishes, or that a connector allows.
  private final ConcurrentMap<PoolKey, OriginConnections> pools = new ConcurrentHashMap<>();
  // By the applications that are published, or that retain(…) is told of.
  private final ConcurrentMap<Application, Origin> origins = new ConcurrentHashMap<>();

  /** Those of clients' own connections. */
  private final Cache<BoundKey, OriginPool> bound = boundPools(MAX_BOUND, BOUND_IDLE_TIME);

  /** The same of clients whom nobody knows: anybody can make them. */
  private final Cache<BoundKey, OriginPool> anonymous =
      boundPools(MAX_ANONYMOUS, OriginPool.MAX_IDLE_TIME);

  private final ConcurrentMap<URI, OriginAddress> boundAddresses = new ConcurrentHashMap<>();
  private volatile boolean closed;

  /** What is the same for all requests of an application. */
  private record Origin(UrlMapping mapping, OriginInstances instances) {}

  /**
   * @param tickets whether each request has a Kerberos ticket: some servers take all of a
   *     connection for the user of the first one, so that nobody else's may follow
   */
  private record PoolKey(URI origin, OriginProtocol protocol, boolean tickets) {}

  private record BoundKey(String clientConnection, URI origin) {}

  /**
   * @param signOn puts the identity into the form an origin wants
   * @param tls verifies the certificates of https origins
   */
  public LastHop(SignOn signOn, SSLContext tls, Meters meters) {
    this.meters = meters;
    this.signOn = Objects.requireNonNull(signOn, "signOn");
    this.tls = new UndertowXnioSsl(Xnio.getInstance(), OptionMap.EMPTY, Buffers.RECORDS, tls);
  }

  /** What becomes of a request. Called on the exchange's I/O thread. */
  public interface Events {
    /**
     * There will be no answer: ends the exchange with an error, in the way of the place where the
     * last hop runs.
     */
    void failed(HttpServerExchange exchange, GatewayException cause);

    /** What must not stand in trailers of a client. */
    IdentityHeaders identityHeaders();

    /** The request is about to go this way. */
    default void routed(Route route) {}

    /** The origin instance that the user is pinned to, or null if to none. */
    default @Nullable String pinnedInstance() {
      return null;
    }

    /**
     * The origin's answer has begun.
     *
     * @param instance the origin instance that answers
     * @param headersToClient the headers of the response
     */
    default void answered(String instance, HeaderMap headersToClient) {}
  }

  /**
   * Serves a request whose headers are clean: those of the client that must not travel are gone,
   * and {@code Forwarded} is set. Called on the exchange's I/O thread, after {@link
   * HttpServerExchange#dispatch()}.
   *
   * @param identity null on passthrough: nobody is signed on
   * @param target the target at the external URL
   */
  public void serve(
      HttpServerExchange exchange,
      Application application,
      @Nullable Identity identity,
      RequestTarget target,
      Events events) {
    Plan plan = new Plan(exchange, application, identity, target, events);
    Verdict verdict;
    try {
      verdict = plan.signOn();
    } catch (RuntimeException e) {
      plan.failed(exchange, signOnFailed(e));
      return;
    }
    follow(verdict, exchange, plan);
  }

  private void follow(Verdict verdict, HttpServerExchange exchange, Plan plan) {
    if (verdict instanceof Verdict.Proceed) {
      GatewayException unsigned = plan.unsigned();
      if (unsigned == null) {
        Forwarder.forward(exchange, plan);
      } else {
        plan.failed(exchange, unsigned);
      }
    } else if (verdict instanceof Verdict.Answer answer) {
      Responses.send(exchange, answer.response());
    } else if (verdict instanceof Verdict.Later later) {
      later
          .outcome()
          .whenComplete(
              (then, failed) ->
                  exchange
                      .getIoThread()
                      .execute(
                          () -> {
                            if (failed == null) {
                              follow(then, exchange, plan);
                            } else {
                              plan.failed(exchange, signOnFailed(failed));
                            }
                          }));
    } else {
      plan.failed(exchange, signOnFailed(new IllegalStateException("no verdict: " + verdict)));
    }
  }

  private static GatewayException signOnFailed(Throwable e) {
    Throwable cause = e instanceof CompletionException && e.getCause() != null ? e.getCause() : e;
    return cause instanceof GatewayException known
        ? known
        : new GatewayException(ErrorCode.SIGN_ON_FAILED, "sign-on failed", cause);
  }

  /** How the origin instances of an application are doing; empty before its first request. */
  public List<EndpointState> states(Application application) {
    Origin origin = origins.get(application);
    return origin == null ? List.of() : origin.instances.balancer().states();
  }

  /**
   * Forgets the applications that are of no use any more, and checks their origins no longer. What
   * is under way for them goes on.
   */
  public synchronized void retain(Predicate<Application> used) {
    origins.keySet().stream().filter(used.negate()).forEach(this::forget);
  }

  /**
   * Closes the connections that are not in use, and checks the health of origins no more. A request
   * that comes later is refused if it would begin that again.
   */
  @Override
  public synchronized void close() {
    closed = true;
    origins.values().forEach(origin -> origin.instances.close());
    pools.values().forEach(OriginConnections::close);
    bound.invalidateAll();
    anonymous.invalidateAll();
  }

  private Origin originOf(Application application) {
    Origin known = origins.get(application);
    return known == null ? meet(application) : known;
  }

  /** An application whose settings are new to us. */
  private synchronized Origin meet(Application application) {
    Origin known = origins.get(application);
    if (known != null) {
      return known;
    }
    if (closed) {
      throw new GatewayException(
          ErrorCode.SHUTTING_DOWN, "a request for " + application.id() + " came after the end");
    }
    List<Application> versions =
        origins.keySet().stream().filter(other -> other.id().equals(application.id())).toList();
    if (versions.size() >= MAX_VERSIONS) {
      versions.forEach(this::forget);
    }
    UrlMapping mapping = UrlMapping.of(application);
    HealthCheck check = application.loadBalancing().healthCheck();
    Origin origin =
        new Origin(
            mapping,
            new OriginInstances(
                application,
                instance -> poolOf(instance, application.originProtocol(), false),
                balancer ->
                    new HealthChecks(
                        Objects.requireNonNull(check),
                        application.originProtocol(),
                        mapping.hostHeader(),
                        tls,
                        balancer),
                meters.balancing(application.id(), "origin")));
    meters.watch(application.id(), "origin", origin.instances.balancer());
    origins.put(application, origin);
    return origin;
  }

  private void forget(Application application) {
    Origin forgotten = origins.remove(application);
    if (forgotten != null) {
      forgotten.instances.close();
    }
  }

  private OriginConnections poolOf(URI origin, OriginProtocol protocol, boolean tickets) {
    return pools.computeIfAbsent(
        new PoolKey(origin, protocol, tickets),
        key -> {
          OriginAddress address = new OriginAddress(key.origin, key.protocol, tls);
          return key.protocol == OriginProtocol.HTTP_2
              ? new Http2Pool(address)
              : new OriginPool(address);
        });
  }

  private static Cache<BoundKey, OriginPool> boundPools(int max, Duration idleTime) {
    return Caffeine.newBuilder()
        .maximumSize(max)
        .expireAfterAccess(idleTime)
        .executor(Runnable::run)
        .<BoundKey, OriginPool>removalListener(
            (key, pool, why) -> {
              if (pool != null) {
                pool.close();
              }
            })
        .build();
  }

  private OriginConnections boundTo(String clientConnection, URI origin, boolean known) {
    OriginAddress address =
        boundAddresses.computeIfAbsent(
            origin, url -> new OriginAddress(url, OriginProtocol.HTTP_1_1, tls));
    OriginPool pool =
        (known ? bound : anonymous)
            .get(
                new BoundKey(clientConnection, origin),
                key ->
                    OriginPool.ofOne(address, known ? BOUND_IDLE_TIME : OriginPool.MAX_IDLE_TIME));
    if (closed) {
      pool.close();
    }
    return pool;
  }

  private final class Plan implements Forwarder.Plan {
    private final HttpServerExchange exchange;
    private final Application application;
    private final @Nullable Identity identity;
    private final Origin origin;
    private final RequestTarget target;
    private final Events events;
    private final OriginHeaders signedOn;
    private Selection<Instance> selection;
    private boolean signedOnAgain;

    /** Whose connections to the origin it goes by alone; null if by shared ones. */
    private final @Nullable String clientConnection;

    /** The origin takes whatever else comes by this connection for the same user's. */
    private boolean isUsers;

    /** The client's credentials may make the origin do so, whether it says it or not. */
    private boolean bindsConnection;

    private @Nullable Instance serving;
    private OriginConnections.@Nullable Attempt attempt;

    Plan(
        HttpServerExchange exchange,
        Application application,
        @Nullable Identity identity,
        RequestTarget target,
        Events events) {
      this.exchange = exchange;
      this.application = application;
      this.identity = identity;
      this.origin = originOf(application);
      this.target = target;
      this.events = events;
      this.signedOn = new OriginHeaders(exchange.getRequestHeaders());
      this.clientConnection =
          application.originProtocol() == OriginProtocol.HTTP_1_1
              ? exchange.getRequestHeaders().getFirst(CLIENT_CONNECTION)
              : null;
      this.selection = select(events.pinnedInstance());
    }

    private Selection<Instance> select(@Nullable String instance) {
      return origin
          .instances
          .balancer()
          .begin(user(), instance == null ? null : one -> one.id().equals(instance));
    }

    /** Whom the request is for; where nobody is known, the client's address. */
    private String user() {
      if (identity != null) {
        return identity.subject();
      }
      String address = exchange.getRequestHeaders().getFirst(Headers.X_FORWARDED_FOR);
      return address == null ? "" : address;
    }

    // ---- sign-on

    Verdict signOn() {
      if (identity == null) {
        return Verdict.proceed();
      }
      String token = bearerToken();
      if (token != null) {
        signedOn.set(Headers.AUTHORIZATION_STRING, "Bearer " + token);
        signedOn.onAnswer(Plan::refusesToken);
      }
      return signOn.signOn(signedOn, identity, application);
    }

    /** What the gateway has for the origin, and the origin for a Bearer token. */
    private @Nullable String bearerToken() {
      HeaderMap headers = exchange.getRequestHeaders();
      if (application.singleSignOn().token() != null) {
        return headers.getFirst(ORIGIN_TOKEN);
      }
      SignedAssertion assertion = application.singleSignOn().signedAssertion();
      return assertion != null && assertion.inAuthorization()
          ? headers.getFirst(SIGNED_ASSERTION)
          : null;
    }

    /**
     * Nothing that the client could help: it has not seen the token (RFC 6750 §3). Not so where the
     * origin asks for more of the user (RFC 9470).
     */
    private static boolean refusesToken(OriginAnswer answer) {
      boolean refused =
          answer.status() == 401
              && answer.headers("WWW-Authenticate").stream()
                  .map(challenge -> challenge.toLowerCase(Locale.ROOT))
                  .anyMatch(
                      challenge ->
                          challenge.contains("bearer")
                              && !challenge.contains("insufficient_user_authentication"));
      if (refused) {
        throw new GatewayException(
            ErrorCode.ORIGIN_REFUSED_SIGN_ON, "the origin refuses the access token");
      }
      return false;
    }

    private boolean hasTicket() {
      return identity != null && application.singleSignOn().kerberos() != null;
    }

    /** Why the request may not go on: the application counts on what nobody here has done. */
    @Nullable GatewayException unsigned() {
      boolean counts = identity != null && application.singleSignOn().setsAuthorization();
      return !counts || signedOn.isAuthorized()
          ? null
          : new GatewayException(
              ErrorCode.SIGN_ON_FAILED,
              application.id() + " is to be signed on to, and no sign-on here sets Authorization");
    }

    @Override
    public @Nullable CompletionStage<@Nullable GatewayException> again(
        ClientResponse response, boolean repeatable) {
      if (!signedOn.isRefused(response)) {
        return null;
      }
      if (!repeatable || signedOnAgain) {
        throw new GatewayException(
            ErrorCode.ORIGIN_REFUSED_SIGN_ON,
            "the origin answers "
                + response.getResponseCode()
                + (repeatable ? " once more" : " to a request whose body cannot be sent again"));
      }
      signedOnAgain = true;
      selection = select(Objects.requireNonNull(serving).id());
      attempt = null;
      return outcome(signOn()).exceptionally(LastHop::signOnFailed);
    }

    /** Null once the request is signed on. */
    private CompletionStage<@Nullable GatewayException> outcome(Verdict verdict) {
      if (verdict instanceof Verdict.Later later) {
        return later.outcome().thenCompose(this::outcome);
      }
      return CompletableFuture.completedFuture(
          verdict instanceof Verdict.Proceed
              ? unsigned()
              : signOnFailed(new IllegalStateException("no answer is expected any more")));
    }

    // ---- forwarding

    @Override
    public @Nullable Route route() {
      return BalancedRoute.next(selection, this::to);
    }

    private Route to(Instance instance, boolean anew) {
      OriginConnections pool = pool(instance);
      OriginConnections.Attempt next = pool.route(anew ? attempt : null);
      serving = instance;
      attempt = next;
      events.routed(next);
      return next;
    }

    private OriginConnections pool(Instance instance) {
      if (clientConnection != null) {
        return boundTo(clientConnection, instance.origin(), identity != null);
      }
      return hasTicket()
          ? poolOf(instance.origin(), application.originProtocol(), true)
          : instance.pool();
    }

    @Override
    public ClientRequest request(Route route) {
      ClientRequest request = new ClientRequest();
      String query = target.query() == null ? "" : "?" + target.query();
      request
          .setMethod(exchange.getRequestMethod())
          .setPath(origin.mapping.toInternalPath(target.path()) + query);
      HeaderMap headers = request.getRequestHeaders();
      exchange
          .getRequestHeaders()
          .forEach(header -> headers.putAll(header.getHeaderName(), header));
      RequestHeaders.toOrigin(headers);
      // Those of a sign-on have a pool of their own, and those servers say what they do.
      bindsConnection = !signedOn.isAuthorized() && LegacyCredentials.bindConnection(headers);
      if (bindsConnection && application.originProtocol() == OriginProtocol.HTTP_2) {
        headers.remove(Headers.AUTHORIZATION); // its connections are everybody's
      }
      passOnAssertion(headers);
      headers.put(Headers.HOST, origin.mapping.hostHeader());
      return request;
    }

    /** What the gateway signed for the origin, under the name that the origin looks for. */
    private void passOnAssertion(HeaderMap headers) {
      SignedAssertion wanted = application.singleSignOn().signedAssertion();
      if (wanted != null && !wanted.inAuthorization()) {
        RequestHeaders.remove(headers, wanted.header());
        String signed = exchange.getRequestHeaders().getFirst(SIGNED_ASSERTION);
        if (signed != null) {
          headers.put(new HttpString(wanted.header()), signed);
        }
      }
    }

    @Override
    public void requestEnds(HeaderMap trailers) {
      Trailers.clean(trailers, events.identityHeaders());
    }

    @Override
    public Duration openTimeout() {
      return application.loadBalancing().waitTimeout().plus(responseTimeout());
    }

    @Override
    public Duration responseTimeout() {
      return application.applicationServerTimeout();
    }

    @Override
    public Duration idleTimeout() {
      return application.idleTimeout();
    }

    @Override
    public Duration stallTimeout() {
      return application.stallTimeout();
    }

    @Override
    public void responseBegins(ClientResponse response, HeaderMap headersToClient) {
      if (HeaderLists.size(response.getResponseHeaders()) > HeaderLists.max() / 2) {
        throw new GatewayException(
            ErrorCode.ORIGIN_BROKEN,
            "the headers of the origin's answer are larger than "
                + HeaderLists.max() / 2
                + " bytes");
      }
      isUsers = "true".equalsIgnoreCase(response.getResponseHeaders().getFirst(PERSISTENT_AUTH));
      response.getResponseHeaders().remove(PERSISTENT_AUTH);
      ResponseHeaders.fromOrigin(response.getResponseHeaders(), origin.mapping);
      if (application.externalAuthentication()
          == Application.ExternalAuthentication.PRE_AUTHENTICATION) {
        ResponseHeaders.keepPrivate(response.getResponseHeaders());
      }
      if (application.corsConfiguration(target.path()) != null) {
        ResponseHeaders.removeCors(response.getResponseHeaders());
      }
      Responses.addHeaders(response.getResponseHeaders(), headersToClient);
      events.answered(Objects.requireNonNull(serving).id(), headersToClient);
    }

    @Override
    public boolean isReusable() {
      return clientConnection != null || !(isUsers || bindsConnection);
    }

    @Override
    public void failed(HttpServerExchange failed, GatewayException cause) {
      events.failed(failed, cause);
    }
  }
}
