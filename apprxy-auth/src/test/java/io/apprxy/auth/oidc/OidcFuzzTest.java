package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.GatewayException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;

/** What holds for anything that a browser can be made to send to the pages of the gateway. */
class OidcFuzzTest {
  @FuzzTest
  void pageToReturnTo_isOneOfThisSite(byte[] input) {
    String wish = new String(input, StandardCharsets.UTF_8);
    String page = ReturnTo.checked(wish);
    assertThat(page).isIn(wish, "/").matches("/[\\x21-\\x7e]*").doesNotStartWith("//");
    assertThat(page).doesNotContain("\\");
    assertThat(ReturnTo.checked(page)).as("a fixpoint").isEqualTo(page);
    try {
      URI seen = URI.create("https://app.test/x").resolve(new URI(page)).normalize();
      assertThat(seen.getRawAuthority()).isEqualTo("app.test");
      assertThat(seen.getPath()).doesNotStartWithIgnoringCase("/.apprxy/");
    } catch (URISyntaxException e) {
      // what is no URI to java.net is judged by the test above alone
    }
  }

  @FuzzTest
  void parameters_comeOnce_orAreRefused(byte[] input) {
    Parameters parameters;
    try {
      parameters = Parameters.of(new String(input, StandardCharsets.ISO_8859_1));
    } catch (GatewayException e) {
      return;
    }
    assertThat(parameters.all().values()).allMatch(values -> values.size() == 1);
    assertThat(parameters.toString()).doesNotContain("\n", "\r");
  }
}
