package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.TestExchange;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;

/** What holds for anything that a client sends as its token or proof, and a provider says of it. */
class AccessTokensFuzzTest {
  private static final Instant NOW = Instant.ofEpochSecond(1_700_000_000);
  private static final String TOKEN = "eyJ.x.y";
  private static final String DIGEST = ApiClient.sha256(TOKEN.getBytes(StandardCharsets.US_ASCII));

  private static final OidcProvider PROVIDER =
      OidcProvider.builder("idp")
          .issuer("https://idp.test")
          .client(OidcClient.builder("gateway").build())
          .build();

  private static TestExchange exchange() {
    return new TestExchange(
        "wiki.example", "GET", "/api", Map.of(), Map.of(), AccessTokensTest.API);
  }

  private static String text(byte[] input) {
    return new String(input, StandardCharsets.ISO_8859_1).replaceAll("[^\\t\\x20-\\x7E]", "");
  }

  @FuzzTest
  void credentials_areOneWellFormedToken_orNone_orRefused(byte[] input) {
    String credentials = text(input);
    PresentedToken presented;
    try {
      presented = PresentedToken.of(exchange().withHeader("Authorization", credentials));
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.CREDENTIALS_AMBIGUOUS);
      assertThat(credentials).matches("(?i)[ \\t]*(bearer|dpop)([ \\t].*)?");
      return;
    }
    if (presented == null) {
      assertThat(credentials.strip()).doesNotMatch("(?i)(bearer|dpop)([ \\t].*)?");
    } else {
      assertThat(presented.token()).matches("[A-Za-z0-9._~+/-]+=*");
      assertThat(credentials).containsIgnoringCase(presented.scheme().toString());
    }
  }

  /** Nobody guesses a signature: a proof is refused, whatever it is, and by no other error. */
  @FuzzTest
  void proof_thatIsMadeUp_isRefused(byte[] input) {
    assertRefused(text(input));
    String[] parts = new String(input, StandardCharsets.ISO_8859_1).split("\\.", 3);
    StringBuilder encoded = new StringBuilder();
    for (String part : parts) {
      encoded.append(encoded.isEmpty() ? "" : ".").append(Base64URL.encode(part));
    }
    assertRefused(encoded.toString());
  }

  /**
   * Of the key in the proof, as if the token were bound to it; else nothing after it is reached.
   */
  private static String thumbprint(String proof) {
    try {
      return SignedJWT.parse(proof).getHeader().getJWK().computeThumbprint().toString();
    } catch (ParseException | JOSEException | RuntimeException e) {
      return "";
    }
  }

  private static void assertRefused(String proof) {
    try {
      DpopProof.of(exchange().withHeader("DPoP", proof), DIGEST, thumbprint(proof), NOW);
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.ACCESS_TOKEN_REFUSED);
      return;
    }
    throw new AssertionError("a proof that nobody signed was taken");
  }

  @FuzzTest
  void answerAboutAToken_isATokenOfTheProvider_orNone_orRefused(byte[] input) {
    HTTPResponse response = new HTTPResponse(200);
    response.setBody(new String(input, StandardCharsets.UTF_8));
    AccessToken token;
    try {
      token =
          new IntrospectionAnswer(PROVIDER, Clock.fixed(NOW, ZoneOffset.UTC))
              .read(response, DIGEST);
    } catch (GatewayException e) {
      assertThat(e.code()).isIn(ErrorCode.ACCESS_TOKEN_REFUSED, ErrorCode.PROVIDER_INVALID);
      return;
    }
    if (token != null) {
      assertThat(token.identity().issuer()).isEqualTo("https://idp.test");
      assertThat(token.identity().subject()).isNotEmpty();
      assertThat(token.identity().claims()).doesNotContainKeys("iss", "sub", "cnf", "active");
    }
  }
}
