package io.apprxy;

import io.apprxy.forward.Forwarder;
import io.apprxy.forward.Route;
import io.apprxy.rewrite.CookieLine;
import io.apprxy.rewrite.ForwardedHeaders.Client;
import io.apprxy.route.RequestTarget;
import io.undertow.io.Receiver;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.RenegotiationRequiredException;
import io.undertow.server.SSLSessionInfo;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import io.undertow.util.SameThreadExecutor;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.jspecify.annotations.Nullable;

/** An exchange on Undertow. */
final class UndertowExchange implements Exchange {
  private final HttpServerExchange undertow;
  private final String id;
  private Client client;
  private boolean proxied;
  private @Nullable RequestTarget target;
  private @Nullable Application application;
  private @Nullable Identity identity;
  private BooleanSupplier stands = () -> true;
  private BooleanSupplier besides = () -> true;

  /** Names and values, in turn; null while those of the server are what the client sent. */
  private @Nullable List<String> kept;

  private @Nullable String tokenForOrigin;
  private boolean bodyRead;
  private @Nullable ErrorCode error;
  private @Nullable Route route;
  private long dispatchedAt;
  private @Nullable Duration originLatency;

  UndertowExchange(HttpServerExchange undertow) {
    this.undertow = undertow;
    this.id = RequestIds.next();
    this.client =
        new Client(
            undertow.getSourceAddress().getAddress().getHostAddress(), undertow.getRequestScheme());
  }

  HttpServerExchange undertow() {
    return undertow;
  }

  /**
   * @param proxied whether by a proxy that was named, which may have many clients
   */
  void comesFrom(Client found, boolean proxied) {
    client = found;
    this.proxied = proxied;
  }

  boolean isProxied() {
    return proxied;
  }

  Client client() {
    return client;
  }

  void goesTo(RequestTarget parsed) {
    target = parsed;
  }

  void belongsTo(Application published) {
    application = published;
  }

  void endsWith(ErrorCode code) {
    error = code;
  }

  RequestTarget target() {
    return Objects.requireNonNull(target, "the target is known after the guard stage");
  }

  /** The application, or null for a request that was refused before one was found. */
  @Nullable Application applicationIfKnown() {
    return application;
  }

  /** The path, or null for a request that was refused before its target was understood. */
  @Nullable String pathIfKnown() {
    return target == null ? null : target.path();
  }

  /**
   * Keeps what the client sent: the headers are about to become those that travel, and the policy
   * is asked again while the request is open.
   */
  void keepHeaders() {
    HeaderMap sent = undertow.getRequestHeaders();
    List<String> all = new ArrayList<>(2 * sent.size());
    for (HeaderValues header : sent) {
      String name = header.getHeaderName().toString();
      for (int i = 0; i < header.size(); i++) {
        all.add(name);
        all.add(header.get(i));
      }
    }
    kept = all;
  }

  private static List<String> values(List<String> namesAndValues, String name) {
    List<String> values = new ArrayList<>();
    for (int i = 0; i < namesAndValues.size(); i += 2) {
      if (namesAndValues.get(i).equalsIgnoreCase(name)) {
        values.add(namesAndValues.get(i + 1));
      }
    }
    return values;
  }

  void dispatched() {
    dispatchedAt = System.nanoTime();
  }

  void routed(Route chosen) {
    route = chosen;
  }

  /** The route of the last attempt, or null if there was none. */
  @Nullable Route route() {
    return route;
  }

  void originAnswered() {
    originLatency = Duration.ofNanos(System.nanoTime() - dispatchedAt);
  }

  @Nullable Duration originLatency() {
    return originLatency;
  }

  @Nullable ErrorCode error() {
    return error;
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public String method() {
    return undertow.getRequestMethod().toString();
  }

  @Override
  public String scheme() {
    return client.scheme();
  }

  @Override
  public String authority() {
    return target().authority();
  }

  @Override
  public String path() {
    return target().path();
  }

  @Override
  public @Nullable String query() {
    return target().query();
  }

  @Override
  public String clientAddress() {
    return client.address();
  }

  @Override
  public List<String> headers(String name) {
    if (kept != null) {
      return values(kept, name);
    }
    HeaderValues values = undertow.getRequestHeaders().get(name);
    return values == null ? List.of() : List.copyOf(values);
  }

  @Override
  public @Nullable String header(String name) {
    return kept == null ? undertow.getRequestHeaders().getFirst(name) : Exchange.super.header(name);
  }

  @Override
  public @Nullable String cookie(String name) {
    return kept == null
        ? CookieLine.find(undertow.getRequestHeaders(), name)
        : CookieLine.find(values(kept, Headers.COOKIE_STRING), name);
  }

  @Override
  public void addResponseHeader(String name, String value) {
    Response.Header checked = new Response.Header(name, value);
    undertow.getResponseHeaders().add(new HttpString(checked.name()), checked.value());
  }

  @Override
  public Application application() {
    return Objects.requireNonNull(application, "the application is known after the route stage");
  }

  @Override
  public @Nullable Identity identity() {
    return identity;
  }

  @Override
  public void identify(Identity proven, BooleanSupplier whileTrue) {
    identity = Objects.requireNonNull(proven, "proven");
    stands = Objects.requireNonNull(whileTrue, "whileTrue");
  }

  /** Demands something beside the identity for as long as the request is open. */
  void standsOnlyWhile(BooleanSupplier condition) {
    besides = condition;
  }

  /** Whether whoever vouched for the identity still does, and what was demanded beside it holds. */
  boolean identityStands() {
    return stands.getAsBoolean() && besides.getAsBoolean();
  }

  /** The host that the client named in TLS (RFC 6066 §3); null if it named none. */
  @Nullable String serverName() {
    SSLSessionInfo tls = undertow.getConnection().getSslSessionInfo();
    if (tls != null && tls.getSSLSession() instanceof ExtendedSSLSession session) {
      for (SNIServerName name : session.getRequestedServerNames()) {
        if (name instanceof SNIHostName host) {
          return host.getAsciiName();
        }
      }
    }
    return null;
  }

  @Override
  public void passToOrigin(String accessToken) {
    tokenForOrigin = accessToken;
  }

  @Nullable String tokenForOrigin() {
    return tokenForOrigin;
  }

  @Override
  public List<X509Certificate> clientCertificates() {
    SSLSessionInfo tls = undertow.getConnection().getSslSessionInfo();
    if (tls == null) {
      return List.of();
    }
    try {
      return Stream.of(tls.getPeerCertificates()).map(X509Certificate.class::cast).toList();
    } catch (SSLPeerUnverifiedException | RenegotiationRequiredException e) {
      return List.of();
    }
  }

  @Override
  public long bytesReceived() {
    return Forwarder.bytesReceived(undertow);
  }

  @Override
  public CompletionStage<byte[]> readBody(int maxBytes) {
    if (bodyRead) {
      throw new IllegalStateException("the body was read before");
    }
    bodyRead = true;
    CompletableFuture<byte[]> body = new CompletableFuture<>();
    Receiver receiver = undertow.getRequestReceiver();
    receiver.setMaxBufferSize(maxBytes);
    receiver.receiveFullBytes(
        (done, bytes) -> unended(() -> body.complete(bytes)),
        (failed, cause) ->
            unended(
                () ->
                    body.completeExceptionally(
                        cause instanceof Receiver.RequestToLargeException
                            ? new GatewayException(
                                ErrorCode.BODY_TOO_LARGE, "more than " + maxBytes + " bytes", cause)
                            : new GatewayException(
                                ErrorCode.CLIENT_GONE, "the body broke off", cause))));
    return body;
  }

  /**
   * Undertow calls back for a body that comes after its header as if for a new request, and ends
   * the exchange once the call returns, answered or not, unless it is dispatched.
   */
  private void unended(Runnable task) {
    undertow.dispatch(SameThreadExecutor.INSTANCE, task);
  }
}
