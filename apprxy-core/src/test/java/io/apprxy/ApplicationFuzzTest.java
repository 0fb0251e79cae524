package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** What holds for any text that is handed over as an application. */
class ApplicationFuzzTest {
  @FuzzTest
  void json(byte[] input) {
    Application application;
    try {
      application = Application.fromJson(new String(input, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      assertThat(e).hasMessageStartingWith("no valid application");
      return;
    }
    assertThat(application.internalUrl().getScheme()).isIn("http", "https");
    assertThat(application.internalUrl().getHost()).isNotEmpty();
    assertThat(application.internalUrl().getRawUserInfo()).isNull();
    assertThat(application.externalUrl().getRawPath()).startsWith("/").endsWith("/");
    assertThat(Application.fromJson(application.toJson())).isEqualTo(application);
  }
}
