package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.tunnel.TunnelServer;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A gateway as a process of its own, for connectors in processes of theirs: see {@link
 * ConnectorExample}.
 */
@Command(
    name = "GatewayExample",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    defaultValueProvider = CommandLine.PropertiesDefaultProvider.class,
    description = "Starts a gateway that publishes one application through connectors.",
    footer = {
      "Options may also stand in ~/.GatewayExample.properties, such as: port=8443",
      "Secrets are read from files, or from APPRXY_CLIENT_SECRET in the environment."
    })
public final class GatewayExample implements Callable<Integer> {
  @Option(
      names = "--host",
      defaultValue = "127.0.0.1",
      description = "Address to listen on. Default: ${DEFAULT-VALUE}")
  private String host = "";

  @Option(
      names = "--port",
      defaultValue = "8443",
      description = "Port of the gateway. Default: ${DEFAULT-VALUE}")
  private int port;

  @Option(
      names = "--tunnel-port",
      defaultValue = "7443",
      description = "Port that connectors dial. Default: ${DEFAULT-VALUE}")
  private int tunnelPort;

  @Option(
      names = "--external-url",
      description = "Where users reach the application. Default: https://localhost:<port>/")
  private @Nullable URI externalUrl;

  @Option(
      names = "--internal-url",
      defaultValue = "http://127.0.0.1:8080/",
      description = "Where connectors reach it. Default: ${DEFAULT-VALUE}")
  private URI internalUrl = URI.create("http://127.0.0.1:8080/");

  @Option(
      names = "--connector-group",
      defaultValue = "demo",
      description = "The connectors that serve it. Default: ${DEFAULT-VALUE}")
  private String connectorGroup = "";

  @Option(
      names = "--recommended-version",
      description = "The version that connectors should update themselves to. Default: none")
  private @Nullable String recommendedVersion;

  @Option(
      names = "--group",
      defaultValue = "staff",
      description = "Groups that may use it. Default: ${DEFAULT-VALUE}")
  private List<String> groups = List.of();

  @Option(
      names = "--user",
      description = "Users that may use it, by subject or verified address. Default: none")
  private List<String> users = List.of();

  @Option(
      names = "--issuer",
      defaultValue = "https://127.0.0.1:9443",
      description = "The OpenID provider. Default: DemoProvider at ${DEFAULT-VALUE}")
  private URI issuer = URI.create("https://127.0.0.1:9443");

  @Option(
      names = "--client-id",
      defaultValue = "apprxy-demo",
      description = "The client id. Default: ${DEFAULT-VALUE}")
  private String clientId = "";

  @Option(
      names = "--client-secret-file",
      description = "A file with the client secret. Default: client-secret in the directory")
  private @Nullable Path clientSecretFile;

  @Option(
      names = "--enrolment-token-file",
      description =
          "Where to keep a token for the next connector. Default: enrolment-token in the directory")
  private @Nullable Path enrolmentTokenFile;

  @Option(
      names = "--provider-ca",
      description =
          "A PEM file with the CA of the provider. Default: the JVM's trust, and the demo's CA")
  private @Nullable Path providerCa;

  @Option(
      names = "--certificate",
      description = "A PEM file with the certificate chain. Default: one of the demo's CA")
  private @Nullable Path certificate;

  @Option(names = "--key", description = "A PEM file with the certificate's key, in PKCS#8")
  private @Nullable Path key;

  @Option(
      names = "--directory",
      description = "Where the demo's CA and secrets are kept. Default: ~/.apprxy-quickstart")
  private Path directory = DemoSetup.defaultDirectory();

  /** Starts the gateway, and stops it on Ctrl-C. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new GatewayExample(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    DemoCertificates demo = DemoCertificates.in(DemoSetup.privateDirectory(directory));
    SSLContext tls =
        certificate == null || key == null ? demo.server() : PemFiles.server(certificate, key);
    String published =
        externalUrl == null ? "https://localhost:" + port + "/" : externalUrl.toString();

    KeyManager[] keys =
        certificate == null || key == null
            ? demo.serverKeys()
            : PemFiles.keys(certificate, key).getKeyManagers();
    DemoTokens tokens = new DemoTokens(connectorGroup, enrolmentTokenFile());
    AtomicReference<@Nullable TunnelServer> listening = new AtomicReference<>();
    TunnelServer.Builder connectors =
        TunnelServer.builder()
            .host(host)
            .port(tunnelPort)
            .tls(keys)
            .group(connectorGroup)
            .state(directory.resolve("authority"))
            .listener(
                event -> {
                  TunnelServer running = listening.get();
                  if (running != null) {
                    tokens.happened(event, running);
                  }
                });
    if (recommendedVersion != null) {
      connectors.recommendVersion(recommendedVersion);
    }
    TunnelServer tunnel = connectors.build();
    listening.set(tunnel);

    Gateway gateway =
        Gateway.builder()
            .host(host)
            .port(port)
            .tls(tls)
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(issuer.toString())
                    .clientId(clientId)
                    .clientSecret(clientSecret())
                    .trust(
                        providerCa == null ? demo.trustBesideDefault() : PemFiles.trust(providerCa))
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .connectors(tunnel)
            .publish(
                Application.builder("demo")
                    .externalUrl(published)
                    .internalUrl(internalUrl.toString())
                    .connectorGroup(connectorGroup)
                    .assignGroups(groups.toArray(String[]::new))
                    .assignUsers(users.toArray(String[]::new))
                    .headerSignOn(DemoApplication.IDENTITY_HEADERS)
                    .build())
            .build();
    tunnel.start();
    tokens.keep(tunnel);
    gateway.start();

    System.out.println(
        "The gateway serves " + published + ", and connectors dial port " + tunnelPort);
    return DemoSetup.serveUntilStopped(gateway, tunnel, tokens);
  }

  private String clientSecret() throws Exception {
    String given = DemoSetup.secret(clientSecretFile, "APPRXY_CLIENT_SECRET");
    return given == null ? DemoSetup.sharedSecret(directory.resolve("client-secret")) : given;
  }

  private Path enrolmentTokenFile() {
    return enrolmentTokenFile == null ? directory.resolve("enrolment-token") : enrolmentTokenFile;
  }
}
