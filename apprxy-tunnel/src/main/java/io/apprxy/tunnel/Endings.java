package io.apprxy.tunnel;

import io.apprxy.EndedSessions;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells a connector which sessions have ended. One message is under way at a time, and what ends
 * meanwhile is in the next; what one connection does not take goes by another. What none takes is
 * tried again after a while, and when there is a new one. Thread-safe.
 *
 * <p>The first message says that all have: who was not known here may have missed some.
 */
final class Endings {
  /** Marks in a message; more than these, and all sessions have ended for the connector. */
  static final int MAX = 10_000;

  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");

  private static final Duration RETRY = Duration.ofSeconds(30);

  private final Set<Long> waiting = new HashSet<>(EndedSessions.all().marks());
  private volatile Supplier<Stream<? extends Way>> open = Stream::of;
  private boolean sending;
  private boolean retrying;
  private boolean warned;

  /** A connection to the connector. */
  interface Way {
    /** Completes when the connector has taken it. */
    CompletableFuture<Void> forget(EndedSessions ended);
  }

  /** Goes by these: the connections that are open. */
  void goBy(Supplier<Stream<? extends Way>> connections) {
    open = connections;
  }

  void add(EndedSessions ended) {
    keep(ended);
    send();
  }

  private synchronized void keep(EndedSessions ended) {
    Set<Long> all = EndedSessions.all().marks();
    waiting.addAll(ended.marks());
    if (waiting.size() > MAX || waiting.containsAll(all)) {
      waiting.clear();
      waiting.addAll(all);
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
      List<? extends Way> there = open.get().toList();
      if (!tried.containsAll(there)) {
        send(); // one that came meanwhile was told to wait
      } else if (!there.isEmpty()) {
        sendLater(there.get(0));
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

  private synchronized void sendLater(Way failing) {
    if (!warned) {
      warned = true;
      LOG.warn(
          "{} does not take which sessions ended, and may keep tickets of theirs until they are too"
              + " old: update it, if it is of another version than this gateway",
          failing);
    }
    if (!retrying) {
      retrying = true;
      CompletableFuture.delayedExecutor(RETRY.toMillis(), TimeUnit.MILLISECONDS)
          .execute(this::retry);
    }
  }

  private void retry() {
    synchronized (this) {
      retrying = false;
    }
    send();
  }

  private synchronized void done() {
    sending = false;
  }
}
