package io.apprxy.auth.session;

import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.cluster.SharedState;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which sessions ended before their time. Thread-safe; never blocks.
 *
 * <p>What ends is in memory at once, so that nobody waits to know; then it is put into the shared
 * state and told to the other gateways. A counter in the state says how many endings there were:
 * who has not heard of each looks at them all again. The counter is asked for every two seconds by
 * the requests themselves, so that a message that was lost delays an ending and no more.
 *
 * <p>Nothing is forgotten before its time: if there is too much to remember, all sessions until
 * then end.
 */
final class SessionEndings {
  static final int MAX = 500_000;

  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.session");
  private static final long EVERYBODY = SessionsOf.everybody().marks().iterator().next();
  private static final String PREFIX = "ended/";
  private static final String COUNT = "sessions/endings";
  private static final String TOPIC = "sessions/ended";
  private static final Duration POLL = Duration.ofSeconds(2);

  /** How long those who keep something for sessions are told later. */
  private static final Duration MOMENT = Duration.ofMillis(500);

  /** A sign-in that is under way when its user's sessions end is over by then. */
  private static final Duration SIGN_IN = Duration.ofMinutes(15);

  private final SharedState state;
  private final Clock clock;
  private final Duration lifetime;
  private final Duration staleAfter;
  private final int max;
  private final Map<Long, Ending> endings = new ConcurrentHashMap<>();
  private final List<Consumer<EndedSessions>> listeners = new CopyOnWriteArrayList<>();
  private final Set<Long> toTell = new HashSet<>();
  private final AtomicLong polledAt;
  private volatile @Nullable Ending everybody;
  private volatile boolean loaded;
  private volatile long heardAt;
  private volatile boolean failing;
  private long count;

  /**
   * What of sessions with a certain mark has ended, in milliseconds since the epoch.
   *
   * @param begunUntil those that began until then, by our clocks
   * @param provenUntil and those whose users were proven until then, by the provider's clock
   * @param until when none of them could be valid any more
   */
  private record Ending(long begunUntil, long provenUntil, long until) {
    boolean covers(Session session) {
      return session.begun() <= begunUntil || session.proven() <= provenUntil;
    }

    Ending and(@Nullable Ending other) {
      return other == null
          ? this
          : new Ending(
              Math.max(begunUntil, other.begunUntil),
              Math.max(provenUntil, other.provenUntil),
              Math.max(until, other.until));
    }

    String text() {
      return begunUntil + " " + provenUntil + " " + until;
    }

    static Ending parse(String text) {
      String[] parts = text.split(" ", -1);
      return new Ending(
          Long.parseLong(parts[0]), Long.parseLong(parts[1]), Long.parseLong(parts[2]));
    }
  }

  /**
   * @param absoluteLifetime of sessions
   * @param staleAfter how long the state may be out of reach
   * @param max how many endings are remembered
   */
  SessionEndings(
      SharedState state, Clock clock, Duration absoluteLifetime, Duration staleAfter, int max) {
    this.state = state;
    this.clock = clock;
    this.lifetime = absoluteLifetime.plus(SIGN_IN);
    this.staleAfter = staleAfter;
    this.max = max;
    this.heardAt = clock.millis();
    this.polledAt = new AtomicLong(heardAt);
    state.subscribe(TOPIC, this::hear); // first, so that nothing comes between
    poll();
  }

  /**
   * Whether this one has.
   *
   * @throws GatewayException {@link ErrorCode#SESSIONS_UNKNOWN} if nobody can know
   */
  boolean has(Session session) {
    keepUp();
    Ending all = everybody;
    if (all != null && all.covers(session)) {
      return true;
    }
    if (!endings.isEmpty()) {
      for (long mark : session.marks()) {
        Ending ending = endings.get(mark);
        if (ending != null && ending.covers(session)) {
          return true;
        }
      }
    }
    return false;
  }

  /** Whether there is nothing that could have ended any; throws like {@link #has}. */
  boolean isQuiet() {
    keepUp();
    return everybody == null && endings.isEmpty();
  }

  void listen(Consumer<EndedSessions> listener) {
    listeners.add(listener);
  }

  // ---- ending

  /**
   * Ends those that are meant and began until now: or whenever, if it is one, which may have begun
   * on a gateway whose clock is ahead. Completes when every gateway knows, or will find out.
   *
   * @param provenUntil and those whose users were proven until then; 0 if that does not count
   */
  CompletionStage<Void> end(SessionsOf whose, long provenUntil) {
    long now = clock.millis();
    Ending ending =
        new Ending(whose.isOne() ? Long.MAX_VALUE : now, provenUntil, now + lifetime.toMillis());
    Map<Long, Ending> mine =
        whose.marks().stream().collect(Collectors.toMap(mark -> mark, mark -> apply(mark, ending)));
    tell(mine.keySet());
    List<CompletableFuture<Void>> puts = new ArrayList<>();
    mine.forEach(
        (mark, merged) ->
            puts.add(
                state
                    .put(
                        PREFIX + Long.toHexString(mark),
                        merged.text(),
                        Duration.ofMillis(merged.until - now))
                    .toCompletableFuture()));
    return CompletableFuture.allOf(puts.toArray(CompletableFuture[]::new))
        .thenCompose(put -> state.increment(COUNT, Duration.ofDays(365)))
        .thenCompose(number -> state.publish(TOPIC, message(number, mine)));
  }

  /** Tells the listeners here; to everybody else the session's cookie says it. */
  void hasExpired(String id) {
    tell(SessionsOf.session(id).marks());
  }

  private static String message(long number, Map<Long, Ending> endings) {
    StringBuilder message = new StringBuilder(Long.toString(number));
    endings.forEach(
        (mark, ending) ->
            message.append('\n').append(Long.toHexString(mark)).append(' ').append(ending.text()));
    return message.toString();
  }

  private void hear(String message) {
    try {
      String[] lines = message.split("\n", -1);
      Set<Long> marks =
          List.of(lines).subList(1, lines.length).stream()
              .filter(
                  line -> {
                    int space = line.indexOf(' ');
                    long mark = Long.parseUnsignedLong(line.substring(0, space), 16);
                    return learn(mark, Ending.parse(line.substring(space + 1)));
                  })
              .map(line -> Long.parseUnsignedLong(line.substring(0, line.indexOf(' ')), 16))
              .collect(Collectors.toSet());
      tell(marks);
      heardOf(Long.parseLong(lines[0]));
    } catch (RuntimeException e) {
      LOG.error("An ending of sessions could not be understood; all are read again", e);
    }
  }

  /** Whether that is news. */
  private boolean learn(long mark, Ending ending) {
    Ending before = mark == EVERYBODY ? everybody : endings.get(mark);
    return !apply(mark, ending).equals(before);
  }

  private synchronized Ending apply(long mark, Ending ending) {
    if (mark == EVERYBODY) {
      Ending merged = ending.and(everybody);
      everybody = merged;
      return merged;
    }
    Ending merged = ending.and(endings.get(mark));
    endings.put(mark, merged);
    if (endings.size() > max) {
      makeRoom();
    }
    return merged;
  }

  private void makeRoom() {
    long now = clock.millis();
    endings.values().removeIf(ending -> ending.until <= now);
    if (endings.size() > max) {
      LOG.error("More than {} endings of sessions to remember: all sessions end", max);
      Ending all = new Ending(now, 0, now + lifetime.toMillis());
      for (Ending ending : endings.values()) {
        all = all.and(ending);
      }
      // One that ended whenever it began must not end those of everybody that are still to begin.
      everybody = new Ending(now, all.provenUntil, all.until).and(everybody);
      endings.clear();
      tell(EndedSessions.all().marks());
    }
  }

  /** On another thread, and of many that end within a moment at once: listeners look at all. */
  private void tell(Set<Long> marks) {
    synchronized (toTell) {
      if (toTell.isEmpty() && !marks.isEmpty()) {
        CompletableFuture.delayedExecutor(MOMENT.toMillis(), TimeUnit.MILLISECONDS)
            .execute(this::tellListeners);
      }
      toTell.addAll(marks);
    }
  }

  private void tellListeners() {
    EndedSessions ended;
    synchronized (toTell) {
      ended = new EndedSessions(toTell);
      toTell.clear();
    }
    for (Consumer<EndedSessions> listener : listeners) {
      try {
        listener.accept(ended);
      } catch (RuntimeException e) {
        LOG.error("What belongs to sessions that ended could not be dropped", e);
      }
    }
  }

  // ---- keeping up with the others

  private void keepUp() {
    long now = clock.millis();
    long last = polledAt.get();
    if (isOver(POLL, last, now) && polledAt.compareAndSet(last, now)) {
      poll();
    }
    if (!loaded || isOver(staleAfter, heardAt, now)) {
      throw new GatewayException(
          ErrorCode.SESSIONS_UNKNOWN, "the state that tells which sessions ended is out of reach");
    }
  }

  /** Also if the clock was set back. */
  private static boolean isOver(Duration time, long since, long now) {
    return Math.abs(now - since) > time.toMillis();
  }

  private void poll() {
    var unused =
        CompletableFuture.completedFuture(null)
            .thenCompose(none -> state.get(COUNT))
            .thenCompose(
                text -> {
                  long number = text == null ? 0 : Long.parseLong(text);
                  return loaded && number == count()
                      ? CompletableFuture.<Void>completedFuture(null)
                      : state.entries(PREFIX).thenAccept(all -> load(all, number));
                })
            .toCompletableFuture()
            .copy()
            .orTimeout(POLL.toSeconds(), TimeUnit.SECONDS)
            .whenComplete(
                (done, failed) -> {
                  if (failed == null) {
                    heardAt = clock.millis();
                    failing = false;
                  } else if (!failing) {
                    failing = true;
                    LOG.error("Which sessions ended elsewhere cannot be found out", failed);
                  }
                });
  }

  private void load(Map<String, String> all, long number) {
    Set<Long> news = ConcurrentHashMap.newKeySet();
    all.forEach(
        (key, text) -> {
          long mark = Long.parseUnsignedLong(key.substring(PREFIX.length()), 16);
          if (learn(mark, parse(text))) {
            news.add(mark);
          }
        });
    if (loaded) {
      tell(news);
    }
    synchronized (this) {
      count = number;
    }
    loaded = true;
  }

  /** What nobody understands has ended everything of its mark until now. */
  private Ending parse(String text) {
    try {
      return Ending.parse(text);
    } catch (RuntimeException e) {
      LOG.error("An ending of sessions cannot be understood", e);
      return new Ending(clock.millis(), 0, clock.millis() + lifetime.toMillis());
    }
  }

  private synchronized long count() {
    return count;
  }

  private synchronized void heardOf(long number) {
    if (number == count + 1) {
      count = number;
    }
  }
}
