package io.apprxy.balance;

import io.apprxy.LoadBalancing.CircuitBreaker;

/**
 * Closed, requests pass and are counted. Open, none does. Half-open, some pass on trial: the first
 * failure opens it again, and if all are answered it closes. Thread-safe; closed, it takes no lock.
 */
final class Breaker {
  private enum State {
    CLOSED,
    OPEN,
    HALF_OPEN
  }

  private final CircuitBreaker settings;

  /** Answers, and failures. */
  private final RollingCount counts;

  private volatile State state = State.CLOSED;

  // Guarded by this.
  private long since;
  private int trials;
  private int passed;

  Breaker(CircuitBreaker settings) {
    this.settings = settings;
    this.counts = new RollingCount(settings.window().toNanos());
  }

  boolean isClosed() {
    return state == State.CLOSED;
  }

  /** Whether a request may pass. */
  boolean admits(long now) {
    return state == State.CLOSED || admitsTrial(now);
  }

  private synchronized boolean admitsTrial(long now) {
    boolean paused = now - since >= settings.pause().toNanos();
    // Trials that never come to an end, because their clients left, are replaced after the pause.
    if (paused && (state == State.OPEN || trials == settings.trialRequests())) {
      state = State.HALF_OPEN;
      since = now;
      trials = 0;
      passed = 0;
    }
    if (state == State.HALF_OPEN && trials < settings.trialRequests()) {
      trials++;
      return true;
    }
    return state == State.CLOSED;
  }

  void answered(long now) {
    if (state == State.CLOSED) {
      counts.addFirst(now);
    } else {
      passed();
    }
  }

  private synchronized void passed() {
    if (state == State.HALF_OPEN && ++passed >= settings.trialRequests()) {
      counts.reset();
      state = State.CLOSED;
    }
  }

  void failed(long now) {
    counts.addSecond(now);
    if (state == State.HALF_OPEN || (state == State.CLOSED && tooMany(now))) {
      open(now);
    }
  }

  private boolean tooMany(long now) {
    long failures = counts.second(now);
    long all = counts.first(now) + failures;
    return all >= settings.minimumRequests() && failures >= settings.failureShare() * all;
  }

  private synchronized void open(long now) {
    if (state != State.OPEN) {
      state = State.OPEN;
      since = now;
    }
  }
}
