package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigurationTest {
  private static final Application WIKI = application("wiki", "corp");
  private static final Application LAB = application("lab", "lab");
  private static final String KEYS = "{\"keys\":[]}";

  @Test
  void configuration_crossesWhole() {
    Configuration sent = new Configuration(KEYS, List.of(WIKI));

    assertThat(Configuration.fromJson(sent.toJson())).isEqualTo(sent);
  }

  @Test
  void group_isToldOfItsOwnApplicationsOnly() {
    assertThat(Configuration.of(KEYS, List.of(WIKI, LAB), "corp").applications())
        .containsExactly(WIKI);
    assertThat(Configuration.of(KEYS, List.of(WIKI, LAB), "other").applications()).isEmpty();
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
        "{\"keys\":{},\"applications\":[1]}"
      })
  void garbage_isRefused(String json) {
    assertThatThrownBy(() -> Configuration.fromJson(json))
        .isInstanceOf(IllegalArgumentException.class);
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
