package io.apprxy.route;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where a request wants to go, in the one canonical form that routing, policy and forwarding see. Immutable. */
public final class RequestTarget {
  private final String scheme;
  private final String authority;
  private final String host;
  private final String path;
  private final @Nullable String query;

  private RequestTarget(String scheme, String authority, String host, String path, @Nullable String query) {
    this.scheme = scheme;
    this.authority = authority;
    this.host = host;
    this.path = path;
    this.query = query;
  }

  /**
   * Parses a target.
   *
   * @param scheme the scheme that the client used: {@code https} or {@code http}
   * @param rawTarget the request target as it stood in the request line (RFC 9112 §3.2): origin-form or absolute-form
   * @param hostHeaders the values of all Host headers
   * @throws GatewayException if anything is ambiguous
   */
  public static RequestTarget parse(String scheme, String rawTarget, List<String> hostHeaders) {
    throw new GatewayException(ErrorCode.AMBIGUOUS_TARGET, rawTarget);
  }

  public String scheme() {
    return scheme;
  }

  /** Host in lower case and, if not the scheme's default, {@code :port}. */
  public String authority() {
    return authority;
  }

  /** Host in lower case, an IPv6 address in brackets. */
  public String host() {
    return host;
  }

  /** The path, percent-encoded, beginning with a slash. */
  public String path() {
    return path;
  }

  /** The query without its question mark, byte for byte, or null. */
  public @Nullable String query() {
    return query;
  }
}
