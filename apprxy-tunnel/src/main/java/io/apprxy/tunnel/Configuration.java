package io.apprxy.tunnel;

import io.apprxy.Application;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a gateway tells a connector over a connection before it uses it.
 *
 * @param keys the gateway's public signing keys, a JWK set (RFC 7517)
 * @param applications those of the connector's group
 * @param gateways others that serve the same applications
 * @param recommendedVersion of the connector's software
 * @param leastVersion of the connector's software
 */
record Configuration(
    String keys,
    List<Application> applications,
    List<URI> gateways,
    @Nullable Version recommendedVersion,
    @Nullable Version leastVersion) {
  static final int MAX_GATEWAYS = 16;

  private static final JsonMapper JSON = new JsonMapper();

  Configuration {
    applications = List.copyOf(applications);
    gateways = List.copyOf(gateways);
    if (gateways.size() > MAX_GATEWAYS) {
      throw new IllegalArgumentException("more than " + MAX_GATEWAYS + " gateways");
    }
  }

  static List<Application> of(String group, Collection<Application> published) {
    return published.stream()
        .filter(application -> application.connectorGroups().contains(group))
        .toList();
  }

  String toJson() {
    ObjectNode whole = JSON.createObjectNode();
    whole.set("keys", JSON.readTree(keys));
    ArrayNode all = whole.putArray("applications");
    applications.forEach(application -> all.add(JSON.readTree(application.toJson())));
    ArrayNode others = whole.putArray("gateways");
    gateways.forEach(gateway -> others.add(gateway.toString()));
    put(whole, "recommendedVersion", recommendedVersion);
    put(whole, "leastVersion", leastVersion);
    return JSON.writeValueAsString(whole);
  }

  private static void put(ObjectNode whole, String field, @Nullable Version version) {
    if (version != null) {
      whole.put(field, version.text());
    }
  }

  /**
   * @throws IllegalArgumentException if the text is no configuration
   */
  static Configuration fromJson(String json) {
    try {
      JsonNode whole = JSON.readTree(json);
      List<Application> applications = new ArrayList<>();
      whole
          .required("applications")
          .forEach(node -> applications.add(Application.fromJson(node.toString())));
      List<URI> gateways = new ArrayList<>();
      JsonNode others = whole.get("gateways");
      if (others != null) {
        others.forEach(node -> gateways.add(GatewayAddress.parse(Wire.text(node))));
      }
      return new Configuration(
          whole.required("keys").toString(),
          applications,
          gateways,
          version(whole, "recommendedVersion"),
          version(whole, "leastVersion"));
    } catch (JacksonException e) {
      throw new IllegalArgumentException("no valid configuration", e);
    }
  }

  private static @Nullable Version version(JsonNode whole, String field) {
    JsonNode version = whole.get(field);
    return version == null ? null : new Version(Wire.text(version));
  }
}
