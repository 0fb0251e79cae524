package io.apprxy.tunnel;

import io.apprxy.Application;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
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
 */
record Configuration(String keys, List<Application> applications) {
  private static final JsonMapper JSON = new JsonMapper();

  Configuration {
    applications = List.copyOf(applications);
  }

  static Configuration of(String keys, Collection<Application> published, String group) {
    return new Configuration(
        keys,
        published.stream()
            .filter(application -> application.connectorGroups().contains(group))
            .toList());
  }

  /** The headers that tell an identity to any application. */
  Set<String> identityHeaders() {
    return applications.stream()
        .flatMap(application -> application.singleSignOn().headers().keySet().stream())
        .collect(Collectors.toUnmodifiableSet());
  }

  String toJson() {
    ObjectNode whole = JSON.createObjectNode();
    whole.set("keys", JSON.readTree(keys));
    ArrayNode all = whole.putArray("applications");
    applications.forEach(application -> all.add(JSON.readTree(application.toJson())));
    return JSON.writeValueAsString(whole);
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
      return new Configuration(whole.required("keys").toString(), applications);
    } catch (JacksonException e) {
      throw new IllegalArgumentException("no valid configuration", e);
    }
  }
}
