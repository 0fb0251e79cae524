package io.apprxy.auth.oidc;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * This gateway as its provider knows it. Immutable.
 *
 * @param secret null for a public client
 * @param timeout for one exchange with the provider, from the connection to the last byte
 */
record RelyingParty(
    Issuer issuer,
    ClientID id,
    @Nullable Secret secret,
    Scope scope,
    Set<JWSAlgorithm> algorithms,
    Clock clock,
    Duration clockSkew,
    Duration timeout) {

  /**
   * Whether an endpoint may be used: https, or plain text on the loopback interface if the issuer
   * is there too. A provider that is reached with TLS cannot send the code or the secret elsewhere
   * in the clear.
   */
  boolean trusts(@Nullable URI endpoint) {
    return endpoint != null
        && endpoint.getHost() != null
        && endpoint.getRawFragment() == null
        && endpoint.getRawUserInfo() == null
        && ("https".equalsIgnoreCase(endpoint.getScheme())
            || (isPlainLoopback(endpoint) && isPlainLoopback(URI.create(issuer.getValue()))));
  }

  static boolean isPlainLoopback(URI uri) {
    String host = uri.getHost();
    return "http".equalsIgnoreCase(uri.getScheme())
        && host != null
        && (host.equalsIgnoreCase("localhost")
            || host.equals("[::1]")
            || host.matches("127\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}"));
  }

  @Override
  public String toString() {
    return "RelyingParty[" + id + " of " + issuer + "]";
  }
}
