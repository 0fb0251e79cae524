package io.apprxy.auth.oidc;

import com.nimbusds.oauth2.sdk.ParseException;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.openid.connect.sdk.OIDCClaimsRequest;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a provider knows this gateway: one registration there, with its proof, and what is asked for
 * in its name. Immutable; {@link #toString()} tells no secret.
 */
public final class OidcClient {
  private final ClientID id;
  private final @Nullable Secret secret;
  private final Scope scopes;
  private final @Nullable OIDCClaimsRequest claims;

  private OidcClient(Builder settings, ClientID id) {
    this.id = id;
    this.secret = settings.secret;
    this.scopes = settings.scopes;
    this.claims = settings.claims;
  }

  /**
   * A builder with the defaults.
   *
   * @param id how the provider names this gateway ({@code client_id})
   * @throws IllegalArgumentException if it is blank
   */
  public static Builder builder(String id) {
    return new Builder().id(id);
  }

  static Builder unnamed() {
    return new Builder();
  }

  ClientID id() {
    return id;
  }

  /** Null for a public client. */
  @Nullable Secret secret() {
    return secret;
  }

  Scope scopes() {
    return scopes;
  }

  /** What is asked for beyond the scopes, or null. */
  @Nullable OIDCClaimsRequest claims() {
    return claims;
  }

  @Override
  public String toString() {
    return "OidcClient[" + id + "]";
  }

  /** Settings. Not thread-safe. Each setter checks at once. */
  public static final class Builder {
    private @Nullable ClientID id;
    private @Nullable Secret secret;
    private Scope scopes = new Scope("openid", "profile", "email");
    private @Nullable OIDCClaimsRequest claims;

    private Builder() {}

    Builder id(String name) {
      Settings.require(!name.isBlank(), "clientId", name, "not blank");
      id = new ClientID(name);
      return this;
    }

    /**
     * The secret shared with the provider ({@code client_secret}). Default: none, a public client.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder secret(String shared) {
      Settings.require(!shared.isBlank(), "clientSecret", "(blank)", "not blank");
      secret = new Secret(shared);
      return this;
    }

    /**
     * What to ask the provider for ({@code scope}). Default: {@code openid profile email}.
     *
     * @throws IllegalArgumentException if {@code openid} is not among them, or one is no scope (RFC
     *     6749 §3.3)
     */
    public Builder scopes(String... names) {
      for (String name : names) {
        Settings.require(
            name.matches("[\\x21\\x23-\\x5B\\x5D-\\x7E]+"),
            "scopes",
            name,
            "visible ASCII without space, quote and backslash");
      }
      Settings.require(
          List.of(names).contains("openid"),
          "scopes",
          String.join(" ", names),
          "a list with openid");
      scopes = new Scope(names);
      return this;
    }

    /**
     * Claims to ask the provider for beyond those of the scopes ({@code claims}, OpenID Connect
     * Core §5.5), as JSON such as <code>{"id_token":{"email":{"essential":true}}}</code>. Default:
     * none.
     *
     * @throws IllegalArgumentException if it is no such JSON
     */
    public Builder claims(String json) {
      try {
        claims = OIDCClaimsRequest.parse(json);
      } catch (ParseException e) {
        throw new IllegalArgumentException(
            "claims must be a JSON object (OpenID Connect Core §5.5): " + json, e);
      }
      return this;
    }

    /** The client. */
    public OidcClient build() {
      if (id == null) {
        throw new IllegalStateException("clientId is missing: it is required");
      }
      return new OidcClient(this, id);
    }
  }
}
