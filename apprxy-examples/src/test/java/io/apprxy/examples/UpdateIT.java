package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Connectors that update themselves while users are served, each a process that starts the next
 * one: from a release that calls itself 1.0.0 to one that calls itself 1.1.0.
 */
class UpdateIT {
  @TempDir private Path temporary;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private DemoApplication application;
  private SeparateProcesses processes;
  private HttpsServer server;
  private Path published;
  private Path installed;

  @BeforeEach
  void start() throws Exception {
    published = Files.createDirectory(temporary.resolve("published"));
    installed =
        TestReleases.connector(Files.createDirectory(temporary.resolve("installed")), "1.0.0");
    sign("key", "--private-key=" + file("key.pem"), "--public-key=" + file("pub.pem"));
    application = DemoApplication.start(0);
    processes = new SeparateProcesses(application.url(), temporary, "--recommended-version=1.1.0");
    server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setHttpsConfigurator(new HttpsConfigurator(processes.certificates().server()));
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          Path file = published.resolve(exchange.getRequestURI().getPath().substring(1));
          try (exchange) {
            exchange.sendResponseHeaders(200, Files.size(file));
            Files.copy(file, exchange.getResponseBody());
          }
        });
    server.start();
  }

  @AfterEach
  void stop() {
    processes.close();
    application.close();
    server.stop(0);
    threads.shutdownNow();
  }

  private Path file(String name) {
    return temporary.resolve(name);
  }

  private static void sign(String... arguments) {
    assertThat(DemoSetup.run(new SignRelease(), arguments)).isZero();
  }

  private void publish(Path release) {
    sign("sign", release.toString(), "--private-key=" + file("key.pem"));
  }

  /** A connector of the release that was installed, which updates itself. */
  private ExampleProcess startConnector(String name) throws Exception {
    return processes.startConnector(
        installed.toString(),
        "--name=" + name,
        "--update-url=https://localhost:" + server.getAddress().getPort() + "/connector.json",
        "--update-ca=" + processes.certificates().caFile(),
        "--update-key=" + file("pub.pem"),
        "--release-directory=" + file("releases-" + name));
  }

  private BusyUsers users() throws Exception {
    return new BusyUsers(processes.alice(), processes.home, Duration.ofMillis(10));
  }

  private void awaitGateway(String output) throws Exception {
    SeparateProcesses.await(processes.gateway, output);
  }

  private List<String> updateEvents() {
    return processes
        .gateway
        .output()
        .lines()
        .filter(line -> line.contains(" UPDATE"))
        .map(line -> line.substring(line.indexOf(" UPDATE") + 1))
        .toList();
  }

  @Test
  void connectors_areUpdatedOneAfterTheOther_andNoRequestIsLost() throws Exception {
    publish(TestReleases.connector(published, "1.1.0"));
    ExampleProcess first = startConnector("first");
    try (BusyUsers users = users()) {
      users.awaitAnswers(100);

      ExampleProcess second = startConnector("second");

      awaitGateway("connector first of group demo runs 1.1.0 now");
      awaitGateway("connector second of group demo runs 1.1.0 now");
      users.awaitAnswers(300);
      assertThat(users.failures).isEmpty();
      assertThat(first.isAlive()).isTrue();
      assertThat(second.isAlive()).isTrue();
    }
    assertThat(processes.gateway.output())
        .contains("runs 1.0.0; 1.1.0 is recommended"); // it has seen both versions
    assertThat(updateEvents()).hasSize(4);
    for (int i = 0; i < 4; i += 2) {
      assertThat(updateEvents().get(i)).startsWith("UPDATE_STARTED");
      assertThat(updateEvents().get(i + 1)).startsWith("UPDATED");
    }
    for (String name : List.of("first", "second")) {
      assertThat(file("releases-" + name).resolve("current")).hasContent("connector-1.1.0.jar");
    }
  }

  @Test
  void release_thatAnotherKeySigned_changesNothing_andTheGatewayIsTold() throws Exception {
    Path release = TestReleases.connector(published, "1.1.0");
    sign("key", "--private-key=" + file("another.pem"), "--public-key=" + file("another.pub"));
    sign("sign", release.toString(), "--private-key=" + file("another.pem"));
    startConnector("first");
    try (BusyUsers users = users()) {
      startConnector("second");

      awaitGateway("connector first of group demo was not updated: SIGNATURE");
      awaitGateway("connector second of group demo was not updated: SIGNATURE");
      users.awaitAnswers(100);
      assertThat(users.failures).isEmpty();
    }
    assertThat(updateEvents())
        .hasSize(4)
        .filteredOn(event -> event.startsWith("UPDATE_REFUSED"))
        .hasSize(2);
    assertThat(names("first")).isEqualTo(Set.of("lock", "up"));
    assertThat(names("second")).isEqualTo(Set.of("lock", "up"));
  }

  @Test
  void release_thatDoesNotComeUp_givesWayToTheFormer_andTheGatewayIsTold() throws Exception {
    String main = ConnectorExample.class.getName().replace('.', '/') + ".class";
    byte[] broken = "no class".getBytes(StandardCharsets.UTF_8);
    publish(TestReleases.of(published, "1.1.0", Map.of(main, broken)));
    ExampleProcess first = startConnector("first");
    try (BusyUsers users = users()) {
      ExampleProcess second = startConnector("second");

      awaitGateway("connector first of group demo was not updated: it is back");
      awaitGateway("connector second of group demo was not updated: it is back");
      users.awaitAnswers(100);
      assertThat(users.failures).isEmpty();
      assertThat(first.isAlive()).isTrue();
      assertThat(second.isAlive()).isTrue();
    }
    assertThat(file("releases-first").resolve("failed")).hasContent("connector-1.1.0.jar");
    assertThat(file("releases-first").resolve("current")).doesNotExist();
  }

  private Set<String> names(String connector) throws Exception {
    try (Stream<Path> files = Files.list(file("releases-" + connector))) {
      return Set.copyOf(files.map(name -> name.getFileName().toString()).toList());
    }
  }
}
