package io.apprxy.auth.session;

import io.apprxy.Exchange;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Whether the session of an open request is still one. Confined to its request, like the exchange.
 */
final class Standing implements BooleanSupplier {
  private final Sessions sessions;
  private final Session session;
  private final Exchange exchange;
  private final long since;

  /** Of the session's requests on this gateway; null as long as the request is young. */
  private @Nullable Activity activity;

  private boolean asked;
  private long bytes;

  Standing(Sessions sessions, Session session, Exchange exchange, long now) {
    this.sessions = sessions;
    this.session = session;
    this.exchange = exchange;
    this.since = now;
  }

  /** When a session was last used. Thread-safe. */
  static final class Activity {
    private volatile long last;

    Activity(long first) {
      last = first;
    }

    long last() {
      return last;
    }

    void at(long now) {
      if (now > last) {
        last = now;
      }
    }
  }

  /** The first question comes before the request is sent: most are answered by the second. */
  @Override
  public boolean getAsBoolean() {
    if (!asked) {
      asked = true;
      return sessions.stands(session, since);
    }
    Activity known = activity;
    if (known == null) {
      known = sessions.activity(session, since);
      activity = known;
    }
    long received = exchange.bytesReceived();
    if (received != bytes) {
      bytes = received;
      known.at(sessions.now());
    }
    return sessions.stands(session, known.last());
  }
}
