package io.apprxy.tunnel;

import io.apprxy.EndedSessions;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells a connector which sessions have ended. One message is under way at a time, and what ends
 * meanwhile is in the next; what one connection does not take goes by another, and waits for the
 * next one if there is none. Thread-safe.
 *
 * <p>The first message says that all have: who was not connected may have missed some.
 */
final class Endings {
  /** Marks in a message; more than these, and all sessions have ended for the connector. */
  static final int MAX = 10_000;

  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");

  private final Supplier<Stream<? extends Way>> open;
  private final Set<Long> waiting = new HashSet<>(EndedSessions.all().marks());
  private boolean sending;

  /** A connection to the connector. */
  interface Way {
    /** Completes when the connector has taken it. */
    CompletableFuture<Void> forget(EndedSessions ended);
  }

  /**
   * @param open the connections that are open
   */
  Endings(Supplier<Stream<? extends Way>> open) {
    this.open = open;
  }

  void add(EndedSessions ended) {
    keep(ended);
    send();
  }

  private synchronized void keep(EndedSessions ended) {
    waiting.addAll(ended.marks());
    if (waiting.size() > MAX) {
      waiting.clear();
      waiting.addAll(EndedSessions.all().marks());
    }
  }

  /** Sends what waits, if there is a way: called when there is a new one. */
  void send() {
    EndedSessions next;
    synchronized (this) {
      if (sending || waiting.isEmpty()) {
        return;
      }
      sending = true;
      next = new EndedSessions(waiting);
      waiting.clear();
    }
    send(next, new HashSet<>());
  }

  private void send(EndedSessions ended, Set<Way> tried) {
    Optional<? extends Way> way = open.get().filter(tried::add).findFirst();
    if (way.isEmpty()) {
      keep(ended);
      done();
      if (open.get().anyMatch(connection -> !tried.contains(connection))) {
        send(); // one that came meanwhile was told to wait
      }
      return;
    }
    var unused =
        CompletableFuture.completedFuture(way.get())
            .thenCompose(connection -> connection.forget(ended))
            .whenComplete(
                (taken, failed) -> {
                  if (failed == null) {
                    done();
                    send();
                  } else {
                    LOG.debug("{} did not take which sessions ended", way.get(), failed);
                    send(ended, tried);
                  }
                });
  }

  private synchronized void done() {
    sending = false;
  }
}
