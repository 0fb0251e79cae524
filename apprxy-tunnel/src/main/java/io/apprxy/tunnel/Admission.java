package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.HttpServerExchange;
import javax.net.ssl.SSLSession;
import org.jspecify.annotations.Nullable;
import org.xnio.StreamConnection;
import org.xnio.ssl.SslConnection;

/**
 * Decides who the peer of a connection is, and whether it may be a connector here. The one place
 * that looks at what peers prove themselves with, for requests of HTTP and for connections that are
 * turned around. Thread-safe.
 */
final class Admission {
  private final EnrolmentTokens tokens;

  /**
   * Who a peer is.
   *
   * @param id names the connector for good; null if only its group is proved
   */
  record Peer(@Nullable String id, String group) {}

  Admission(EnrolmentTokens tokens) {
    this.tokens = tokens;
  }

  /** The TLS session that a request came in. */
  static SSLSession session(HttpServerExchange exchange) {
    return exchange.getConnection().getSslSession();
  }

  /** The TLS session of a connection whose handshake has ended. */
  static SSLSession session(StreamConnection connection) {
    return UndertowXnioSsl.getSslEngine((SslConnection) connection).getSession();
  }

  /**
   * Who the peer of a session is.
   *
   * @param token what it says beside what the session proves
   * @throws GatewayException if it may not connect
   */
  Peer admit(SSLSession session, @Nullable String token) {
    String group = token == null ? null : tokens.group("Bearer " + token);
    if (group == null) {
      throw new GatewayException(
          ErrorCode.ENROLMENT_TOKEN_REFUSED,
          "no valid enrolment token at " + session.getPeerHost());
    }
    return new Peer(null, group);
  }
}
