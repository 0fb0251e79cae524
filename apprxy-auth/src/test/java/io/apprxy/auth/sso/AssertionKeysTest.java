package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import io.apprxy.auth.TestClock;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.text.ParseException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AssertionKeysTest {
  private final TestClock clock = new TestClock();
  @TempDir private Path directory;

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void publishedKeys_tellNothingPrivate(Algorithm algorithm) throws ParseException {
    AssertionKeys keys = AssertionKeys.generate(algorithm, clock);

    JWKSet published = JWKSet.parse(keys.published());

    assertThat(published.getKeys()).hasSize(1).noneMatch(JWK::isPrivate);
    JWK key = published.getKeys().get(0);
    assertThat(key.getAlgorithm().getName()).isEqualTo(algorithm.jwa());
    assertThat(key.getKeyUse().identifier()).isEqualTo("sig");
    assertThat(keys).hasToString("AssertionKeys[1]");
  }

  @Test
  void newKey_isAnnouncedBeforeItSigns_andTheOldOneStaysForTheOverlap() {
    AssertionKeys keys = AssertionKeys.generate(Algorithm.ES256, clock);
    String first = signing(keys);

    keys.rotate();
    assertThat(ids(keys)).hasSize(2).contains(first);
    assertThat(signing(keys)).isEqualTo(first);

    clock.advance(AssertionKeys.ANNOUNCED.minusSeconds(1));
    assertThat(signing(keys)).isEqualTo(first);
    clock.advance(Duration.ofSeconds(1));
    String second = signing(keys);
    assertThat(second).isNotEqualTo(first);
    assertThat(ids(keys)).containsExactly(first, second);

    clock.advance(AssertionKeys.OVERLAP);
    assertThat(ids(keys)).containsExactly(second);
  }

  /** Else a verifier that keeps what it fetched could meet a key that it has never seen. */
  @Test
  void rotationBeforeTheLastOneIsOver_isRefused() {
    AssertionKeys keys = AssertionKeys.generate(Algorithm.ES256, clock);
    keys.rotate();
    assertThatThrownBy(keys::rotate).isInstanceOf(IllegalStateException.class);
    clock.advance(AssertionKeys.ANNOUNCED);
    keys.rotate();
    assertThat(ids(keys)).hasSize(3);
  }

  @Test
  void replacedKey_isPublishedNoLonger() {
    AssertionKeys keys = AssertionKeys.generate(Algorithm.EDDSA, clock);
    String stolen = signing(keys);
    keys.rotate();

    keys.replace();

    assertThat(ids(keys)).hasSize(1).doesNotContain(stolen).containsExactly(signing(keys));
  }

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void file_keepsTheKeys(Algorithm algorithm) throws Exception {
    Path file = directory.resolve("keys.json");
    AssertionKeys keys = AssertionKeys.inFile(file, algorithm, clock);
    keys.rotate();

    AssertionKeys again = AssertionKeys.inFile(file, Algorithm.ES256, clock);

    assertThat(Files.getPosixFilePermissions(file))
        .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    assertThat(again.published()).isEqualTo(keys.published());
    assertThat(signing(again)).isEqualTo(signing(keys));
    clock.advance(AssertionKeys.ANNOUNCED);
    assertThat(signing(again)).isEqualTo(signing(keys)).isNotEqualTo(ids(keys).get(0));
  }

  @Test
  void rotationByOneGateway_isFollowedByTheOther() throws Exception {
    Path file = directory.resolve("keys.json");
    AssertionKeys one = AssertionKeys.inFile(file, Algorithm.ES256, clock);
    AssertionKeys other = AssertionKeys.inFile(file, Algorithm.ES256, clock);

    one.rotate();
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().plusSeconds(5)));
    other.reload();

    assertThat(ids(other)).isEqualTo(ids(one)).hasSize(2);
  }

  @Test
  void fileThatOthersMayRead_isRefused() throws Exception {
    Path file = directory.resolve("keys.json");
    AssertionKeys.inFile(file);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    assertThatThrownBy(() -> AssertionKeys.inFile(file))
        .isInstanceOf(UncheckedIOException.class)
        .rootCause()
        .hasMessageContaining("chmod 600");
  }

  @Test
  void fileThatHoldsSomethingElse_isRefused() throws Exception {
    for (String text : List.of("", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"EC\"}]}", "x")) {
      Path file = directory.resolve("keys" + text.length() + ".json");
      Files.writeString(file, text);
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
      assertThatThrownBy(() -> AssertionKeys.inFile(file)).isInstanceOf(UncheckedIOException.class);
    }
  }

  @Test
  void fileThatBreaksLater_leavesWhatIsKnown() throws Exception {
    Path file = directory.resolve("keys.json");
    AssertionKeys keys = AssertionKeys.inFile(file, Algorithm.ES256, clock);
    String known = signing(keys);
    Files.writeString(file, "broken");
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().plusSeconds(5)));
    keys.reload();
    assertThat(signing(keys)).isEqualTo(known);

    assertThatThrownBy(keys::rotate)
        .as("what another gateway wrote may be lost")
        .isInstanceOf(UncheckedIOException.class);
    assertThat(Files.readString(file)).isEqualTo("broken");
  }

  private static String signing(AssertionKeys keys) {
    return keys.signing().jwk().getKeyID();
  }

  private static List<String> ids(AssertionKeys keys) {
    try {
      return JWKSet.parse(keys.published()).getKeys().stream().map(JWK::getKeyID).toList();
    } catch (ParseException e) {
      throw new IllegalStateException(e);
    }
  }
}
