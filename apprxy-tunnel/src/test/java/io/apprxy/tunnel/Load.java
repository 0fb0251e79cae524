package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Users who ask again and again (an idempotent request), and what became of it. The answer is one
 * without a body: it arrives whole or not at all, where another could break off when it has begun,
 * and what has begun is not asked for again.
 */
final class Load implements AutoCloseable {
  /** For which the origin must answer 204. */
  static final String NOTHING = "/nothing";

  private final Chain chain;
  private final Queue<String> failures = new ConcurrentLinkedQueue<>();
  private final AtomicInteger answered = new AtomicInteger();
  private final AtomicLong slowestNanos = new AtomicLong();
  private final List<Thread> users = new ArrayList<>();
  private volatile boolean over;

  Load(Chain chain, int users) {
    this.chain = chain;
    for (int i = 0; i < users; i++) {
      Thread user = new Thread(this::ask, "user-" + i);
      this.users.add(user);
      user.start();
    }
  }

  private void ask() {
    while (!over) {
      long start = System.nanoTime();
      try {
        HttpResponse<String> answer = chain.get(NOTHING);
        if (answer.statusCode() != 204) {
          failures.add(answer.statusCode() + " " + answer.body());
        }
      } catch (IOException e) {
        failures.add(e.toString());
      } catch (InterruptedException e) {
        return;
      }
      slowestNanos.accumulateAndGet(System.nanoTime() - start, Math::max);
      synchronized (answered) {
        answered.incrementAndGet();
        answered.notifyAll();
      }
    }
  }

  /** Waits for so many answers more. */
  void await(int more) throws InterruptedException {
    synchronized (answered) {
      int goal = answered.get() + more;
      while (answered.get() < goal) {
        answered.wait();
      }
    }
  }

  Duration slowest() {
    return Duration.ofNanos(slowestNanos.get());
  }

  void assertNoFailure(String what) {
    System.out.printf(
        Locale.ROOT,
        "%s: %d of %d requests failed, the slowest took %.1f s%n",
        what,
        failures.size(),
        answered.get(),
        slowestNanos.get() / 1e9);
    assertThat(failures).isEmpty();
  }

  @Override
  public void close() {
    over = true;
    try {
      for (Thread user : users) {
        user.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
