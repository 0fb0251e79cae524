package io.apprxy.auth.policy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Whether a client certificate was issued by the authority of the organization's devices (RFC 5280
 * §6). TLS has proved that the client holds its key. Thread-safe.
 */
final class DeviceCertificates {
  /** RFC 5280 §4.2.1.12. */
  private static final String CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2";

  private static final String ANY_PURPOSE = "2.5.29.37.0";

  private final Set<TrustAnchor> authorities;
  private final Clock clock;

  /** By the chain: to verify signatures for each request would cost too much. */
  private final Cache<List<X509Certificate>, Boolean> verified =
      Caffeine.newBuilder().maximumSize(10_000).expireAfterWrite(Duration.ofMinutes(1)).build();

  DeviceCertificates(Collection<X509Certificate> authorities, Clock clock) {
    this.authorities =
        authorities.stream()
            .map(authority -> new TrustAnchor(authority, null))
            .collect(Collectors.toUnmodifiableSet());
    this.clock = clock;
  }

  boolean isEmpty() {
    return authorities.isEmpty();
  }

  /** Whether the chain, the client's own certificate first, is one of such a device, now. */
  boolean vouchFor(List<X509Certificate> chain) {
    if (chain.isEmpty() || authorities.isEmpty()) {
      return false;
    }
    try {
      chain.get(0).checkValidity(Date.from(clock.instant()));
    } catch (CertificateException e) {
      return false;
    }
    return verified.get(chain, this::verify);
  }

  private boolean verify(List<X509Certificate> chain) {
    try {
      List<String> purposes = chain.get(0).getExtendedKeyUsage();
      if (purposes != null
          && !purposes.contains(CLIENT_AUTHENTICATION)
          && !purposes.contains(ANY_PURPOSE)) {
        return false;
      }
      PKIXParameters parameters = new PKIXParameters(authorities);
      parameters.setDate(Date.from(clock.instant()));
      parameters.setRevocationEnabled(false); // device authorities issue for short times
      List<X509Certificate> below =
          chain.stream()
              .filter(
                  one ->
                      authorities.stream()
                          .noneMatch(authority -> one.equals(authority.getTrustedCert())))
              .toList();
      if (below.isEmpty()) {
        return false;
      }
      CertPathValidator.getInstance("PKIX")
          .validate(CertificateFactory.getInstance("X.509").generateCertPath(below), parameters);
      return true;
    } catch (GeneralSecurityException e) {
      return false;
    }
  }
}
