package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.servlet.PreAuthenticationFilter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.catalina.Context;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** A servlet application on an embedded Tomcat that signs its users in by itself, by a filter. */
@Command(
    name = "TomcatExample",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Starts a servlet application on Tomcat, and a provider to sign in at.")
public final class TomcatExample implements Callable<Integer> {
  @Option(
      names = "--port",
      defaultValue = "8443",
      description = "Port of the application. Default: ${DEFAULT-VALUE}")
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

  /** Starts it, and stops it on Ctrl-C. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new TomcatExample(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    DemoCertificates certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory));
    URI url = URI.create("https://localhost:" + port + "/");
    DemoProvider provider =
        DemoProvider.start(
            providerPort,
            certificates.server(),
            DemoProvider.Client.gateway("tomcat", "no secret, but a demo", url));
    Tomcat tomcat = start(url, provider.issuer(), certificates);
    System.out.println("Open " + url + " and sign in as alice / wonderland");
    return DemoSetup.serveUntilStopped(() -> stop(tomcat), provider);
  }

  /** Starts Tomcat with the filter, in the root context. */
  static Tomcat start(URI url, URI issuer, DemoCertificates certificates) throws Exception {
    // README: tomcat
    PreAuthenticationFilter filter =
        PreAuthenticationFilter.builder()
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(issuer.toString())
                    .clientId("tomcat")
                    .clientSecret("no secret, but a demo")
                    .trust(certificates.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .protect(
                Application.builder("app")
                    .externalUrl(url.toString())
                    .internalUrl(url.toString())
                    .assignGroups("staff")
                    .build())
            .userName("preferred_username")
            .build();
    // README: end
    Tomcat tomcat = new Tomcat();
    Path base = Files.createTempDirectory("tomcat");
    tomcat.setBaseDir(base.toString());
    tomcat.setConnector(tls(url.getPort(), base, certificates));
    Context context = tomcat.addContext("", null);
    context.addServletContainerInitializer(
        (classes, servlets) -> {
          filter.register(servlets);
          servlets.addServlet("greeting", new GreetingServlet()).addMapping("/");
        },
        Set.of());
    tomcat.start();
    return tomcat;
  }

  private static Connector tls(int port, Path base, DemoCertificates certificates)
      throws Exception {
    Path chain = base.resolve("chain.pem");
    Path key = base.resolve("key.pem");
    certificates.writeServer(chain, key);
    SSLHostConfig tls = new SSLHostConfig();
    SSLHostConfigCertificate certificate =
        new SSLHostConfigCertificate(tls, SSLHostConfigCertificate.Type.UNDEFINED);
    certificate.setCertificateFile(chain.toString());
    certificate.setCertificateKeyFile(key.toString());
    tls.addCertificate(certificate);
    Connector connector = new Connector();
    connector.setPort(port);
    connector.setProperty("address", "127.0.0.1");
    connector.setSecure(true);
    connector.setScheme("https");
    connector.setProperty("SSLEnabled", "true");
    connector.addSslHostConfig(tls);
    return connector;
  }

  static void stop(Tomcat tomcat) throws LifecycleException {
    tomcat.stop();
    tomcat.destroy();
  }
}
