package io.apprxy.auth.oidc;

import com.nimbusds.oauth2.sdk.ParseException;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.openid.connect.sdk.OIDCClaimsRequest;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a provider knows this gateway: one registration there, with its proof, and what is asked for
 * in its name. Immutable; {@link #toString()} tells no secret.
 */
public final class OidcClient {
  private final ClientID id;
  private final @Nullable Secret secret;
  private final boolean secretInForm;
  private final @Nullable SigningKey key;
  private final boolean mutualTls;
  private final boolean pushesRequests;
  private final boolean signsRequests;
  private final boolean refreshesSessions;
  private final Scope scopes;
  private final @Nullable OIDCClaimsRequest claims;

  private OidcClient(Builder settings, ClientID id) {
    this.id = id;
    this.secret = settings.secret;
    this.secretInForm = settings.secretInForm;
    this.key = settings.key;
    this.mutualTls = settings.mutualTls;
    this.pushesRequests = settings.pushesRequests;
    this.signsRequests = settings.signsRequests;
    this.refreshesSessions = settings.refreshesSessions;
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

  /** Null if it has none. */
  @Nullable Secret secret() {
    return secret;
  }

  boolean secretInForm() {
    return secretInForm;
  }

  /** Null if it has none. */
  @Nullable SigningKey key() {
    return key;
  }

  boolean provesItselfByTls() {
    return mutualTls;
  }

  boolean pushesRequests() {
    return pushesRequests;
  }

  boolean signsRequests() {
    return signsRequests;
  }

  boolean refreshesSessions() {
    return refreshesSessions;
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
    private boolean secretInForm;
    private @Nullable SigningKey key;
    private boolean mutualTls;
    private boolean pushesRequests;
    private boolean signsRequests;
    private boolean refreshesSessions;
    private Scope scopes = new Scope("openid", "profile", "email");
    private @Nullable OIDCClaimsRequest claims;

    private Builder() {}

    Builder id(String name) {
      Settings.require(!name.isBlank(), "clientId", name, "not blank");
      id = new ClientID(name);
      return this;
    }

    /**
     * The secret shared with the provider ({@code client_secret}), sent in the {@code
     * Authorization} header, or in the form if the provider takes it only there. Default: none.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder secret(String shared) {
      Settings.require(!shared.isBlank(), "clientSecret", "(blank)", "not blank");
      secret = new Secret(shared);
      return this;
    }

    /**
     * Sends the secret in the form ({@code client_secret_post}), for a provider that takes both but
     * is strict about this client. Default: in the header, wherever the provider takes it there.
     */
    public Builder secretInForm() {
      secretInForm = true;
      return this;
    }

    /**
     * Proves itself by a signature, so that there is no secret to lose ({@code private_key_jwt},
     * RFC 7523): with PS256 or RS256, ES256 or ES384, as the key is and the provider takes it.
     * Default: none.
     *
     * @param signing an RSA key of at least 2048 bits, or an EC key on P-256 or P-384
     * @param id how the provider knows the key ({@code kid})
     * @throws IllegalArgumentException if the key is of another kind, or the id is blank
     */
    public Builder privateKey(PrivateKey signing, String id) {
      key = SigningKey.of(signing, id);
      return this;
    }

    /**
     * As {@link #privateKey(PrivateKey, String)}, for a provider that knows the key by its
     * certificate, as Entra ID does ({@code x5t#S256}). Default: none.
     *
     * @throws IllegalArgumentException as there, or if the certificate cannot be encoded
     */
    public Builder privateKey(PrivateKey signing, X509Certificate certificate) {
      key = SigningKey.of(signing, certificate);
      return this;
    }

    /**
     * Proves itself by the client certificate of the provider's {@link
     * OidcProvider.Builder#trust(javax.net.ssl.SSLContext)} ({@code tls_client_auth} or {@code
     * self_signed_tls_client_auth}, RFC 8705 §2). Default: no.
     */
    public Builder mutualTls() {
      mutualTls = true;
      return this;
    }

    /**
     * Sends what it asks for to the provider itself, so that the browser carries only a reference
     * to it (PAR, RFC 9126). Default: only where the provider demands it of every client.
     */
    public Builder pushRequests() {
      pushesRequests = true;
      return this;
    }

    /**
     * Signs what it asks for with its {@code privateKey}, so that nobody on the way can change it
     * (JAR, RFC 9101). Default: only where the provider demands it of every client.
     */
    public Builder signRequests() {
      signsRequests = true;
      return this;
    }

    /**
     * Keeps the refresh token of each session, sealed in the state that gateways share, and uses it
     * before the access token ends: when the provider takes it no more, since it revoked it, the
     * session ends. Some providers give one only for the scope {@code offline_access}. A session
     * whose token is lost, as with a restart if the state is in memory, ends too. Default: no; what
     * the provider gives is forgotten.
     */
    public Builder refreshSessions() {
      refreshesSessions = true;
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

    /**
     * The client; a public one if it has no proof.
     *
     * @throws IllegalStateException if the id is missing, there is more than one proof, or it is to
     *     sign requests without a key
     */
    public OidcClient build() {
      if (id == null) {
        throw new IllegalStateException("clientId is missing: it is required");
      }
      if ((secret == null ? 0 : 1) + (key == null ? 0 : 1) + (mutualTls ? 1 : 0) > 1) {
        throw new IllegalStateException(
            "secret, privateKey and mutualTls exclude each other: a provider is given one proof");
      }
      if (signsRequests && key == null) {
        throw new IllegalStateException("signRequests needs a privateKey");
      }
      return new OidcClient(this, id);
    }
  }
}
