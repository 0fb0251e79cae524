package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigurationTest {
  private static final Application WIKI = application("wiki", "corp");
  private static final Application LAB = application("lab", "lab");
  private static final String KEYS = "{\"keys\":[]}";

  @Test
  void configuration_crossesWhole() {
    Configuration sent =
        new Configuration(
            KEYS,
            List.of(WIKI),
            List.of(URI.create("https://gateway-2.test:7443")),
            new Version("1.2.0"),
            new Version("1.1.0"));

    assertThat(Configuration.fromJson(sent.toJson())).isEqualTo(sent);
  }

  @Test
  void configurationWithoutWhatIsOptional_crossesWhole() {
    Configuration sent = new Configuration(KEYS, List.of(), List.of(), null, null);

    assertThat(Configuration.fromJson(sent.toJson())).isEqualTo(sent);
    assertThat(Configuration.fromJson("{\"keys\":{\"keys\":[]},\"applications\":[]}"))
        .isEqualTo(sent);
  }

  @Test
  void group_isToldOfItsOwnApplicationsOnly() {
    assertThat(Configuration.of("corp", List.of(WIKI, LAB))).containsExactly(WIKI);
    assertThat(Configuration.of("other", List.of(WIKI, LAB))).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"applications\":[]}",
        "{\"keys\":",
        "{\"keys\":{},\"applications\":[{}]}",
        "{\"keys\":{},\"applications\":[1]}",
        "{\"keys\":{},\"applications\":[],\"gateways\":[\"http://plain.test\"]}",
        "{\"keys\":{},\"applications\":[],\"gateways\":[\"https://user@gateway.test\"]}",
        "{\"keys\":{},\"applications\":[],\"gateways\":[\"https://gateway.test:65536\"]}",
        "{\"keys\":{},\"applications\":[],\"gateways\":[1]}",
        "{\"keys\":{},\"applications\":[],\"leastVersion\":\"new\"}",
        "{\"keys\":{},\"applications\":[],\"leastVersion\":1}",
        "{\"keys\":{},\"applications\":[],\"leastVersion\":null}",
        "{\"keys\":{},\"applications\":[],\"gateways\":[null]}"
      })
  void garbage_isRefused(String json) {
    assertThatThrownBy(() -> Configuration.fromJson(json))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void moreGatewaysThanAConnectorDials_areRefused() {
    String gateways =
        IntStream.range(0, Configuration.MAX_GATEWAYS + 1)
            .mapToObj(i -> "\"https://gateway-" + i + ".test\"")
            .collect(Collectors.joining(","));

    assertThatThrownBy(
            () ->
                Configuration.fromJson(
                    "{\"keys\":{},\"applications\":[],\"gateways\":[" + gateways + "]}"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("more than 16 gateways");
  }

  private static Application application(String id, String group) {
    return Application.builder(id)
        .externalUrl("https://" + id + ".example/")
        .internalUrl("http://" + id + ".corp/")
        .connectorGroup(group)
        .assignGroups("staff")
        .headerSignOn(Map.of("X-User", "preferred_username"))
        .build();
  }
}
