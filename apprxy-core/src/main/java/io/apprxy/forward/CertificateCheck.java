package io.apprxy.forward;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.security.cert.CertificateException;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * Finds out whether TLS with a peer works, and if not why: Undertow tells no more than that a
 * connection has closed.
 */
public final class CertificateCheck {
  private CertificateCheck() {}

  /**
   * Does a handshake and closes. Blocks.
   *
   * @param timeout for each of the connection and the handshake's steps
   * @throws SSLException if the handshake fails; a peer that cannot be reached is no matter of this
   *     check
   */
  public static void check(SSLContext tls, URI peer, Duration timeout) throws SSLException {
    var unused = select(tls, peer, timeout);
  }

  /**
   * Does the same, and offers protocols by ALPN (RFC 7301).
   *
   * @return the protocol that the peer selected, empty if none; null if it cannot be reached
   */
  static @Nullable String select(SSLContext tls, URI peer, Duration timeout, String... protocols)
      throws SSLException {
    int port = peer.getPort() < 0 ? 443 : peer.getPort();
    int millis = Math.toIntExact(timeout.toMillis());
    try (Socket plain = new Socket()) {
      plain.setSoTimeout(millis);
      plain.connect(new InetSocketAddress(peer.getHost(), port), millis);
      SSLSocket socket =
          (SSLSocket) tls.getSocketFactory().createSocket(plain, peer.getHost(), port, true);
      SSLParameters parameters = socket.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      parameters.setApplicationProtocols(protocols);
      socket.setSSLParameters(parameters);
      socket.startHandshake();
      String selected = socket.getApplicationProtocol();
      socket.close();
      return selected == null ? "" : selected;
    } catch (SSLException e) {
      throw e;
    } catch (IOException e) {
      return null; // Whoever connects next will be told.
    }
  }

  /** Whether a failure is about a certificate: expired, of an unknown CA, of another host. */
  public static boolean isAboutCertificate(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof CertificateException) {
        return true;
      }
    }
    return false;
  }
}
