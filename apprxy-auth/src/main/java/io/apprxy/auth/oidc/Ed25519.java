package io.apprxy.auth.oidc;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.jca.JCAContext;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.util.Base64URL;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.HexFormat;
import java.util.Set;

/**
 * Ed25519 signatures (RFC 8037) with the JDK's own implementation; Nimbus' verifier would need one
 * more library.
 */
final class Ed25519 implements JWSVerifier {
  static final Set<JWSAlgorithm> ALGORITHMS = Set.of(JWSAlgorithm.EdDSA, JWSAlgorithm.Ed25519);

  /** What comes before the 32 bytes of a public key in its DER form (RFC 8410 §4). */
  private static final byte[] DER_PREFIX = HexFormat.of().parseHex("302a300506032b6570032100");

  private final PublicKey key;
  private final JCAContext context = new JCAContext();

  Ed25519(PublicKey key) {
    this.key = key;
  }

  static boolean isKey(OctetKeyPair jwk) {
    return Curve.Ed25519.equals(jwk.getCurve()) && jwk.getDecodedX().length == 32;
  }

  static PublicKey toPublicKey(OctetKeyPair jwk) {
    byte[] der = new byte[DER_PREFIX.length + 32];
    System.arraycopy(DER_PREFIX, 0, der, 0, DER_PREFIX.length);
    System.arraycopy(jwk.getDecodedX(), 0, der, DER_PREFIX.length, 32);
    try {
      return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der));
    } catch (GeneralSecurityException e) {
      throw new IllegalArgumentException("not an Ed25519 public key", e);
    }
  }

  @Override
  public boolean verify(JWSHeader header, byte[] signingInput, Base64URL signature) {
    if (header.getCriticalParams() != null && !header.getCriticalParams().isEmpty()) {
      return false; // RFC 7515 §4.1.11: none of them is understood here
    }
    try {
      Signature verifier = Signature.getInstance("Ed25519");
      verifier.initVerify(key);
      verifier.update(signingInput);
      return verifier.verify(signature.decode());
    } catch (GeneralSecurityException e) {
      return false; // malformed, such as of a wrong length
    }
  }

  @Override
  public Set<JWSAlgorithm> supportedJWSAlgorithms() {
    return ALGORITHMS;
  }

  @Override
  public JCAContext getJCAContext() {
    return context;
  }
}
