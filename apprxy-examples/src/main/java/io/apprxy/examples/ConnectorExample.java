package io.apprxy.examples;

import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.tunnel.Connector;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A connector as a process of its own, for the gateway of {@link GatewayExample}. Start as many as
 * you like, on any machines that reach the application: they share its load, and while one is left
 * users notice nothing.
 */
@Command(
    name = "ConnectorExample",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    defaultValueProvider = CommandLine.PropertiesDefaultProvider.class,
    description = "Dials out to a gateway and serves an internal application through it.",
    footer = {
      "Options may also stand in ~/.ConnectorExample.properties, such as: gateway=https://gateway.example.com:7443",
      "The enrolment token is read from a file, or from APPRXY_ENROLMENT_TOKEN in the environment."
    })
public final class ConnectorExample implements Callable<Integer> {
  @Option(
      names = "--gateway",
      defaultValue = "https://localhost:7443",
      description = "Where the gateway takes connectors. Default: ${DEFAULT-VALUE}")
  private URI gateway = URI.create("https://localhost:7443");

  @Option(
      names = "--allow-origin",
      defaultValue = "http://127.0.0.1:8080",
      description = "Origins that it may forward to. Default: ${DEFAULT-VALUE}")
  private List<URI> origins = List.of();

  @Option(
      names = "--name",
      defaultValue = "connector",
      description = "Its name in the logs of the gateway. Default: ${DEFAULT-VALUE}")
  private String name = "";

  @Option(
      names = "--gateway-ca",
      description = "A PEM file with the CA of the gateway. Default: ca.pem in the directory")
  private @Nullable Path gatewayCa;

  @Option(
      names = "--enrolment-token-file",
      description = "A file with the token. Default: enrolment-token in the directory")
  private @Nullable Path enrolmentTokenFile;

  @Option(
      names = "--directory",
      description = "Where the demo's CA and secrets are kept. Default: ~/.apprxy-quickstart")
  private Path directory = DemoSetup.defaultDirectory();

  /** Starts the connector, and stops it on Ctrl-C. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new ConnectorExample(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    DemoSetup.privateDirectory(directory);
    SSLContext trust =
        gatewayCa == null ? DemoCertificates.in(directory).trust() : PemFiles.trust(gatewayCa);
    Connector.Builder builder =
        Connector.builder()
            .gateway(gateway.toString())
            .name(name)
            .trust(trust)
            .enrolmentToken(enrolmentToken())
            .signOn(new HeaderSignOn());
    origins.forEach(origin -> builder.allowOrigin(origin.toString()));
    Connector connector = builder.build().start();

    System.out.println("The connector dials " + gateway + ", and serves " + origins);
    return DemoSetup.serveUntilStopped(connector);
  }

  private String enrolmentToken() throws Exception {
    String given = DemoSetup.secret(enrolmentTokenFile, "APPRXY_ENROLMENT_TOKEN");
    return given == null ? DemoSetup.sharedSecret(directory.resolve("enrolment-token")) : given;
  }
}
