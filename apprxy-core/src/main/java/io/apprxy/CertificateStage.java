package io.apprxy;

import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Objects;
import java.util.Set;
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
  /** Methods that change nothing (RFC 9110 §9.2.1). */
  private static final Set<String> SAFE = Set.of("GET", "HEAD", "OPTIONS");

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
    if (wanted == Application.ClientCertificate.IDENTITY) {
      if (!exchange.isReserved()) { // pages of the gateway see to that themselves
        refuseOtherSites(exchange);
      }
      Identity identity = counting.identify(chain);
      exchange.identify(identity, () -> isStill(identity, counting, chain));
    } else {
      exchange.standsOnlyWhile(() -> stands(counting, chain));
    }
    return Verdict.proceed();
  }

  /**
   * A session's cookie is {@code SameSite}; a certificate goes with whatever any page makes the
   * browser send. So what changes something, or opens a connection whose answers the page could
   * read, must come from the application's own pages, from those its {@link CorsConfiguration}
   * allows with credentials, or from no browser (W3C Fetch Metadata; before that, RFC 6454 §7).
   */
  private static void refuseOtherSites(UndertowExchange exchange) {
    if (SAFE.contains(exchange.method()) && exchange.headers("Upgrade").isEmpty()) {
      return;
    }
    List<String> origins = exchange.headers("Origin");
    List<String> sites = exchange.headers("Sec-Fetch-Site");
    boolean own =
        sites.isEmpty()
            ? origins.isEmpty() || origins.equals(List.of(exchange.origin()))
            : sites.equals(List.of("same-origin")) || sites.equals(List.of("none"));
    if (!own && !(origins.size() == 1 && isAllowed(exchange, origins.get(0)))) {
      throw new GatewayException(ErrorCode.CROSS_SITE, "by a certificate, from " + origins);
    }
  }

  private static boolean isAllowed(UndertowExchange exchange, String origin) {
    CorsConfiguration rules = CrossOrigin.rules(exchange);
    return rules != null && rules.allowCredentials() && rules.allows(origin) != null;
  }

  private static boolean stands(ClientCertificates counting, List<X509Certificate> chain) {
    try {
      counting.verify(chain);
      return true;
    } catch (GatewayException e) {
      return false;
    }
  }

  private static boolean isStill(
      Identity identity, ClientCertificates counting, List<X509Certificate> chain) {
    try {
      counting.verify(chain);
      Identity now = counting.identify(chain);
      return now.subject().equals(identity.subject()) && now.issuer().equals(identity.issuer());
    } catch (GatewayException e) {
      return false;
    }
  }
}
