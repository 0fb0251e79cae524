package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** Windows of one signed-in user, which ask for a page again and again. */
final class BusyUsers implements AutoCloseable {
  private static final int AT_ONCE = 4;

  final Queue<String> failures = new ConcurrentLinkedQueue<>();
  final AtomicInteger answers = new AtomicInteger();
  private final Duration thinking;
  private final AtomicBoolean stop = new AtomicBoolean();
  private final List<CompletableFuture<Void>> windows = new ArrayList<>();

  BusyUsers(DemoBrowser browser, URI home) {
    this(browser, home, Duration.ZERO);
  }

  /**
   * @param thinking for each page, so that a long test does not write a longer log
   */
  BusyUsers(DemoBrowser browser, URI home, Duration thinking) {
    this.thinking = thinking;
    for (int i = 0; i < AT_ONCE; i++) {
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
        LockSupport.parkNanos(thinking.toNanos());
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

  void assertNoFailure(String what) {
    System.out.println(what + ": " + failures.size() + " of " + answers + " requests failed");
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
