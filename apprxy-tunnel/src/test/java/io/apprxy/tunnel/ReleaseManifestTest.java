package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.apprxy.tunnel.UpdateException.Reason;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.PublicKey;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Nothing is read before its signature is right, and then only what is a manifest. */
class ReleaseManifestTest {
  private static final byte[] FILE = "a release".getBytes(StandardCharsets.UTF_8);
  private static final String TEXT = TestRelease.manifest("1.4.0", FILE);

  private final KeyPair key = TestRelease.newKey();
  private final KeyPair another = TestRelease.newKey();
  private final byte[] manifest = bytes(TEXT);
  private final byte[] signature = TestRelease.sign(manifest, key);

  @Test
  void manifest_thatAPinnedKeySigned_isRead() throws Exception {
    assertThat(ReleaseManifest.verify(manifest, signature, List.of(key.getPublic())))
        .isEqualTo(
            new ReleaseManifest(
                new Version("1.4.0"),
                "connector-1.4.0.jar",
                FILE.length,
                TestRelease.sha256(FILE),
                17,
                Instant.parse("2027-01-01T00:00:00Z")));
  }

  @Test
  void manifest_thatOneOfSeveralKeysSigned_isRead() throws Exception {
    List<PublicKey> keys = List.of(another.getPublic(), key.getPublic());

    assertThat(ReleaseManifest.verify(manifest, signature, keys).version()).hasToString("1.4.0");
  }

  @Test
  void manifest_thatAnotherKeySigned_isRefused() {
    assertThat(refusal(manifest, signature, another)).isEqualTo(Reason.SIGNATURE);
  }

  @Test
  void manifest_withAnyByteAltered_isRefused() {
    for (int i = 0; i < manifest.length; i++) {
      for (int mask : new int[] {0x01, 0x20, 0x80}) {
        byte[] altered = manifest.clone();
        altered[i] ^= (byte) mask;
        assertThat(refusal(altered, signature, key)).as("byte %d", i).isEqualTo(Reason.SIGNATURE);
      }
    }
  }

  @Test
  void manifest_cutOrWithMoreBytes_isRefused() {
    for (int length = 0; length < manifest.length; length++) {
      assertThat(refusal(Arrays.copyOf(manifest, length), signature, key))
          .isEqualTo(Reason.SIGNATURE);
    }
    assertThat(refusal(bytes(TEXT + "\n"), signature, key)).isEqualTo(Reason.SIGNATURE);
  }

  @Test
  void signature_withAnyBitAltered_isRefused() {
    for (int bit = 0; bit < signature.length * 8; bit++) {
      byte[] altered = signature.clone();
      altered[bit / 8] ^= (byte) (1 << (bit % 8));
      assertThat(refusal(manifest, altered, key)).as("bit %d", bit).isEqualTo(Reason.SIGNATURE);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 32, 63, 65, 128})
  void signature_ofAnotherLength_isRefused(int length) {
    assertThat(refusal(manifest, Arrays.copyOf(signature, length), key))
        .isEqualTo(Reason.SIGNATURE);
    assertThat(refusal(manifest, new byte[length], key)).isEqualTo(Reason.SIGNATURE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "[]",
        "\"1.4.0\"",
        "{",
        "{}",
        "{\"version\":\"1.4.0\"}",
        "{\"version\":\"1.4.0\",\"version\":\"1.5.0\"}"
      })
  void text_thatIsNoManifest_isRefused_thoughSigned(String text) {
    assertThat(refusalOfSigned(text)).isEqualTo(Reason.MANIFEST);
  }

  @Test
  void manifest_withMoreAfterItsEnd_isRefused_thoughSigned() {
    assertThat(refusalOfSigned(TEXT + TEXT)).isEqualTo(Reason.MANIFEST);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"1.4.0\"|\"1.4\"",
        "\"1.4.0\"|1.4",
        "\"1.4.0\"|null",
        "connector-1.4.0.jar|connector.jar",
        "connector-1.4.0.jar|../connector-1.4.0.jar",
        "connector-1.4.0.jar|releases/../connector-1.4.0.jar",
        "connector-1.4.0.jar|/connector-1.4.0.jar",
        "connector-1.4.0.jar|//evil.test/connector-1.4.0.jar",
        "connector-1.4.0.jar|https://evil.test/connector-1.4.0.jar",
        "connector-1.4.0.jar|.connector-1.4.0.jar",
        "connector-1.4.0.jar|connector-1.4.0.jar?a",
        "connector-1.4.0.jar|connector-1.4.0.jar#a",
        "connector-1.4.0.jar|connector%2f1.4.0.jar",
        "connector-1.4.0.jar|a\\\\connector-1.4.0.jar",
        "connector-1.4.0.jar|connector-1.4.0\\u0000.jar",
        "connector-1.4.0.jar|connector-1.4.0.jar/",
        "connector-1.4.0.jar|1.4.0/connector.jar",
        "\"size\": 9|\"size\": 0",
        "\"size\": 9|\"size\": -1",
        "\"size\": 9|\"size\": 9.5",
        "\"size\": 9|\"size\": \"9\"",
        "\"size\": 9|\"size\": 99999999999999999999",
        "\"sha256\": \"|\"sha256\": \"0",
        "\"java\": 17|\"java\": \"17\"",
        "\"java\": 17|\"java\": 17.5",
        "2027-01-01T00:00:00Z|2027-01-01",
        "2027-01-01T00:00:00Z|never",
      })
  void manifest_withAWrongField_isRefused_thoughSigned(String right, String wrong) {
    assertThat(TEXT).contains(right);

    assertThat(refusalOfSigned(TEXT.replace(right, wrong))).isEqualTo(Reason.MANIFEST);
  }

  @ParameterizedTest
  @ValueSource(strings = {"version", "file", "size", "sha256", "java", "expires"})
  void manifest_withoutAField_isRefused_namingIt(String field) {
    String lacking = TEXT.replace("\"" + field + "\"", "\"another\"");

    assertThatThrownBy(
            () ->
                ReleaseManifest.verify(
                    bytes(lacking),
                    TestRelease.sign(bytes(lacking), key),
                    List.of(key.getPublic())))
        .hasMessageContaining(field);
  }

  @Test
  void manifest_withFieldsThatThisVersionDoesNotKnow_isRead() throws Exception {
    byte[] later = bytes(TEXT.replaceFirst("\\{", "{\"notes\": {\"en\": \"faster\"},"));

    assertThat(
            ReleaseManifest.verify(later, TestRelease.sign(later, key), List.of(key.getPublic()))
                .version())
        .hasToString("1.4.0");
  }

  private Reason refusalOfSigned(String text) {
    return refusal(bytes(text), TestRelease.sign(bytes(text), key), key);
  }

  private static Reason refusal(byte[] manifest, byte[] signature, KeyPair key) {
    return catchThrowableOfType(
            UpdateException.class,
            () -> ReleaseManifest.verify(manifest, signature, List.of(key.getPublic())))
        .reason();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
