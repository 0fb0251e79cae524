package io.apprxy.auth.oidc;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * An access token that its issuer vouched for: by signature, or because it was asked. For which
 * application it is, and whether the client may use it, is not said yet. Immutable.
 *
 * @param service whether it was issued to a client for itself, not for a user
 * @param issued when, by the issuer's clock; the epoch if it does not say
 * @param jkt the thumbprint of the key that its client must prove to have (RFC 9449 §6), or null
 * @param x5t the thumbprint of the certificate that its client must prove to have (RFC 8705 §3), or
 *     null
 */
record AccessToken(
    Identity identity,
    Set<String> audiences,
    Set<String> scopes,
    boolean service,
    Instant issued,
    Instant expires,
    @Nullable String jkt,
    @Nullable String x5t) {
  private static final Set<String> PROTOCOL_CLAIMS =
      Set.of("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "cnf", "active", "token_type");

  /**
   * The token that says this.
   *
   * @param digest what tells it from others
   * @param claims of the token, or of the answer about it
   * @throws GatewayException if something is not there, or not of its type
   */
  static AccessToken of(String issuer, String digest, Map<String, Object> claims) {
    Instant expires = time(claims, "exp");
    if (expires == null) {
      throw refused("no exp");
    }
    String client = client(claims);
    String subject = text(claims, "sub");
    boolean service =
        "app".equals(claims.get("idtyp"))
            || (client != null && (subject == null || subject.equals(client)));
    // RFC 9068 §2.2: where there is no resource owner, the subject is the client.
    String who = subject == null && service ? client : subject;
    if (who == null || who.isEmpty() || who.length() > 255) {
      throw refused("no subject of 1 to 255 characters");
    }
    Map<String, Object> kept = new HashMap<>(claims);
    kept.keySet().removeAll(PROTOCOL_CLAIMS);
    kept.values().removeIf(value -> value == null);
    if (client != null) {
      kept.put("client_id", client);
    }
    Instant authenticated = time(claims, "auth_time");
    Instant issued = time(claims, "iat");
    Map<String, Object> confirmation = confirmation(claims.get("cnf"));
    return new AccessToken(
        new Identity(
            issuer,
            who,
            digest,
            authenticated != null ? authenticated : issued != null ? issued : Instant.EPOCH,
            kept),
        Set.copyOf(texts(claims.get("aud"))),
        scopes(claims),
        service,
        issued != null ? issued : Instant.EPOCH,
        expires,
        text(confirmation, "jkt"),
        text(confirmation, "x5t#S256"));
  }

  /** A way of binding that is not known here would be no binding at all. */
  private static Map<String, Object> confirmation(@Nullable Object cnf) {
    if (cnf == null) {
      return Map.of();
    }
    Map<String, Object> members = new HashMap<>();
    if (cnf instanceof Map<?, ?> map) {
      map.forEach((name, value) -> members.put(String.valueOf(name), value));
    }
    members.remove("kc-jkt-type"); // Keycloak's, beside jkt: it binds to nothing more
    if (members.isEmpty() || !Set.of("jkt", "x5t#S256").containsAll(members.keySet())) {
      throw refused("cnf is none that is known here");
    }
    return members;
  }

  /** RFC 9068 has {@code client_id}, OpenID {@code azp}, Entra's version 1 {@code appid}. */
  private static @Nullable String client(Map<String, Object> claims) {
    for (String name : List.of("client_id", "azp", "appid")) {
      String client = text(claims, name);
      if (client != null) {
        return client;
      }
    }
    return null;
  }

  private static Set<String> scopes(Map<String, Object> claims) {
    List<String> scopes = new ArrayList<>();
    for (String name : List.of("scope", "scp")) {
      Stream<String> all = texts(claims.get(name)).stream();
      all.flatMap(text -> Arrays.stream(text.split(" "))).forEach(scopes::add);
    }
    scopes.removeIf(String::isEmpty);
    return Set.copyOf(scopes);
  }

  private static List<String> texts(@Nullable Object value) {
    List<?> all = value == null ? List.of() : value instanceof List<?> list ? list : List.of(value);
    return all.stream()
        .map(one -> one instanceof String text ? text : "")
        .filter(text -> !text.isEmpty())
        .distinct()
        .toList();
  }

  private static @Nullable String text(Map<String, Object> claims, String name) {
    Object value = claims.get(name);
    if (value == null || value instanceof String) {
      return (String) value;
    }
    throw refused(name + " is no text");
  }

  /** Seconds since 1970 (RFC 7519 §2), of a time that there is. */
  static @Nullable Instant time(Map<String, Object> claims, String name) {
    Object value = claims.get(name);
    if (value == null) {
      return null;
    }
    if (value instanceof java.util.Date date) {
      return date.toInstant();
    }
    if (value instanceof Number number
        && number.doubleValue() >= 0
        && number.doubleValue() < 253_402_300_800.0) {
      return Instant.ofEpochSecond(number.longValue());
    }
    throw refused(name + " is no time");
  }

  private static GatewayException refused(String reason) {
    return new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, reason);
  }
}
