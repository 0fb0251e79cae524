package io.apprxy.forward;

import io.apprxy.Application;
import io.apprxy.Application.OriginProtocol;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
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
import java.net.URI;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.xnio.OptionMap;
import org.xnio.Xnio;

/**
 * From here to the origin: sign on, forward, rewrite. Runs in the gateway for direct origins, and
 * in the connector for the others. Thread-safe.
 */
public final class LastHop implements AutoCloseable {
  private final SignOn signOn;
  private final UndertowXnioSsl tls;
  // Both are bounded by the applications that are published.
  private final ConcurrentMap<PoolKey, OriginConnections> pools = new ConcurrentHashMap<>();
  private final ConcurrentMap<String, Origin> origins = new ConcurrentHashMap<>();

  /** What is the same for all requests of an application. */
  private record Origin(Application application, UrlMapping mapping, OriginConnections pool) {}

  private record PoolKey(URI origin, OriginProtocol protocol) {}

  /**
   * @param signOn puts the identity into the form an origin wants
   * @param tls verifies the certificates of https origins
   */
  public LastHop(SignOn signOn, SSLContext tls) {
    this.signOn = Objects.requireNonNull(signOn, "signOn");
    this.tls = new UndertowXnioSsl(Xnio.getInstance(), OptionMap.EMPTY, tls);
  }

  /** What becomes of a request. Called on the exchange's I/O thread. */
  public interface Events {
    /**
     * There will be no answer: ends the exchange with an error, in the way of the place where the
     * last hop runs.
     */
    void failed(HttpServerExchange exchange, GatewayException cause);

    /** The names that must not stand in trailers of a client, in any spelling. */
    Set<String> identityHeaders();

    /** The request is about to go this way. */
    default void routed(Route route) {}

    /** The origin's answer has begun. */
    default void answered() {}
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
    Plan plan = new Plan(exchange, application, target, events);
    Verdict verdict;
    try {
      verdict =
          identity == null
              ? Verdict.proceed()
              : signOn.signOn(
                  new OriginHeaders(exchange.getRequestHeaders()), identity, application);
    } catch (RuntimeException e) {
      plan.failed(exchange, signOnFailed(e));
      return;
    }
    follow(verdict, exchange, plan);
  }

  private void follow(Verdict verdict, HttpServerExchange exchange, Plan plan) {
    if (verdict instanceof Verdict.Proceed) {
      Forwarder.forward(exchange, plan);
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
    }
  }

  private static GatewayException signOnFailed(Throwable e) {
    return e instanceof GatewayException known
        ? known
        : new GatewayException(ErrorCode.SIGN_ON_FAILED, "sign-on failed", e);
  }

  /** Closes the connections that are not in use. */
  @Override
  public void close() {
    pools.values().forEach(OriginConnections::close);
  }

  /** Computed anew when the application was published anew, with other settings. */
  private Origin originOf(Application application) {
    Origin known = origins.get(application.id());
    if (known == null || !Objects.equals(known.application, application)) {
      known = new Origin(application, UrlMapping.of(application), poolOf(application));
      origins.put(application.id(), known);
    }
    return known;
  }

  private OriginConnections poolOf(Application application) {
    URI url = application.internalUrl();
    URI origin = URI.create(url.getScheme() + "://" + url.getRawAuthority());
    return pools.computeIfAbsent(
        new PoolKey(origin, application.originProtocol()),
        key -> {
          OriginAddress address = new OriginAddress(key.origin, key.protocol, tls);
          return key.protocol == OriginProtocol.HTTP_2
              ? new Http2Pool(address)
              : new OriginPool(address);
        });
  }

  private final class Plan implements Forwarder.Plan {
    private final HttpServerExchange exchange;
    private final Application application;
    private final Origin origin;
    private final RequestTarget target;
    private final Events events;
    private OriginConnections.@Nullable Attempt attempt;

    Plan(
        HttpServerExchange exchange, Application application, RequestTarget target, Events events) {
      this.exchange = exchange;
      this.application = application;
      this.origin = originOf(application);
      this.target = target;
      this.events = events;
    }

    @Override
    public @Nullable Route route(Set<Route> tried) {
      if (attempt != null && !attempt.mayBeRepeated()) {
        return null;
      }
      attempt = origin.pool.route(attempt);
      events.routed(attempt);
      return attempt;
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
      headers.put(Headers.HOST, origin.mapping.hostHeader());
      return request;
    }

    @Override
    public void requestEnds(HeaderMap trailers) {
      Trailers.clean(trailers, events.identityHeaders());
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
      ResponseHeaders.fromOrigin(response.getResponseHeaders(), origin.mapping);
      if (application.externalAuthentication()
          == Application.ExternalAuthentication.PRE_AUTHENTICATION) {
        ResponseHeaders.keepPrivate(response.getResponseHeaders());
      }
      Responses.addHeaders(response.getResponseHeaders(), headersToClient);
      events.answered();
    }

    @Override
    public void failed(HttpServerExchange failed, GatewayException cause) {
      events.failed(failed, cause);
    }
  }
}
