package io.apprxy;

import java.security.cert.X509Certificate;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One request in flight, free of any server's types. Not thread-safe; confined to one request, and
 * to one stage at a time.
 *
 * <p>Host, path and query are canonical: every stage sees the same text, and what is ambiguous was
 * refused before.
 */
public interface Exchange {
  /** Paths under this prefix belong to the gateway on every host and never reach an origin. */
  String RESERVED_PREFIX = "/.apprxy/";

  /** The correlation id: the same in the response, and in the logs of gateway and connector. */
  String id();

  /** The request method, as sent (methods are case-sensitive, RFC 9110 §9.1). */
  String method();

  /** {@code https}, or {@code http} where the gateway was told to serve plain text. */
  String scheme();

  /** Host in lower case and, if not the scheme's default, {@code :port}. */
  String authority();

  /** The path, still percent-encoded, beginning with a slash. */
  String path();

  /** The query without its question mark, still percent-encoded, or null if there is none. */
  @Nullable String query();

  /** The address of the client: of the peer, or as told by a peer that was named as trusted. */
  String clientAddress();

  /**
   * All values of a request header, in order; empty if there is none. Names are case-insensitive.
   */
  List<String> headers(String name);

  /** The first value of a request header, or null. */
  default @Nullable String header(String name) {
    List<String> values = headers(name);
    return values.isEmpty() ? null : values.get(0);
  }

  /**
   * The value of a request cookie; the first one if the client sent several of that name; null if
   * there is none.
   */
  @Nullable String cookie(String name);

  /**
   * Adds a header to whatever response this exchange ends with.
   *
   * @throws IllegalArgumentException as {@link Response.Header} does
   */
  void addResponseHeader(String name, String value);

  /** The application that the request belongs to. */
  Application application();

  /** Who the request is made for; null before authentication and on passthrough. */
  @Nullable Identity identity();

  /**
   * Called by the stage that authenticated the request, with an identity that stands until the
   * request ends, however long that is.
   */
  default void identify(Identity identity) {
    identify(identity, () -> true);
  }

  /**
   * Called by the stage that authenticated the request.
   *
   * @param stands whether the identity still stands: its session, or token, has not ended. Asked
   *     several times a second while the request is open, on an I/O thread: quick, never blocking.
   *     Once it is false, or throws, the request is broken off
   */
  void identify(Identity identity, BooleanSupplier stands);

  /**
   * Called by {@link PreAuthentication#tokenForOrigin}: what the origin gets in {@code
   * Authorization: Bearer}. Default: throws, where nothing passes it on.
   */
  default void passToOrigin(String accessToken) {
    throw new UnsupportedOperationException("no token is passed on here");
  }

  /**
   * The certificate that the client proved itself by in TLS, with its chain, its own first; empty
   * if there was none. What they are worth is up to the caller: they may be of any issuer.
   */
  List<X509Certificate> clientCertificates();

  /**
   * Reads the whole body: for the gateway's own pages, since a body that was read cannot be
   * forwarded any more. Completes exceptionally with {@link ErrorCode#BODY_TOO_LARGE} if there is
   * more than this, and on an I/O thread.
   *
   * @param maxBytes how much to take at most
   * @throws IllegalStateException if it was read before
   */
  CompletionStage<byte[]> readBody(int maxBytes);

  /**
   * How many bytes of its body, or on its upgraded connection, the client has sent so far: whoever
   * sends more is not idle. Default: 0.
   */
  default long bytesReceived() {
    return 0;
  }

  /** The external URL of this request: scheme, authority, path and query. */
  default String url() {
    return origin() + path() + (query() == null ? "" : "?" + query());
  }

  /** The web origin of this request: scheme and authority (RFC 6454). */
  default String origin() {
    return scheme() + "://" + authority();
  }

  /** Whether the path belongs to the gateway itself: {@link #RESERVED_PREFIX}. */
  default boolean isReserved() {
    return path().startsWith(RESERVED_PREFIX);
  }

  /**
   * Whether the request is forwarded without sign-in, and with no identity: {@link
   * Application#passesThrough}.
   */
  default boolean passesThrough() {
    return application().passesThrough(method(), path());
  }

  /**
   * Whether a person is looking at a page that may be replaced by another, so that a redirect to
   * sign in makes sense. {@code Sec-Fetch-Mode} decides if it is there (W3C Fetch Metadata); else a
   * GET or HEAD that accepts HTML and was not made by script ({@code X-Requested-With}).
   */
  default boolean isNavigation() {
    if (!method().equals("GET") && !method().equals("HEAD")) {
      return false;
    }
    String mode = header("Sec-Fetch-Mode");
    if (mode != null) {
      return mode.equals("navigate");
    }
    String accept = header("Accept");
    return header("X-Requested-With") == null && accept != null && accept.contains("text/html");
  }
}
