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
    int port = peer.getPort() < 0 ? 443 : peer.getPort();
    int millis = Math.toIntExact(timeout.toMillis());
    try (Socket plain = new Socket()) {
      plain.setSoTimeout(millis);
      plain.connect(new InetSocketAddress(peer.getHost(), port), millis);
      SSLSocket socket =
          (SSLSocket) tls.getSocketFactory().createSocket(plain, peer.getHost(), port, true);
      SSLParameters parameters = socket.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      socket.setSSLParameters(parameters);
      socket.startHandshake();
      socket.close();
    } catch (SSLException e) {
      throw e;
    } catch (IOException e) {
      // Whoever connects next will be told.
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
