package io.apprxy.examples;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.RSAKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.interfaces.RSAPublicKey;
import java.util.HexFormat;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * The key of a gateway that proves itself to providers by signatures or by TLS, new in each run.
 */
final class TestClient {
  static final String PASSWORD = "not a secret";
  static final String KEY_ID = "gateway";

  private static TestClient shared;

  private final X509Certificate certificate;
  private final PrivateKey key;
  private final Path keyStore;
  private final Path trustStore;

  private TestClient() throws IOException, GeneralSecurityException, InterruptedException {
    Path directory = Files.createTempDirectory(Path.of("target"), "client");
    keyStore = directory.resolve("client.p12").toAbsolutePath();
    trustStore = directory.resolve("trust.p12").toAbsolutePath();
    certificate = Keycloak.selfSigned(keyStore, PASSWORD, "gateway", "RSA", "-keysize", "2048");
    key = (PrivateKey) load().getKey("server", PASSWORD.toCharArray());
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("gateway", certificate);
    try (var out = Files.newOutputStream(trustStore)) {
      trusted.store(out, PASSWORD.toCharArray());
    }
  }

  static synchronized TestClient shared() {
    try {
      if (shared == null) {
        shared = new TestClient();
      }
      return shared;
    } catch (IOException | GeneralSecurityException | InterruptedException e) {
      throw new IllegalStateException("no key for a client", e);
    }
  }

  private KeyStore load() throws IOException, GeneralSecurityException {
    return KeyStore.getInstance(keyStore.toFile(), PASSWORD.toCharArray());
  }

  PrivateKey key() {
    return key;
  }

  /** A store with the certificate, for a provider that checks who certified it. */
  Path trustStore() {
    return trustStore;
  }

  /** What a provider registers the key as. */
  String jwks() {
    return new JWKSet(
            new RSAKey.Builder((RSAPublicKey) certificate.getPublicKey())
                .keyID(KEY_ID)
                .keyUse(KeyUse.SIGNATURE)
                .build())
        .toString();
  }

  /** As Node.js writes it. */
  String fingerprint() {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
      return HexFormat.ofDelimiter(":").withUpperCase().formatHex(hash);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Trusts the provider of this certificate, and shows the own one. */
  SSLContext tls(X509Certificate provider) throws IOException, GeneralSecurityException {
    KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    own.init(load(), PASSWORD.toCharArray());
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("provider", provider);
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(own.getKeyManagers(), trust.getTrustManagers(), new SecureRandom());
    return context;
  }
}
