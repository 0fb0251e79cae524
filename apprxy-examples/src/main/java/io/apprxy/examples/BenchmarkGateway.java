package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.ConditionalAccess;
import io.apprxy.auth.policy.NamedLocation;
import io.apprxy.auth.policy.Policy;
import io.apprxy.auth.policy.PolicySet;
import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.examples.BenchmarkContender.Running;
import io.apprxy.tunnel.Connector;
import io.apprxy.tunnel.TunnelServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** apprxy as a contender: a gateway, and a connector, with everything on that they have. */
@Command(name = "gateway-process", hidden = true)
final class BenchmarkGateway implements Callable<Integer> {
  private static final String GROUP = "benchmark";

  /** Applications and groups beside the one that is measured. */
  private static final int OTHER_APPLICATIONS = 999;

  /** That policies are about. */
  private static final int PARTS = 18;

  private static final int OTHER_GROUPS = 9;
  private static final int MAX_OTHERS = 200;
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @Option(names = "--directory")
  private Path directory = DemoSetup.defaultDirectory();

  @Option(names = "--port")
  private int port;

  @Option(names = "--tunnel-port")
  private int tunnelPort;

  @Option(names = "--origin")
  private String origin = "";

  @Option(names = "--issuer")
  private String issuer = "";

  @Option(names = "--grown")
  private boolean grown;

  /**
   * Starts gateway and connector, and signs a user in.
   *
   * @param path of the application that is measured
   * @param others how many connectors there shall be beside the one that serves it
   */
  static Running start(BenchmarkBed bed, Path java, String path, int others) throws Exception {
    int port = BenchmarkBed.freePort();
    int tunnelPort = BenchmarkBed.freePort();
    URI home = URI.create("https://localhost:" + port + "/");
    String secret = DemoSetup.sharedSecret(bed.directory.resolve("client-secret"));
    DemoProvider.Client client = DemoProvider.Client.gateway("apprxy-demo", secret, home);
    String tunnel = "https://localhost:" + tunnelPort;
    // It is asked once; all later requests carry the session.
    try (DemoProvider provider = DemoProvider.start(0, bed.certificates.server(), client)) {
      List<Process> processes = new ArrayList<>();
      processes.add(
          bed.java(
              java,
              "Benchmark",
              "gateway-process",
              "--directory=" + bed.directory,
              "--port=" + port,
              "--tunnel-port=" + tunnelPort,
              "--origin=" + bed.origin(),
              "--issuer=" + provider.issuer(),
              "--grown=" + (others > 0)));
      DemoBrowser browser = new DemoBrowser(bed.certificates.trust());
      bed.await(() -> browser.open(home.resolve("plain/1k")).statusCode());
      if (path.equals("tunnel/")) {
        processes.add(
            bed.java(
                java,
                "ConnectorExample",
                "--directory=" + bed.directory,
                "--gateway=" + tunnel,
                "--allow-origin=" + bed.origin().resolve("/").toString().replaceAll("/$", "")));
      }
      if (others > 0) {
        processes.add(
            bed.java(
                java,
                "Benchmark",
                "connectors",
                "--directory=" + bed.directory,
                "--gateway=" + tunnel,
                "--number=" + others));
        bed.await(() -> browser.open(home.resolve("plain/1k")).statusCode());
      }
      browser.signIn(home.resolve("direct/1k"), DemoProvider.USERS.get(0), false);
      bed.await(() -> browser.open(home.resolve(path + "1k")).statusCode());
      return new Running(port, path, browser.cookies(home), processes);
    }
  }

  @Override
  public Integer call() throws Exception {
    DemoCertificates certificates = DemoCertificates.in(directory);
    TunnelServer.Builder tunnelBuilder =
        TunnelServer.builder()
            .host("127.0.0.1")
            .port(tunnelPort)
            .tls(certificates.serverKeys())
            .group(GROUP);
    if (grown) {
      for (int i = 0; i < OTHER_GROUPS; i++) {
        tunnelBuilder.group(otherGroup(i));
      }
    }
    TunnelServer tunnel = tunnelBuilder.build();
    Gateway.Builder builder =
        Gateway.builder()
            .host("127.0.0.1")
            .port(port)
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(issuer)
                    .clientId("apprxy-demo")
                    .clientSecret(DemoSetup.sharedSecret(directory.resolve("client-secret")))
                    .trust(certificates.trust())
                    .build())
            .accessPolicy(ConditionalAccess.builder().policies(policies()).build())
            .connectors(tunnel)
            .signOn(new HeaderSignOn())
            .publish(application("plain").passthrough().build())
            .publish(signedIn("direct").build())
            .publish(signedIn("tunnel").connectorGroup(GROUP).build());
    if (grown) {
      for (int i = 0; i < OTHER_APPLICATIONS; i++) {
        builder.publish(
            signedIn("application-" + i).connectorGroup(otherGroup(i % OTHER_GROUPS)).build());
      }
    }
    Gateway gateway = builder.build();
    tunnel.start();
    DemoSetup.replacePrivate(
        directory.resolve("enrolment-token"), tunnel.createEnrolmentToken(GROUP));
    if (grown) {
      writeOtherTokens(tunnel);
    }
    gateway.start();
    return DemoSetup.serveUntilStopped(gateway, tunnel);
  }

  /** One for each of the other connectors, in the order in which they are started. */
  private void writeOtherTokens(TunnelServer tunnel) throws IOException {
    StringBuilder tokens = new StringBuilder();
    for (int i = 0; i < MAX_OTHERS; i++) {
      tokens.append(tunnel.createEnrolmentToken(otherGroup(i % OTHER_GROUPS))).append('\n');
    }
    DemoSetup.replacePrivate(directory.resolve("other-tokens"), tokens.toString());
  }

  /** As an organisation may have: each is looked at for each request, and lets it pass. */
  private static PolicySet policies() {
    PolicySet.Builder policies =
        PolicySet.builder().namedLocation(NamedLocation.trustedNetworks("office", "127.0.0.0/8"));
    policies.policy(
        everywhere("Several factors outside the office")
            .excludeLocations("office")
            .requireMultifactor()
            .build());
    policies.policy(everywhere("Sign in once a day").signInFrequency(Duration.ofHours(24)).build());
    for (int i = 0; i < PARTS; i++) {
      policies.policy(
          everywhere("Administration in the office only, part " + i)
              .includePaths("/direct/admin-" + i, "/tunnel/admin-" + i)
              .excludeLocations("office")
              .block()
              .build());
    }
    return policies.build();
  }

  private static Policy.Builder everywhere(String name) {
    return Policy.builder(name)
        .includeAllUsers()
        .excludeGroups("break-glass")
        .includeAllApplications();
  }

  private Application.Builder signedIn(String name) {
    return application(name)
        .assignGroups("staff")
        .headerSignOn(Map.of("X-User", "preferred_username"));
  }

  private Application.Builder application(String name) {
    return Application.builder(name)
        .externalUrl("https://localhost:" + port + "/" + name + "/")
        .internalUrl(origin);
  }

  private static String otherGroup(int number) {
    return "other-" + number;
  }

  /** Connectors of other groups, all in one process. */
  @Command(name = "connectors", hidden = true)
  static final class Others implements Callable<Integer> {
    @Option(names = "--directory")
    private Path directory = DemoSetup.defaultDirectory();

    @Option(names = "--gateway")
    private String gateway = "";

    @Option(names = "--number")
    private int number;

    @Override
    public Integer call() throws Exception {
      DemoCertificates certificates = DemoCertificates.in(directory);
      List<String> tokens = Files.readAllLines(directory.resolve("other-tokens"));
      List<Connector> connectors = new ArrayList<>();
      for (int i = 0; i < number; i++) {
        connectors.add(
            Connector.builder()
                .gateway(gateway)
                .name("other-" + i)
                .trust(certificates.ca())
                .enrolmentToken(tokens.get(i))
                .allowOrigin("http://127.0.0.1:9")
                .build()
                .start());
      }
      for (Connector connector : connectors) {
        if (!connector.awaitConnected(PATIENCE)) {
          throw new IllegalStateException("a connector is not connected after " + PATIENCE);
        }
      }
      return DemoSetup.serveUntilStopped(connectors.toArray(AutoCloseable[]::new));
    }
  }
}
