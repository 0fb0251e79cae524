package io.apprxy.tunnel;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * How long to wait before the next attempt: a random part of a bound that doubles ("full jitter"),
 * so that connectors which lost a gateway together do not come back together. Not thread-safe.
 */
final class Backoff {
  private final Duration first;
  private final Duration longest;
  private final RandomGenerator random;
  private Duration bound;

  Backoff(Duration first, Duration longest, RandomGenerator random) {
    this.first = first;
    this.longest = longest;
    this.random = random;
    this.bound = first;
  }

  Duration next() {
    Duration wait = Duration.ofMillis(random.nextLong(bound.toMillis() + 1));
    Duration doubled = bound.multipliedBy(2);
    bound = doubled.compareTo(longest) < 0 ? doubled : longest;
    return wait;
  }

  void reset() {
    bound = first;
  }
}
