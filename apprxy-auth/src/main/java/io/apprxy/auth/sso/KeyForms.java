package io.apprxy.auth.sso;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.util.Base64URL;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.RSAPrivateKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * Keys as JWK and as the JDK has them, and signatures by the JDK for all algorithms alike: Nimbus'
 * own of Ed25519 would need one more library.
 */
final class KeyForms {
  private static final int RSA_BITS = 2048;

  /** What comes before the 32 bytes of a key in its DER form (RFC 8410 §4, §7). */
  private static final byte[] ED25519_PUBLIC = HexFormat.of().parseHex("302a300506032b6570032100");

  private static final byte[] ED25519_PRIVATE =
      HexFormat.of().parseHex("302e020100300506032b657004220420");

  private KeyForms() {}

  /** A new key, whose id is its thumbprint (RFC 7638). */
  static JWK generate(Algorithm algorithm) {
    try {
      JWK key =
          switch (algorithm) {
            case ES256 -> {
              KeyPair pair = pair("EC", new ECGenParameterSpec("secp256r1"));
              yield new ECKey.Builder(Curve.P_256, (ECPublicKey) pair.getPublic())
                  .privateKey(pair.getPrivate())
                  .keyUse(KeyUse.SIGNATURE)
                  .algorithm(JWSAlgorithm.ES256)
                  .keyIDFromThumbprint()
                  .build();
            }
            case EDDSA -> {
              KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
              yield new OctetKeyPair.Builder(
                      Curve.Ed25519, tail(pair.getPublic().getEncoded(), ED25519_PUBLIC.length))
                  .d(tail(pair.getPrivate().getEncoded(), ED25519_PRIVATE.length))
                  .keyUse(KeyUse.SIGNATURE)
                  .algorithm(JWSAlgorithm.EdDSA)
                  .keyIDFromThumbprint()
                  .build();
            }
            case RS256 -> {
              KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
              generator.initialize(RSA_BITS);
              KeyPair pair = generator.generateKeyPair();
              yield new RSAKey.Builder((RSAPublicKey) pair.getPublic())
                  .privateKey((RSAPrivateKey) pair.getPrivate())
                  .keyUse(KeyUse.SIGNATURE)
                  .algorithm(JWSAlgorithm.RS256)
                  .keyIDFromThumbprint()
                  .build();
            }
          };
      return key;
    } catch (GeneralSecurityException | JOSEException e) {
      throw new IllegalStateException("this JVM cannot make a key for " + algorithm.jwa(), e);
    }
  }

  private static KeyPair pair(String type, ECGenParameterSpec curve)
      throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance(type);
    generator.initialize(curve);
    return generator.generateKeyPair();
  }

  private static Base64URL tail(byte[] der, int from) {
    return Base64URL.encode(Arrays.copyOfRange(der, from, der.length));
  }

  /**
   * The algorithm that a key is for, or null if it is for none of ours. The key alone decides,
   * whatever a token says (RFC 8725 §3.1).
   */
  static @Nullable Algorithm algorithmOf(JWK key) {
    if (key instanceof ECKey ec && Curve.P_256.equals(ec.getCurve())) {
      return Algorithm.ES256;
    }
    if (key instanceof OctetKeyPair pair
        && Curve.Ed25519.equals(pair.getCurve())
        && pair.getDecodedX().length == 32) {
      return Algorithm.EDDSA;
    }
    return key instanceof RSAKey rsa && rsa.size() >= RSA_BITS ? Algorithm.RS256 : null;
  }

  /**
   * The private half.
   *
   * @throws GeneralSecurityException if there is none that the JDK can use
   */
  static PrivateKey privateKey(JWK key) throws GeneralSecurityException {
    try {
      if (key instanceof OctetKeyPair pair && pair.isPrivate()) {
        byte[] der = concat(ED25519_PRIVATE, pair.getDecodedD());
        return KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(der));
      }
      PrivateKey found =
          key instanceof ECKey ec
              ? ec.toECPrivateKey()
              : key instanceof RSAKey rsa ? rsa.toPrivateKey() : null;
      if (found != null) {
        return found;
      }
      throw new GeneralSecurityException("a key of which only the public half is there");
    } catch (JOSEException e) {
      throw new GeneralSecurityException("no usable key", e);
    }
  }

  private static PublicKey publicKey(JWK key) throws GeneralSecurityException, JOSEException {
    if (key instanceof OctetKeyPair pair) {
      byte[] der = concat(ED25519_PUBLIC, pair.getDecodedX());
      return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der));
    }
    return key instanceof ECKey ec ? ec.toECPublicKey() : key.toRSAKey().toPublicKey();
  }

  private static byte[] concat(byte[] first, byte[] second) {
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }

  static Base64URL sign(Algorithm algorithm, PrivateKey key, byte[] input) {
    try {
      Signature signature = signature(algorithm);
      signature.initSign(key);
      signature.update(input);
      return Base64URL.encode(signature.sign());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM cannot sign with " + algorithm.jwa(), e);
    }
  }

  /** Whether the signature is right; false, too, for one that is none at all. */
  static boolean verify(Algorithm algorithm, JWK key, byte[] input, Base64URL signed) {
    try {
      Signature signature = signature(algorithm);
      signature.initVerify(publicKey(key));
      signature.update(input);
      return signature.verify(signed.decode());
    } catch (GeneralSecurityException | JOSEException e) {
      return false; // malformed, such as of a wrong length
    }
  }

  private static Signature signature(Algorithm algorithm) throws GeneralSecurityException {
    return Signature.getInstance(
        switch (algorithm) {
          case ES256 -> "SHA256withECDSAinP1363Format"; // RFC 7518 §3.4: R and S, without DER
          case EDDSA -> "Ed25519";
          case RS256 -> "SHA256withRSA";
        });
  }
}
