package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.security.PublicKey;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.EdECPublicKey;
import java.security.interfaces.RSAPublicKey;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERBitString;
import org.bouncycastle.asn1.edec.EdECObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.CertificationRequest;
import org.bouncycastle.asn1.pkcs.CertificationRequestInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.util.encoders.Hex;

/** Whatever is sent to be certified, and whatever a connector is told to be its certificate. */
class EnrolmentFuzzTest {
  private static final Authority AUTHORITY = authority();
  private static final ConnectorIdentity.Request OURS = ConnectorIdentity.Request.create();
  private static final CertificationRequestInfo OF_SOMEBODY_ELSE = ofSomebodyElse();

  private static final List<ASN1ObjectIdentifier> ALGORITHMS =
      List.of(
          X9ObjectIdentifiers.ecdsa_with_SHA256,
          X9ObjectIdentifiers.ecdsa_with_SHA384,
          X9ObjectIdentifiers.ecdsa_with_SHA512,
          EdECObjectIdentifiers.id_Ed25519);

  /** There is a token, and nobody knows it. */
  @FuzzTest
  void body_withoutTheToken_isNotCertified(byte[] input) {
    try {
      var body = EnrolmentHandler.parse(input);
      AUTHORITY.enrol(EnrolmentHandler.text(body, "token"), EnrolmentHandler.text(body, "csr"));
      throw new AssertionError("admitted");
    } catch (GatewayException e) {
      assertThat(e.code())
          .isIn(ErrorCode.CERTIFICATE_REQUEST_REFUSED, ErrorCode.ENROLMENT_TOKEN_REFUSED);
    }
  }

  /** In PEM, or DER in no armour. */
  @FuzzTest
  void request_thatIsAccepted_isOfAKeyThatIsGoodEnough(byte[] input) {
    String pem =
        input.length > 0 && input[0] == '-'
            ? new String(input, StandardCharsets.ISO_8859_1)
            : armoured(input);
    CertificateRequest request;
    try {
      request = CertificateRequest.parse(pem);
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.CERTIFICATE_REQUEST_REFUSED);
      return;
    }
    assertThat(isGoodEnough(request.key())).isTrue();
    assertThat(request.hash())
        .isEqualTo(Hex.toHexString(Authority.sha256(request.key().getEncoded())));
    assertThat(CertificateRequest.parse("\n " + pem.strip() + "\n")).isEqualTo(request);
  }

  private static boolean isGoodEnough(PublicKey key) {
    if (key instanceof ECPublicKey ec) {
      int size = ec.getParams().getCurve().getField().getFieldSize();
      return size == 256 || size == 384;
    }
    return key instanceof EdECPublicKey
        || key instanceof RSAPublicKey rsa
            && rsa.getModulus().bitLength() >= 2048
            && rsa.getModulus().bitLength() <= 4096;
  }

  /** The first byte is the algorithm, the others are the signature. */
  @FuzzTest
  void signature_ofSomebodyElse_isNeverAccepted(byte[] input) throws IOException {
    int algorithm = input.length == 0 ? 0 : input[0] & 3;
    byte[] signature = Arrays.copyOfRange(input, Math.min(1, input.length), input.length);
    byte[] forged =
        new CertificationRequest(
                OF_SOMEBODY_ELSE,
                new AlgorithmIdentifier(ALGORITHMS.get(algorithm)),
                new DERBitString(signature))
            .getEncoded();

    assertThatThrownBy(() -> CertificateRequest.parse(armoured(forged)))
        .isInstanceOfSatisfying(
            GatewayException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.CERTIFICATE_REQUEST_REFUSED));
  }

  /** What a gateway answers to an enrolment. */
  @FuzzTest
  void chain_ofAnotherKey_isNoIdentity(byte[] input) {
    assertThatThrownBy(() -> OURS.certified(new String(input, StandardCharsets.UTF_8)))
        .isInstanceOf(IOException.class);
  }

  private static Authority authority() {
    Authority authority =
        new Authority(
            AuthorityStore.inMemory(), Set.of("corp"), Duration.ofDays(1), new TestClock());
    authority.createToken("corp", Duration.ofMinutes(15));
    return authority;
  }

  private static String armoured(byte[] der) {
    return "-----BEGIN CERTIFICATE REQUEST-----\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
        + "\n-----END CERTIFICATE REQUEST-----\n";
  }

  private static CertificationRequestInfo ofSomebodyElse() {
    try (PEMParser pem =
        new PEMParser(new StringReader(ConnectorIdentity.Request.create().pem()))) {
      return ((PKCS10CertificationRequest) pem.readObject())
          .toASN1Structure()
          .getCertificationRequestInfo();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
