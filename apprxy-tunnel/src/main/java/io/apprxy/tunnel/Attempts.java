package io.apprxy.tunnel;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.net.InetAddress;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;

/**
 * Counts what peers may do a number of times in a while. Of many peers, those that are not heard of
 * any more are forgotten first. Thread-safe.
 */
final class Attempts {
  private static final int MAX_PEERS = 10_000;
  private static final int NETWORK_BYTES = 8; // of an IPv6 address: what one customer has

  private final int most;
  private final Duration period;
  private final Clock clock;
  private final Cache<String, Window> windows =
      Caffeine.newBuilder().maximumSize(MAX_PEERS).build();

  private record Window(Instant begin, int count) {}

  Attempts(int most, Duration period, Clock clock) {
    this.most = most;
    this.period = period;
    this.clock = clock;
  }

  /** The name of a peer that has no other; all addresses that it may choose from have the same. */
  static String peer(InetAddress address) {
    byte[] bytes = address.getAddress();
    return Arrays.toString(Arrays.copyOf(bytes, Math.min(bytes.length, NETWORK_BYTES)));
  }

  boolean areExhausted(String peer) {
    Window window = windows.getIfPresent(peer);
    return window != null && window.count() >= most && isNow(window, clock.instant());
  }

  /** A window from the future is of a clock that was set back; nobody waits for it. */
  private boolean isNow(Window window, Instant now) {
    return !now.isBefore(window.begin()) && now.isBefore(window.begin().plus(period));
  }

  void count(String peer) {
    Instant now = clock.instant();
    windows
        .asMap()
        .compute(
            peer,
            (same, window) ->
                window == null || !isNow(window, now)
                    ? new Window(now, 1)
                    : new Window(window.begin(), window.count() + 1));
  }
}
