package io.apprxy.examples;

import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.GeneralSubtree;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.NameConstraints;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * A certificate authority for the demo, kept in a directory so that a browser can be taught to
 * trust it once. It can vouch for this machine alone: its name constraints (RFC 5280 §4.2.1.10)
 * allow {@code localhost} and loopback addresses only, so that having trusted it costs nothing
 * else. Each server gets a fresh key and a certificate of a few days at every start. Immutable.
 */
final class DemoCertificates {
  private static final X500Name CA_NAME =
      new X500Name("CN=apprxy quickstart CA (this machine only)");
  private static final Duration CA_LIFETIME = Duration.ofDays(397);
  private static final Duration SERVER_LIFETIME = Duration.ofDays(7);
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Path caFile;
  private final X509Certificate ca;
  private final PrivateKey caKey;

  private DemoCertificates(Path caFile, X509Certificate ca, PrivateKey caKey) {
    this.caFile = caFile;
    this.ca = ca;
    this.caKey = caKey;
  }

  /** Takes the CA of this directory, and makes one if there is none, or if it is about to end. */
  static DemoCertificates in(Path directory) throws IOException, GeneralSecurityException {
    Path keyAndCertificate = directory.resolve("ca.key.pem");
    if (Files.exists(keyAndCertificate)) {
      DemoCertificates kept = read(directory, keyAndCertificate);
      if (kept.ca.getNotAfter().toInstant().isAfter(now().plus(SERVER_LIFETIME))) {
        return kept;
      }
      Files.delete(keyAndCertificate);
    }
    KeyPair pair = newKeyPair();
    X509Certificate certificate = newCa(pair);
    try {
      DemoSetup.writePrivate(
          keyAndCertificate,
          pem(new JcaPKCS8Generator(pair.getPrivate(), null)) + pem(certificate));
    } catch (FileAlreadyExistsException another) {
      // another process of the demo was first: its CA counts
    }
    return read(directory, keyAndCertificate);
  }

  /** The file with the CA's certificate, for {@code curl --cacert} and for browsers. */
  Path caFile() {
    return caFile;
  }

  /** For a server on {@code localhost} and the loopback addresses. */
  SSLContext server() throws GeneralSecurityException, IOException {
    KeyPair pair = newKeyPair();
    return PemFiles.server(pair.getPrivate(), newServer(pair), ca);
  }

  /** The same for a tunnel server. */
  KeyManager[] serverKeys() throws GeneralSecurityException, IOException {
    KeyPair pair = newKeyPair();
    return PemFiles.keyManagers(pair.getPrivate(), newServer(pair), ca);
  }

  /** The CA itself. */
  X509Certificate ca() {
    return ca;
  }

  /** The same for a server that reads files; none of them may be there. */
  void writeServer(Path chain, Path key) throws GeneralSecurityException, IOException {
    KeyPair pair = newKeyPair();
    DemoSetup.writePrivate(key, pem(new JcaPKCS8Generator(pair.getPrivate(), null)));
    Files.writeString(chain, pem(newServer(pair)) + pem(ca));
  }

  private X509Certificate newServer(KeyPair pair) throws GeneralSecurityException, IOException {
    Instant now = now();
    X509v3CertificateBuilder builder =
        builder(CA_NAME, new X500Name("CN=localhost"), now.plus(SERVER_LIFETIME), pair.getPublic());
    GeneralNames names =
        new GeneralNames(
            new GeneralName[] {
              new GeneralName(GeneralName.dNSName, "localhost"),
              new GeneralName(GeneralName.iPAddress, "127.0.0.1"),
              new GeneralName(GeneralName.iPAddress, "::1")
            });
    JcaX509ExtensionUtils utils = new JcaX509ExtensionUtils();
    builder
        .addExtension(Extension.subjectAlternativeName, false, names)
        .addExtension(Extension.basicConstraints, true, new BasicConstraints(false))
        .addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature))
        .addExtension(
            Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_serverAuth))
        .addExtension(
            Extension.authorityKeyIdentifier, false, utils.createAuthorityKeyIdentifier(ca))
        .addExtension(
            Extension.subjectKeyIdentifier,
            false,
            utils.createSubjectKeyIdentifier(pair.getPublic()));
    return sign(builder, caKey);
  }

  /** For a client that trusts this CA, and no other. */
  SSLContext trust() throws GeneralSecurityException, IOException {
    return PemFiles.trust(List.of(ca));
  }

  /** For a client that trusts this CA, and whatever the JVM trusts. */
  SSLContext trustBesideDefault() throws GeneralSecurityException, IOException {
    return PemFiles.trustBesideDefault(ca);
  }

  private static DemoCertificates read(Path directory, Path keyAndCertificate)
      throws IOException, GeneralSecurityException {
    try (PEMParser parser = new PEMParser(new StringReader(Files.readString(keyAndCertificate)))) {
      if (parser.readObject() instanceof PrivateKeyInfo key
          && parser.readObject() instanceof X509CertificateHolder holder) {
        X509Certificate certificate = new JcaX509CertificateConverter().getCertificate(holder);
        PrivateKey privateKey = new JcaPEMKeyConverter().getPrivateKey(key);
        Path caFile = directory.toAbsolutePath().resolve("ca.pem");
        Files.writeString(caFile, pem(certificate));
        return new DemoCertificates(caFile, certificate, privateKey);
      }
      throw new IOException(
          keyAndCertificate + " does not hold a key and a certificate: delete it to get new ones");
    }
  }

  private static X509Certificate newCa(KeyPair pair) throws GeneralSecurityException, IOException {
    NameConstraints thisMachine =
        new NameConstraints(
            new GeneralSubtree[] {
              new GeneralSubtree(new GeneralName(GeneralName.dNSName, "localhost")),
              new GeneralSubtree(new GeneralName(GeneralName.iPAddress, "127.0.0.0/8")),
              new GeneralSubtree(new GeneralName(GeneralName.iPAddress, "::1/128"))
            },
            new GeneralSubtree[0]);
    X509v3CertificateBuilder builder =
        builder(CA_NAME, CA_NAME, now().plus(CA_LIFETIME), pair.getPublic());
    builder
        .addExtension(Extension.basicConstraints, true, new BasicConstraints(0))
        .addExtension(
            Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign))
        .addExtension(Extension.nameConstraints, true, thisMachine)
        .addExtension(
            Extension.subjectKeyIdentifier,
            false,
            new JcaX509ExtensionUtils().createSubjectKeyIdentifier(pair.getPublic()));
    return sign(builder, pair.getPrivate());
  }

  private static X509v3CertificateBuilder builder(
      X500Name issuer, X500Name subject, Instant notAfter, PublicKey key) {
    // valid since an hour, for browsers whose clock lags behind
    Date notBefore = Date.from(now().minus(Duration.ofHours(1)));
    return new JcaX509v3CertificateBuilder(
        issuer, new BigInteger(127, RANDOM), notBefore, Date.from(notAfter), subject, key);
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

  private static KeyPair newKeyPair() throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static String pem(Object keyOrCertificate) throws IOException {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(keyOrCertificate);
    }
    return text.toString();
  }

  private static Instant now() {
    return Clock.systemUTC().instant();
  }
}
