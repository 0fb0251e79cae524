package io.apprxy.cluster;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * See {@link SharedState#file}. Reads come from memory. Changes are made there, and then appended
 * to a {@link Journal} by one thread, which takes all that wait at once: they share one force of
 * the disk, and are completed after it.
 */
final class FileState implements SharedState {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.cluster");
  private static final int MAX_WAITING = 100_000;

  private static final int MAX_BATCH = 500;

  /** A journal of less is never worth to be written anew. */
  private static final long SMALL = 1024 * 1024;

  private final MemoryState memory;
  private final Journal journal;
  private final FileChannel lockFile;
  private final BlockingQueue<Change> waiting = new ArrayBlockingQueue<>(MAX_WAITING);
  private final Thread writer;
  private volatile boolean closed;
  private long compactAt = SMALL;

  /**
   * @param key whose value is written as it is when the journal is
   */
  private record Change(String key, CompletableFuture<Void> written) {}

  /** Wakes the writer, so that it sees that the state is closed. */
  private static final Change END = new Change("", new CompletableFuture<>());

  private FileState(MemoryState memory, Journal journal, FileChannel lockFile) {
    this.memory = memory;
    this.journal = journal;
    this.lockFile = lockFile;
    this.writer = new Thread(this::write, "apprxy-state");
    writer.setDaemon(true);
  }

  static FileState open(Path file, Clock clock) throws IOException {
    FileChannel lockFile =
        OwnerOnly.open(
            file.resolveSibling(file.getFileName() + ".lock"),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE);
    try {
      lock(lockFile, file);
      MemoryState memory = new MemoryState(clock);
      Journal journal = Journal.open(file, memory::restore);
      FileState state = new FileState(memory, journal, lockFile);
      state.writer.start();
      return state;
    } catch (IOException | RuntimeException e) {
      lockFile.close();
      throw e;
    }
  }

  private static void lock(FileChannel lockFile, Path file) throws IOException {
    FileLock lock;
    try {
      lock = lockFile.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      throw new IOException(
          file + " is in use: a file serves one state of one process; several share a server");
    }
  }

  // ---- reading

  @Override
  public CompletionStage<@Nullable String> get(String key) {
    return memory.get(key);
  }

  @Override
  public CompletionStage<Map<String, String>> entries(String prefix) {
    return memory.entries(prefix);
  }

  @Override
  public CompletionStage<Void> publish(String topic, String message) {
    return memory.publish(topic, message);
  }

  @Override
  public Subscription subscribe(String topic, Consumer<String> listener) {
    return memory.subscribe(topic, listener);
  }

  // ---- changing

  @Override
  public CompletionStage<Void> put(String key, String value, Duration lifetime) {
    return memory.put(key, value, lifetime).thenCompose(unused -> written(key));
  }

  @Override
  public CompletionStage<@Nullable String> putIfAbsent(
      String key, String value, Duration lifetime) {
    return memory
        .putIfAbsent(key, value, lifetime)
        .thenCompose(
            there ->
                there == null
                    ? written(key).<@Nullable String>thenApply(unused -> null)
                    : CompletableFuture.<@Nullable String>completedFuture(there));
  }

  @Override
  public CompletionStage<Boolean> remove(String key, String value) {
    return memory
        .remove(key, value)
        .thenCompose(
            removed ->
                removed
                    ? written(key).thenApply(unused -> true)
                    : CompletableFuture.completedFuture(false));
  }

  @Override
  public CompletionStage<Long> increment(String key, Duration lifetime) {
    return memory
        .increment(key, lifetime)
        .thenCompose(count -> written(key).thenApply(unused -> count));
  }

  /** Completes when the disk has what is under this key now, or had it later. */
  private CompletionStage<Void> written(String key) {
    Change change = new Change(key, new CompletableFuture<>());
    if (closed || !waiting.offer(change) || (closed && waiting.remove(change))) {
      change.written.completeExceptionally(
          new IOException(closed ? "the state is closed" : "the disk does not keep up"));
    }
    return change.written;
  }

  // ---- the writer's thread

  private void write() {
    List<Change> batch = new ArrayList<>();
    while (!closed || !waiting.isEmpty()) {
      try {
        batch.add(waiting.take());
        waiting.drainTo(batch, MAX_BATCH - 1);
        batch.remove(END);
        write(batch);
        batch.clear();
      } catch (InterruptedException e) {
        closed = true;
      }
    }
  }

  private void write(List<Change> batch) {
    if (batch.isEmpty()) {
      return;
    }
    try {
      List<Journal.Line> records = new ArrayList<>(batch.size());
      for (Change change : batch) {
        records.add(memory.record(change.key));
      }
      journal.append(records);
      batch.forEach(change -> change.written.complete(null));
    } catch (IOException | RuntimeException e) {
      LOG.error("The state cannot be written: what changes is gone after a restart", e);
      batch.forEach(change -> change.written.completeExceptionally(e));
      return;
    }
    compactIfDue();
  }

  private void compactIfDue() {
    if (journal.size() < compactAt) {
      return;
    }
    try {
      journal.replace(memory.records());
    } catch (IOException | RuntimeException e) {
      LOG.error("The state cannot be written anew: its file grows", e);
    }
    compactAt = Math.max(SMALL, 4 * journal.size());
  }

  @Override
  public void close() {
    closed = true;
    boolean unused = waiting.offer(END); // if it is full, the writer is awake
    boolean interrupted = false;
    try {
      writer.join(TimeUnit.SECONDS.toMillis(10));
    } catch (InterruptedException e) {
      interrupted = true;
    }
    waiting.forEach(
        change -> change.written.completeExceptionally(new IOException("the state is closed")));
    memory.close();
    try {
      journal.close();
      lockFile.close();
    } catch (IOException e) {
      LOG.warn("The state could not be closed", e);
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
