package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import java.util.List;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Wrong settings are told when they are made. */
class SettingsTest {
  private static final String TOKEN = "an-enrolment-token-of-the-tests-0123456789";

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

  // ---- tunnel server

  @Test
  void tunnelServer_withoutWhatItNeeds_isRefused_namingIt() throws Exception {
    assertThatThrownBy(() -> TunnelServer.builder().build()).hasMessageContaining("tls(");
    assertThatThrownBy(() -> TunnelServer.builder().tls(SSLContext.getDefault()).build())
        .hasMessageContaining("enrolmentToken(");
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 65_536})
  void port_outOfBounds_isRefused(int port) {
    assertThatThrownBy(() -> TunnelServer.builder().port(port)).hasMessageContaining("port");
  }

  @Test
  void applicationOfAGroupThatNobodyCanJoin_isRefused() throws Exception {
    TunnelServer tunnel =
        TunnelServer.builder().tls(SSLContext.getDefault()).enrolmentToken("corp", TOKEN).build();
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
  void secrets_areInNoText() throws Exception {
    TunnelServer tunnel =
        TunnelServer.builder().tls(SSLContext.getDefault()).enrolmentToken("corp", TOKEN).build();
    Connector connector =
        Connector.builder()
            .gateway("https://gateway.test")
            .enrolmentToken(TOKEN)
            .allowOrigin("http://wiki.corp")
            .build();

    assertThat(tunnel + " " + connector).doesNotContain(TOKEN);
  }
}
