package io.apprxy;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Applications as JSON: a document is laid over the defaults, so that a short one is enough. */
final class ApplicationJson {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .build();

  private ApplicationJson() {}

  static String write(Application application) {
    return MAPPER.writeValueAsString(application);
  }

  static Application read(String json) {
    try {
      ObjectNode given = MAPPER.readValue(json, ObjectNode.class);
      ObjectNode whole = defaults();
      lay(Objects.requireNonNull(given, "application"), whole);
      completeParts(whole);
      return Objects.requireNonNull(MAPPER.treeToValue(whole, Application.class));
    } catch (JacksonException | NullPointerException e) {
      throw new IllegalArgumentException("no valid application: " + reason(e), e);
    }
  }

  /**
   * An object is laid over an object property by property; anything else replaces what was there.
   */
  private static void lay(ObjectNode given, ObjectNode below) {
    for (Map.Entry<String, JsonNode> property : given.properties()) {
      if (property.getValue() instanceof ObjectNode above
          && below.get(property.getKey()) instanceof ObjectNode same) {
        lay(above, same);
      } else {
        below.set(property.getKey(), property.getValue());
      }
    }
  }

  /** Where there is no default but for the rest of a part that was given. */
  private static void completeParts(ObjectNode whole) {
    if (whole.path("loadBalancing").path("healthCheck") instanceof ObjectNode check) {
      ObjectNode complete = MAPPER.valueToTree(LoadBalancing.HealthCheck.of("/"));
      complete.remove("path");
      lay(check, complete);
      ((ObjectNode) whole.path("loadBalancing")).set("healthCheck", complete);
    }
    if (whole.path("singleSignOn") instanceof ObjectNode signOn) {
      completeHeaders(signOn);
    }
    if (whole.path("singleSignOn").path("signedAssertion") instanceof ObjectNode assertion) {
      ObjectNode complete = MAPPER.valueToTree(Application.SignedAssertion.defaults());
      lay(assertion, complete);
      ((ObjectNode) whole.path("singleSignOn")).set("signedAssertion", complete);
    }
    if (whole.path("singleSignOn").path("kerberos") instanceof ObjectNode kerberos) {
      ObjectNode complete =
          MAPPER.valueToTree(Application.KerberosDelegation.to("HTTP/defaults.invalid"));
      complete.remove("servicePrincipalName");
      lay(kerberos, complete);
      ((ObjectNode) whole.path("singleSignOn")).set("kerberos", complete);
    }
    if (whole.path("singleSignOn").path("basic") instanceof ObjectNode basic
        && !basic.has("claim")) {
      basic.putNull("claim");
    }
    if (whole.path("singleSignOn").path("token") instanceof ObjectNode token) {
      ObjectNode complete = MAPPER.valueToTree(OriginToken.usersOwn());
      complete.remove("grant");
      lay(token, complete);
      ((ObjectNode) whole.path("singleSignOn")).set("token", complete);
    }
    for (JsonNode instance : whole.path("originInstances")) {
      if (instance instanceof ObjectNode object && !object.has("weight")) {
        object.put("weight", 1);
      }
    }
    for (JsonNode open : whole.path("passthroughPaths")) {
      if (open instanceof ObjectNode object && !object.has("below")) {
        object.put("below", false);
      }
    }
    if (whole.path("corsConfigurations") instanceof ArrayNode configurations) {
      for (int i = 0; i < configurations.size(); i++) {
        if (configurations.get(i) instanceof ObjectNode cors) {
          ObjectNode complete = MAPPER.valueToTree(CorsConfiguration.forOrigins("*").build());
          complete.remove("allowedOrigins");
          lay(cors, complete);
          configurations.set(i, complete);
        }
      }
    }
    if (whole.path("bearerTokens") instanceof ObjectNode tokens) {
      ObjectNode complete = MAPPER.valueToTree(BearerTokens.forAudiences("any").build());
      complete.remove("audiences");
      lay(tokens, complete);
      whole.set("bearerTokens", complete);
    }
    for (JsonNode context : whole.path("authenticationContexts")) {
      if (context instanceof ObjectNode object && !object.has("methods")) {
        object.putArray("methods");
      }
    }
  }

  /** Headers may be named with their claims: {@code {"X-User": "email"}}. */
  private static void completeHeaders(ObjectNode signOn) {
    ArrayNode complete = MAPPER.createArrayNode();
    if (signOn.get("headers") instanceof ObjectNode claims) {
      for (Map.Entry<String, JsonNode> header : claims.properties()) {
        ObjectNode mapping = complete.addObject();
        mapping.put("header", header.getKey());
        mapping.putObject("source").set("claim", header.getValue());
      }
      signOn.set("headers", complete);
    }
    ObjectNode rest = MAPPER.valueToTree(HeaderMapping.of("X-Default", "default"));
    rest.remove(List.of("header", "source"));
    for (JsonNode given : signOn.path("headers")) {
      if (given instanceof ObjectNode mapping) {
        rest.properties().stream()
            .filter(setting -> !mapping.has(setting.getKey()))
            .forEach(setting -> mapping.set(setting.getKey(), setting.getValue()));
      }
    }
  }

  private static ObjectNode defaults() {
    ObjectNode defaults =
        MAPPER.valueToTree(
            Application.builder("defaults")
                .externalUrl("https://defaults.invalid/")
                .internalUrl("https://defaults.invalid/")
                .assignEveryone()
                .build());
    defaults.remove("id");
    defaults.remove("externalUrl");
    defaults.remove("internalUrl");
    defaults.set(
        "assignments",
        MAPPER.valueToTree(
            Map.of("users", new String[0], "groups", new String[0], "everyone", false)));
    return defaults;
  }

  private static @Nullable String reason(RuntimeException e) {
    Throwable cause = e;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause.getMessage();
  }
}
