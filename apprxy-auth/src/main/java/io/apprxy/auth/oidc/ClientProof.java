package io.apprxy.auth.oidc;

import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientAuthenticationMethod;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderEndpointMetadata;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * How this gateway proves to a provider's endpoints which client it is (RFC 6749 §2.3, RFC 7523,
 * RFC 8705). Immutable.
 */
final class ClientProof {
  private static final Duration LIFETIME = Duration.ofMinutes(1);

  private final String issuer;
  private final OIDCProviderMetadata metadata;
  private final Clock clock;

  ClientProof(String issuer, OIDCProviderMetadata metadata, Clock clock) {
    this.issuer = issuer;
    this.metadata = metadata;
    this.clock = clock;
  }

  /** What is sent with a request; null if it proves itself by TLS, or not at all. */
  @Nullable ClientAuthentication of(OidcClient client) {
    Secret secret = client.secret();
    if (secret != null) {
      return client.secretInForm() || takesFormOnly()
          ? new ClientSecretPost(client.id(), secret)
          : new ClientSecretBasic(client.id(), secret);
    }
    SigningKey key = client.key();
    return key == null
        ? null
        : new PrivateKeyJWT(key.sign(assertion(client), null, metadata.getTokenEndpointJWSAlgs()));
  }

  private boolean takesFormOnly() {
    List<ClientAuthenticationMethod> methods = metadata.getTokenEndpointAuthMethods();
    return methods != null
        && methods.contains(ClientAuthenticationMethod.CLIENT_SECRET_POST)
        && !methods.contains(ClientAuthenticationMethod.CLIENT_SECRET_BASIC);
  }

  /**
   * RFC 7523 §3. For the issuer and nobody else: a provider that names the endpoint of another as
   * its own could use there what is made for an endpoint. Entra ID takes its token endpoint only.
   */
  private JWTClaimsSet assertion(OidcClient client) {
    Instant now = clock.instant();
    return new JWTClaimsSet.Builder()
        .issuer(client.id().getValue())
        .subject(client.id().getValue())
        .audience(Entra.isIssuer(issuer) ? metadata.getTokenEndpointURI().toString() : issuer)
        .jwtID(UUID.randomUUID().toString())
        .issueTime(Date.from(now))
        .notBeforeTime(Date.from(now))
        .expirationTime(Date.from(now.plus(LIFETIME)))
        .build();
  }

  URI tokenEndpoint(OidcClient client) {
    OIDCProviderEndpointMetadata aliases = aliases(client);
    return aliases == null || aliases.getTokenEndpointURI() == null
        ? metadata.getTokenEndpointURI()
        : aliases.getTokenEndpointURI();
  }

  /** Null if the provider has none. */
  @Nullable URI pushEndpoint(OidcClient client) {
    OIDCProviderEndpointMetadata aliases = aliases(client);
    return aliases == null || aliases.getPushedAuthorizationRequestEndpointURI() == null
        ? metadata.getPushedAuthorizationRequestEndpointURI()
        : aliases.getPushedAuthorizationRequestEndpointURI();
  }

  /** Null if the provider has none. */
  @Nullable URI introspectionEndpoint(OidcClient client) {
    OIDCProviderEndpointMetadata aliases = aliases(client);
    return aliases == null || aliases.getIntrospectionEndpointURI() == null
        ? metadata.getIntrospectionEndpointURI()
        : aliases.getIntrospectionEndpointURI();
  }

  /** Where clients prove themselves by certificate (RFC 8705 §5). */
  private @Nullable OIDCProviderEndpointMetadata aliases(OidcClient client) {
    return client.provesItselfByTls() ? metadata.getReadOnlyMtlsEndpointAliases() : null;
  }

  /** All the addresses that a secret, or a proof, may be sent to. */
  static List<@Nullable URI> endpoints(OIDCProviderMetadata metadata) {
    OIDCProviderEndpointMetadata aliases = metadata.getReadOnlyMtlsEndpointAliases();
    return java.util.Arrays.asList(
        metadata.getTokenEndpointURI(),
        metadata.getPushedAuthorizationRequestEndpointURI(),
        metadata.getIntrospectionEndpointURI(),
        aliases == null ? null : aliases.getIntrospectionEndpointURI(),
        aliases == null ? null : aliases.getTokenEndpointURI(),
        aliases == null ? null : aliases.getPushedAuthorizationRequestEndpointURI());
  }
}
