package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.tunnel.UpdateException.Reason;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyPair;
import java.util.List;

/** Whatever a release server sends, and whatever a signer signs. */
class UpdateFuzzTest {
  private static final KeyPair KEY = TestRelease.newKey();
  private static final URI MANIFEST = URI.create("https://releases.test/a/connector.json");

  @FuzzTest
  void manifest_thatIsNotSigned(byte[] input) {
    try {
      ReleaseManifest.verify(input, input, List.of(KEY.getPublic()));
      throw new AssertionError("believed");
    } catch (UpdateException e) {
      assertThat(e.reason()).isEqualTo(Reason.SIGNATURE);
    }
  }

  @FuzzTest
  void manifest_thatIsSigned(byte[] input) {
    try {
      ReleaseManifest manifest =
          ReleaseManifest.verify(input, TestRelease.sign(input, KEY), List.of(KEY.getPublic()));
      assertThat(HttpsDownload.isSameOrigin(MANIFEST, MANIFEST.resolve(manifest.file()))).isTrue();
      assertThat(Path.of("/releases").resolve(manifest.fileName()).normalize())
          .hasParentRaw(Path.of("/releases"));
      assertThat(manifest.size()).isPositive();
    } catch (UpdateException e) {
      assertThat(e.reason()).isEqualTo(Reason.MANIFEST);
    }
  }

  @FuzzTest
  void versions_areInOneOrder(byte[] input) {
    String[] texts = new String(input, StandardCharsets.UTF_8).split(" ", -1);
    try {
      Version one = new Version(texts[0]);
      Version other = new Version(texts[texts.length - 1]);
      assertThat(Integer.signum(one.compareTo(other)))
          .isEqualTo(-Integer.signum(other.compareTo(one)));
      assertThat(one).isEqualByComparingTo(one);
    } catch (IllegalArgumentException e) {
      assertThat(e).hasMessageContaining("semver.org");
    }
  }
}
