package io.apprxy.examples;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.tunnel.TunnelServer;
import io.undertow.Undertow;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Measures what a gateway costs: an origin alone, behind a gateway without and with a signed-in
 * session, and through the tunnel. Origin, gateway and connector are a process each; {@code wrk}
 * makes the load, and all of it shares this machine.
 */
@Command(
    name = "Benchmark",
    mixinStandardHelpOptions = true,
    description = "Needs wrk on the path (apt-get install wrk).")
public final class Benchmark implements Callable<Integer> {
  private static final String GROUP = "benchmark";
  private static final String COOKIE_SCRIPT = "wrk.headers[\"Cookie\"] = os.getenv(\"COOKIE\")\n";
  private static final Pattern RATE = Pattern.compile("Requests/sec:\\s+([0-9.]+)");
  private static final Pattern P50 = Pattern.compile("\\s50%\\s+(\\S+)");
  private static final Pattern P99 = Pattern.compile("\\s99%\\s+(\\S+)");
  private static final Pattern FAILED =
      Pattern.compile("(Non-2xx or 3xx responses|Socket errors):.*");

  @Option(
      names = "--seconds",
      defaultValue = "10",
      description = "Length of each measurement. Default: ${DEFAULT-VALUE}")
  private int seconds;

  @Option(
      names = "--warm-up",
      defaultValue = "20",
      description = "Seconds of load before each measurement. Default: ${DEFAULT-VALUE}")
  private int warmUp;

  @Option(
      names = "--connections",
      defaultValue = "64",
      description = "Connections of wrk. Default: ${DEFAULT-VALUE}")
  private int connections;

  @Option(names = "--access-log", description = "Let the gateway write its access log, into a file")
  private boolean accessLog;

  @Option(
      names = "--heap",
      defaultValue = "256m",
      description = "Heap of each process. Default: ${DEFAULT-VALUE}")
  private String heap = "";

  /** The order in which the processes are started: the origin is the first. */
  private static final int GATEWAY = 1;

  private static final int CONNECTOR = 2;

  private final List<Process> processes = new ArrayList<>();

  /** The CPU times are those of all requests of the measurement. */
  private record Measurement(
      String what,
      double rate,
      String p50,
      String p99,
      Duration gatewayCpu,
      Duration connectorCpu,
      @Nullable String trouble) {}

  /** Starts the benchmark. */
  public static void main(String[] arguments) {
    CommandLine line = new CommandLine(new Benchmark());
    line.addSubcommand(new Origin()).addSubcommand(new MeasuredGateway());
    System.exit(line.execute(arguments));
  }

  @Override
  public Integer call() throws Exception {
    Path directory = DemoSetup.privateDirectory(Files.createTempDirectory("apprxy-benchmark"));
    DemoCertificates certificates = DemoCertificates.in(directory);
    int origin = DemoSetup.portOrFree(0);
    int originTls = DemoSetup.portOrFree(0);
    int port = DemoSetup.portOrFree(0);
    int tunnelPort = DemoSetup.portOrFree(0);
    URI gateway = URI.create("https://localhost:" + port + "/");
    String secret = DemoSetup.sharedSecret(directory.resolve("client-secret"));
    DemoSetup.sharedSecret(directory.resolve("enrolment-token"));
    DemoProvider.Client client = DemoProvider.Client.gateway("apprxy-demo", secret, gateway);

    try (DemoProvider provider = DemoProvider.start(0, certificates.server(), client)) {
      start(
          directory,
          "Benchmark",
          "origin",
          "--directory=" + directory,
          "--port=" + origin,
          "--tls-port=" + originTls);
      start(
          directory,
          "Benchmark",
          "gateway",
          "--directory=" + directory,
          "--port=" + port,
          "--tunnel-port=" + tunnelPort,
          "--origin=http://127.0.0.1:" + origin + "/",
          "--issuer=" + provider.issuer());
      start(
          directory,
          "ConnectorExample",
          "--directory=" + directory,
          "--gateway=https://localhost:" + tunnelPort,
          "--allow-origin=http://127.0.0.1:" + origin);

      DemoBrowser browser = new DemoBrowser(certificates.trust());
      awaitAnswer(browser, gateway.resolve("/plain/"));
      browser.signIn(gateway.resolve("/direct/"), DemoProvider.USERS.get(0), false);
      awaitAnswer(browser, gateway.resolve("/tunnel/"));
      String cookie = browser.cookies(gateway);
      print(
          List.of(
              measure("origin alone, http", "http://127.0.0.1:" + origin + "/", null),
              measure("origin alone, https", "https://127.0.0.1:" + originTls + "/", null),
              measure("gateway, no session", gateway + "plain/", null),
              measure("gateway, signed in", gateway + "direct/", cookie),
              measure("gateway and tunnel, signed in", gateway + "tunnel/", cookie)));
      return 0;
    } finally {
      processes.forEach(Process::destroy);
      System.out.println("Logs are in " + directory);
    }
  }

  private void start(Path directory, String example, String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + heap,
                "-cp",
                System.getProperty("java.class.path"),
                "io.apprxy.examples." + example));
    command.addAll(List.of(arguments));
    File log = directory.resolve("process-" + processes.size() + ".log").toFile();
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log);
    builder.environment().put("APPRXY_LOG", accessLog ? "INFO" : "WARN");
    processes.add(builder.start());
  }

  private static void awaitAnswer(DemoBrowser browser, URI url)
      throws InterruptedException, IOException {
    Instant deadline = Instant.now().plus(Duration.ofSeconds(30));
    while (true) {
      int status = 0;
      try {
        HttpResponse<String> answer = browser.open(url);
        status = answer.statusCode();
      } catch (IOException e) {
        // nobody listens yet
      }
      if (status == 200) {
        return;
      }
      if (Instant.now().isAfter(deadline)) {
        throw new IOException(url + " does not answer; the last status was " + status);
      }
      TimeUnit.MILLISECONDS.sleep(100);
    }
  }

  private Measurement measure(String what, String url, @Nullable String cookie)
      throws IOException, InterruptedException {
    System.out.println("Measuring " + what + ": " + url);
    wrk(url, cookie, warmUp);
    Duration gatewayCpu = cpu(GATEWAY);
    Duration connectorCpu = cpu(CONNECTOR);
    String report = wrk(url, cookie, seconds);
    Matcher failed = FAILED.matcher(report);
    return new Measurement(
        what,
        Double.parseDouble(find(RATE, report)),
        find(P50, report),
        find(P99, report),
        cpu(GATEWAY).minus(gatewayCpu),
        cpu(CONNECTOR).minus(connectorCpu),
        failed.find() ? failed.group().strip() : null);
  }

  private String wrk(String url, @Nullable String cookie, int duration)
      throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of("wrk", "-t1", "-c" + connections, "-d" + duration + "s", "--latency", url));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    if (cookie != null) {
      // by script and environment: others could read a command line
      Path script =
          Files.writeString(Files.createTempFile("apprxy-benchmark", ".lua"), COOKIE_SCRIPT);
      command.addAll(List.of("-s", script.toString()));
      builder.environment().put("COOKIE", cookie);
    }
    Process wrk = builder.start();
    String report = new String(wrk.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (wrk.waitFor() != 0) {
      throw new IOException("wrk failed: " + report);
    }
    return report;
  }

  private static String find(Pattern pattern, String report) throws IOException {
    Matcher matcher = pattern.matcher(report);
    if (!matcher.find()) {
      throw new IOException("wrk reported something else: " + report);
    }
    return matcher.group(1);
  }

  /** What a process has used so far; a measure that other load on the machine disturbs little. */
  private Duration cpu(int process) {
    return processes.get(process).info().totalCpuDuration().orElse(Duration.ZERO);
  }

  private String microsecondsEach(Duration cpu, Measurement one) {
    return String.format(Locale.ROOT, "%.0f µs", cpu.toNanos() / 1_000.0 / (one.rate() * seconds));
  }

  private void print(List<Measurement> all) {
    double first = all.get(0).rate();
    double direct = all.get(2).rate();
    System.out.printf(
        "%n%-32s %12s %8s %9s %9s %11s %12s %13s%n",
        "", "requests/s", "p50", "p99", "to origin", "to gateway", "gateway CPU", "connector CPU");
    for (Measurement one : all) {
      System.out.printf(
          Locale.ROOT,
          "%-32s %12.0f %8s %9s %9.2f %11.2f %12s %13s%s%n",
          one.what(),
          one.rate(),
          one.p50(),
          one.p99(),
          one.rate() / first,
          one.rate() / direct,
          microsecondsEach(one.gatewayCpu(), one),
          microsecondsEach(one.connectorCpu(), one),
          one.trouble() == null ? "" : "   " + one.trouble());
    }
  }

  /** Answers 40 bytes, at once. */
  @Command(name = "origin", hidden = true)
  private static final class Origin implements Callable<Integer> {
    @Option(names = "--directory")
    private Path directory = DemoSetup.defaultDirectory();

    @Option(names = "--port")
    private int port;

    @Option(names = "--tls-port")
    private int tlsPort;

    @Override
    public Integer call() throws Exception {
      SSLContext tls = DemoCertificates.in(directory).server();
      Undertow server =
          Undertow.builder()
              .addHttpListener(port, "127.0.0.1")
              .addHttpsListener(tlsPort, "127.0.0.1", tls)
              .setHandler(
                  exchange ->
                      exchange.getResponseSender().send("0123456789012345678901234567890123456789"))
              .build();
      server.start();
      return DemoSetup.serveUntilStopped(server::stop);
    }
  }

  /**
   * Publishes the same origin three times: to everybody, to signed-in users, and to signed-in users
   * through the tunnel.
   */
  @Command(name = "gateway", hidden = true)
  private static final class MeasuredGateway implements Callable<Integer> {
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

    @Override
    public Integer call() throws Exception {
      DemoCertificates certificates = DemoCertificates.in(directory);
      TunnelServer tunnel =
          TunnelServer.builder()
              .host("127.0.0.1")
              .port(tunnelPort)
              .tls(certificates.server())
              .enrolmentToken(GROUP, DemoSetup.sharedSecret(directory.resolve("enrolment-token")))
              .build();
      Gateway gateway =
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
              .accessPolicy(new AssignmentPolicy())
              .connectors(tunnel)
              .signOn(new HeaderSignOn())
              .publish(application("plain").passthrough().build())
              .publish(signedIn("direct").build())
              .publish(signedIn("tunnel").connectorGroup(GROUP).build())
              .build();
      tunnel.start();
      gateway.start();
      return DemoSetup.serveUntilStopped(gateway, tunnel);
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
  }
}
