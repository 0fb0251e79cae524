package io.apprxy.examples;

import java.net.URI;
import java.security.cert.X509Certificate;
import org.junit.jupiter.api.AfterAll;

/** {@link SignInTests} with {@code oidc-provider} of npm, which a run of this class starts. */
class NodeProviderSignInIT extends SignInTests {
  private NodeProvider provider;

  @Override
  String startProvider(String gateway, URI backChannel) throws Exception {
    provider = NodeProvider.start(gateway, NAME, backChannel);
    return provider.issuer();
  }

  @AfterAll
  void stopProvider() {
    provider.close();
  }

  @Override
  X509Certificate providerCertificate() {
    return provider.certificate();
  }
}
