package consumer;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.tunnel.Connector;
import io.apprxy.tunnel.TunnelServer;
import java.util.Map;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;

/** What the README tells a user to write: a gateway, and a connector beside the origin. */
final class Consumer {
  private Consumer() {}

  static Gateway gateway(SSLContext tls, KeyManager[] keys, String secret) {
    TunnelServer tunnel = TunnelServer.builder().tls(keys).group("corp").build();
    OidcPreAuthentication signIn =
        OidcPreAuthentication.builder()
            .issuer("https://login.example.com")
            .clientId("gateway")
            .clientSecret(secret)
            .build();
    Application wiki =
        Application.builder("wiki")
            .externalUrl("https://wiki.example.com/")
            .internalUrl("http://wiki.corp:8080/")
            .connectorGroup("corp")
            .assignGroups("staff")
            .headerSignOn(Map.of("X-User", "preferred_username"))
            .build();
    return Gateway.builder()
        .tls(tls)
        .preAuthentication(signIn)
        .accessPolicy(new AssignmentPolicy())
        .connectors(tunnel)
        .publish(wiki)
        .build();
  }

  static Connector connector(String token) {
    return Connector.builder()
        .gateway("https://gateway.example.com:7443")
        .enrolmentToken(token)
        .allowOrigin("http://wiki.corp:8080")
        .signOn(new HeaderSignOn())
        .build();
  }
}
