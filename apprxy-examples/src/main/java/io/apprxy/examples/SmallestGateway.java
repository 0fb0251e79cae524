package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.tunnel.TunnelServer;
import java.nio.file.Path;
import java.util.Map;
import javax.net.ssl.SSLContext;

/**
 * The gateway of the README. Certificates are those of the JVM: {@code -Djavax.net.ssl.keyStore=…}.
 */
public final class SmallestGateway {
  private SmallestGateway() {}

  /** Starts it. */
  public static void main(String[] args) throws Exception {
    // README: gateway
    var tls = SSLContext.getDefault(); // -Djavax.net.ssl.keyStore=…
    var tunnel = TunnelServer.builder().group("corp").state(Path.of("authority")).build().start();
    System.out.println("TOKEN=" + tunnel.createEnrolmentToken("corp"));
    var signIn =
        OidcPreAuthentication.builder()
            .issuer("https://login.example.com")
            .clientId("gateway")
            .clientSecret(System.getenv("CLIENT_SECRET"))
            .build();
    var wiki =
        Application.builder("wiki")
            .externalUrl("https://wiki.example.com/")
            .internalUrl("http://wiki.corp:8080/")
            .connectorGroup("corp")
            .assignGroups("staff")
            .headerSignOn(Map.of("X-User", "preferred_username"))
            .build();
    var gateway = Gateway.builder().tls(tls).preAuthentication(signIn);
    gateway.accessPolicy(new AssignmentPolicy()).connectors(tunnel).publish(wiki).build().start();
    // README: end
  }
}
