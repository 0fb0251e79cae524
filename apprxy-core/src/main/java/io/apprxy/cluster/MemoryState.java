package io.apprxy.cluster;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** See {@link SharedState#inMemory()}. */
final class MemoryState implements SharedState {
  /** How many changes go by before what is over is looked for. */
  private static final int SWEEP = 10_000;

  private final Clock clock;
  private final Map<String, Entry> entries = new ConcurrentHashMap<>();
  private final Map<String, List<Consumer<String>>> listeners = new ConcurrentHashMap<>();
  private int changes;

  /** Equal to itself only. */
  private static final class Entry {
    final String value;
    final Instant until;

    Entry(String value, Instant until) {
      this.value = value;
      this.until = until;
    }
  }

  MemoryState(Clock clock) {
    this.clock = clock;
  }

  @Override
  public CompletionStage<@Nullable String> get(String key) {
    Entry entry = entries.get(key);
    return CompletableFuture.completedFuture(entry == null || isOver(entry) ? null : entry.value);
  }

  @Override
  public CompletionStage<Map<String, String>> entries(String prefix) {
    Map<String, String> found = new HashMap<>();
    entries.forEach(
        (key, entry) -> {
          if (key.startsWith(prefix) && !isOver(entry)) {
            found.put(key, entry.value);
          }
        });
    return CompletableFuture.completedFuture(found);
  }

  @Override
  public CompletionStage<Void> put(String key, String value, Duration lifetime) {
    entries.put(key, entry(value, lifetime));
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<@Nullable String> putIfAbsent(
      String key, String value, Duration lifetime) {
    Entry mine = entry(value, lifetime);
    Entry winner = entries.merge(key, mine, (there, wish) -> isOver(there) ? wish : there);
    return CompletableFuture.completedFuture(winner == mine ? null : winner.value);
  }

  @Override
  public CompletionStage<Boolean> remove(String key, String value) {
    Entry there = entries.get(key);
    return CompletableFuture.completedFuture(
        there != null && !isOver(there) && there.value.equals(value) && entries.remove(key, there));
  }

  @Override
  public CompletionStage<Long> increment(String key, Duration lifetime) {
    Entry counted =
        entries.merge(
            key,
            entry("1", lifetime),
            (there, first) ->
                isOver(there)
                    ? first
                    : new Entry(Long.toString(Long.parseLong(there.value) + 1), there.until));
    return CompletableFuture.completedFuture(Long.parseLong(counted.value));
  }

  @Override
  public CompletionStage<Void> publish(String topic, String message) {
    listeners.getOrDefault(topic, List.of()).forEach(listener -> listener.accept(message));
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public Subscription subscribe(String topic, Consumer<String> listener) {
    List<Consumer<String>> all =
        listeners.computeIfAbsent(topic, unused -> new CopyOnWriteArrayList<>());
    all.add(listener);
    return () -> all.remove(listener);
  }

  @Override
  public void close() {
    listeners.clear();
  }

  int size() {
    return entries.size();
  }

  // ---- for a state that is in a file, too

  /** What a journal says was under a key. */
  void restore(Journal.Line record) {
    String value = record.value();
    Instant until = Instant.ofEpochMilli(record.until());
    if (value == null || !clock.instant().isBefore(until)) {
      entries.remove(record.key());
    } else {
      entries.put(record.key(), new Entry(value, until));
    }
  }

  /** What is under a key now. */
  Journal.Line record(String key) {
    Entry entry = entries.get(key);
    return entry == null
        ? new Journal.Line(key, null, 0)
        : new Journal.Line(key, entry.value, entry.until.toEpochMilli());
  }

  /** All that is not over. */
  List<Journal.Line> records() {
    entries.values().removeIf(this::isOver);
    return entries.keySet().stream().map(this::record).toList();
  }

  private Entry entry(String value, Duration lifetime) {
    sweepNowAndThen();
    return new Entry(value, clock.instant().plus(lifetime));
  }

  private synchronized void sweepNowAndThen() {
    if (++changes >= SWEEP) {
      changes = 0;
      entries.values().removeIf(this::isOver);
    }
  }

  private boolean isOver(Entry entry) {
    return !clock.instant().isBefore(entry.until);
  }
}
