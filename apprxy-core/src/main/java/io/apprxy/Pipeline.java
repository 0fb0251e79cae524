package io.apprxy;

import io.apprxy.balance.AffinityCookie;
import io.apprxy.forward.Dispatcher;
import io.apprxy.forward.Forwarder;
import io.apprxy.forward.LastHop;
import io.apprxy.forward.ReportedFailure;
import io.apprxy.forward.Responses;
import io.apprxy.forward.Route;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.rewrite.ResponseHeaders;
import io.apprxy.rewrite.Trailers;
import io.apprxy.route.Routes;
import io.undertow.client.ClientRequest;
import io.undertow.client.ClientResponse;
import io.undertow.server.HttpHandler;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import io.undertow.util.SameThreadExecutor;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;

/**
 * The way of a request through the gateway: {@link #stages()}, one after the other, and then {@link
 * #dispatch}.
 *
 * <p>All of it runs on the request's I/O thread; a stage that waits gives the thread back until it
 * has its answer.
 */
final class Pipeline implements HttpHandler {
  /** Names the code of a failure at the connector; the gateway makes the page. */
  private static final HttpString CONNECTOR_ERROR = new HttpString("apprxy-error");

  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.gateway");

  private final Routes routes;
  private final Hygiene hygiene;
  private final Admission admission;
  private final @Nullable AssertionSigner assertions;
  private final @Nullable Dispatcher connectors;
  private final LastHop lastHop;
  private final Recorder recorder;
  private final CertificateStage certificates;
  private final OpenRequests open;

  /** Of the applications whose users stay with their endpoints, by id. */
  private final Map<String, AffinityCookie> affinity;

  private final LegacyOffers legacyOffers;
  private final List<Stage> stages;

  Pipeline(Gateway.Builder settings, LastHop lastHop) {
    this.routes = Routes.of(settings.applications);
    this.hygiene = new Hygiene(settings.applications, settings.trustedProxies);
    this.admission = new Admission(settings.preAuthentication, settings.accessPolicy);
    this.assertions = settings.assertions;
    this.connectors = settings.connectors;
    this.lastHop = lastHop;
    this.recorder = new Recorder(settings.meters, settings.accessLog, Clock.systemUTC());
    this.legacyOffers = new LegacyOffers(settings.signInLog, Clock.systemUTC());
    this.open = new OpenRequests(admission::authorize);
    this.affinity =
        settings.applications.stream()
            .filter(one -> one.loadBalancing().affinity() != LoadBalancing.Affinity.NONE)
            .collect(
                Collectors.toUnmodifiableMap(
                    Application::id, one -> new AffinityCookie(one, settings.affinityKeys)));
    this.certificates = new CertificateStage(settings.clientCertificates);
    this.stages = stages();
  }

  /** Everything that happens before a request may leave the gateway, in order. */
  private List<Stage> stages() {
    return List.of(
        new Stage("guard", this::guard),
        new Stage("route", this::route),
        new Stage("keys", this::keys),
        new Stage("cors", CrossOrigin::admit),
        new Stage("certificate", certificates::check),
        new Stage("authenticate", admission::authenticate),
        new Stage("authorize", admission::authorize),
        new Stage("token", admission::tokenForOrigin));
  }

  private record Stage(String name, Function<UndertowExchange, Verdict> step) {}

  @Override
  public void handleRequest(HttpServerExchange undertow) {
    undertow.dispatch(
        undertow.isInIoThread() ? SameThreadExecutor.INSTANCE : undertow.getIoThread(),
        () -> begin(undertow));
  }

  private void begin(HttpServerExchange undertow) {
    UndertowExchange exchange = new UndertowExchange(undertow);
    undertow.getResponseHeaders().put(Responses.REQUEST_ID, exchange.id());
    recorder.observe(exchange);
    run(exchange, 0);
  }

  private void run(UndertowExchange exchange, int from) {
    for (int i = from; i < stages.size(); i++) {
      Verdict verdict;
      long begun = System.nanoTime();
      try {
        verdict = stages.get(i).step().apply(exchange);
      } catch (RuntimeException | Error e) {
        refuse(exchange, e);
        return;
      } finally {
        recorder.stage(stages.get(i).name(), System.nanoTime() - begun);
      }
      if (!(verdict instanceof Verdict.Proceed)) {
        resume(exchange, verdict, null, i);
        return;
      }
    }
    try {
      dispatch(exchange);
    } catch (RuntimeException | Error e) {
      refuse(exchange, e);
    }
  }

  private void follow(UndertowExchange exchange, Verdict verdict, int stage) {
    if (verdict instanceof Verdict.Answer answer) {
      Responses.send(exchange.undertow(), answer.response());
    } else if (verdict instanceof Verdict.Later later) {
      later
          .outcome()
          .whenComplete(
              (then, failed) ->
                  exchange
                      .undertow()
                      .getIoThread()
                      .execute(() -> resume(exchange, then, failed, stage)));
    } else if (verdict instanceof Verdict.StepUp stepUp) {
      follow(exchange, admission.stepUp(exchange, stepUp.requirement()), stage);
    } else if (verdict instanceof Verdict.Proceed) {
      run(exchange, stage + 1);
    } else {
      throw new IllegalStateException("no verdict: " + verdict);
    }
  }

  private void resume(
      UndertowExchange exchange, @Nullable Verdict then, @Nullable Throwable failed, int stage) {
    try {
      if (then == null) {
        refuse(exchange, failed);
      } else {
        follow(exchange, then, stage);
      }
    } catch (RuntimeException | Error e) {
      refuse(exchange, e);
    }
  }

  // ---- the stages

  private Verdict guard(UndertowExchange exchange) {
    hygiene.check(exchange);
    return Verdict.proceed();
  }

  private Verdict route(UndertowExchange exchange) {
    String redirect = routes.redirect(exchange.target());
    if (redirect != null) {
      return Verdict.answer(Response.of(308).with("Location", redirect));
    }
    Application application = routes.find(exchange.target());
    if (application == null) {
      throw new GatewayException(
          ErrorCode.NO_APPLICATION, "no application at " + exchange.authority());
    }
    exchange.belongsTo(application);
    return Verdict.proceed();
  }

  /** What origins verify with is no secret, and asked for by programs that nobody signed in. */
  private Verdict keys(UndertowExchange exchange) {
    return assertions != null && exchange.path().equals(AssertionSigner.KEYS_PATH)
        ? Verdict.answer(PublicKeys.answer(exchange.method(), assertions))
        : Verdict.proceed();
  }

  // ---- what leaves the gateway

  private void dispatch(UndertowExchange exchange) {
    BoundConnection bound = BoundConnection.of(exchange);
    Affinity pinned = affinity(exchange, bound);
    if (exchange.identity() != null) {
      stillStands(exchange);
      exchange.keepHeaders();
      open.add(exchange);
    }
    hygiene.clean(exchange);
    vouch(exchange);
    if (bound != null) {
      exchange.undertow().getRequestHeaders().put(LastHop.CLIENT_CONNECTION, bound.id());
    }
    exchange.dispatched();
    Application application = exchange.application();
    if (application.connectorGroups().isEmpty()) {
      lastHop.serve(
          exchange.undertow(),
          application,
          exchange.identity(),
          exchange.target(),
          new LastHop.Events() {
            @Override
            public IdentityHeaders identityHeaders() {
              return hygiene.identityHeaders();
            }

            @Override
            public void routed(Route route) {
              exchange.routed(route);
            }

            @Override
            public @Nullable String pinnedInstance() {
              return pinned.instance();
            }

            @Override
            public void answered(String instance, HeaderMap headersToClient) {
              exchange.originAnswered();
              legacyOffers.remove(exchange, headersToClient);
              pinned.servedBy(0, instance, headersToClient);
            }

            @Override
            public void failed(HttpServerExchange undertow, GatewayException cause) {
              refuse(exchange, cause);
            }
          });
    } else {
      Forwarder.forward(
          exchange.undertow(),
          new TunnelPlan(exchange, Objects.requireNonNull(connectors), pinned));
    }
  }

  /** Says who the user is for the origin: the last hop, wherever it is, passes it on. */
  private void vouch(UndertowExchange exchange) {
    Identity identity = exchange.identity();
    if (identity != null && exchange.application().singleSignOn().signedAssertion() != null) {
      exchange
          .undertow()
          .getRequestHeaders()
          .put(
              LastHop.SIGNED_ASSERTION,
              Objects.requireNonNull(assertions).sign(identity, exchange.application()));
    }
    String token = exchange.tokenForOrigin();
    if (identity != null && token != null) {
      exchange.undertow().getRequestHeaders().put(LastHop.ORIGIN_TOKEN, token);
    }
  }

  /** It may have waited for the policy. */
  private static void stillStands(UndertowExchange exchange) {
    if (!exchange.identityStands()) {
      throw new GatewayException(
          ErrorCode.SESSION_ENDED, "the session ended before the request was sent");
    }
  }

  private Affinity affinity(UndertowExchange exchange, @Nullable BoundConnection bound) {
    AffinityCookie cookie = affinity.get(exchange.application().id());
    return new Affinity(
        cookie, cookie == null ? null : cookie.read(exchange.cookie(cookie.name())), bound);
  }

  /**
   * Which endpoints the user is pinned to.
   *
   * @param cookie null if the application pins nobody
   * @param pin null if the user is not pinned yet
   * @param bound what the client's connection is pinned to; null if to nothing
   */
  private record Affinity(
      @Nullable AffinityCookie cookie,
      AffinityCookie.@Nullable Pin pin,
      @Nullable BoundConnection bound) {
    long connector() {
      if (bound != null && bound.connector() != 0) {
        return bound.connector();
      }
      return pin == null ? 0 : pin.connector();
    }

    @Nullable String instance() {
      if (bound != null && bound.instance() != null) {
        return bound.instance();
      }
      return pin == null ? null : pin.instance();
    }

    @Nullable String clientConnection() {
      return bound == null ? null : bound.id();
    }

    /** Pins the user to those that answered. */
    void servedBy(long connector, @Nullable String instance, HeaderMap headersToClient) {
      if (bound != null) {
        bound.servedBy(connector, instance);
      }
      if (cookie != null && !new AffinityCookie.Pin(connector, instance, true).equals(pin)) {
        headersToClient.add(Headers.SET_COOKIE, cookie.write(connector, instance));
      }
    }
  }

  /** The one place where a failure becomes a response. */
  private void refuse(UndertowExchange exchange, @Nullable Throwable failed) {
    GatewayException cause = asGatewayException(failed);
    exchange.endsWith(cause.code());
    if (cause.code() == ErrorCode.INTERNAL) {
      LOG.error("{} request failed", exchange.id(), cause);
    } else {
      LOG.debug("{} {}", exchange.id(), cause.getMessage(), cause);
    }
    if (cause.code() == ErrorCode.AMBIGUOUS_MESSAGE || cause.code() == ErrorCode.AMBIGUOUS_TARGET) {
      // Where such a request ends is in doubt: what follows on the connection is not to be read
      // (RFC 9112 §6.3).
      exchange.undertow().setPersistent(false);
    }
    if (exchange.undertow().isResponseStarted()) {
      IoUtils.safeClose(exchange.undertow().getConnection());
      exchange.undertow().endExchange();
    } else {
      Responses.send(
          exchange.undertow(), ErrorResponse.of(cause, exchange.id(), exchange.headers("Accept")));
    }
    if (exchange.applicationIfKnown() != null) {
      admission.ended(exchange, cause.code());
    }
  }

  static GatewayException asGatewayException(@Nullable Throwable failed) {
    Throwable cause =
        failed instanceof CompletionException && failed.getCause() != null
            ? failed.getCause()
            : failed;
    return cause instanceof GatewayException known
        ? known
        : new GatewayException(ErrorCode.INTERNAL, "a stage failed", cause);
  }

  /** How a request crosses the tunnel: as it is, with what the connector needs to trust it. */
  private final class TunnelPlan implements Forwarder.Plan {
    private final UndertowExchange exchange;
    private final Dispatcher.Dispatch dispatch;
    private final Affinity pinned;

    TunnelPlan(UndertowExchange exchange, Dispatcher dispatcher, Affinity pinned) {
      this.exchange = exchange;
      this.dispatch = dispatcher.dispatch(exchange, pinned.connector(), pinned.clientConnection());
      this.pinned = pinned;
    }

    @Override
    public @Nullable Route route() {
      return dispatch.route();
    }

    @Override
    public ClientRequest request(Route route) {
      exchange.routed(route);
      HttpServerExchange undertow = exchange.undertow();
      ClientRequest request = new ClientRequest();
      request.setMethod(undertow.getRequestMethod()).setPath(pathAndQuery());
      HeaderMap headers = request.getRequestHeaders();
      undertow
          .getRequestHeaders()
          .forEach(header -> headers.putAll(header.getHeaderName(), header));
      String instance = pinned.instance();
      if (instance != null) {
        headers.put(LastHop.INSTANCE, instance);
      }
      dispatch.prepare(request);
      return request;
    }

    private String pathAndQuery() {
      return exchange.path() + (exchange.query() == null ? "" : "?" + exchange.query());
    }

    @Override
    public void requestEnds(HeaderMap trailers) {
      Trailers.clean(trailers, hygiene.identityHeaders());
    }

    @Override
    public Duration openTimeout() {
      return exchange.application().loadBalancing().waitTimeout().plus(responseTimeout());
    }

    @Override
    public Duration responseTimeout() {
      // The connector keeps the origin's time; it shall be the one to tell.
      return exchange.application().applicationServerTimeout().plusSeconds(5);
    }

    @Override
    public Duration idleTimeout() {
      return exchange.application().idleTimeout();
    }

    @Override
    public Duration stallTimeout() {
      return exchange.application().stallTimeout();
    }

    @Override
    public void responseBegins(ClientResponse response, HeaderMap headersToClient) {
      HeaderMap headers = response.getResponseHeaders();
      String error = headers.getFirst(CONNECTOR_ERROR);
      if (error != null) {
        throw new ReportedFailure(
            ErrorCode.fromConnector(error), headers.contains(Forwarder.NOTHING_SENT));
      }
      exchange.originAnswered();
      String instance = headers.getFirst(LastHop.INSTANCE);
      ResponseHeaders.clean(headers);
      if (CrossOrigin.rules(exchange) != null) {
        ResponseHeaders.removeCors(headers);
      }
      Responses.addHeaders(headers, headersToClient);
      legacyOffers.remove(exchange, headersToClient);
      pinned.servedBy(dispatch.connector(), instance, headersToClient);
    }

    @Override
    public void failed(HttpServerExchange undertow, GatewayException cause) {
      refuse(exchange, cause);
    }
  }
}
