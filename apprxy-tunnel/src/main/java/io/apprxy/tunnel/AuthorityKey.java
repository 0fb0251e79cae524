package io.apprxy.tunnel;

import java.io.IOException;
import java.io.StringReader;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.HexFormat;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * A key that an {@link Authority} certifies connectors with: EC on P-256, with a certificate of its
 * own signature.
 *
 * @param id ids of later keys are greater
 */
record AuthorityKey(String id, X509Certificate certificate, PrivateKey signing) {
  /** It ends with its last certificate, long before. */
  private static final Duration LIFETIME = Duration.ofDays(10 * 365L);

  private static final Duration MAX_SLACK = Duration.ofMinutes(5);
  private static final SecureRandom RANDOM = new SecureRandom();

  static AuthorityKey create(Instant now) {
    byte[] distinct = new byte[6];
    RANDOM.nextBytes(distinct);
    String id = "%013d-%s".formatted(now.toEpochMilli(), HexFormat.of().formatHex(distinct));
    try {
      KeyPair pair = newKeyPair();
      X500Name name = new X500Name("CN=apprxy connector authority " + id);
      X509v3CertificateBuilder builder =
          builder(name, name, now.minus(MAX_SLACK), now.plus(LIFETIME), pair.getPublic())
              .addExtension(Extension.basicConstraints, true, new BasicConstraints(0))
              .addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign));
      return new AuthorityKey(id, sign(builder, pair.getPrivate()), pair.getPrivate());
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalStateException("this JVM cannot make a certificate authority", e);
    }
  }

  /** When it was made, which its id tells. */
  Instant created() {
    return Instant.ofEpochMilli(Long.parseLong(id.substring(0, 13)));
  }

  /** Certifies a connector's key, from a little before, for clocks that are behind. */
  X509Certificate certify(PublicKey key, String group, String connector, Instant now, Duration life)
      throws GeneralSecurityException, IOException {
    Duration tenth = life.dividedBy(10);
    Duration slack = tenth.compareTo(MAX_SLACK) < 0 ? tenth : MAX_SLACK;
    X500Name issuer = X500Name.getInstance(certificate.getSubjectX500Principal().getEncoded());
    X500Name subject = new X500Name("CN=" + connector);
    GeneralName name =
        new GeneralName(
            GeneralName.uniformResourceIdentifier, ConnectorCertificate.name(group, connector));
    X509v3CertificateBuilder builder =
        builder(issuer, subject, now.minus(slack), now.plus(life), key)
            .addExtension(Extension.basicConstraints, true, new BasicConstraints(false))
            .addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature))
            .addExtension(
                Extension.extendedKeyUsage,
                true,
                new ExtendedKeyUsage(KeyPurposeId.id_kp_clientAuth))
            .addExtension(Extension.subjectAlternativeName, false, new GeneralNames(name))
            .addExtension(
                Extension.authorityKeyIdentifier,
                false,
                new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(certificate));
    return sign(builder, signing);
  }

  /** Whether this key signed the certificate; whether that has expired is not looked at. */
  boolean signed(X509Certificate issued) {
    try {
      issued.verify(certificate.getPublicKey());
      return true;
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  String toPem() {
    return ConnectorIdentity.pem(signing, certificate);
  }

  static AuthorityKey fromPem(String id, String text) throws IOException {
    try (PEMParser pem = new PEMParser(new StringReader(text))) {
      if (pem.readObject() instanceof PrivateKeyInfo key
          && pem.readObject() instanceof X509CertificateHolder certificate) {
        return new AuthorityKey(
            id,
            new JcaX509CertificateConverter().getCertificate(certificate),
            new JcaPEMKeyConverter().getPrivateKey(key));
      }
    } catch (GeneralSecurityException e) {
      throw new IOException(e);
    }
    throw new IOException("there must be a key and a certificate");
  }

  @Override
  public String toString() {
    return "AuthorityKey " + id;
  }

  static KeyPair newKeyPair() throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static X509v3CertificateBuilder builder(
      X500Name issuer, X500Name subject, Instant from, Instant until, PublicKey key) {
    return new JcaX509v3CertificateBuilder(
        issuer, new BigInteger(127, RANDOM), Date.from(from), Date.from(until), subject, key);
  }

  private static X509Certificate sign(X509v3CertificateBuilder builder, PrivateKey key)
      throws GeneralSecurityException {
    try {
      return new JcaX509CertificateConverter()
          .getCertificate(builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(key)));
    } catch (OperatorCreationException e) {
      throw new GeneralSecurityException(e);
    }
  }
}
