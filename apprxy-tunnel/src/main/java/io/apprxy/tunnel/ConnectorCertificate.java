package io.apprxy.tunnel;

import java.math.BigInteger;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.security.auth.x500.X500Principal;

/**
 * What an {@link Authority} says of a connector by a certificate: who it is, and which group's
 * applications it may serve. It stands in a URI among the subject's alternative names.
 *
 * @param issuer the name of the authority's key that signed it
 */
record ConnectorCertificate(
    String id,
    String group,
    BigInteger serial,
    X500Principal issuer,
    Instant notBefore,
    Instant notAfter) {
  private static final int URI = 6; // of GeneralName, RFC 5280 §4.2.1.6

  /** Neither part can hold the colon between them. */
  private static final Pattern NAME =
      Pattern.compile("urn:apprxy:connector:([A-Za-z0-9._-]{1,64}):([A-Za-z0-9._-]{1,64})");

  static String name(String group, String id) {
    return "urn:apprxy:connector:" + group + ":" + id;
  }

  /**
   * Reads what a certificate says; whether it is true is not looked at.
   *
   * @throws IllegalArgumentException if it is no certificate of a connector
   */
  static ConnectorCertificate of(X509Certificate certificate) {
    Matcher name = NAME.matcher(onlyUri(certificate));
    if (!name.matches()) {
      throw new IllegalArgumentException("no certificate of a connector");
    }
    return new ConnectorCertificate(
        name.group(2),
        name.group(1),
        certificate.getSerialNumber(),
        certificate.getIssuerX500Principal(),
        certificate.getNotBefore().toInstant(),
        certificate.getNotAfter().toInstant());
  }

  private static String onlyUri(X509Certificate certificate) {
    try {
      Collection<List<?>> names = certificate.getSubjectAlternativeNames();
      if (names != null && names.size() == 1) {
        List<?> name = names.iterator().next();
        if (name.get(0).equals(URI) && name.get(1) instanceof String uri) {
          return uri;
        }
      }
      return "";
    } catch (CertificateParsingException e) {
      throw new IllegalArgumentException("no certificate of a connector", e);
    }
  }
}
