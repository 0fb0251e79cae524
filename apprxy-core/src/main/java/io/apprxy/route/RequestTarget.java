package io.apprxy.route;

import io.apprxy.CanonicalPath;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Where a request wants to go, in the one canonical form that routing, policy and forwarding see.
 * Immutable.
 *
 * <p>The path is never repaired: dot segments, empty segments, backslashes, semicolons, fragments,
 * controls, malformed escapes, and escapes (also double ones) that hide any of these are refused.
 * Only what RFC 3986 §6.2.2 calls equivalent is equalised: escapes of letters, digits and {@code -
 * _ ~} are decoded, the others get upper-case digits. The query takes no part in routing and
 * travels byte for byte; raw controls, spaces, {@code " # < > \} and characters beyond ASCII are
 * refused in it.
 */
public final class RequestTarget {
  private final String scheme;
  private final Authority authority;
  private final String path;
  private final @Nullable String query;

  private RequestTarget(String scheme, Authority authority, String path, @Nullable String query) {
    this.scheme = scheme;
    this.authority = authority;
    this.path = path;
    this.query = query;
  }

  /**
   * Parses a target.
   *
   * @param scheme the scheme that the client used: {@code https} or {@code http}
   * @param rawTarget the request target as it stood in the request line (RFC 9112 §3.2):
   *     origin-form, or an absolute-form whose scheme and authority are those of the request itself
   * @param hostHeaders the values of all Host headers; there must be exactly one (RFC 9112 §3.2)
   * @throws GatewayException with {@link ErrorCode#AMBIGUOUS_TARGET} or {@link
   *     ErrorCode#AMBIGUOUS_MESSAGE}, if two servers could understand two different things; nothing
   *     else is thrown, whatever the input
   */
  public static RequestTarget parse(String scheme, String rawTarget, List<String> hostHeaders) {
    Authority authority =
        hostHeaders.size() == 1 ? Authority.parse(scheme, hostHeaders.get(0)) : null;
    if (authority == null) {
      throw new GatewayException(
          ErrorCode.AMBIGUOUS_MESSAGE,
          "a request has one valid Host, and not " + hostHeaders.size() + " or an invalid one");
    }
    String reference =
        rawTarget.startsWith("/") ? rawTarget : afterAuthority(scheme, authority, rawTarget);
    int mark = reference.indexOf('?');
    if (mark < 0) {
      return new RequestTarget(scheme, authority, CanonicalPath.of(reference), null);
    }
    String query = reference.substring(mark + 1);
    if (!query.chars().allMatch(RequestTarget::mayStandInQuery)) {
      throw new GatewayException(
          ErrorCode.AMBIGUOUS_TARGET, "a query has visible ASCII, without \" # < > \\");
    }
    return new RequestTarget(
        scheme, authority, CanonicalPath.of(reference.substring(0, mark)), query);
  }

  private static String afterAuthority(String scheme, Authority authority, String absolute) {
    String prefix = scheme + "://";
    if (!absolute.regionMatches(true, 0, prefix, 0, prefix.length())) {
      throw new GatewayException(
          ErrorCode.AMBIGUOUS_TARGET,
          "a target begins with a slash, or with the scheme of the request");
    }
    int end = prefix.length();
    while (end < absolute.length() && "/?#\\".indexOf(absolute.charAt(end)) < 0) {
      end++;
    }
    if (!authority.equals(Authority.parse(scheme, absolute.substring(prefix.length(), end)))) {
      throw new GatewayException(
          ErrorCode.AMBIGUOUS_TARGET, "an absolute target has the authority of Host, and no user");
    }
    String rest = absolute.substring(end);
    return rest.isEmpty() || rest.startsWith("?") ? "/" + rest : rest;
  }

  private static boolean mayStandInQuery(int c) {
    return c > ' ' && c < 0x7F && c != '"' && c != '#' && c != '<' && c != '>' && c != '\\';
  }

  /** The scheme that the client used. */
  public String scheme() {
    return scheme;
  }

  /** Host in lower case and, if not the scheme's default, {@code :port}. */
  public String authority() {
    return authority.text();
  }

  /** Host in lower case, an IPv6 address in brackets. */
  public String host() {
    return authority.host();
  }

  /** The path, percent-encoded, beginning with a slash. */
  public String path() {
    return path;
  }

  /**
   * The query without its question mark, byte for byte as the client sent it, or null if there is
   * no question mark.
   */
  public @Nullable String query() {
    return query;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof RequestTarget that
        && scheme.equals(that.scheme)
        && authority.equals(that.authority)
        && path.equals(that.path)
        && Objects.equals(query, that.query);
  }

  @Override
  public int hashCode() {
    return Objects.hash(scheme, authority, path, query);
  }

  /** The URL without its query, which may hold secrets. */
  @Override
  public String toString() {
    return scheme + "://" + authority.text() + path;
  }
}
