package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.math.BigInteger;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.RSAKeyGenParameterSpec;
import java.util.Base64;
import java.util.Random;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CertificateRequestTest {
  @ParameterizedTest
  @CsvSource({
    "EC, secp256r1, SHA256withECDSA",
    "EC, secp384r1, SHA384withECDSA",
    "Ed25519, , Ed25519",
    "RSA, 2048, SHA256withRSA",
    "RSA, 2048, SHA512withRSA"
  })
  void keysOfTheseTypes_areAccepted(String type, String size, String signature) throws Exception {
    KeyPair pair = keyPair(type, size);

    CertificateRequest request = CertificateRequest.parse(pem(pair, pair, signature));

    assertThat(request.key()).isEqualTo(pair.getPublic());
    assertThat(request.hash()).matches("[0-9a-f]{64}");
  }

  @ParameterizedTest
  @CsvSource({
    "EC, secp521r1, SHA512withECDSA",
    "RSA, 1024, SHA256withRSA",
    "RSA, 2048, SHA1withRSA",
    "RSA, 2048, MD5withRSA",
    "Ed448, , Ed448"
  })
  void keysOfOtherTypes_orOtherSignatures_areRefused(String type, String size, String signature)
      throws Exception {
    KeyPair pair = keyPair(type, size);

    assertRefused(pem(pair, pair, signature));
  }

  @Test
  void rsaKey_thatWouldCostMuchToVerifyWith_isRefused() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(new RSAKeyGenParameterSpec(2048, BigInteger.valueOf(3)));
    KeyPair pair = generator.generateKeyPair();

    assertRefused(pem(pair, pair, "SHA256withRSA"));
  }

  @Test
  void requestForAKeyOfSomebodyElse_isRefused() throws Exception {
    assertRefused(pem(keyPair("EC", "secp256r1"), keyPair("EC", "secp256r1"), "SHA256withECDSA"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "-----BEGIN CERTIFICATE REQUEST-----",
        "-----BEGIN CERTIFICATE REQUEST----------END CERTIFICATE REQUEST-----",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
        "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----",
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"
      })
  void garbage_isRefused(String pem) {
    assertRefused(pem);
  }

  @Test
  void requestThatIsTooLong_orNestedWithoutEnd_isRefused() {
    assertRefused(armoured(new byte[100_000]));
    byte[] definite = new byte[6_000];
    byte[] indefinite = new byte[6_000];
    for (int i = 0; i < definite.length; i += 2) {
      definite[i] = 0x30;
      definite[i + 1] = (byte) Math.min(127, definite.length - i - 2);
      indefinite[i] = 0x30;
      indefinite[i + 1] = (byte) 0x80;
    }
    assertRefused(armoured(definite));
    assertRefused(armoured(indefinite));
  }

  /** Whatever is changed in a request: it is refused, and never fails otherwise. */
  @Test
  void requestThatWasChangedAnywhere_isRefused() throws Exception {
    KeyPair pair = keyPair("EC", "secp256r1");
    byte[] good = der(pair, pair, "SHA256withECDSA").getEncoded();
    Random random = new Random(1);
    for (int i = 0; i < good.length; i++) {
      byte[] changed = good.clone();
      changed[i] ^= (byte) (1 + random.nextInt(255));
      assertRefused(armoured(changed));
      assertRefused(armoured(java.util.Arrays.copyOf(good, i)));
    }
  }

  private static void assertRefused(String pem) {
    assertThatThrownBy(() -> CertificateRequest.parse(pem))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refused -> assertThat(refused.code()).isEqualTo(ErrorCode.CERTIFICATE_REQUEST_REFUSED));
  }

  private static KeyPair keyPair(String type, String size) throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance(type);
    if (type.equals("EC")) {
      AlgorithmParameterSpec curve = new ECGenParameterSpec(size);
      generator.initialize(curve);
    } else if (size != null) {
      generator.initialize(Integer.parseInt(size));
    }
    return generator.generateKeyPair();
  }

  private static String pem(KeyPair asked, KeyPair signer, String signature) throws Exception {
    return ConnectorIdentity.pem(der(asked, signer, signature));
  }

  private static PKCS10CertificationRequest der(KeyPair asked, KeyPair signer, String signature)
      throws Exception {
    return new JcaPKCS10CertificationRequestBuilder(new X500Name("CN=any"), asked.getPublic())
        .build(new JcaContentSignerBuilder(signature).build(signer.getPrivate()));
  }

  private static String armoured(byte[] der) {
    return "-----BEGIN CERTIFICATE REQUEST-----\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
        + "\n-----END CERTIFICATE REQUEST-----\n";
  }
}
