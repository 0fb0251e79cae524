package io.apprxy.balance;

import io.apprxy.LoadBalancing.Retries;
import java.time.Duration;

/** How many retries there may be, so that they never become a load of their own. Thread-safe. */
final class RetryBudget {
  private static final int WINDOW_SECONDS = 10;

  private final Retries settings;

  /** Requests, and retries. */
  private final RollingCount counts =
      new RollingCount(Duration.ofSeconds(WINDOW_SECONDS).toNanos());

  RetryBudget(Retries settings) {
    this.settings = settings;
  }

  void request(long now) {
    counts.addFirst(now);
  }

  boolean retry(long now) {
    double allowed =
        (double) settings.minimumPerSecond() * WINDOW_SECONDS
            + settings.budget() * counts.first(now);
    // Two that ask at once may both get the last one: the budget is no exact figure.
    if (counts.second(now) + 1 > allowed) {
      return false;
    }
    counts.addSecond(now);
    return true;
  }
}
