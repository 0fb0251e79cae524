package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BackoffTest {
  private static final Duration FIRST = Duration.ofMillis(250);
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private final Backoff backoff = new Backoff(FIRST, LONGEST, new Random(1));

  @Test
  void wait_isNeverBeyondABoundThatDoubles() {
    Duration bound = FIRST;
    for (int i = 0; i < 20; i++) {
      assertThat(backoff.next()).isBetween(Duration.ZERO, bound);
      Duration doubled = bound.multipliedBy(2);
      bound = doubled.compareTo(LONGEST) < 0 ? doubled : LONGEST;
    }
  }

  @Test
  void wait_growsToTheLongestAndNoFurther() {
    Duration longest = Duration.ZERO;
    for (int i = 0; i < 1_000; i++) {
      Duration wait = backoff.next();
      longest = wait.compareTo(longest) > 0 ? wait : longest;
    }

    assertThat(longest).isBetween(LONGEST.dividedBy(2), LONGEST);
  }

  @Test
  void waits_differ_soThatConnectorsDoNotComeBackTogether() {
    Set<Duration> waits = new HashSet<>();
    for (int seed = 0; seed < 100; seed++) {
      Backoff one = new Backoff(LONGEST, LONGEST, new Random(seed));
      waits.add(one.next());
    }

    assertThat(waits).hasSizeGreaterThan(90);
  }

  @Test
  void reset_beginsAnew() {
    for (int i = 0; i < 20; i++) {
      backoff.next();
    }
    backoff.reset();

    assertThat(backoff.next()).isLessThanOrEqualTo(FIRST);
  }
}
