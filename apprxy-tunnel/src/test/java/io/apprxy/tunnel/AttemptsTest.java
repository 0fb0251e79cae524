package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class AttemptsTest {
  private final TestClock clock = new TestClock();
  private final Attempts attempts = new Attempts(2, Duration.ofMinutes(1), clock);

  private void exhaust() {
    attempts.count("peer");
    attempts.count("peer");
    assertThat(attempts.areExhausted("peer")).isTrue();
  }

  @Test
  void peer_thatHasHadItsAttempts_getsMoreWhenThePeriodIsOver_andOthersAtAnyTime() {
    exhaust();
    assertThat(attempts.areExhausted("another")).isFalse();
    clock.advance(Duration.ofSeconds(59));
    assertThat(attempts.areExhausted("peer")).isTrue();
    clock.advance(Duration.ofSeconds(1));
    assertThat(attempts.areExhausted("peer")).isFalse();
    exhaust();
  }

  @Test
  void clock_thatIsSetBack_letsNobodyWaitForHours() {
    clock.advance(Duration.ofHours(2));
    exhaust();
    clock.advance(Duration.ofHours(-2));
    assertThat(attempts.areExhausted("peer")).isFalse();
    exhaust();
  }
}
