package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.io.IOException;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.Set;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.edec.EdECObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.RSAPublicKey;
import org.bouncycastle.asn1.sec.SECObjectIdentifiers;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.PKCSException;
import org.bouncycastle.util.encoders.Hex;
import org.jspecify.annotations.Nullable;

/**
 * A key that asks to be certified (PKCS #10, RFC 2986), and that whoever asks has. The subject that
 * it names is nobody's business: an authority decides who it certifies.
 *
 * @param hash names the key: the SHA-256 of its encoding, the one that the JDK gives it, whichever
 *     was asked with
 */
record CertificateRequest(PublicKey key, String hash) {
  /** One with an RSA key of 4096 bits has about 1,700 characters. */
  private static final int MAX_LENGTH = 8 * 1024;

  private static final String BEGIN = "-----BEGIN CERTIFICATE REQUEST-----";
  private static final String END = "-----END CERTIFICATE REQUEST-----";
  private static final int MIN_RSA_BITS = 2048;
  private static final int MAX_RSA_BITS = 4096;

  private static final Set<ASN1ObjectIdentifier> CURVES =
      Set.of(SECObjectIdentifiers.secp256r1, SECObjectIdentifiers.secp384r1);

  private static final Set<ASN1ObjectIdentifier> SIGNATURES =
      Set.of(
          X9ObjectIdentifiers.ecdsa_with_SHA256,
          X9ObjectIdentifiers.ecdsa_with_SHA384,
          X9ObjectIdentifiers.ecdsa_with_SHA512,
          EdECObjectIdentifiers.id_Ed25519,
          PKCSObjectIdentifiers.sha256WithRSAEncryption,
          PKCSObjectIdentifiers.sha384WithRSAEncryption,
          PKCSObjectIdentifiers.sha512WithRSAEncryption);

  /**
   * Reads a request in PEM.
   *
   * @throws GatewayException with {@link ErrorCode#CERTIFICATE_REQUEST_REFUSED} unless everything
   *     about it is right
   */
  static CertificateRequest parse(String pem) {
    try {
      PKCS10CertificationRequest request = new PKCS10CertificationRequest(der(pem));
      SubjectPublicKeyInfo info = request.getSubjectPublicKeyInfo();
      String algorithm = algorithm(info);
      if (!SIGNATURES.contains(request.getSignatureAlgorithm().getAlgorithm())) {
        throw refused("it is signed by an algorithm that is not accepted", null);
      }
      PublicKey key =
          KeyFactory.getInstance(algorithm)
              .generatePublic(new X509EncodedKeySpec(info.getEncoded()));
      if (!request.isSignatureValid(new JcaContentVerifierProviderBuilder().build(key))) {
        throw refused("its signature is wrong", null);
      }
      return new CertificateRequest(key, Hex.toHexString(Authority.sha256(key.getEncoded())));
    } catch (GatewayException e) {
      throw e;
    } catch (IOException
        | GeneralSecurityException
        | OperatorCreationException
        | PKCSException
        | RuntimeException
        | StackOverflowError e) { // what is nested too deep ends as the last
      throw refused("it cannot be read", e);
    }
  }

  private static byte[] der(String pem) {
    String text = pem.strip();
    if (text.length() > MAX_LENGTH || !text.startsWith(BEGIN) || !text.endsWith(END)) {
      throw refused("it is no PEM of a certificate request, or too long", null);
    }
    String base64 = text.substring(BEGIN.length(), text.length() - END.length());
    return Base64.getDecoder().decode(base64.replaceAll("[\r\n]", ""));
  }

  /** The name of the key's algorithm, if it is one that is accepted. */
  private static String algorithm(SubjectPublicKeyInfo info) throws IOException {
    ASN1ObjectIdentifier algorithm = info.getAlgorithm().getAlgorithm();
    if (algorithm.equals(X9ObjectIdentifiers.id_ecPublicKey)) {
      if (info.getAlgorithm().getParameters() instanceof ASN1ObjectIdentifier curve
          && CURVES.contains(curve)) {
        return "EC";
      }
    } else if (algorithm.equals(EdECObjectIdentifiers.id_Ed25519)) {
      return "Ed25519";
    } else if (algorithm.equals(PKCSObjectIdentifiers.rsaEncryption)) {
      RSAPublicKey key = RSAPublicKey.getInstance(info.parsePublicKey());
      int bits = key.getModulus().bitLength();
      // a huge one would cost much to verify with
      if (bits >= MIN_RSA_BITS
          && bits <= MAX_RSA_BITS
          && key.getPublicExponent().equals(BigInteger.valueOf(65_537))) {
        return "RSA";
      }
    }
    throw refused("its key is of no type that is accepted", null);
  }

  private static GatewayException refused(String why, @Nullable Throwable cause) {
    return new GatewayException(
        ErrorCode.CERTIFICATE_REQUEST_REFUSED, "a certificate request was refused: " + why, cause);
  }
}
