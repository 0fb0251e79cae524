package io.apprxy.auth.session;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Expiry;
import com.github.benmanes.caffeine.cache.RemovalCause;
import com.github.benmanes.caffeine.cache.Scheduler;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Notices that sessions expire, which happens with no request: of those that were used here lately,
 * as many as are cached. Thread-safe.
 */
final class Expirations {
  private final Clock clock;
  private final ToLongFunction<Session> until;
  private final Consumer<String> expired;
  private final Cache<String, Session> followed;

  /**
   * @param until when a session expires, as things are, in milliseconds since the epoch
   * @param expired gets the ids of those that have
   */
  Expirations(long max, Clock clock, ToLongFunction<Session> until, Consumer<String> expired) {
    this.clock = clock;
    this.until = until;
    this.expired = expired;
    this.followed =
        Caffeine.newBuilder()
            .maximumSize(max)
            .expireAfter(Expiry.<String, Session>writing((id, session) -> left(session)))
            .ticker(() -> TimeUnit.MILLISECONDS.toNanos(clock.millis()))
            .scheduler(Scheduler.systemScheduler())
            .removalListener(this::removed)
            .build();
  }

  /** Called with what a new cookie says; an older one that comes later says nothing new. */
  void follow(Session session) {
    followed
        .asMap()
        .merge(
            session.identity().sessionId(),
            session,
            (known, next) -> known.seen() > next.seen() ? known : next);
  }

  private Duration left(Session session) {
    return Duration.ofMillis(Math.max(0, until.applyAsLong(session) - clock.millis()));
  }

  /** A request that is open for long keeps a session alive, and writes no cookie. */
  private void removed(@Nullable String id, @Nullable Session session, RemovalCause cause) {
    if (cause != RemovalCause.EXPIRED || id == null || session == null) {
      return;
    }
    if (left(session).isZero()) {
      expired.accept(id);
    } else {
      follow(session);
    }
  }
}
