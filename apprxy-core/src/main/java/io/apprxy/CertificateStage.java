package io.apprxy;

import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The stage {@code certificate}: for applications that take nobody without a certificate.
 * Thread-safe.
 *
 * <p>Which certificate a client is asked for depends on the host that it names in TLS. One that
 * names another host in its request comes by a connection on which it was never asked, or for
 * something else: it is sent away to make another (RFC 9110 §15.5.20, RFC 9113 §9.1.1), whatever it
 * has.
 */
final class CertificateStage {
  private final @Nullable ClientCertificates certificates;

  CertificateStage(@Nullable ClientCertificates certificates) {
    this.certificates = certificates;
  }

  Verdict check(UndertowExchange exchange) {
    Application.ClientCertificate wanted = exchange.application().clientCertificate();
    if (exchange.passesThrough()
        || wanted == Application.ClientCertificate.NONE
        || wanted == Application.ClientCertificate.OPTIONAL) {
      return Verdict.proceed();
    }
    ClientCertificates counting = Objects.requireNonNull(certificates);
    if (!exchange.target().host().equalsIgnoreCase(exchange.serverName())) {
      throw new GatewayException(
          ErrorCode.MISDIRECTED, "TLS was for another host than " + exchange.target().host());
    }
    List<X509Certificate> chain = exchange.clientCertificates();
    if (chain.isEmpty()) {
      throw new GatewayException(
          ErrorCode.CLIENT_CERTIFICATE_REQUIRED, "the client sent no certificate");
    }
    counting.verify(chain);
    if (wanted == Application.ClientCertificate.IDENTITY && !exchange.isReserved()) {
      exchange.identify(counting.identify(chain), () -> stands(counting, chain));
    } else {
      exchange.standsOnlyWhile(() -> stands(counting, chain));
    }
    return Verdict.proceed();
  }

  private static boolean stands(ClientCertificates counting, List<X509Certificate> chain) {
    try {
      counting.verify(chain);
      return true;
    } catch (GatewayException e) {
      return false;
    }
  }
}
