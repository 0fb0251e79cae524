package io.apprxy.cluster;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What the gateways of one service know in common: sessions that ended, tokens that were used,
 * failed sign-ins. Small texts under keys, each with a lifetime, and messages to all. Thread-safe.
 *
 * <p>No method blocks: what has to wait completes later, on any thread. An exceptional completion
 * means that the state cannot be reached; a security decision that needs it refuses then. Keys are
 * {@code part/name}, of at most 512 characters; values are of at most 64 KiB. Secrets are put in
 * sealed only.
 */
public interface SharedState extends AutoCloseable {

  /** The value under a key, or null if there is none, or its lifetime is over. */
  CompletionStage<@Nullable String> get(String key);

  /** All that is under keys with this beginning, by key: for small parts, as what ended is. */
  CompletionStage<Map<String, String>> entries(String prefix);

  /** Sets a value, whatever was there, for this long. */
  CompletionStage<Void> put(String key, String value, Duration lifetime);

  /**
   * Sets a value only where there is none. Of many who try at the same time, on any node, one wins.
   *
   * @return null if it was set, else the value that is there
   */
  CompletionStage<@Nullable String> putIfAbsent(String key, String value, Duration lifetime);

  /** Removes a key if it has this value; completes with whether it had. */
  CompletionStage<Boolean> remove(String key, String value);

  /** Counts one up, from nothing to 1; the lifetime runs from the first count on. */
  CompletionStage<Long> increment(String key, Duration lifetime);

  /**
   * Tells every node, this one included, something now. Those that cannot be reached miss it: what
   * must not be missed is put, too.
   */
  CompletionStage<Void> publish(String topic, String message);

  /**
   * Hears what is published, until the result is closed. The listener is called on any thread, one
   * message after the other, and must not block.
   */
  Subscription subscribe(String topic, Consumer<String> listener);

  /** Ends what the state has open. */
  @Override
  void close();

  /** See {@link #subscribe}. */
  interface Subscription extends AutoCloseable {
    /** Hears no more. May be called twice. */
    @Override
    void close();
  }

  /**
   * A state of this process alone, which is gone with it. Its size is bounded by lifetimes only.
   */
  static SharedState inMemory() {
    return new MemoryState(Clock.systemUTC());
  }

  /**
   * A state of this process alone that outlives it: held in memory, and in a file that only its
   * owner may read. A change completes when the disk has it (it is forced, once for all changes
   * that wait); a crash at any instant loses nothing that was completed. Beside the file there are
   * {@code .lock}, and {@code .new} while it is written anew, which happens as it grows.
   *
   * @throws UncheckedIOException if the file cannot be read or written, another state has it open,
   *     others than its owner have access to it, or it is damaged: then nothing of it is believed
   */
  static SharedState file(Path file) {
    try {
      return FileState.open(file, Clock.systemUTC());
    } catch (IOException e) {
      throw new UncheckedIOException("the state in " + file + " cannot be used", e);
    }
  }
}
