package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoCertificatesTest {
  @TempDir private Path temporary;

  @Test
  void authority_isKeptBetweenStarts_andReadableByItsOwnerOnly() throws Exception {
    Path directory = DemoSetup.privateDirectory(temporary.resolve("demo"));
    String first = Files.readString(DemoCertificates.in(directory).caFile());

    assertThat(Files.readString(DemoCertificates.in(directory).caFile()))
        .isEqualTo(first)
        .contains("BEGIN CERTIFICATE");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory)))
        .isEqualTo("rwx------");
    assertThat(
            PosixFilePermissions.toString(
                Files.getPosixFilePermissions(directory.resolve("ca.key.pem"))))
        .isEqualTo("rw-------");
  }

  @Test
  void directory_thatOthersMayEnter_isRefused() throws Exception {
    Path open = Files.createDirectory(temporary.resolve("open"));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxr-xr-x"));

    assertThatThrownBy(() -> DemoSetup.privateDirectory(open))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("chmod 700");
  }

  @Test
  void sharedSecret_isTheSameForTwoProcesses() throws Exception {
    Path file = DemoSetup.privateDirectory(temporary.resolve("demo")).resolve("secret");

    assertThat(DemoSetup.sharedSecret(file)).isEqualTo(DemoSetup.sharedSecret(file)).hasSize(43);
  }

  @Test
  void pemFiles_ofOtherTools_areRead() throws Exception {
    Path directory = DemoSetup.privateDirectory(temporary.resolve("demo"));
    DemoCertificates certificates = DemoCertificates.in(directory);

    assertThat(PemFiles.server(certificates.caFile(), directory.resolve("ca.key.pem"))).isNotNull();
    assertThat(PemFiles.trust(certificates.caFile())).isNotNull();
    assertThatThrownBy(() -> PemFiles.server(certificates.caFile(), certificates.caFile()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("must begin with a private key");
  }
}
