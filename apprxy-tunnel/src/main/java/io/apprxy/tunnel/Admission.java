package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.HttpServerExchange;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.xnio.StreamConnection;
import org.xnio.ssl.SslConnection;

/**
 * Decides who the peer of a connection is, and whether it may be a connector here. The one place
 * that looks at what peers prove themselves with, for requests of HTTP and for connections that are
 * turned around. Thread-safe.
 */
final class Admission {
  private final Authority authority;

  Admission(Authority authority) {
    this.authority = authority;
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
   * Who the peer of a session is. A session that was resumed was not verified anew, so all of the
   * certificate is.
   *
   * @throws GatewayException unless it has a certificate with which everything is right
   */
  ConnectorCertificate admit(SSLSession session) {
    return authority.read(certificate(session));
  }

  /**
   * Looks whether a peer that was admitted may stay.
   *
   * @throws GatewayException if it may not
   */
  void check(ConnectorCertificate peer) {
    authority.check(peer);
  }

  private static X509Certificate certificate(SSLSession session) {
    try {
      Certificate[] chain = session.getPeerCertificates();
      if (chain.length > 0 && chain[0] instanceof X509Certificate certificate) {
        return certificate;
      }
    } catch (SSLPeerUnverifiedException e) {
      // it has none
    }
    throw new GatewayException(
        ErrorCode.CERTIFICATE_REQUIRED, "a peer has no certificate of this gateway");
  }
}
