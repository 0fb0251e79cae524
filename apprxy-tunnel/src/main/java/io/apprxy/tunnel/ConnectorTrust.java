package io.apprxy.tunnel;

import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Whom the tunnel's listener does a handshake with: peers with a certificate of the authority, and
 * peers with none. That a certificate has expired, or was revoked, is for the requests on the
 * connection to find out, since they can say so. Thread-safe.
 */
final class ConnectorTrust extends X509ExtendedTrustManager {
  private final Authority authority;

  ConnectorTrust(Authority authority) {
    this.authority = authority;
  }

  private void check(X509Certificate[] chain) throws CertificateException {
    // The first was signed by the authority itself: what else is in the chain proves nothing.
    if (chain.length == 0 || !authority.issued(chain[0])) {
      throw new CertificateException("not issued by this gateway's connector authority");
    }
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    check(chain);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    check(chain);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    check(chain);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    throw new CertificateException("this side is the server");
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    checkServerTrusted(chain, authType);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    checkServerTrusted(chain, authType);
  }

  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return authority.issuers().toArray(X509Certificate[]::new);
  }
}
