package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.ErrorCode;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which ID tokens sign a user in (OpenID Connect Core §3.1.3.7). */
class IdTokenTest extends OidcTest {

  // ---- accepted

  @ParameterizedTest
  @ValueSource(strings = {"RS256", "PS256", "ES256", "EdDSA"})
  void token_ofEachDefaultAlgorithm_signsIn(String algorithm) throws Exception {
    provider.algorithm = JWSAlgorithm.parse(algorithm);

    assertAccepted();
  }

  @Test
  void token_forSeveralAudiences_signsInItsAuthorizedParty() throws Exception {
    provider.claims =
        claims -> {
          claims.put("aud", List.of("another", TestProvider.CLIENT));
          claims.put("azp", TestProvider.CLIENT);
        };

    assertAccepted();
  }

  @Test
  void token_issuedAndExpiredWithinTheClockSkew_signsIn() throws Exception {
    provider.claims =
        claims -> {
          claims.put("iat", now() + 59);
          claims.put("exp", now() - 59);
        };

    assertAccepted();
  }

  @Test
  void timeOfTheSignIn_isTheProviders() throws Exception {
    provider.claims = claims -> claims.put("auth_time", now() - 3_600);
    browser.signIn(provider, "/");

    assertThat(browser.open("/").identity().authenticatedAt())
        .isEqualTo(clock.instant().minus(Duration.ofHours(1)));
  }

  // ---- forged

  @Test
  void token_withoutSignature_isRefused() throws Exception {
    provider.token = token -> header("{\"alg\":\"none\"}") + payloadOf(token) + ".";

    assertInvalid();
  }

  @Test
  void token_withoutSignature_butWithOurAlgorithm_isRefused() throws Exception {
    provider.token = token -> token.substring(0, token.lastIndexOf('.') + 1);

    assertInvalid();
  }

  /** The old confusion: a public key, known to all, taken for a shared one. */
  @Test
  void token_signedWithThePublicKeyAsASecret_isRefused() throws Exception {
    provider.token =
        token ->
            hmac(
                token,
                TestProvider.RSA.toPublicJWK().toJSONString().getBytes(StandardCharsets.UTF_8));

    assertInvalid();
  }

  @Test
  void token_signedWithTheClientSecret_isRefused() throws Exception {
    byte[] secret = Arrays.copyOf(TestProvider.SECRET.getBytes(StandardCharsets.UTF_8), 32);
    provider.token = token -> hmac(token, secret);

    assertInvalid();
  }

  @Test
  void token_ofAnotherKeyWithOurKeyId_isRefused() throws Exception {
    provider.token =
        token ->
            sign(
                token,
                new JWSHeader.Builder(JWSAlgorithm.RS256).keyID("rsa").build(),
                signer(TestProvider.OTHER_RSA));

    assertInvalid();
  }

  @Test
  void token_thatBringsItsOwnKey_isRefused() throws Exception {
    provider.token =
        token ->
            sign(
                token,
                new JWSHeader.Builder(JWSAlgorithm.RS256)
                    .jwk(TestProvider.OTHER_RSA.toPublicJWK())
                    .build(),
                signer(TestProvider.OTHER_RSA));

    assertInvalid();
  }

  @Test
  void token_withAnExtensionThatMustBeUnderstood_isRefused() throws Exception {
    provider.token =
        token ->
            sign(
                token,
                new JWSHeader.Builder(JWSAlgorithm.RS256)
                    .keyID("rsa")
                    .criticalParams(Set.of("x-rule"))
                    .customParam("x-rule", true)
                    .build(),
                signer(TestProvider.RSA));

    assertInvalid();
  }

  @ParameterizedTest
  @ValueSource(strings = {"RS256", "ES256", "EdDSA"})
  void token_changedAfterItWasSigned_isRefused(String algorithm) throws Exception {
    provider.algorithm = JWSAlgorithm.parse(algorithm);
    provider.token =
        token -> {
          String[] parts = token.split("\\.");
          String changed =
              Base64URL.from(parts[1]).decodeToString().replace("mathematicians", "administrators");
          return parts[0] + "." + Base64URL.encode(changed) + "." + parts[2];
        };

    assertInvalid();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ".", "..", "e30.e30.e30", "not a token"})
  void garbage_isRefused(String garbage) throws Exception {
    provider.token = token -> garbage;

    assertInvalid();
  }

  @Test
  void algorithm_outsideTheAllowList_isRefused() throws Exception {
    gateway = gateway().algorithms("ES256").build();
    browser = new TestBrowser(gateway);

    assertInvalid();
  }

  @Test
  void signatureOfAnotherTypeOfToken_isRefused() throws Exception {
    provider.token =
        token ->
            sign(
                token,
                new JWSHeader.Builder(JWSAlgorithm.RS256)
                    .keyID("rsa")
                    .type(new JOSEObjectType("logout+jwt"))
                    .build(),
                signer(TestProvider.RSA));

    assertInvalid();
  }

  // ---- genuine, but not for us

  @ParameterizedTest
  @CsvSource({
    "iss, https://other.test",
    "iss, ''",
    "aud, another",
    "aud, ''",
    "azp, another",
    "azp, ''",
    "nonce, of-another-sign-in",
    "nonce, ''",
    "sub, ''",
  })
  void token_withAnotherValue_isRefused(String claim, String value) throws Exception {
    provider.claims = claims -> claims.put(claim, value);

    assertInvalid();
  }

  @ParameterizedTest
  @ValueSource(strings = {"iss", "sub", "aud", "exp", "iat", "nonce"})
  void token_withoutAClaimThatIsNeeded_isRefused(String claim) throws Exception {
    provider.claims = claims -> claims.remove(claim);

    assertInvalid();
  }

  @ParameterizedTest
  @ValueSource(strings = {"iss", "sub", "exp", "iat", "nonce", "azp", "auth_time"})
  void token_withAClaimOfAnotherType_isRefused(String claim) throws Exception {
    provider.claims = claims -> claims.put(claim, Map.of("a", "b"));

    assertInvalid();
  }

  @Test
  void token_forSeveralAudiences_withoutAuthorizedParty_isRefused() throws Exception {
    provider.claims = claims -> claims.put("aud", List.of(TestProvider.CLIENT, "another"));

    assertInvalid();
  }

  @Test
  void token_withASubjectBeyond255Characters_isRefused() throws Exception {
    provider.claims = claims -> claims.put("sub", "x".repeat(256));

    assertInvalid();
  }

  @ParameterizedTest
  @CsvSource({"exp, -60", "exp, -86400", "iat, 61", "auth_time, 61", "nbf, 61"})
  void token_outsideItsTime_isRefused(String claim, long fromNow) throws Exception {
    provider.claims = claims -> claims.put(claim, now() + fromNow);

    assertInvalid();
  }

  // ---- the sign-in

  private void assertAccepted() throws Exception {
    browser.signIn(provider, "/");

    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  private void assertInvalid() throws Exception {
    assertRefused(() -> browser.signIn(provider, "/"), ErrorCode.PROVIDER_INVALID);
    assertThat(browser.cookies).doesNotContainKey(SESSION);
    assertSignedOut();
  }

  private long now() {
    return clock.instant().getEpochSecond();
  }

  private static String header(String json) {
    return Base64URL.encode(json) + ".";
  }

  private static String payloadOf(String token) {
    return token.split("\\.")[1];
  }

  private static RSASSASigner signer(RSAKey key) {
    try {
      return new RSASSASigner(key);
    } catch (JOSEException e) {
      throw new AssertionError(e);
    }
  }

  private static String hmac(String token, byte[] secret) {
    try {
      return sign(
          token,
          new JWSHeader.Builder(JWSAlgorithm.HS256).keyID("rsa").build(),
          new MACSigner(secret));
    } catch (JOSEException e) {
      throw new AssertionError(e);
    }
  }

  private static String sign(String token, JWSHeader header, JWSSigner signer) {
    try {
      JWSObject forged =
          new JWSObject(header, new Payload(SignedJWT.parse(token).getPayload().toBase64URL()));
      forged.sign(signer);
      return forged.serialize();
    } catch (JOSEException | ParseException e) {
      throw new AssertionError(e);
    }
  }
}
