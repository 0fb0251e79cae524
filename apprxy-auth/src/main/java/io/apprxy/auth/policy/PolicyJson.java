package io.apprxy.auth.policy;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.cfg.CoercionAction;
import tools.jackson.databind.cfg.CoercionInputShape;
import tools.jackson.databind.cfg.EnumFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.type.LogicalType;

/**
 * Policies as JSON: a document is laid over the defaults, so that a short one is enough. What is
 * not known, stands twice, or is of another type, is refused.
 */
final class PolicyJson {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .enable(EnumFeature.FAIL_ON_NUMBERS_FOR_ENUMS)
          .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
          .withCoercionConfig(
              LogicalType.Textual,
              config ->
                  config
                      .setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                      .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                      .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
          .build();

  private static final ObjectNode POLICY = emptyPolicy();

  private PolicyJson() {}

  static String write(Object value) {
    return MAPPER.writeValueAsString(value);
  }

  static Policy readPolicy(String json) {
    return read("policy", json, Policy.class);
  }

  static PolicySet readSet(String json) {
    return read("policy set", json, PolicySet.class);
  }

  private static <T> T read(String what, String json, Class<T> type) {
    try {
      ObjectNode given = Objects.requireNonNull(MAPPER.readValue(json, ObjectNode.class), what);
      ObjectNode whole = type == Policy.class ? wholePolicy(given) : wholeSet(given);
      return Objects.requireNonNull(MAPPER.treeToValue(whole, type));
    } catch (JacksonException | NullPointerException e) {
      throw new IllegalArgumentException("no valid " + what + ": " + reason(e), e);
    }
  }

  private static ObjectNode wholeSet(ObjectNode given) {
    ObjectNode whole = MAPPER.valueToTree(PolicySet.of());
    lay(given, whole);
    complete(whole.path("policies"), POLICY);
    complete(
        whole.path("namedLocations"),
        MAPPER.valueToTree(
            Map.of(
                "trusted",
                false,
                "ipRanges",
                List.of(),
                "countriesAndRegions",
                List.of(),
                "includeUnknownCountriesAndRegions",
                false)));
    complete(
        whole.path("authenticationStrengths"),
        MAPPER.valueToTree(Map.of("acrValues", List.of(), "allowedCombinations", List.of())));
    complete(
        whole.path("termsOfUse"),
        MAPPER.valueToTree(Map.of("reacceptAfter", Duration.ofDays(365))));
    return whole;
  }

  private static ObjectNode wholePolicy(ObjectNode given) {
    ObjectNode whole = POLICY.deepCopy();
    lay(given, whole);
    return whole;
  }

  /** Lays each object of a list over the defaults. */
  private static void complete(JsonNode list, ObjectNode defaults) {
    for (JsonNode element : list) {
      if (element instanceof ObjectNode object) {
        ObjectNode whole = defaults.deepCopy();
        lay(object, whole);
        object.removeAll();
        object.setAll(whole);
      }
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

  /** All defaults: what must be there is empty, and so refused if it is not given. */
  private static ObjectNode emptyPolicy() {
    ObjectNode policy =
        MAPPER.valueToTree(
            Policy.builder("defaults")
                .includeAllUsers()
                .includeAllApplications()
                .signInFrequency(Duration.ofHours(1))
                .build());
    policy.remove("displayName");
    ((ObjectNode) policy.at("/conditions/users")).putArray("includeUsers");
    ((ObjectNode) policy.at("/conditions/applications")).putArray("includeApplications");
    ((ObjectNode) policy.get("sessionControls")).putNull("signInFrequency");
    return policy;
  }

  private static @Nullable String reason(RuntimeException e) {
    Throwable cause = e;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause.getMessage();
  }
}
