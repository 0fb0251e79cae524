package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CorsConfigurationTest {
  private static final String APP = "https://app.example.com";

  @Test
  void defaults_areSafe() {
    CorsConfiguration cors = CorsConfiguration.forOrigins(APP).build();

    assertThat(cors.resource()).isEqualTo("/");
    assertThat(cors.allowedMethods()).isEmpty();
    assertThat(cors.allowedHeaders()).isEmpty();
    assertThat(cors.exposedHeaders()).isEmpty();
    assertThat(cors.allowCredentials()).isFalse();
    assertThat(cors.maxAge()).isEqualTo(Duration.ofMinutes(10));
  }

  @Test
  void origin_isAllowed_onlyAsItIsWritten() {
    CorsConfiguration cors =
        CorsConfiguration.forOrigins(APP, "http://localhost:8080", "https://[::1]:8443").build();

    assertThat(cors.allows(APP)).isEqualTo(APP);
    assertThat(cors.allows("http://localhost:8080")).isEqualTo("http://localhost:8080");
    assertThat(cors.allows("https://[::1]:8443")).isEqualTo("https://[::1]:8443");
    for (String other :
        List.of(
            "null",
            "",
            "*",
            "https://APP.example.com",
            "http://app.example.com",
            APP + ":443",
            APP + "/",
            APP + ".evil.test",
            "https://evil-app.example.com",
            "https://x.app.example.com",
            "https://app.example.com@evil.test",
            " " + APP,
            APP + " " + APP,
            "https://localhost:8080")) {
      assertThat(cors.allows(other)).as(other).isNull();
    }
    assertThat(cors.allows(null)).isNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "null",
        "",
        "app.example.com",
        "https://app.example.com/",
        "https://APP.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://user@app.example.com",
        "https://*.example.com",
        "https://app.example.com?x",
        "https://",
        "//app.example.com",
        "https://app.example.com https://b.test",
        "HTTPS://app.example.com",
        "**"
      })
  void origin_thatNoBrowserWrites_isRefused(String origin) {
    assertThatThrownBy(() -> CorsConfiguration.forOrigins(origin).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("allowedOrigins of a CORS configuration must be origins");
  }

  @Test
  void anyOrigin_isAlone_andWithoutCredentials() {
    assertThat(CorsConfiguration.forOrigins("*").build().allows("https://any.test")).isEqualTo("*");
    assertThatThrownBy(() -> CorsConfiguration.forOrigins("*", APP).build())
        .hasMessageContaining("allowedOrigins of a CORS configuration must be * alone");
    assertThatThrownBy(() -> CorsConfiguration.forOrigins("*").credentials().build())
        .hasMessageContaining("allowCredentials of a CORS configuration must not be combined");
    assertThatThrownBy(() -> CorsConfiguration.forOrigins(APP).headers("*").credentials().build())
        .hasMessageContaining("allowCredentials of a CORS configuration must not be combined");
    assertThatThrownBy(() -> CorsConfiguration.forOrigins().build())
        .hasMessageContaining("must name an origin");
  }

  @Test
  void header_isAllowed_byItsName_orItsBeginning_inAnyCase() {
    CorsConfiguration cors =
        CorsConfiguration.forOrigins(APP).headers("Content-Type", "X-App-*").build();

    assertThat(cors.allowsHeader("content-type")).isTrue();
    assertThat(cors.allowsHeader("x-app-")).isTrue();
    assertThat(cors.allowsHeader("X-APP-Page")).isTrue();
    for (String other :
        List.of("Content-Types", "Content", "x-ap", "", "*", "x-app-a b", "x-app-a\n")) {
      assertThat(cors.allowsHeader(other)).as(other).isFalse();
    }
  }

  @Test
  void badValue_isRefused_withItsSetting() {
    for (String method : List.of("*", "", "A B", "CONNECT", "trace", "GET,PUT")) {
      assertThatThrownBy(() -> CorsConfiguration.forOrigins(APP).methods(method).build())
          .as(method)
          .hasMessageContaining("allowedMethods of a CORS configuration must be");
    }
    for (String header : List.of("", "A B", "X-*-Y", "**", "X,Y")) {
      assertThatThrownBy(() -> CorsConfiguration.forOrigins(APP).headers(header).build())
          .as(header)
          .hasMessageContaining("allowedHeaders of a CORS configuration must be");
    }
    assertThatThrownBy(() -> CorsConfiguration.forOrigins(APP).exposeHeaders("*").build())
        .hasMessageContaining("exposedHeaders of a CORS configuration must be");
    assertThatThrownBy(() -> CorsConfiguration.forOrigins(APP).maxAge(Duration.ofHours(25)).build())
        .hasMessageContaining("maxAge of a CORS configuration must be");
    assertThatThrownBy(() -> CorsConfiguration.forOrigins(APP).resource("/a/../b").build())
        .hasMessageContaining("the resource of a CORS configuration must");
  }

  @Test
  void configurationsOfAnApplication_countByTheLongestResource() {
    CorsConfiguration all = CorsConfiguration.forOrigins("*").build();
    CorsConfiguration api = CorsConfiguration.forOrigins(APP).resource("/api").build();
    Application application = application().cors(all).cors(api).build();

    assertThat(application.corsConfiguration("/")).isEqualTo(all);
    assertThat(application.corsConfiguration("/apis")).isEqualTo(all);
    assertThat(application.corsConfiguration("/api")).isEqualTo(api);
    assertThat(application.corsConfiguration("/api/x")).isEqualTo(api);
    assertThat(application().cors(api).build().corsConfiguration("/other")).isNull();
  }

  @Test
  void configurationsOfOneResource_orOfAnotherApplicationsPath_areRefused() {
    CorsConfiguration api = CorsConfiguration.forOrigins(APP).resource("/api").build();
    assertThatThrownBy(() -> application().cors(api).cors(api).build())
        .hasMessageContaining("corsConfigurations must name no resource twice");
    assertThatThrownBy(
            () -> application().externalUrl("https://wiki.example.com/wiki/").cors(api).build())
        .hasMessageContaining("corsConfigurations must be for a part of the application: /api");
  }

  @Test
  void json_carriesAll_andTakesDefaults() {
    Application application =
        application()
            .cors(
                CorsConfiguration.forOrigins(APP, "http://localhost:8080")
                    .resource("/api")
                    .methods("PUT")
                    .headers("Content-Type", "x-app-*")
                    .exposeHeaders("X-Total")
                    .credentials()
                    .maxAge(Duration.ofHours(2))
                    .build())
            .build();
    assertThat(Application.fromJson(application.toJson())).isEqualTo(application);

    String shortForm =
        application()
            .build()
            .toJson()
            .replace(
                "\"corsConfigurations\":[]",
                "\"corsConfigurations\":[{\"allowedOrigins\":[\"https://app.example.com\"]}]");
    assertThat(Application.fromJson(shortForm).corsConfigurations())
        .containsExactly(CorsConfiguration.forOrigins(APP).build());
    assertThatThrownBy(
            () ->
                Application.fromJson(
                    shortForm.replace("\"allowedOrigins\":[\"https://app.example.com\"]", "")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("allowedOrigins");
  }

  private static Application.Builder application() {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example.com/")
        .internalUrl("http://wiki/")
        .assignEveryone();
  }
}
