package io.apprxy;

import io.apprxy.Application.LegacyAuthentication;
import io.apprxy.Application.OriginProtocol;
import io.apprxy.rewrite.LegacyCredentials;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.AttachmentKey;
import io.undertow.util.HttpString;
import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What belongs to one connection of a client that authenticates to an origin by NTLM, or by another
 * scheme that holds for a connection: its requests go the same way, to connections that nobody else
 * uses. Confined to the connection's I/O thread.
 */
final class BoundConnection {
  private static final SecureRandom RANDOM = new SecureRandom();

  /** Of one connection: of a proxy before the gateway, say, which has many users. */
  private static final int MAX = 32;

  private static final List<HttpString> PROXY_HEADERS =
      Stream.of("Via", "Forwarded", "X-Forwarded-For", "X-Real-IP").map(HttpString::new).toList();

  private static final AttachmentKey<Bound> BOUND = AttachmentKey.create(Bound.class);

  private final String id;
  private long connector;
  private @Nullable String instance;

  /**
   * @param session empty if nobody is known
   */
  private record Key(String application, String session) {}

  private static final class Bound {
    private final Map<Key, BoundConnection> all =
        new LinkedHashMap<>(4, 0.75f, true) {
          @Override
          protected boolean removeEldestEntry(Map.Entry<Key, BoundConnection> eldest) {
            return size() > MAX;
          }
        };
  }

  private BoundConnection() {
    byte[] bits = new byte[16];
    RANDOM.nextBytes(bits);
    id = HexFormat.of().formatHex(bits);
  }

  /**
   * The one that a request belongs to: it carries such credentials, or one before it on its
   * connection did, of the same session at the same application. Null if it belongs to none; then
   * such credentials make no connection theirs.
   */
  static @Nullable BoundConnection of(UndertowExchange exchange) {
    HttpServerExchange undertow = exchange.undertow();
    Application application = exchange.application();
    Identity identity = exchange.identity();
    if (!undertow.isHttp11() // else requests come side by side
        || application.originProtocol() != OriginProtocol.HTTP_1_1
        || application.legacyAuthentication() != LegacyAuthentication.FORWARD
        || (identity != null && application.singleSignOn().setsAuthorization())) {
      return null;
    }
    if (identity == null && !isClients(exchange)) {
      return null;
    }
    Bound bound = undertow.getConnection().getAttachment(BOUND);
    Key key = new Key(application.id(), identity == null ? "" : identity.sessionId());
    BoundConnection known = bound == null ? null : bound.all.get(key);
    if (known != null || !LegacyCredentials.bindConnection(undertow.getRequestHeaders())) {
      return known;
    }
    if (bound == null) {
      bound = new Bound();
      undertow.getConnection().putAttachment(BOUND, bound);
    }
    BoundConnection fresh = new BoundConnection();
    bound.all.put(key, fresh);
    return fresh;
  }

  /**
   * Whether the connection is the client's own, as far as can be seen, and not that of a proxy
   * before the gateway, whose users nobody here tells apart.
   */
  private static boolean isClients(UndertowExchange exchange) {
    HttpServerExchange undertow = exchange.undertow();
    return !exchange.isProxied()
        && undertow
            .getSourceAddress()
            .equals(undertow.getConnection().getPeerAddress(InetSocketAddress.class))
        && PROXY_HEADERS.stream().noneMatch(undertow.getRequestHeaders()::contains);
  }

  /** Its name between gateway and connector, which nobody can guess. */
  String id() {
    return id;
  }

  /** The tag of the connector that served last, or 0. */
  long connector() {
    return connector;
  }

  /** The origin instance that served last. */
  @Nullable String instance() {
    return instance;
  }

  void servedBy(long byConnector, @Nullable String byInstance) {
    connector = byConnector;
    instance = byInstance;
  }
}
