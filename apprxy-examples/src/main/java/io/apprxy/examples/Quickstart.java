package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.tunnel.Connector;
import io.apprxy.tunnel.TunnelServer;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * The whole of apprxy in one process, to be tried out on {@code localhost}: a gateway, a connector
 * that dials out to it, an internal application behind the connector, and an OpenID provider to
 * sign in at. With {@code --issuer} it signs in at your own provider instead, and with {@code
 * --internal-url} it publishes your own application.
 */
@Command(
    name = "Quickstart",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Starts a gateway, a connector, an internal application and an OpenID provider in one process.",
    footer =
        "The client secret is read from --client-secret-file, or from the environment variable APPRXY_CLIENT_SECRET.")
public final class Quickstart implements Callable<Integer>, AutoCloseable {
  private static final String CONNECTOR_GROUP = "quickstart";

  @Option(
      names = "--port",
      defaultValue = "8443",
      description = "Port of the gateway; 0 takes a free one. Default: ${DEFAULT-VALUE}")
  private int port;

  @Option(
      names = "--tunnel-port",
      defaultValue = "7443",
      description = "Port that connectors dial. Default: ${DEFAULT-VALUE}")
  private int tunnelPort;

  @Option(
      names = "--application-port",
      defaultValue = "0",
      description = "Port of the demo application. Default: a free one")
  private int applicationPort;

  @Option(
      names = "--provider-port",
      defaultValue = "9443",
      description = "Port of the demo provider. Default: ${DEFAULT-VALUE}")
  private int providerPort;

  @Option(
      names = "--internal-url",
      description = "Publish this application. Default: the demo application is started")
  private @Nullable URI internalUrl;

  @Option(
      names = "--issuer",
      description = "Sign in at this OpenID provider. Default: the demo provider is started")
  private @Nullable URI issuer;

  @Option(
      names = "--client-id",
      defaultValue = "apprxy-demo",
      description = "The client id. Default: ${DEFAULT-VALUE}")
  private String clientId = "";

  @Option(names = "--client-secret-file", description = "A file that holds the client secret")
  private @Nullable Path clientSecretFile;

  @Option(
      names = "--group",
      defaultValue = "staff",
      description = "Groups that may use the application. Default: ${DEFAULT-VALUE}")
  private List<String> groups = List.of();

  @Option(
      names = "--user",
      description = "Users that may use it, by subject or verified address. Default: none")
  private List<String> users = List.of();

  @Option(
      names = "--directory",
      description = "Where the demo's CA is kept. Default: ~/.apprxy-quickstart")
  private Path directory = DemoSetup.defaultDirectory();

  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private @Nullable DemoCertificates certificates;
  private URI externalUrl = URI.create("https://localhost/");
  private URI origin = URI.create("http://localhost/");
  private int dialledPort;
  private boolean demoProvider;

  /** Starts it with the arguments of {@link #main}, and returns when it serves. */
  static Quickstart start(String... arguments) throws Exception {
    Quickstart quickstart = new Quickstart();
    new CommandLine(quickstart).parseArgs(arguments);
    quickstart.start();
    return quickstart;
  }

  /** Starts the quickstart, and stops it on Ctrl-C. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new Quickstart(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    start();
    System.out.println(greeting());
    return DemoSetup.serveUntilStopped(this);
  }

  private void start() throws Exception {
    certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory));
    try {
      open(certificates);
    } catch (Exception e) {
      close();
      throw e;
    }
  }

  private void open(DemoCertificates certificates) throws Exception {
    externalUrl = URI.create("https://localhost:" + DemoSetup.portOrFree(port) + "/");
    origin =
        internalUrl == null ? opened(DemoApplication.start(applicationPort)).url() : internalUrl;

    TunnelServer tunnel =
        TunnelServer.builder()
            .host("127.0.0.1")
            .port(tunnelPort)
            .tls(certificates.serverKeys())
            .group(CONNECTOR_GROUP)
            .build();
    opened(tunnel.start());

    Connector connector =
        Connector.builder()
            .gateway("https://localhost:" + tunnel.port())
            .name("quickstart")
            .trust(certificates.ca())
            .enrolmentToken(tunnel.createEnrolmentToken(CONNECTOR_GROUP))
            .allowOrigin(origin.resolve("/").toString())
            .signOn(new HeaderSignOn())
            .build();
    opened(connector.start());

    Gateway gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(externalUrl.getPort())
            .tls(certificates.server())
            .preAuthentication(signIn(certificates))
            .accessPolicy(new AssignmentPolicy())
            .connectors(tunnel)
            .publish(
                Application.builder("demo")
                    .externalUrl(externalUrl.toString())
                    .internalUrl(origin.toString())
                    .connectorGroup(CONNECTOR_GROUP)
                    .assignGroups(groups.toArray(String[]::new))
                    .assignUsers(users.toArray(String[]::new))
                    .headerSignOn(DemoApplication.IDENTITY_HEADERS)
                    .build())
            .build();
    opened(gateway.start());

    if (!connector.awaitConnected(Duration.ofSeconds(30))) {
      throw new IllegalStateException("the connector could not connect; the log says why");
    }
    dialledPort = tunnel.port();
  }

  private OidcPreAuthentication signIn(DemoCertificates certificates) throws Exception {
    String secret = DemoSetup.secret(clientSecretFile, "APPRXY_CLIENT_SECRET");
    if (issuer != null) {
      if (secret == null) {
        throw new IllegalStateException(
            "--issuer needs --client-secret-file, or APPRXY_CLIENT_SECRET in the environment");
      }
      return OidcPreAuthentication.builder()
          .issuer(issuer.toString())
          .clientId(clientId)
          .clientSecret(secret)
          .build();
    }
    demoProvider = true;
    String demoSecret = DemoSetup.randomSecret();
    DemoProvider.Client client = DemoProvider.Client.gateway(clientId, demoSecret, externalUrl);
    issuer = opened(DemoProvider.start(providerPort, certificates.server(), client)).issuer();
    return OidcPreAuthentication.builder()
        .issuer(issuer.toString())
        .clientId(clientId)
        .clientSecret(demoSecret)
        .trust(certificates.trust())
        .build();
  }

  private String greeting() {
    long started = ManagementFactory.getRuntimeMXBean().getStartTime();
    StringBuilder text = new StringBuilder("\napprxy quickstart\n\n");
    text.append("  Open         ").append(externalUrl).append('\n');
    if (demoProvider) {
      for (DemoProvider.User user : DemoProvider.USERS) {
        text.append(
            "  Sign in as   %-5s  password %-10s  %s%n"
                .formatted(user.name(), user.password(), fate(user)));
      }
    } else {
      text.append("  Sign in at   ")
          .append(issuer())
          .append("\n  Register     ")
          .append(externalUrl.resolve("/.apprxy/callback"));
      text.append(" there as redirect URI of the client ").append(clientId).append('\n');
    }
    Path ca = certificates().caFile();
    text.append(
        """

          The certificates were made on this machine, so a browser warns: choose "Advanced", then "Proceed". Or let it trust
          the CA, which can vouch for this machine only: %s
          On the command line: curl --cacert %s %s

          browser --> gateway %s --> connector (dialled out to port %d) --> %s
        """
            .formatted(ca, ca, externalUrl, externalUrl.getAuthority(), dialledPort, origin));
    text.append(
        "\n  Ready %d ms after the start of the JVM. Ctrl-C stops it.%n"
            .formatted(System.currentTimeMillis() - started));
    return text.toString();
  }

  private String fate(DemoProvider.User user) {
    boolean admitted =
        users.contains(user.name()) || user.groups().stream().anyMatch(groups::contains);
    return "group "
        + String.join(", ", user.groups())
        + (admitted ? ": is greeted" : ": is refused, and told why");
  }

  /** Where the published application is. */
  URI url() {
    return externalUrl;
  }

  URI issuer() {
    return Objects.requireNonNull(issuer, "not started");
  }

  DemoCertificates certificates() {
    return Objects.requireNonNull(certificates, "not started");
  }

  /** Stops everything, the last started first. */
  @Override
  public void close() {
    while (!running.isEmpty()) {
      DemoSetup.closeAll(running.pop());
    }
  }

  private <T extends AutoCloseable> T opened(T server) {
    running.push(server);
    return server;
  }
}
