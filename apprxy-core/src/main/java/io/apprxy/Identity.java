package io.apprxy;

import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Who a request is made for, as a trusted issuer said it. Immutable.
 *
 * @param issuer the issuer that vouches for the subject (OpenID Connect Core §2, {@code iss})
 * @param subject the subject, unique within the issuer and never reassigned ({@code sub})
 * @param sessionId the session of the gateway that this request belongs to; new at each sign-in
 * @param authenticatedAt when the user proved who they are ({@code auth_time}), or when they signed
 *     in here if the issuer does not tell
 * @param claims all other claims by name; values are strings, numbers, booleans, lists and maps
 */
public record Identity(
    String issuer,
    String subject,
    String sessionId,
    Instant authenticatedAt,
    Map<String, Object> claims) {
  private static final List<String> NAMES = List.of("preferred_username", "email");

  public Identity {
    Objects.requireNonNull(issuer, "issuer");
    Objects.requireNonNull(subject, "subject");
    Objects.requireNonNull(sessionId, "sessionId");
    Objects.requireNonNull(authenticatedAt, "authenticatedAt");
    claims = Map.copyOf(claims);
  }

  /** The name a person knows: {@code preferred_username}, else {@code email}, else the subject. */
  public String name() {
    for (String claim : NAMES) {
      List<String> values = values(claim);
      if (!values.isEmpty()) {
        return values.get(0);
      }
    }
    return subject;
  }

  /** The values of the {@code groups} claim, or an empty list. */
  public List<String> groups() {
    return values("groups");
  }

  /**
   * The claim of this name, {@code iss} and {@code sub} included, or null if the issuer did not
   * give it.
   */
  public @Nullable Object claim(String name) {
    return switch (name) {
      case "iss" -> issuer;
      case "sub" -> subject;
      default -> claims.get(name);
    };
  }

  /**
   * The claim of this name as a list of strings: empty if absent, one element if it is no list. A
   * value that is null is none.
   */
  public List<String> values(String name) {
    Object value = claim(name);
    if (value == null) {
      return List.of();
    }
    return value instanceof Collection<?> many
        ? many.stream().filter(Objects::nonNull).map(Object::toString).toList()
        : List.of(value.toString());
  }

  /** Tells the names of the claims but none of their values, so that it may be logged. */
  @Override
  public String toString() {
    return "Identity["
        + subject
        + " of "
        + issuer
        + ", claims "
        + new TreeMap<>(claims).keySet()
        + "]";
  }
}
