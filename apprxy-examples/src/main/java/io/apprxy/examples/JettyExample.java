package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.servlet.VerifiedIdentityFilter;
import io.apprxy.auth.sso.AssertionVerifier;
import io.apprxy.auth.sso.SignedAssertions;
import io.apprxy.tunnel.Connector;
import io.apprxy.tunnel.TunnelServer;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Callable;
import org.eclipse.jetty.ee11.servlet.ServletContextHandler;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A servlet application on an embedded Jetty that publishes itself: it dials out to a gateway by a
 * connector of its own, opens no port to the network, and takes the identities that the gateway
 * signs. Gateway and provider are started beside it, to have something to try.
 */
@Command(
    name = "JettyExample",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Starts a servlet application on Jetty that publishes itself, and a gateway.")
public final class JettyExample implements Callable<Integer>, AutoCloseable {
  private static final String ISSUER = "https://gateway.example.com";

  @Option(
      names = "--port",
      defaultValue = "8443",
      description = "Port of the gateway. Default: ${DEFAULT-VALUE}")
  private int port;

  @Option(
      names = "--provider-port",
      defaultValue = "9443",
      description = "Port of the demo provider. Default: ${DEFAULT-VALUE}")
  private int providerPort;

  @Option(
      names = "--directory",
      description = "Where the demo's CA is kept. Default: ~/.apprxy-quickstart")
  private Path directory = DemoSetup.defaultDirectory();

  private final Deque<AutoCloseable> running = new ArrayDeque<>();

  /** Starts it, and stops it on Ctrl-C. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new JettyExample(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    DemoCertificates certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory));
    URI url = URI.create("https://localhost:" + port + "/");
    start(url, providerPort, certificates);
    System.out.println("Open " + url + " and sign in as alice / wonderland");
    return DemoSetup.serveUntilStopped(this);
  }

  /**
   * Starts all of it.
   *
   * @return where the application listens, on the loopback interface
   */
  URI start(URI url, int providerPort, DemoCertificates certificates) throws Exception {
    Server jetty = application(url.resolve("/.apprxy/jwks.json"), certificates);
    running.push(jetty::stop);
    ServerConnector loopback = (ServerConnector) jetty.getConnectors()[0];
    URI origin = URI.create("http://127.0.0.1:" + loopback.getLocalPort() + "/");

    TunnelServer tunnel = gateway(url, providerPort, origin, certificates);

    Connector connector =
        Connector.builder()
            .gateway("https://localhost:" + tunnel.port())
            .name("application")
            .trust(certificates.ca())
            .enrolmentToken(tunnel.createEnrolmentToken("jetty"))
            .allowOrigin(origin.toString())
            .build();
    running.push(connector.start());
    if (!connector.awaitConnected(Duration.ofSeconds(30))) {
      throw new IllegalStateException("the connector could not connect; the log says why");
    }
    return origin;
  }

  /** The application: it listens where only this machine can reach it, and its connector does. */
  private static Server application(URI keys, DemoCertificates certificates) throws Exception {
    // README: jetty
    VerifiedIdentityFilter filter =
        VerifiedIdentityFilter.builder()
            .verifier(
                AssertionVerifier.builder()
                    .keys(keys.toString())
                    .issuer(ISSUER)
                    .audience("app")
                    .trust(certificates.trust())
                    .build())
            .userName("preferred_username")
            .build();
    // README: end
    Server server = new Server();
    ServerConnector loopback = new ServerConnector(server);
    loopback.setHost("127.0.0.1");
    server.addConnector(loopback);
    ServletContextHandler context = new ServletContextHandler("/");
    context.addServletContainerInitializer(
        (classes, servlets) -> {
          filter.register(servlets);
          servlets.addServlet("greeting", new GreetingServlet()).addMapping("/");
        });
    server.setHandler(context);
    server.start();
    return server;
  }

  /** What would be elsewhere: the gateway, and the provider that its users sign in at. */
  private TunnelServer gateway(URI url, int providerPort, URI origin, DemoCertificates certificates)
      throws Exception {
    DemoProvider provider =
        DemoProvider.start(
            providerPort,
            certificates.server(),
            DemoProvider.Client.gateway("gateway", "no secret, but a demo", url));
    running.push(provider);
    TunnelServer tunnel =
        TunnelServer.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(certificates.serverKeys())
            .group("jetty")
            .build();
    running.push(tunnel.start());
    Gateway gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(provider.issuer().toString())
                    .clientId("gateway")
                    .clientSecret("no secret, but a demo")
                    .trust(certificates.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .assertions(SignedAssertions.builder().issuer(ISSUER).build())
            .connectors(tunnel)
            .publish(
                Application.builder("app")
                    .externalUrl(url.toString())
                    .internalUrl(origin.toString())
                    .connectorGroup("jetty")
                    .assignGroups("staff")
                    .signedAssertion()
                    .build())
            .build();
    running.push(gateway.start());
    return tunnel;
  }

  /** Stops everything, the last started first. */
  @Override
  public void close() {
    while (!running.isEmpty()) {
      DemoSetup.closeAll(running.pop());
    }
  }
}
