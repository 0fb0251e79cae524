package io.apprxy.auth;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Response.Header;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** A request as the stages see it, without a server. */
public class TestExchange implements Exchange {
  private final String id = UUID.randomUUID().toString();
  private final String authority;
  private final String method;
  private final String path;
  private final String query;
  private final Map<String, String> headers;
  private final Map<String, String> cookies;
  private final Application application;
  private final List<Response.Header> responseHeaders = new ArrayList<>();
  private final List<Header> lines = new ArrayList<>();
  private Identity identity;
  private BooleanSupplier stands = () -> true;
  private long received;
  private byte[] body = {};
  private List<X509Certificate> certificates = List.of();
  private String clientAddress = "127.0.0.1";
  private String tokenForOrigin;

  public TestExchange(
      String authority,
      String method,
      String pathAndQuery,
      Map<String, String> headers,
      Map<String, String> cookies,
      Application application) {
    String[] parts = pathAndQuery.split("\\?", 2);
    this.authority = authority;
    this.method = method;
    this.path = parts[0];
    this.query = parts.length == 1 ? null : parts[1];
    this.headers = headers;
    this.cookies = Map.copyOf(cookies);
    this.application = application;
  }

  /** What was added to the response. */
  public List<Response.Header> responseHeaders() {
    return responseHeaders;
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
    return "https";
  }

  @Override
  public String authority() {
    return authority;
  }

  @Override
  public String path() {
    return path;
  }

  @Override
  public String query() {
    return query;
  }

  @Override
  public String clientAddress() {
    return clientAddress;
  }

  @Override
  public List<String> headers(String name) {
    String value = headers.get(name);
    return Stream.concat(
            Stream.ofNullable(value),
            lines.stream().filter(line -> line.name().equalsIgnoreCase(name)).map(Header::value))
        .toList();
  }

  @Override
  public String cookie(String name) {
    return cookies.get(name);
  }

  @Override
  public void addResponseHeader(String name, String value) {
    responseHeaders.add(new Response.Header(name, value));
  }

  @Override
  public Application application() {
    return application;
  }

  @Override
  public Identity identity() {
    return identity;
  }

  @Override
  public void identify(Identity who, BooleanSupplier whileTrue) {
    identity = who;
    stands = whileTrue;
  }

  /** Whether whoever vouched for the identity still does. */
  public boolean identityStands() {
    return stands.getAsBoolean();
  }

  /** The client sends so many bytes more. */
  public void receive(long bytes) {
    received += bytes;
  }

  @Override
  public long bytesReceived() {
    return received;
  }

  /** The same request with one more header line. */
  public TestExchange withHeader(String name, String value) {
    lines.add(new Header(name, value));
    return this;
  }

  /** The same request with a body. */
  public TestExchange withBody(String text) {
    body = text.getBytes(StandardCharsets.UTF_8);
    return this;
  }

  /** The same request of a client that proved itself by a certificate. */
  public TestExchange withCertificates(X509Certificate... chain) {
    certificates = List.of(chain);
    return this;
  }

  /** The same request from another place. */
  public TestExchange withClientAddress(String literal) {
    clientAddress = literal;
    return this;
  }

  @Override
  public void passToOrigin(String accessToken) {
    tokenForOrigin = accessToken;
  }

  /** What the origin gets; null if nothing. */
  public String tokenForOrigin() {
    return tokenForOrigin;
  }

  @Override
  public List<X509Certificate> clientCertificates() {
    return certificates;
  }

  @Override
  public CompletionStage<byte[]> readBody(int maxBytes) {
    return body.length > maxBytes
        ? CompletableFuture.failedFuture(
            new GatewayException(ErrorCode.BODY_TOO_LARGE, "more than " + maxBytes + " bytes"))
        : CompletableFuture.completedFuture(body);
  }
}
