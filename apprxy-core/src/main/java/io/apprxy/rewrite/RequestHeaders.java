package io.apprxy.rewrite;

import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.HeaderNames;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** What of a client's headers may travel. For the engine. */
public final class RequestHeaders {
  private static final Set<String> METHOD_OVERRIDES =
      Set.of("x-http-method-override", "x-http-method", "x-method-override", "x-method");

  private static final HttpString DPOP = new HttpString("DPoP");

  private RequestHeaders() {}

  /**
   * At the gateway: removes what only the gateway may say (internal headers, {@code Forwarded} and
   * its kin, identity headers in every spelling), its cookies, and what is hop-by-hop. What the
   * gateway says itself is set afterwards.
   *
   * @param identityHeaders that no client may send
   */
  public static void clean(HeaderMap headers, IdentityHeaders identityHeaders) {
    HopByHop.remove(headers);
    toApplication(headers, identityHeaders);
  }

  /**
   * At the last hop: removes internal headers, what is hop-by-hop, and the gateway's cookies,
   * wherever they came from.
   */
  public static void toOrigin(HeaderMap headers) {
    HopByHop.remove(headers);
    removeIf(headers, HeaderNames::isInternalFolded);
    GatewayCookies.removeFromRequest(headers);
  }

  /**
   * Removes what is the gateway's affair, of a request that may go on: of one that passes through,
   * what frameworks take for another method than that by which it was let through; of others,
   * access tokens that the application does not want to see; of all, legacy credentials, if it says
   * so.
   */
  public static void keepBack(HeaderMap headers, Application application, boolean passesThrough) {
    if (application.legacyAuthentication() == Application.LegacyAuthentication.REMOVE) {
      LegacyCredentials.removeFromRequest(headers);
    }
    BearerTokens tokens = application.bearerTokens();
    if (passesThrough) {
      removeIf(headers, METHOD_OVERRIDES::contains);
    } else if (tokens != null && !tokens.forward()) {
      removeTokens(headers);
    }
  }

  /**
   * In the application's own server: removes what only the gateway may say, and its cookies, as
   * {@link #clean} does. What is hop-by-hop concerns that server, and stays.
   *
   * @param identityHeaders that no client may send
   */
  public static void toApplication(HeaderMap headers, IdentityHeaders identityHeaders) {
    removeIf(
        headers,
        (name, folded) ->
            HeaderNames.isInternalFolded(folded)
                || HeaderNames.isProxyClaimFolded(folded)
                || identityHeaders.has(folded)
                || isSpellingOfMethodOverride(name, folded));
    GatewayCookies.removeFromRequest(headers);
  }

  /** A policy looks for the usual spelling: some origins take others for the same. */
  private static boolean isSpellingOfMethodOverride(String name, String folded) {
    return METHOD_OVERRIDES.contains(folded) && !name.equalsIgnoreCase(folded);
  }

  /** Removes access tokens, and proofs that go with them (RFC 6750 §2.1, RFC 9449 §7.1). */
  private static void removeTokens(HeaderMap headers) {
    HeaderValues credentials = headers.get(Headers.AUTHORIZATION);
    if (credentials != null && credentials.stream().anyMatch(RequestHeaders::isToken)) {
      headers.remove(Headers.AUTHORIZATION);
    }
    headers.remove(DPOP);
  }

  private static boolean isToken(String credentials) {
    String scheme = credentials.strip().split("[ \t]", 2)[0];
    return scheme.equalsIgnoreCase("Bearer") || scheme.equalsIgnoreCase("DPoP");
  }

  /** Removes every header that an origin could take for this name. */
  public static void remove(HeaderMap headers, String name) {
    removeIf(headers, HeaderNames.fold(name)::equals);
  }

  /**
   * The one protocol that the request asks to switch to (RFC 9110 §7.8; RFC 6455 §4.1), or null. To
   * be asked before the headers are cleaned; the forwarder writes its own {@code Upgrade} and
   * {@code Connection}.
   */
  public static @Nullable String upgrade(String method, HeaderMap headers) {
    String protocol = headers.getFirst(Headers.UPGRADE);
    if (protocol == null
        || headers.count(Headers.UPGRADE) > 1
        || protocol.indexOf(',') >= 0
        || !HopByHop.names(headers, Headers.CONNECTION).contains("upgrade")
        || headers.contains(Headers.TRANSFER_ENCODING)
        || hasBody(headers)) {
      return null;
    }
    boolean webSocket = protocol.equalsIgnoreCase("websocket");
    boolean handshake = method.equals("GET") && headers.count(Headers.SEC_WEB_SOCKET_KEY) == 1;
    return webSocket && !handshake ? null : protocol;
  }

  /** A body before the switch would stand where the origin expects frames. */
  private static boolean hasBody(HeaderMap headers) {
    String length = headers.getFirst(Headers.CONTENT_LENGTH);
    return length != null && !length.equals("0");
  }

  /** Removes what has no proper name, too: peers of HTTP/2 can send any bytes as one. */
  static void removeIf(HeaderMap headers, Predicate<String> folded) {
    removeIf(headers, (name, foldedName) -> folded.test(foldedName));
  }

  private static void removeIf(HeaderMap headers, BiPredicate<String, String> nameAndFolded) {
    List<HttpString> removed = new ArrayList<>();
    for (long cookie = headers.fastIterateNonEmpty();
        cookie != -1L;
        cookie = headers.fiNextNonEmpty(cookie)) {
      HttpString header = headers.fiCurrent(cookie).getHeaderName();
      String name = header.toString();
      if (!HeaderNames.isToken(name) || nameAndFolded.test(name, HeaderNames.fold(name))) {
        removed.add(header);
      }
    }
    removed.forEach(headers::remove);
  }
}
