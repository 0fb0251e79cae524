package io.apprxy.auth.servlet;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.rewrite.CookieLine;
import io.apprxy.rewrite.ForwardedHeaders;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.rewrite.IpNetwork;
import io.apprxy.rewrite.RequestHeaders;
import io.apprxy.route.RequestGuard;
import io.apprxy.route.RequestTarget;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.HttpString;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.net.InetAddress;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * An exchange on a servlet container. It copies what it tells of the request, and keeps what is to
 * be added to the response: a stage that is late, on a thread of its own, touches no object of the
 * container, which may serve another request by then.
 */
final class ServletExchange implements Exchange {
  private final HttpServletRequest request;
  private final String id = Answers.newId();
  private final String method;
  private final HeaderMap headers = new HeaderMap();
  private final List<X509Certificate> certificates;
  private final List<Response.Header> responseHeaders =
      Collections.synchronizedList(new ArrayList<>());
  private ForwardedHeaders.@Nullable Client client;
  private @Nullable RequestTarget target;
  private @Nullable Application application;
  private volatile @Nullable Identity identity;
  private volatile BooleanSupplier stands = () -> true;
  private final AtomicLong received = new AtomicLong();
  private boolean bodyRead;

  ServletExchange(HttpServletRequest request) {
    this.request = request;
    this.method = request.getMethod();
    for (String name : Collections.list(request.getHeaderNames())) {
      HttpString header = new HttpString(name);
      if (!headers.contains(header)) {
        headers.addAll(header, Collections.list(request.getHeaders(name)));
      }
    }
    this.certificates =
        request.getAttribute("jakarta.servlet.request.X509Certificate")
                instanceof X509Certificate[] chain
            ? List.of(chain)
            : List.of();
  }

  /**
   * Refuses what is ambiguous, and finds out who the client is and what it wants: by the same code
   * as a gateway does.
   */
  void check(RequestGuard guard, ForwardedHeaders forwarded) {
    String address = request.getRemoteAddr();
    InetAddress peer = address == null ? null : IpNetwork.address(withoutZone(address));
    if (peer == null) {
      throw new GatewayException(
          ErrorCode.INTERNAL, "the container tells no address of the peer: " + address);
    }
    client = forwarded.client(peer, request.getScheme(), headers);
    guard.check(
        method,
        line ->
            headers.forEach(
                header ->
                    header.forEach(
                        value -> line.accept(header.getHeaderName().toString(), value))));
    String query = request.getQueryString();
    target =
        RequestTarget.parse(
            client.scheme(), request.getRequestURI() + (query == null ? "" : "?" + query), host());
  }

  /** {@code fe80::1%eth0}: which interface it came in by is not part of who it is. */
  private static String withoutZone(String address) {
    String bare =
        address.startsWith("[") && address.endsWith("]")
            ? address.substring(1, address.length() - 1)
            : address;
    int zone = bare.indexOf('%');
    return zone < 0 ? bare : bare.substring(0, zone);
  }

  /**
   * HTTP/2 has no Host but an authority (RFC 9113 §8.3.1), which not every container translates.
   */
  private List<String> host() {
    List<String> hosts = headers("Host");
    boolean older = request.getProtocol().startsWith("HTTP/1");
    if (!hosts.isEmpty() || older || request.getServerName() == null) {
      return hosts;
    }
    String name = request.getServerName();
    boolean bare = name.contains(":") && !name.startsWith("[");
    return List.of((bare ? "[" + name + "]" : name) + ":" + request.getServerPort());
  }

  RequestTarget target() {
    return Objects.requireNonNull(target, "the target is known after check");
  }

  void belongsTo(Application published) {
    application = published;
  }

  /**
   * The headers of the request as a gateway would pass them on: without what a client says of
   * itself that only a proxy may say, and with who the client is as far as it can be trusted.
   */
  HeaderMap headersOfTheApplication(IdentityHeaders identityHeaders) {
    HeaderMap copy = new HeaderMap();
    headers.forEach(header -> copy.addAll(header.getHeaderName(), header));
    RequestHeaders.toApplication(copy, identityHeaders);
    ForwardedHeaders.set(
        copy, Objects.requireNonNull(client, "the client is known after check"), authority());
    return copy;
  }

  /** What was added to the response. */
  List<Response.Header> responseHeaders() {
    synchronized (responseHeaders) {
      return List.copyOf(responseHeaders);
    }
  }

  BooleanSupplier stands() {
    return stands;
  }

  /** The application has read more of the body. */
  void received(int bytes) {
    received.addAndGet(Math.max(0, bytes));
  }

  @Override
  public long bytesReceived() {
    return received.get();
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public String method() {
    return method;
  }

  @Override
  public String scheme() {
    return target().scheme();
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
    return Objects.requireNonNull(client, "the client is known after check").address();
  }

  @Override
  public List<String> headers(String name) {
    HeaderValues values = headers.get(name);
    return values == null ? List.of() : List.copyOf(values);
  }

  @Override
  public @Nullable String cookie(String name) {
    return CookieLine.find(headers, name);
  }

  @Override
  public void addResponseHeader(String name, String value) {
    responseHeaders.add(new Response.Header(name, value));
  }

  @Override
  public Application application() {
    return Objects.requireNonNull(application, "the application is known after the route");
  }

  @Override
  public @Nullable Identity identity() {
    return identity;
  }

  @Override
  public void identify(Identity proven, BooleanSupplier whileTrue) {
    stands = Objects.requireNonNull(whileTrue, "whileTrue");
    identity = Objects.requireNonNull(proven, "proven");
  }

  @Override
  public List<X509Certificate> clientCertificates() {
    return certificates;
  }

  /** Waits for the body: the thread is one of the container's, which may wait. */
  @Override
  public CompletionStage<byte[]> readBody(int maxBytes) {
    if (bodyRead) {
      throw new IllegalStateException("the body was read before");
    }
    bodyRead = true;
    try {
      byte[] body = request.getInputStream().readNBytes(maxBytes + 1);
      return body.length > maxBytes
          ? CompletableFuture.failedFuture(
              new GatewayException(ErrorCode.BODY_TOO_LARGE, "more than " + maxBytes + " bytes"))
          : CompletableFuture.completedFuture(body);
    } catch (IOException e) {
      return CompletableFuture.failedFuture(
          new GatewayException(ErrorCode.CLIENT_GONE, "the body broke off", e));
    }
  }
}
