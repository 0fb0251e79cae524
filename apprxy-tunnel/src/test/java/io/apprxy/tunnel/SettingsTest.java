package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.cluster.PrivateFiles;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import javax.net.ssl.KeyManager;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Wrong settings are told when they are made. */
class SettingsTest {
  private static final KeyManager[] KEYS = new TestTls().keys("localhost");
  private static final String TOKEN = "apxe-of-the-tests-0123456789";

  // ---- connector

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://gateway.test",
        "gateway.test:7443",
        "https://gateway.test/path",
        "https://",
        "ftp://gateway.test"
      })
  void gateway_thatIsNoHttpsOrigin_isRefused(String url) {
    assertThatThrownBy(() -> Connector.builder().gateway(url))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(url);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a b", "a\nb", "ä"})
  void name_thatDoesNotFitALog_isRefused(String name) {
    assertThatThrownBy(() -> Connector.builder().name(name)).hasMessageContaining("name");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 65})
  void connections_outOfBounds_areRefused(int number) {
    assertThatThrownBy(() -> Connector.builder().connections(number))
        .hasMessageContaining("connections must be 1 to 64: " + number);
  }

  @Test
  void connector_withoutWhatItNeeds_isRefused_namingIt() {
    assertThatThrownBy(() -> Connector.builder().build()).hasMessageContaining("gateway(");
    assertThatThrownBy(() -> Connector.builder().gateway("https://gateway.test").build())
        .hasMessageContaining("enrolmentToken(");
    assertThatThrownBy(
            () -> Connector.builder().gateway("https://gateway.test").enrolmentToken(TOKEN).build())
        .hasMessageContaining("allowOrigin(");
  }

  @Test
  void connectorThatNeverStarted_canBeClosed() {
    Connector connector =
        Connector.builder()
            .gateway("https://gateway.test")
            .enrolmentToken(TOKEN)
            .allowOrigin("http://wiki.corp")
            .build();

    assertThat(connector.isConnected()).isFalse();
    connector.close();
  }

  @Test
  void enrolmentToken_thatIsBlank_isRefused() {
    assertThatThrownBy(() -> Connector.builder().enrolmentToken(" "))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("blank");
  }

  @Test
  void trust_inNoCa_isRefused(@TempDir Path directory) throws Exception {
    Path empty = Files.createFile(directory.resolve("empty.pem"));
    Path none = directory.resolve("none.pem");

    assertThatThrownBy(() -> Connector.builder().trust())
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Connector.builder().trust(empty))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Connector.builder().trust(none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("none.pem");
  }

  @Test
  void identity_thatIsNone_isRefused(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("identity.pem");
    PrivateFiles.write(file, "garbage");

    assertThatThrownBy(
            () ->
                Connector.builder()
                    .gateway("https://gateway.test")
                    .identity(file)
                    .allowOrigin("http://wiki.corp")
                    .build())
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("identity.pem");
  }

  // ---- tunnel server

  @ParameterizedTest
  @ValueSource(strings = {"", "a b", "a:b", "../a", "ä"})
  void group_thatDoesNotFitACertificate_isRefused(String name) {
    assertThatThrownBy(() -> TunnelServer.builder().group(name)).hasMessageContaining("group");
  }

  @Test
  void lifetimes_outOfBounds_areRefused() {
    for (Duration lifetime : List.of(Duration.ofMinutes(9), Duration.ofDays(31))) {
      assertThatThrownBy(() -> TunnelServer.builder().certificateLifetime(lifetime))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(lifetime.toString());
    }
    TunnelServer tunnel = TunnelServer.builder().tls(KEYS).group("corp").build();
    for (Duration lifetime : List.of(Duration.ZERO, Duration.ofHours(25))) {
      assertThatThrownBy(() -> tunnel.createEnrolmentToken("corp", lifetime))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(lifetime.toString());
    }
  }

  @Test
  void stateDirectory_thatOthersMayEnter_isRefused(@TempDir Path directory) throws Exception {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));

    assertThatThrownBy(
            () -> TunnelServer.builder().tls(KEYS).group("corp").state(directory).build())
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("chmod 700");
  }

  @Test
  void tunnelServer_withoutWhatItNeeds_isRefused_namingIt() {
    assertThatThrownBy(() -> TunnelServer.builder().build()).hasMessageContaining("tls(");
    assertThatThrownBy(() -> TunnelServer.builder().tls(KEYS).build())
        .hasMessageContaining("group(");
  }

  @Test
  void tunnelServer_thatWasClosed_isNotStarted() {
    TunnelServer tunnel =
        TunnelServer.builder().host("127.0.0.1").port(0).tls(KEYS).group("corp").build();
    tunnel.close();

    assertThatThrownBy(tunnel::start)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed before");
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 65_536})
  void port_outOfBounds_isRefused(int port) {
    assertThatThrownBy(() -> TunnelServer.builder().port(port)).hasMessageContaining("port");
  }

  @Test
  void applicationOfAGroupThatNobodyCanJoin_isRefused() {
    TunnelServer tunnel = TunnelServer.builder().tls(KEYS).group("corp").build();
    Application wiki =
        Application.builder("wiki")
            .externalUrl("https://wiki.example/")
            .internalUrl("http://wiki.corp/")
            .connectorGroup("other")
            .assignEveryone()
            .build();

    assertThatThrownBy(() -> tunnel.publish(List.of(wiki)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContainingAll("wiki", "other");
  }

  @Test
  void secrets_areInNoText() {
    TunnelServer tunnel = TunnelServer.builder().tls(KEYS).group("corp").build();
    Connector connector =
        Connector.builder()
            .gateway("https://gateway.test")
            .enrolmentToken(TOKEN)
            .allowOrigin("http://wiki.corp")
            .build();

    String created = tunnel.createEnrolmentToken("corp");
    assertThat(tunnel + " " + connector).doesNotContain(TOKEN).doesNotContain(created);
  }
}
