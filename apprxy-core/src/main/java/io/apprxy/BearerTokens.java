package io.apprxy;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;

/**
 * The access tokens that native and service clients may use an application with (RFC 6750), beside
 * or instead of users with a session. Such a client sends {@code Authorization: Bearer}, or {@code
 * DPoP} with a proof (RFC 9449). Immutable data, part of an {@link Application}.
 *
 * @param audiences what the providers call this application in {@code aud}, such as {@code
 *     api://wiki}; a token must be for one of them
 * @param scopes the scopes that a token must have, all of them ({@code scope}, Entra's {@code
 *     scp}). Default: none
 * @param roles the application roles ({@code roles}), of which a service's own token may have one
 *     instead of the scopes, as Entra's app-only tokens have no scope. Default: none, so that
 *     services need the scopes, too
 * @param forward whether the origin sees the token. Default: false: it could use it elsewhere
 */
public record BearerTokens(
    List<String> audiences, List<String> scopes, List<String> roles, boolean forward) {

  /** Where an application tells clients which tokens it takes (RFC 9728 §3). */
  public static final String METADATA_PATH = "/.well-known/oauth-protected-resource";

  /** RFC 6749 §3.3. */
  private static final Pattern SCOPE = Pattern.compile("[\\x21\\x23-\\x5B\\x5D-\\x7E]+");

  /**
   * Settings.
   *
   * @throws IllegalArgumentException if there is no audience, or one is blank, or a scope is none;
   *     the message names setting, value and rule
   */
  public BearerTokens {
    audiences = List.copyOf(Objects.requireNonNull(audiences, "audiences"));
    scopes = List.copyOf(Objects.requireNonNull(scopes, "scopes"));
    roles = List.copyOf(Objects.requireNonNull(roles, "roles"));
    require(
        !audiences.isEmpty() && audiences.stream().noneMatch(String::isBlank),
        "audiences",
        "must name at least one, and none that is blank: a token for anybody is for nobody",
        audiences);
    require(
        scopes.stream().allMatch(scope -> SCOPE.matcher(scope).matches()),
        "scopes",
        "must be visible ASCII without space, quote and backslash",
        scopes);
    require(roles.stream().noneMatch(String::isBlank), "roles", "must not be blank", roles);
  }

  private static void require(boolean met, String setting, String rule, Object value) {
    if (!met) {
      throw new IllegalArgumentException(setting + " of bearer tokens " + rule + ": " + value);
    }
  }

  /** A builder with the defaults, for tokens with one of these audiences. */
  public static Builder forAudiences(String... audiences) {
    return new Builder(List.of(audiences));
  }

  /** Builds {@link BearerTokens}. Not thread-safe. */
  public static final class Builder {
    private final List<String> audiences;
    private final List<String> scopes = new ArrayList<>();
    private final List<String> roles = new ArrayList<>();
    private boolean forward;

    private Builder(List<String> audiences) {
      this.audiences = audiences;
    }

    /** See {@link BearerTokens#scopes()}. Default: none. */
    public Builder scopes(String... names) {
      scopes.addAll(List.of(names));
      return this;
    }

    /** See {@link BearerTokens#roles()}. Default: none. */
    public Builder roles(String... names) {
      roles.addAll(List.of(names));
      return this;
    }

    /** Lets the origin see the token. Default: it does not. */
    public Builder forward() {
      forward = true;
      return this;
    }

    /**
     * The settings.
     *
     * @throws IllegalArgumentException as {@link BearerTokens} does
     */
    public BearerTokens build() {
      return new BearerTokens(audiences, scopes, roles, forward);
    }
  }
}
