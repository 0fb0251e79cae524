package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The examples as processes of their own, 256 MiB of heap each: a gateway, and connectors as they
 * are started. The provider is in the process of the test.
 */
final class SeparateProcesses implements AutoCloseable {
  static final long PATIENCE_SECONDS = 60;

  final URI home;
  private final URI origin;
  private final Path temporary;
  private final Path directory;
  private final DemoCertificates certificates;
  private final DemoProvider provider;
  ExampleProcess gateway;
  private final int tunnelPort;
  private final List<ExampleProcess> processes = new ArrayList<>();

  /**
   * Starts a gateway.
   *
   * @param origin what it publishes
   * @param temporary a directory for certificates, secrets and logs
   * @param settings more for the gateway
   */
  SeparateProcesses(URI origin, Path temporary, String... settings) throws Exception {
    this.origin = origin;
    this.temporary = temporary;
    directory = DemoSetup.privateDirectory(temporary.resolve("demo"));
    certificates = DemoCertificates.in(directory);
    int port = DemoSetup.portOrFree(0);
    tunnelPort = DemoSetup.portOrFree(0);
    home = URI.create("https://localhost:" + port + "/");
    String secret = DemoSetup.sharedSecret(directory.resolve("client-secret"));
    provider =
        DemoProvider.start(
            0, certificates.server(), DemoProvider.Client.gateway("apprxy-demo", secret, home));
    startGateway(settings);
  }

  /** Starts the gateway; once more on the same ports, if it has ended. */
  void startGateway(String... settings) throws Exception {
    List<String> all = new ArrayList<>(List.of(settings));
    all.add("--port=" + home.getPort());
    all.add("--tunnel-port=" + tunnelPort);
    all.add("--internal-url=" + origin);
    all.add("--issuer=" + provider.issuer());
    gateway = start("", GatewayExample.class, all);
    await(gateway, "The gateway serves");
  }

  ExampleProcess startConnector() throws Exception {
    return startConnector("");
  }

  /**
   * A connector whose own classes come from another jar.
   *
   * @param jar or empty, for those of this build
   */
  ExampleProcess startConnector(String jar, String... settings) throws Exception {
    List<String> all = new ArrayList<>(List.of(settings));
    all.add("--gateway=https://localhost:" + tunnelPort);
    all.add("--allow-origin=" + origin);
    ExampleProcess connector = start(jar, ConnectorExample.class, all);
    await(connector, "is connected");
    return connector;
  }

  /** Alice, signed in. */
  DemoBrowser alice() throws Exception {
    DemoBrowser alice = new DemoBrowser(certificates.trust());
    assertThat(alice.signIn(home, DemoProvider.USERS.get(0), false).statusCode()).isEqualTo(200);
    return alice;
  }

  DemoCertificates certificates() {
    return certificates;
  }

  private ExampleProcess start(String jar, Class<?> example, List<String> arguments)
      throws Exception {
    List<String> all = new ArrayList<>(arguments);
    all.add("--directory=" + directory);
    Path log = temporary.resolve("process-" + processes.size() + ".log");
    ExampleProcess process = new ExampleProcess(jar, example, log, all.toArray(String[]::new));
    processes.add(process);
    return process;
  }

  static void await(ExampleProcess process, String output) throws Exception {
    until(
        () -> {
          assertThat(process.isAlive()).as("alive, having said: %s", process.output()).isTrue();
          return process.output().contains(output);
        },
        () -> "“" + output + "” in: " + process.output());
  }

  static void until(Callable<Boolean> condition, Callable<String> what) throws Exception {
    long deadline = System.nanoTime() + Duration.ofSeconds(PATIENCE_SECONDS).toNanos();
    while (!condition.call()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("waited in vain for " + what.call());
      }
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
    }
  }

  @Override
  public void close() {
    processes.forEach(ExampleProcess::close);
    provider.close();
  }
}
