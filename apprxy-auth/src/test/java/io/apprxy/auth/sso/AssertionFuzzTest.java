package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.BugDetectors;
import com.code_intelligence.jazzer.junit.FuzzTest;
import com.nimbusds.jose.util.Base64URL;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.time.Duration;
import java.util.Set;

/** What holds for anything that a client sends as an assertion. */
class AssertionFuzzTest {
  private static final AssertionVerifier VERIFIER =
      AssertionVerifier.builder()
          .keys("http://127.0.0.1:1/") // where nobody answers: the signature is never asked for
          .issuer("https://gateway.example.com")
          .audience("wiki")
          .timeout(Duration.ofMillis(200))
          .build();

  static {
    var unused = BugDetectors.allowNetworkConnections((host, port) -> port == 1);
  }

  @FuzzTest
  void whatNobodySigned_isRefused_andCausesNothingElse(byte[] data) {
    String text = new String(data, java.nio.charset.StandardCharsets.ISO_8859_1);
    assertRefused(text);
    String header = Base64URL.encode(data).toString();
    assertRefused(header + "." + header + "." + header);
    assertRefused("eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ." + header + "." + header);
  }

  private static void assertRefused(String assertion) {
    try {
      assertThat(VERIFIER.verify(assertion)).isNull(); // never gets here
    } catch (GatewayException e) {
      assertThat(e.code())
          .isIn(Set.of(ErrorCode.NOT_VOUCHED_FOR, ErrorCode.GATEWAY_KEYS_UNAVAILABLE));
    }
  }
}
