package io.apprxy;

import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.concurrent.atomic.AtomicLong;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v2CRLBuilder;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/** A CA that exists for one test run, and what it certifies. */
final class TestAuthority {
  private static final AtomicLong SERIAL = new AtomicLong(1);

  private final String name;
  private final KeyPair key = newKey();
  final X509Certificate certificate;

  TestAuthority(String name) {
    this.name = "CN=" + name;
    this.certificate =
        sign(
            this.name,
            key,
            new Validity(-1, 30),
            new Extra(Extension.basicConstraints, new BasicConstraints(true)));
  }

  /** Days from now. */
  record Validity(int from, int until) {}

  private record Extra(
      org.bouncycastle.asn1.ASN1ObjectIdentifier kind, org.bouncycastle.asn1.ASN1Object value) {}

  /** A certificate, with its key. */
  record Owned(X509Certificate certificate, PrivateKey key, X509Certificate issuer) {
    KeyManager[] managers() {
      try {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("own", key, new char[0], new Certificate[] {certificate, issuer});
        KeyManagerFactory factory =
            KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, new char[0]);
        return factory.getKeyManagers();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }

    /** Certificate and key in PEM. */
    Path pem() {
      try {
        Path file = Files.createTempFile("client", ".pem");
        file.toFile().deleteOnExit();
        return Files.writeString(
            file,
            block("CERTIFICATE", certificate.getEncoded())
                + block("PRIVATE KEY", key.getEncoded()));
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  static String block(String kind, byte[] der) {
    return "-----BEGIN "
        + kind
        + "-----\n"
        + Base64.getMimeEncoder(64, new byte[] {10}).encodeToString(der)
        + "\n-----END "
        + kind
        + "-----\n";
  }

  Owned server(String... hosts) {
    KeyPair pair = newKey();
    GeneralName[] names = new GeneralName[hosts.length];
    for (int i = 0; i < hosts.length; i++) {
      names[i] = new GeneralName(GeneralName.dNSName, hosts[i]);
    }
    return owned("CN=" + hosts[0], pair, new Validity(-1, 30), names, null);
  }

  Owned client(String user) {
    return client(user, new Validity(-1, 30), KeyPurposeId.id_kp_clientAuth);
  }

  Owned client(String user, Validity validity, KeyPurposeId purpose) {
    GeneralName mail = new GeneralName(GeneralName.rfc822Name, user + "@example.com");
    return owned(
        "CN=" + user + ",O=Example", newKey(), validity, new GeneralName[] {mail}, purpose);
  }

  private Owned owned(
      String subject, KeyPair pair, Validity validity, GeneralName[] names, KeyPurposeId purpose) {
    Extra alternative = new Extra(Extension.subjectAlternativeName, new GeneralNames(names));
    X509Certificate signed =
        purpose == null
            ? sign(subject, pair, validity, alternative)
            : sign(
                subject,
                pair,
                validity,
                alternative,
                new Extra(Extension.extendedKeyUsage, new ExtendedKeyUsage(purpose)));
    return new Owned(signed, pair.getPrivate(), certificate);
  }

  /** The list of what is revoked, into this file. */
  void revoke(Path file, X509Certificate... revoked) {
    try {
      Instant now = Instant.now();
      JcaX509v2CRLBuilder list =
          new JcaX509v2CRLBuilder(
              new javax.security.auth.x500.X500Principal(name), Date.from(now.minusSeconds(60)));
      list.setNextUpdate(Date.from(now.plus(Duration.ofDays(1))));
      for (X509Certificate one : revoked) {
        list.addCRLEntry(
            one.getSerialNumber(), Date.from(now.minusSeconds(1)), CRLReason.keyCompromise);
      }
      Files.writeString(
          file,
          block(
              "X509 CRL",
              list.build(new JcaContentSignerBuilder("SHA256withECDSA").build(key.getPrivate()))
                  .getEncoded()));
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private X509Certificate sign(String subject, KeyPair pair, Validity validity, Extra... extras) {
    try {
      Instant now = Instant.now();
      JcaX509v3CertificateBuilder builder =
          new JcaX509v3CertificateBuilder(
              new X500Name(name),
              BigInteger.valueOf(SERIAL.getAndIncrement()),
              Date.from(now.plus(Duration.ofDays(validity.from()))),
              Date.from(now.plus(Duration.ofDays(validity.until()))),
              new X500Name(subject),
              pair.getPublic());
      for (Extra extra : extras) {
        builder.addExtension(extra.kind(), false, extra.value());
      }
      return new JcaX509CertificateConverter()
          .getCertificate(
              builder.build(
                  new JcaContentSignerBuilder("SHA256withECDSA").build(key.getPrivate())));
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static KeyPair newKey() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(256);
      return generator.generateKeyPair();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
