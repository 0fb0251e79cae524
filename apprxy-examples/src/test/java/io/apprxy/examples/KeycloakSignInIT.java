package io.apprxy.examples;

import java.net.URI;
import java.security.cert.X509Certificate;
import org.junit.jupiter.api.extension.ExtendWith;

/** {@link SignInTests} with Keycloak. */
@ExtendWith(Keycloak.Shared.class)
class KeycloakSignInIT extends SignInTests {
  private final Keycloak keycloak;

  KeycloakSignInIT(Keycloak shared) {
    keycloak = shared;
  }

  @Override
  String startProvider(String gateway, URI backChannel) throws Exception {
    keycloak.logOutBy("gateway-basic", backChannel);
    return keycloak.issuer();
  }

  @Override
  X509Certificate providerCertificate() {
    return keycloak.certificate();
  }
}
