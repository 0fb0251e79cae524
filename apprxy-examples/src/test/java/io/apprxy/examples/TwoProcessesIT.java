package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Gateway and connectors as processes, one of which is killed. */
class TwoProcessesIT {
  private static final int USERS_AT_ONCE = 4;
  private static final long PATIENCE_SECONDS = 60;

  @TempDir private Path temporary;
  private Path directory;
  private DemoCertificates certificates;
  private DemoApplication application;
  private DemoProvider provider;
  private URI home;
  private int tunnelPort;
  private final List<ExampleProcess> processes = new ArrayList<>();

  @BeforeEach
  void start() throws Exception {
    directory = DemoSetup.privateDirectory(temporary.resolve("demo"));
    certificates = DemoCertificates.in(directory);
    int port = DemoSetup.portOrFree(0);
    tunnelPort = DemoSetup.portOrFree(0);
    home = URI.create("https://localhost:" + port + "/");
    application = DemoApplication.start(0);
    String secret = DemoSetup.sharedSecret(directory.resolve("client-secret"));
    provider =
        DemoProvider.start(
            0, certificates.server(), DemoProvider.Client.gateway("apprxy-demo", secret, home));
    ExampleProcess gateway =
        start(
            GatewayExample.class,
            "--port=" + port,
            "--tunnel-port=" + tunnelPort,
            "--internal-url=" + application.url(),
            "--issuer=" + provider.issuer());
    await(gateway, "The gateway serves");
  }

  @AfterEach
  void stop() throws Exception {
    for (ExampleProcess process : processes) {
      process.close();
    }
    provider.close();
    application.close();
  }

  @Test
  void connector_whenKilled_isNotNoticedWhileAnotherServes() throws Exception {
    ExampleProcess first = startConnector();
    ExampleProcess second = startConnector();
    DemoBrowser alice = new DemoBrowser(certificates.trust());
    assertThat(alice.signIn(home, DemoProvider.USERS.get(0), false).body())
        .contains("Hello, Alice Liddell");

    try (Users users = new Users(alice)) {
      users.awaitAnswers(300);
      first.kill();
      users.awaitAnswers(600);
      ExampleProcess third = startConnector();
      users.awaitAnswers(300);
      second.kill();
      users.awaitAnswers(600);

      assertThat(third.isAlive()).isTrue();
      assertThat(users.failures).isEmpty();
    }
  }

  private ExampleProcess startConnector() throws Exception {
    ExampleProcess connector =
        start(
            ConnectorExample.class,
            "--gateway=https://localhost:" + tunnelPort,
            "--allow-origin=" + application.url());
    await(connector, "is connected");
    return connector;
  }

  private ExampleProcess start(Class<?> example, String... arguments) throws Exception {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.add("--directory=" + directory);
    Path log = temporary.resolve("process-" + processes.size() + ".log");
    ExampleProcess process = new ExampleProcess(example, log, all.toArray(String[]::new));
    processes.add(process);
    return process;
  }

  private static void await(ExampleProcess process, String output) throws Exception {
    until(
        () -> {
          assertThat(process.isAlive()).as("alive, having said: %s", process.output()).isTrue();
          return process.output().contains(output);
        },
        () -> "“" + output + "” in: " + process.output());
  }

  private static void until(Callable<Boolean> condition, Callable<String> what) throws Exception {
    long deadline = System.nanoTime() + Duration.ofSeconds(PATIENCE_SECONDS).toNanos();
    while (!condition.call()) {
      assertThat(System.nanoTime())
          .as("deadline of waiting for %s", what.call())
          .isLessThan(deadline);
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
    }
  }

  /** Windows of one signed-in user, which ask for a page again and again. */
  private final class Users implements AutoCloseable {
    private final Queue<String> failures = new ConcurrentLinkedQueue<>();
    private final AtomicInteger answers = new AtomicInteger();
    private final AtomicBoolean stop = new AtomicBoolean();
    private final List<CompletableFuture<Void>> windows = new ArrayList<>();

    Users(DemoBrowser browser) {
      for (int i = 0; i < USERS_AT_ONCE; i++) {
        windows.add(CompletableFuture.runAsync(() -> ask(browser), run -> new Thread(run).start()));
      }
    }

    private void ask(DemoBrowser browser) {
      try {
        while (!stop.get()) {
          HttpResponse<String> answer = browser.open(home.resolve("/reports/" + answers.get()));
          if (answer.statusCode() != 200 || !answer.body().contains("Hello, Alice Liddell")) {
            failures.add(answer.statusCode() + " " + answer.body());
          }
          answers.incrementAndGet();
        }
      } catch (Exception e) {
        failures.add(e.toString());
      }
    }

    void awaitAnswers(int more) throws Exception {
      int goal = answers.get() + more;
      until(
          () -> answers.get() >= goal || !failures.isEmpty(),
          () -> more + " answers, of which came " + answers);
      assertThat(failures).isEmpty();
    }

    @Override
    public void close() {
      stop.set(true);
      CompletableFuture.allOf(windows.toArray(CompletableFuture[]::new))
          .orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS)
          .join();
    }
  }
}
