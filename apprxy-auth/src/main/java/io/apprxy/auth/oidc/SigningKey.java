package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPrivateKey;
import java.security.interfaces.RSAKey;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The key that a client signs with, where it has one: who it is, and what it asks for. Immutable.
 */
final class SigningKey {
  private final PrivateKey key;
  private final @Nullable String id;
  private final @Nullable Base64URL thumbprint;

  /** The algorithms that the key is fit for, the best first. */
  private final List<JWSAlgorithm> algorithms;

  private SigningKey(PrivateKey key, @Nullable String id, @Nullable Base64URL thumbprint) {
    this.key = key;
    this.id = id;
    this.thumbprint = thumbprint;
    this.algorithms = algorithms(key);
  }

  static SigningKey of(PrivateKey key, String id) {
    Settings.require(!id.isBlank(), "the id of the privateKey", "(blank)", "not blank");
    return new SigningKey(key, id, null);
  }

  static SigningKey of(PrivateKey key, X509Certificate certificate) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
      return new SigningKey(key, null, Base64URL.encode(hash));
    } catch (GeneralSecurityException e) {
      throw new IllegalArgumentException("the certificate of the privateKey cannot be encoded", e);
    }
  }

  private static List<JWSAlgorithm> algorithms(PrivateKey key) {
    if (key instanceof RSAKey rsa) {
      int bits = rsa.getModulus().bitLength();
      Settings.require(
          bits >= 2048, "privateKey", bits + " bits", "of 2048 bits at least, for RSA");
      return List.of(JWSAlgorithm.PS256, JWSAlgorithm.RS256);
    }
    Curve curve = key instanceof ECPrivateKey ec ? Curve.forECParameterSpec(ec.getParams()) : null;
    if (Curve.P_256.equals(curve)) {
      return List.of(JWSAlgorithm.ES256);
    }
    Settings.require(
        Curve.P_384.equals(curve),
        "privateKey",
        curve == null ? key.getAlgorithm() : curve,
        "RSA, or EC on P-256 or P-384");
    return List.of(JWSAlgorithm.ES384);
  }

  /**
   * These claims, signed.
   *
   * @param type of the token, or null
   * @param taken the algorithms that the provider says it takes; null if it does not say
   * @throws GatewayException {@link ErrorCode#PROVIDER_INVALID} if it takes none of this key
   */
  SignedJWT sign(JWTClaimsSet claims, @Nullable String type, @Nullable List<JWSAlgorithm> taken) {
    JWSAlgorithm algorithm =
        taken == null || taken.isEmpty()
            ? algorithms.get(algorithms.size() - 1)
            : algorithms.stream()
                .filter(taken::contains)
                .findFirst()
                .orElseThrow(
                    () ->
                        new GatewayException(
                            ErrorCode.PROVIDER_INVALID,
                            "the provider takes no signature of " + algorithms + ": " + taken));
    JWSHeader header =
        new JWSHeader.Builder(algorithm)
            .keyID(id)
            .x509CertSHA256Thumbprint(thumbprint)
            .type(type == null ? JOSEObjectType.JWT : new JOSEObjectType(type))
            .build();
    SignedJWT signed = new SignedJWT(header, claims);
    try {
      JWSSigner signer =
          key instanceof ECPrivateKey ec ? new ECDSASigner(ec) : new RSASSASigner(key);
      signed.sign(signer);
    } catch (JOSEException e) {
      throw new IllegalStateException("this JVM cannot sign with " + algorithm, e);
    }
    return signed;
  }

  /** Tells nothing about the key but its name. */
  @Override
  public String toString() {
    return "SigningKey[" + (id == null ? thumbprint : id) + "]";
  }
}
