package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.cluster.PrivateFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConnectorIdentityTest {
  @TempDir private Path directory;

  private final Authority authority =
      new Authority(AuthorityStore.inMemory(), Set.of("corp"), Duration.ofDays(1), new TestClock());

  @Test
  void identity_survivesInItsFile_forItsOwnerAlone() throws IOException {
    Path file = directory.resolve("new/identity.pem");
    ConnectorIdentity identity = enrolled();
    identity.save(file);

    ConnectorIdentity loaded = ConnectorIdentity.load(file);

    assertThat(loaded).isEqualTo(identity);
    assertThat(loaded.certificate().group()).isEqualTo("corp");
    assertThat(permissions(file)).isEqualTo("rw-------");
    assertThat(permissions(file.getParent())).isEqualTo("rwx------");
  }

  @Test
  void identity_takesThePlaceOfTheLast_andNothingElseIsLeft() throws IOException {
    Path file = directory.resolve("identity.pem");
    enrolled().save(file);
    ConnectorIdentity second = enrolled();
    second.save(file);

    assertThat(ConnectorIdentity.load(file)).isEqualTo(second);
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void noFile_isNoIdentity() throws IOException {
    assertThat(ConnectorIdentity.load(directory.resolve("none.pem"))).isNull();
  }

  @ParameterizedTest
  @ValueSource(strings = {"rw-r--r--", "rw-r-----", "rw-----w-", "rwxrwxrwx"})
  void file_thatOthersHaveAccessTo_isRefused(String permissions) throws IOException {
    Path file = directory.resolve("identity.pem");
    enrolled().save(file);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));

    assertThatThrownBy(() -> ConnectorIdentity.load(file))
        .isInstanceOf(IOException.class)
        .hasMessageContainingAll(file.toString(), "chmod 600");
  }

  @Test
  void file_thatIsNoIdentity_isRefused_andSaysWhatToDo() throws IOException {
    String whole = ConnectorIdentity.pem(enrolled().key(), enrolled().chain().toArray());
    for (String text :
        new String[] {
          "",
          "garbage",
          whole, // the key of one and the certificate of another
          whole.substring(0, whole.length() / 3),
          whole.substring(whole.indexOf("-----BEGIN CERTIFICATE")),
          whole.substring(0, whole.indexOf("-----BEGIN CERTIFICATE"))
        }) {
      Path file = directory.resolve("identity.pem");
      PrivateFiles.write(file, text);

      assertThatThrownBy(() -> ConnectorIdentity.load(file))
          .isInstanceOf(IOException.class)
          .hasMessageContainingAll(file.toString(), "new token");
    }
  }

  @Test
  void answer_thatIsNoCertificateOfTheKey_isRefused() {
    ConnectorIdentity.Request request = ConnectorIdentity.Request.create();
    String ofAnother =
        ConnectorIdentity.pem(
            authority.enrol(token(), ConnectorIdentity.Request.create().pem()).certificate());

    for (String answer : new String[] {"", "<html>", ofAnother}) {
      assertThatThrownBy(() -> request.certified(answer)).isInstanceOf(IOException.class);
    }
  }

  @Test
  void secrets_areInNoText() throws IOException {
    ConnectorIdentity identity = enrolled();

    assertThat(identity + " " + ConnectorIdentity.Request.create())
        .isEqualTo("connector " + identity.certificate().id() + " a request");
  }

  private ConnectorIdentity enrolled() throws IOException {
    ConnectorIdentity.Request request = ConnectorIdentity.Request.create();
    Authority.Certified certified = authority.enrol(token(), request.pem());
    return request.certified(ConnectorIdentity.pem(certified.certificate(), certified.issuer()));
  }

  private String token() {
    return authority.createToken("corp", Duration.ofMinutes(15));
  }

  private static String permissions(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }
}
