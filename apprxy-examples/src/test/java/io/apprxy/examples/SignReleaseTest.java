package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.Signature;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What operators sign releases with. */
class SignReleaseTest {
  @TempDir private Path temporary;

  private int run(String... arguments) {
    return DemoSetup.run(new SignRelease(), arguments);
  }

  private int makeKey() {
    return run(
        "key",
        "--private-key=" + temporary.resolve("key.pem"),
        "--public-key=" + temporary.resolve("pub.pem"));
  }

  @Test
  void key_isReadableByItsOwnerAlone_andNeverOverwritten() throws Exception {
    assertThat(makeKey()).isZero();
    String first = Files.readString(temporary.resolve("key.pem"));

    assertThat(makeKey()).isNotZero();
    assertThat(temporary.resolve("key.pem")).hasContent(first);
    assertThat(
            PosixFilePermissions.toString(
                Files.getPosixFilePermissions(temporary.resolve("key.pem"))))
        .isEqualTo("rw-------");
  }

  @Test
  void manifest_ofAJar_tellsItsVersion_andIsSigned() throws Exception {
    makeKey();
    Path jar = TestReleases.of(temporary, "1.4.0", Map.of("a", new byte[] {1}));

    assertThat(run("sign", jar.toString(), "--private-key=" + temporary.resolve("key.pem")))
        .isZero();

    byte[] manifest = Files.readAllBytes(temporary.resolve("connector.json"));
    assertThat(new String(manifest, StandardCharsets.UTF_8))
        .contains("\"version\": \"1.4.0\"", "\"size\": " + Files.size(jar), "\"java\": 17");
    Signature check = Signature.getInstance("Ed25519");
    check.initVerify(PemFiles.publicKey(temporary.resolve("pub.pem")));
    check.update(manifest);
    assertThat(check.verify(Files.readAllBytes(temporary.resolve("connector.json.sig")))).isTrue();
  }

  @Test
  void release_withoutItsVersionInItsName_isRefused() throws Exception {
    makeKey();
    Path jar = TestReleases.of(temporary, "1.4.0", Map.of("a", new byte[] {1}));
    Path renamed = Files.move(jar, temporary.resolve("connector.jar"));

    assertThat(run("sign", renamed.toString(), "--private-key=" + temporary.resolve("key.pem")))
        .isNotZero();
    assertThat(temporary.resolve("connector.json")).doesNotExist();
  }

  @Test
  void toolWithoutCommand_saysHowItIsUsed() {
    assertThat(run()).isEqualTo(2);
  }
}
