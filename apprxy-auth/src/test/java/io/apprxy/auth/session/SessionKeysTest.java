package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Base64;
import org.junit.jupiter.api.Test;

class SessionKeysTest {
  private static final String FIRST = key(1);
  private static final String SECOND = key(2);

  private static String key(int fill) {
    byte[] bytes = new byte[32];
    java.util.Arrays.fill(bytes, (byte) fill);
    return Base64.getEncoder().encodeToString(bytes);
  }

  @Test
  void newest_isTheFirstNamed() {
    assertThat(SessionKeys.of(FIRST, SECOND).newest()).isEqualTo(SessionKeys.of(FIRST).newest());
  }

  @Test
  void older_areFoundByTheirId() {
    SessionKeys keys = SessionKeys.of(FIRST, SECOND);

    assertThat(keys.find(SessionKeys.of(SECOND).newest().id()))
        .isEqualTo(SessionKeys.of(SECOND).newest());
  }

  @Test
  void unknownId_isNotFound() {
    assertThat(SessionKeys.of(FIRST).find("0")).isNull();
    assertThat(SessionKeys.of(FIRST).find(null)).isNull();
  }

  @Test
  void twoGenerated_differ() {
    assertThat(SessionKeys.generate().newest()).isNotEqualTo(SessionKeys.generate().newest());
  }

  @Test
  void keyOfAnotherLength_isRefused_withoutBeingTold() {
    String tooShort = Base64.getEncoder().encodeToString("sixteen bytes 16".getBytes());

    assertThatThrownBy(() -> SessionKeys.of(tooShort))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("32 bytes", "16 bytes")
        .hasMessageNotContaining(tooShort);
  }

  @Test
  void keyThatIsNoBase64_isRefused_withoutBeingTold() {
    assertThatThrownBy(() -> SessionKeys.generate().rotate("s3cret!"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Base64")
        .hasMessageNotContaining("s3cret!")
        .hasNoCause();
  }

  @Test
  void toString_showsNoKey() {
    SessionKeys keys = SessionKeys.of(FIRST);

    assertThat(keys + " " + keys.newest())
        .doesNotContain(FIRST)
        .doesNotContain(FIRST.substring(0, 8));
  }
}
