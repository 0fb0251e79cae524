package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Gateway and connectors as processes, one of which is killed. */
class TwoProcessesIT {
  private static final int USERS_AT_ONCE = 4;

  @TempDir private Path temporary;

  @Test
  void connector_whenKilled_isNotNoticedWhileAnotherServes() throws Exception {
    try (DemoApplication application = DemoApplication.start(0);
        SeparateProcesses processes = new SeparateProcesses(application.url(), temporary)) {
      ExampleProcess first = processes.startConnector();
      ExampleProcess second = processes.startConnector();

      try (Users users = new Users(processes.alice(), processes.home)) {
        users.awaitAnswers(300);
        first.kill();
        users.awaitAnswers(600);
        ExampleProcess third = processes.startConnector();
        users.awaitAnswers(300);
        second.kill();
        users.awaitAnswers(600);

        assertThat(third.isAlive()).isTrue();
        assertThat(users.failures).isEmpty();
      }
    }
  }

  /** Windows of one signed-in user, which ask for a page again and again. */
  private static final class Users implements AutoCloseable {
    private final Queue<String> failures = new ConcurrentLinkedQueue<>();
    private final AtomicInteger answers = new AtomicInteger();
    private final AtomicBoolean stop = new AtomicBoolean();
    private final List<CompletableFuture<Void>> windows = new ArrayList<>();

    Users(DemoBrowser browser, URI home) {
      for (int i = 0; i < USERS_AT_ONCE; i++) {
        windows.add(
            CompletableFuture.runAsync(() -> ask(browser, home), run -> new Thread(run).start()));
      }
    }

    private void ask(DemoBrowser browser, URI home) {
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
      SeparateProcesses.until(
          () -> answers.get() >= goal || !failures.isEmpty(),
          () -> more + " answers, of which came " + answers);
      assertThat(failures).isEmpty();
    }

    @Override
    public void close() {
      stop.set(true);
      CompletableFuture.allOf(windows.toArray(CompletableFuture[]::new))
          .orTimeout(SeparateProcesses.PATIENCE_SECONDS, TimeUnit.SECONDS)
          .join();
    }
  }
}
