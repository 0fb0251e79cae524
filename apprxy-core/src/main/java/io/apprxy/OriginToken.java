package io.apprxy;

import java.net.URI;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The access token that an origin gets of each user, in {@code Authorization: Bearer} (RFC 6750).
 * The gateway has it from the provider that the user signed in with; it never reaches a browser.
 * Immutable data, part of {@link Application.SingleSignOn}.
 *
 * @param grant how the gateway comes by it
 * @param audience whom it is to be for, as the provider names it (RFC 8693 §2.1, {@code audience});
 *     null to leave that to the provider. Only for {@link Grant#TOKEN_EXCHANGE}
 * @param resource the same as a URL (RFC 8707, {@code resource}); null for none. Only for {@link
 *     Grant#TOKEN_EXCHANGE}
 * @param scopes what it is to be good for ({@code scope}); none to leave that to the provider
 */
public record OriginToken(
    Grant grant, @Nullable String audience, @Nullable URI resource, List<String> scopes) {
  /** RFC 6749 §3.3. */
  private static final Pattern SCOPE = Pattern.compile("[\\x21\\x23-\\x5B\\x5D-\\x7E]+");

  /** How a gateway comes by a token. */
  public enum Grant {
    /**
     * It is the user's own access token: the one of their sign-in, as the gateway keeps it fresh,
     * or the one that an API client sent. Whatever it is good for elsewhere, the origin can do.
     */
    USER_ACCESS_TOKEN,
    /** The gateway exchanges the user's access token for one that is for the origin (RFC 8693). */
    TOKEN_EXCHANGE,
    /**
     * The same as Entra ID has it: the On-Behalf-Of flow (RFC 7523 with {@code
     * requested_token_use=on_behalf_of}).
     */
    ON_BEHALF_OF
  }

  /**
   * Settings.
   *
   * @throws IllegalArgumentException if one would have no effect, is blank or no scope, or if it is
   *     not said what a token that is not the user's own is to be for
   */
  public OriginToken {
    Objects.requireNonNull(grant, "grant");
    scopes = List.copyOf(Objects.requireNonNull(scopes, "scopes"));
    require(audience == null || !audience.isBlank(), "audience must not be blank");
    require(
        resource == null || (resource.isAbsolute() && resource.getRawFragment() == null),
        "resource must be an absolute URL without fragment (RFC 8707 §2): " + resource);
    require(
        scopes.stream().allMatch(scope -> SCOPE.matcher(scope).matches()),
        "scopes must be visible ASCII without space, quote and backslash: " + scopes);
    require(
        grant == Grant.TOKEN_EXCHANGE || (audience == null && resource == null),
        "audience and resource have no effect but with TOKEN_EXCHANGE");
    require(
        grant != Grant.USER_ACCESS_TOKEN || scopes.isEmpty(),
        "scopes have no effect on the user's own token: set those of the client");
    require(
        grant == Grant.USER_ACCESS_TOKEN
            || audience != null
            || resource != null
            || !scopes.isEmpty(),
        "must say what it is to be for: audience, resource or scopes");
  }

  private static void require(boolean met, String rule) {
    if (!met) {
      throw new IllegalArgumentException("token for the origin: " + rule);
    }
  }

  /** The user's own access token. */
  public static OriginToken usersOwn() {
    return new OriginToken(Grant.USER_ACCESS_TOKEN, null, null, List.of());
  }

  /** One for this audience, by token exchange. */
  public static OriginToken exchangedFor(String audience) {
    return new OriginToken(Grant.TOKEN_EXCHANGE, audience, null, List.of());
  }

  /** One for this resource, by token exchange. */
  public static OriginToken exchangedFor(URI resource) {
    return new OriginToken(Grant.TOKEN_EXCHANGE, null, resource, List.of());
  }

  /** One with these scopes, such as {@code api://wiki/.default}, on behalf of the user. */
  public static OriginToken onBehalfOf(String... scopes) {
    return new OriginToken(Grant.ON_BEHALF_OF, null, null, List.of(scopes));
  }

  /** The same with these scopes. */
  public OriginToken withScopes(String... names) {
    return new OriginToken(grant, audience, resource, List.of(names));
  }
}
