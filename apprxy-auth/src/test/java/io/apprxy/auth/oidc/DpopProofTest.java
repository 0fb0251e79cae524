package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.util.Base64URL;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.math.BigInteger;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/** In what order a proof is looked at: what costs little comes first. */
class DpopProofTest extends OidcTest {
  private static final String JKT = ApiClient.thumbprint(ApiClient.KEY);

  /** A proof that nobody signed: only a check before the signature's can say anything else. */
  private void assertRefused(JWSAlgorithm algorithm, JWK key, String jkt, String reason) {
    JWSHeader header =
        new JWSHeader.Builder(algorithm).type(new JOSEObjectType("dpop+jwt")).jwk(key).build();
    String proof =
        header.toBase64URL() + "." + Base64URL.encode("{}") + "." + Base64URL.encode("x");
    ApiClient client = new ApiClient(gateway, AccessTokensTest.API);

    assertThatThrownBy(
            () ->
                DpopProof.of(
                    client.get("/api").withHeader("DPoP", proof), "digest", jkt, Instant.EPOCH))
        .isInstanceOfSatisfying(
            GatewayException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.ACCESS_TOKEN_REFUSED))
        .hasMessageContaining(reason);
  }

  @Test
  void keyThatTheTokenIsNotBoundTo_isRefused_beforeItsSignatureIsVerified() {
    assertRefused(
        JWSAlgorithm.ES256, ApiClient.OTHER_KEY.toPublicJWK(), JKT, "another key than the token's");
  }

  @Test
  void keyThatTheTokenIsBoundTo_doesNotStandForASignature() {
    assertRefused(JWSAlgorithm.ES256, ApiClient.KEY.toPublicJWK(), JKT, "signature of the proof");
  }

  @Test
  void rsaKeyWithAHugeExponent_isRefused_beforeItsSignatureIsVerified() throws Exception {
    RSAKey key =
        new RSAKey.Builder(
                Base64URL.encode(BigInteger.ONE.shiftLeft(2047).setBit(0)),
                Base64URL.encode(BigInteger.ONE.shiftLeft(32).setBit(0)))
            .build();
    assertRefused(JWSAlgorithm.RS256, key, key.computeThumbprint().toString(), "exponent");
  }
}
