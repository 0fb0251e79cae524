package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Application.KerberosDelegation;
import io.apprxy.Application.LoginIdentity;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.KerberosDoctor;
import io.apprxy.auth.sso.KerberosDoctor.Finding;
import io.apprxy.auth.sso.KerberosSignOn;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A gateway before an application that demands Kerberos. Users sign in at the demo provider, and
 * are known to the domain by the same name. Before it starts, it looks whether that can work.
 */
@Command(
    name = "KerberosExample",
    mixinStandardHelpOptions = true,
    description = {
      "Publishes an application that demands Kerberos (Integrated Windows Authentication).",
      "It needs: a domain, of which krb5.conf tells (-Djava.security.krb5.conf=…, or /etc/krb5.conf);",
      "an account in it that may delegate, with any authentication protocol, to the service of the",
      "application; the keytab of that account; and a user alice in the domain, or another --user.",
      "Looks at all of it, step by step, says what is to be done, and starts if nothing is."
    })
final class KerberosExample implements Callable<Integer>, AutoCloseable {
  @Option(
      names = "--principal",
      required = true,
      description = "The account that delegates, such as svc-apprxy@CORP.EXAMPLE")
  private String principal = "";

  @Option(names = "--keytab", required = true, description = "Its keytab")
  private Path keytab = Path.of("");

  @Option(
      names = "--service",
      required = true,
      description = "The service principal name of the application, such as HTTP/app.corp.example")
  private String service = "";

  @Option(names = "--origin", required = true, description = "Where the application is")
  private URI origin = URI.create("http://localhost/");

  @Option(
      names = "--user",
      defaultValue = "alice",
      description = "Whose ticket to try. Default: ${DEFAULT-VALUE}")
  private String user = "";

  @Option(names = "--check-only", description = "Do not start the gateway")
  private boolean checkOnly;

  @Option(
      names = "--port",
      defaultValue = "8443",
      description = "Port of the gateway; 0 for one that is free. Default: ${DEFAULT-VALUE}")
  private int port;

  @Option(
      names = "--provider-port",
      defaultValue = "9443",
      description = "Port of the demo provider; 0 for one that is free. Default: ${DEFAULT-VALUE}")
  private int providerPort;

  @Option(
      names = "--directory",
      description = "Where the demo's CA is kept. Default: ~/.apprxy-quickstart")
  private Path directory = DemoSetup.defaultDirectory();

  private final Deque<AutoCloseable> running = new ArrayDeque<>();

  /** Looks whether it can work, starts the gateway, and stops it on Ctrl-C. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new KerberosExample(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    if (!examine()) {
      return 1;
    }
    if (checkOnly) {
      return 0;
    }
    try (this) {
      URI url = start();
      System.out.println("\nOpen " + url + ", and sign in as alice, password wonderland");
      return DemoSetup.serveUntilStopped(this);
    }
  }

  private boolean examine() {
    String realm = principal.substring(principal.indexOf('@') + 1);
    boolean well = true;
    for (Finding finding :
        KerberosDoctor.builder(
                principal, keytab, user.contains("@") ? user : user + "@" + realm, service)
            .origin(origin)
            .build()
            .examine()) {
      System.out.printf(
          "%-4s %-13s %s%n", finding.isWell() ? "ok" : "ILL", finding.check(), finding.text());
      if (finding.remedy() != null) {
        System.out.println("                   -> " + finding.remedy());
      }
      well &= finding.isWell();
    }
    return well;
  }

  private URI start() throws Exception {
    DemoCertificates certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory));
    URI url = URI.create("https://localhost:" + DemoSetup.portOrFree(port) + "/");
    String secret = DemoSetup.randomSecret();
    DemoProvider.Client client = DemoProvider.Client.gateway("apprxy-demo", secret, url);
    DemoProvider provider = opened(DemoProvider.start(providerPort, certificates.server(), client));
    KerberosSignOn kerberos = opened(KerberosSignOn.builder(principal, keytab).build());
    Gateway gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(provider.issuer().toString())
                    .clientId("apprxy-demo")
                    .clientSecret(secret)
                    .trust(certificates.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .signOn(kerberos)
            .publish(
                Application.builder("app")
                    .externalUrl(url.toString())
                    .internalUrl(origin.toString())
                    .assignEveryone()
                    .kerberosSignOn(
                        KerberosDelegation.to(service)
                            .as(LoginIdentity.USER_PRINCIPAL_USERNAME)
                            .fromClaim("preferred_username"))
                    .build())
            .build();
    opened(gateway.start());
    return url;
  }

  private <T extends AutoCloseable> T opened(T server) {
    running.push(server);
    return server;
  }

  @Override
  public void close() {
    running.forEach(DemoSetup::closeAll);
    running.clear();
  }
}
