package io.apprxy.examples;

import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.jspecify.annotations.Nullable;

/** TLS from keys and certificates, in the files that most tools write. */
final class PemFiles {
  private PemFiles() {}

  /** For a server with this certificate chain, the server's own first, and its key. */
  static SSLContext server(Path chain, Path key) throws IOException, GeneralSecurityException {
    return server(privateKey(key), certificates(chain).toArray(Certificate[]::new));
  }

  static SSLContext server(PrivateKey key, Certificate... chain)
      throws IOException, GeneralSecurityException {
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keyManagers(key, chain), null, null);
    return context;
  }

  /** The same for what wants to make the context itself. */
  static KeyManagerFactory keys(Path chain, Path key) throws IOException, GeneralSecurityException {
    return keys(privateKey(key), certificates(chain).toArray(Certificate[]::new));
  }

  static KeyManager[] keyManagers(PrivateKey key, Certificate... chain)
      throws IOException, GeneralSecurityException {
    return keys(key, chain).getKeyManagers();
  }

  private static KeyManagerFactory keys(PrivateKey key, Certificate... chain)
      throws IOException, GeneralSecurityException {
    KeyStore store = emptyStore();
    char[] password = DemoSetup.randomSecret().toCharArray();
    store.setKeyEntry("server", key, password, chain);
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, password);
    return keys;
  }

  /** For a client that trusts the CAs of this file, and no other. */
  static SSLContext trust(Path cas) throws IOException, GeneralSecurityException {
    return trust(certificates(cas));
  }

  static SSLContext trust(Collection<? extends Certificate> cas)
      throws IOException, GeneralSecurityException {
    KeyStore store = emptyStore();
    for (Certificate ca : cas) {
      store.setCertificateEntry("ca-" + store.size(), ca);
    }
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(new KeyManager[0], managers(store).getTrustManagers(), null);
    return context;
  }

  /** For a client that trusts this CA, and whatever the JVM trusts. */
  static SSLContext trustBesideDefault(X509Certificate ca)
      throws IOException, GeneralSecurityException {
    List<X509Certificate> all = new ArrayList<>(List.of(ca));
    Arrays.stream(managers(null).getTrustManagers())
        .filter(X509TrustManager.class::isInstance)
        .forEach(manager -> all.addAll(List.of(((X509TrustManager) manager).getAcceptedIssuers())));
    return trust(all);
  }

  private static TrustManagerFactory managers(@Nullable KeyStore store)
      throws GeneralSecurityException {
    TrustManagerFactory factory =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    return factory;
  }

  private static Collection<? extends Certificate> certificates(Path file)
      throws IOException, GeneralSecurityException {
    try (InputStream pem = Files.newInputStream(file)) {
      Collection<? extends Certificate> certificates =
          CertificateFactory.getInstance("X.509").generateCertificates(pem);
      if (certificates.isEmpty()) {
        throw new IOException(file + " holds no certificate");
      }
      return certificates;
    }
  }

  /** A public key, as {@code openssl pkey -pubout} writes it. */
  static PublicKey publicKey(Path file) throws IOException {
    try (Reader reader = Files.newBufferedReader(file);
        PEMParser pem = new PEMParser(reader)) {
      if (pem.readObject() instanceof SubjectPublicKeyInfo info) {
        return new JcaPEMKeyConverter().getPublicKey(info);
      }
      throw new IOException(file + " must begin with a public key");
    }
  }

  static PrivateKey privateKey(Path file) throws IOException {
    try (Reader reader = Files.newBufferedReader(file);
        PEMParser pem = new PEMParser(reader)) {
      Object key = pem.readObject();
      if (key instanceof PEMKeyPair pair) {
        return new JcaPEMKeyConverter().getPrivateKey(pair.getPrivateKeyInfo());
      }
      if (key instanceof PrivateKeyInfo info) {
        return new JcaPEMKeyConverter().getPrivateKey(info);
      }
      throw new IOException(file + " must begin with a private key that needs no password");
    }
  }

  private static KeyStore emptyStore() throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    return store;
  }
}
