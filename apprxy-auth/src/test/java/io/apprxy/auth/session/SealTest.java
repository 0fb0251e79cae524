package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.CompressionAlgorithm;
import com.nimbusds.jose.EncryptionMethod;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWEAlgorithm;
import com.nimbusds.jose.JWEHeader;
import com.nimbusds.jose.JWEObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.DirectEncrypter;
import io.apprxy.auth.TestClock;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SealTest {
  private static final Duration HOUR = Duration.ofHours(1);

  private final TestClock clock = new TestClock();
  private final SessionKeys keys = SessionKeys.generate();
  private final Seal seal = new Seal(keys, "test", clock);

  @Test
  void values_whenSealed_openAgain() {
    String sealed = seal.seal(Map.of("name", "Åda", "count", 3), HOUR);

    assertThat(seal.open(sealed)).containsEntry("name", "Åda").containsEntry("count", 3L);
  }

  @Test
  void sealedForm_showsNothingOfTheValues() {
    String sealed = seal.seal(Map.of("name", "confidential"), HOUR);

    String decoded = "";
    for (String part : sealed.split("\\.")) {
      decoded +=
          new String(
              Base64.getUrlDecoder().decode(part), java.nio.charset.StandardCharsets.ISO_8859_1);
    }
    assertThat(sealed + decoded).doesNotContain("confidential", "name");
  }

  @Test
  void sameValues_whenSealedTwice_lookDifferent() {
    assertThat(seal.seal(Map.of("a", 1), HOUR)).isNotEqualTo(seal.seal(Map.of("a", 1), HOUR));
  }

  @Test
  void anyCharacterChanged_opensNothing() {
    String sealed = seal.seal(Map.of("user", "alice"), HOUR);
    String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int i = 0; i < sealed.length(); i++) {
      if (sealed.charAt(i) != '.' && isWholeBits(sealed, i)) {
        char other = alphabet.charAt((alphabet.indexOf(sealed.charAt(i)) + 1) % 64);
        String forged = sealed.substring(0, i) + other + sealed.substring(i + 1);
        assertThat(seal.open(forged)).as("changed at %d", i).isNull();
      }
    }
  }

  /** The last character of a part may carry bits that mean nothing. */
  private static boolean isWholeBits(String text, int index) {
    return index + 1 < text.length() && text.charAt(index + 1) != '.';
  }

  @Test
  void truncatedAnywhere_opensNothing() {
    String sealed = seal.seal(Map.of("user", "alice"), HOUR);
    for (int length = 0; length < sealed.length(); length++) {
      assertThat(seal.open(sealed.substring(0, length))).as("%d characters", length).isNull();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ".", "....", "a.b.c.d.e", "null", "{}", "e30..a.b.c", "\u0000", "ä"})
  void garbage_opensNothing(String garbage) {
    assertThat(seal.open(garbage)).isNull();
  }

  /** The parser would skip them: one seal would have countless forms. */
  @ParameterizedTest
  @ValueSource(strings = {"!", " ", "=", "\n", "\u00e4", "*!*"})
  void charactersThatAreNotOfTheForm_openNothing(String strange) {
    String sealed = seal.seal(Map.of("a", "b"), Duration.ofMinutes(1));
    for (int i = 0; i <= sealed.length(); i++) {
      assertThat(seal.open(sealed.substring(0, i) + strange + sealed.substring(i))).isNull();
    }
  }

  @Test
  void oversized_isNotLookedAt() {
    assertThat(seal.open(seal.seal(Map.of("a", "x".repeat(40_000)), HOUR))).isNull();
  }

  @Test
  void anotherPurpose_opensNothing() {
    String sealed = seal.seal(Map.of("user", "alice"), HOUR);

    assertThat(new Seal(keys, "other", clock).open(sealed)).isNull();
  }

  @Test
  void anotherKey_opensNothing() {
    String sealed = new Seal(SessionKeys.generate(), "test", clock).seal(Map.of("a", 1), HOUR);

    assertThat(seal.open(sealed)).isNull();
  }

  @Test
  void expired_opensNothing() {
    String sealed = seal.seal(Map.of("a", 1), HOUR);

    clock.advance(HOUR.minusSeconds(1));
    assertThat(seal.open(sealed)).isNotNull();
    clock.advance(Duration.ofSeconds(1));
    assertThat(seal.open(sealed)).isNull();
  }

  @Test
  void olderKey_opensStill_butSealsNoMore() {
    String before = seal.seal(Map.of("a", 1), HOUR);
    keys.rotate();
    String after = seal.seal(Map.of("a", 1), HOUR);

    assertThat(seal.open(before)).isNotNull();
    assertThat(seal.open(after)).isNotNull();
    assertThat(keyId(after)).isNotEqualTo(keyId(before));
  }

  @Test
  void keyThatWasRotatedOut_opensNothing() {
    String before = seal.seal(Map.of("a", 1), HOUR);
    for (int i = 0; i < 4; i++) {
      keys.rotate();
    }

    assertThat(seal.open(before)).isNull();
  }

  @Test
  void anotherAlgorithmWithOurKey_opensNothing() throws Exception {
    assertThat(seal.open(foreign(header -> header))).isNotNull();
    assertThat(seal.open(foreign(header -> header.type(new JOSEObjectType("JWT"))))).isNull();
    assertThat(seal.open(foreign(header -> header.compressionAlgorithm(CompressionAlgorithm.DEF))))
        .isNull();
  }

  @Test
  void noExpiry_opensNothing() throws Exception {
    assertThat(seal.open(encrypted(header -> header, Map.of("a", 1)))).isNull();
  }

  private String foreign(UnaryOperator<JWEHeader.Builder> change) throws Exception {
    return encrypted(change, Map.of("exp", clock.instant().getEpochSecond() + 60));
  }

  private String encrypted(UnaryOperator<JWEHeader.Builder> change, Map<String, Object> values)
      throws Exception {
    JWEHeader.Builder header =
        new JWEHeader.Builder(JWEAlgorithm.DIR, EncryptionMethod.A256GCM)
            .keyID(keys.newest().id())
            .type(new JOSEObjectType("apprxy-test"));
    JWEObject object = new JWEObject(change.apply(header).build(), new Payload(values));
    object.encrypt(new DirectEncrypter(keys.newest().secret()));
    return object.serialize();
  }

  private static String keyId(String sealed) {
    try {
      return JWEObject.parse(sealed).getHeader().getKeyID();
    } catch (java.text.ParseException e) {
      throw new AssertionError(e);
    }
  }
}
