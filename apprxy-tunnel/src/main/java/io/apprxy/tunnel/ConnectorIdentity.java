package io.apprxy.tunnel;

import io.apprxy.cluster.PrivateFiles;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.jspecify.annotations.Nullable;

/**
 * What a connector proves itself with: a key, and the certificate that a gateway's {@link
 * Authority} gave for it. In a file it is PEM: the key, the certificate, the authority's.
 */
record ConnectorIdentity(PrivateKey key, List<X509Certificate> chain) {
  private static final int MAX_CHAIN = 4;
  private static final SecureRandom RANDOM = new SecureRandom();

  ConnectorIdentity {
    chain = List.copyOf(chain);
  }

  /**
   * A new key, and the request to certify it.
   *
   * @param pem PKCS #10 (RFC 2986), which {@link CertificateRequest} reads
   */
  record Request(KeyPair pair, String pem) {
    static Request create() {
      try {
        KeyPair pair = AuthorityKey.newKeyPair();
        return new Request(
            pair,
            ConnectorIdentity.pem(
                new JcaPKCS10CertificationRequestBuilder(
                        new X500Name("CN=connector"), pair.getPublic())
                    .build(
                        new JcaContentSignerBuilder("SHA256withECDSA").build(pair.getPrivate()))));
      } catch (GeneralSecurityException | OperatorCreationException e) {
        throw new IllegalStateException("this JVM cannot make a key", e);
      }
    }

    /**
     * The identity, with the chain that was answered.
     *
     * @throws IOException if that is no certificate of this key
     */
    ConnectorIdentity certified(String answer) throws IOException {
      try (PEMParser pem = new PEMParser(new StringReader(answer))) {
        ConnectorIdentity identity = new ConnectorIdentity(pair.getPrivate(), readChain(pem));
        identity.verify();
        return identity;
      } catch (GeneralSecurityException | RuntimeException e) {
        throw new IOException("the gateway answered no certificate of the connector's key", e);
      }
    }

    @Override
    public String toString() {
      return "a request";
    }
  }

  /**
   * Reads a file; null if there is none.
   *
   * @throws IOException if it cannot be read, others than its owner may, or it is no identity
   */
  static @Nullable ConnectorIdentity load(Path file) throws IOException {
    if (Files.notExists(file)) {
      return null;
    }
    String text = PrivateFiles.read(file);
    try (PEMParser pem = new PEMParser(new StringReader(text))) {
      if (pem.readObject() instanceof PrivateKeyInfo key) {
        ConnectorIdentity identity =
            new ConnectorIdentity(new JcaPEMKeyConverter().getPrivateKey(key), readChain(pem));
        identity.verify();
        return identity;
      }
      throw new IOException("it does not begin with a private key");
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      throw new IOException(
          file
              + " holds no identity of a connector; delete it, and enrol the connector with a new token",
          e);
    }
  }

  /** Writes a file, in place of the one that may be there; its directory is made if need be. */
  void save(Path file) throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    if (directory != null && Files.notExists(directory)) {
      PrivateFiles.directory(directory);
    }
    PrivateFiles.write(file, pem(key, chain.toArray()));
  }

  /** What the certificate says. */
  ConnectorCertificate certificate() {
    return ConnectorCertificate.of(chain.get(0));
  }

  /** For TLS, with this identity towards those gateways whose authority issued it. */
  KeyManager[] keyManagers() {
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      byte[] random = new byte[16];
      RANDOM.nextBytes(random);
      char[] password = HexFormat.of().formatHex(random).toCharArray();
      store.setKeyEntry("connector", key, password, chain.toArray(X509Certificate[]::new));
      KeyManagerFactory factory =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      factory.init(store, password);
      return factory.getKeyManagers();
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalStateException("this JVM cannot use the connector's key", e);
    }
  }

  @Override
  public String toString() {
    return "connector " + certificate().id();
  }

  /** That the certificate is a connector's, and of this key. */
  private void verify() throws GeneralSecurityException {
    certificate();
    String algorithm =
        switch (key.getAlgorithm()) {
          case "EC" -> "SHA256withECDSA";
          case "RSA" -> "SHA256withRSA";
          default -> key.getAlgorithm();
        };
    byte[] text = chain.get(0).getSignature();
    Signature signer = Signature.getInstance(algorithm);
    signer.initSign(key);
    signer.update(text);
    byte[] signed = signer.sign();
    Signature verifier = Signature.getInstance(algorithm);
    verifier.initVerify(chain.get(0).getPublicKey());
    verifier.update(text);
    if (!verifier.verify(signed)) {
      throw new GeneralSecurityException("the certificate is of another key");
    }
  }

  private static List<X509Certificate> readChain(PEMParser pem)
      throws IOException, GeneralSecurityException {
    List<X509Certificate> chain = new ArrayList<>();
    for (Object next = pem.readObject(); next != null; next = pem.readObject()) {
      if (!(next instanceof X509CertificateHolder certificate) || chain.size() == MAX_CHAIN) {
        throw new IOException("there must be certificates, and no more than " + MAX_CHAIN);
      }
      chain.add(new JcaX509CertificateConverter().getCertificate(certificate));
    }
    if (chain.isEmpty()) {
      throw new IOException("there is no certificate");
    }
    return chain;
  }

  /** The text of private keys and certificates. */
  static String pem(Object first, Object... others) {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter pem = new JcaPEMWriter(text)) {
      write(pem, first);
      for (Object other : others) {
        write(pem, other);
      }
    } catch (IOException e) {
      throw new IllegalStateException("a key or certificate cannot be written", e);
    }
    return text.toString();
  }

  private static void write(JcaPEMWriter pem, Object object) throws IOException {
    // PKCS #8, where Bouncy Castle would choose an older form
    pem.writeObject(
        object instanceof PrivateKey secret ? new JcaPKCS8Generator(secret, null) : object);
  }
}
