package io.apprxy.auth.sso;

import io.apprxy.auth.session.Seal;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.WorkerThreads;
import io.apprxy.cluster.PrivateFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A {@link SecretStore} in a file that only its owner may read, encrypted as a whole (JWE, {@code
 * A256GCM}), of 1 MiB at most: some thousand accounts. It is read again when it has changed, so
 * that passwords can be replaced while the program runs; changes are made one after the other, also
 * by several programs, and each is whole or not at all. Thread-safe.
 */
public final class SecretFile implements SecretStore {
  private static final Duration FOREVER = Duration.ofDays(365_000);
  private static final int MAX_LENGTH = 1024 * 1024;
  private static final int MAX_WAITING = 10_000;

  /** The lock of a file keeps other programs away, and is refused to a second of this one. */
  private static final Object CHANGES = new Object();

  private final Path file;
  private final Seal seal;
  private final Executor reader = WorkerThreads.start("apprxy-secrets", 1, MAX_WAITING);
  private volatile Content content;

  /** What was read, of a file that looked like this. */
  private record Content(@Nullable Object look, Map<Key, Account> accounts) {}

  private SecretFile(Path file, SessionKeys keys) {
    this.file = file;
    this.seal = new Seal(keys, "secrets", Clock.systemUTC(), MAX_LENGTH);
    this.content = new Content(null, Map.of());
  }

  static SecretFile open(Path file, SessionKeys keys) {
    SecretFile opened = new SecretFile(file.toAbsolutePath(), keys);
    try {
      opened.current();
    } catch (IOException e) {
      throw new UncheckedIOException("the secrets in " + file + " cannot be used", e);
    }
    return opened;
  }

  @Override
  public CompletionStage<@Nullable Account> find(Key key) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return current().get(key);
          } catch (IOException e) {
            throw new UncheckedIOException("the secrets in " + file + " cannot be used", e);
          }
        },
        reader);
  }

  /** The accounts that there are, without their passwords. */
  public Set<Key> keys() {
    try {
      return Set.copyOf(current().keySet());
    } catch (IOException e) {
      throw new UncheckedIOException("the secrets in " + file + " cannot be used", e);
    }
  }

  /**
   * Sets an account, in place of one that may be there. Blocks.
   *
   * @throws UncheckedIOException if the file cannot be written; then all is as it was
   * @throws IllegalArgumentException if there are too many for one file; then all is as it was
   */
  public void put(Key key, Account account) {
    change(accounts -> accounts.put(key, account));
  }

  /**
   * Removes an account, if there is one. Blocks.
   *
   * @throws UncheckedIOException if the file cannot be written; then all is as it was
   */
  public void remove(Key key) {
    change(accounts -> accounts.remove(key));
  }

  private void change(Consumer<Map<Key, Account>> change) {
    synchronized (CHANGES) {
      changeAlone(change);
    }
  }

  private void changeAlone(Consumer<Map<Key, Account>> change) {
    Path lock = file.resolveSibling(file.getFileName() + ".lock");
    try (FileChannel channel =
            FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock held = channel.lock()) {
      Map<Key, Account> accounts = new LinkedHashMap<>(current());
      change.accept(accounts);
      String sealed = seal.seal(values(accounts), FOREVER);
      if (!held.isValid() || sealed.length() > MAX_LENGTH) {
        throw new IllegalArgumentException("there are too many accounts for one file");
      }
      PrivateFiles.write(file, sealed);
      content = new Content(look(), Map.copyOf(accounts));
    } catch (IOException e) {
      throw new UncheckedIOException("the secrets in " + file + " cannot be changed", e);
    }
  }

  private Map<Key, Account> current() throws IOException {
    Object look = look();
    Content known = content;
    if (look == null || !look.equals(known.look())) {
      known = new Content(look, look == null ? Map.of() : read());
      content = known;
    }
    return known.accounts();
  }

  /** What tells one state of the file from another; null if there is none. */
  private @Nullable Object look() throws IOException {
    if (Files.notExists(file)) {
      return null;
    }
    BasicFileAttributes now = Files.readAttributes(file, BasicFileAttributes.class);
    return now.lastModifiedTime() + " " + now.size() + " " + now.fileKey();
  }

  private Map<Key, Account> read() throws IOException {
    Map<String, Object> values = seal.open(PrivateFiles.read(file).strip());
    if (values == null) {
      throw new IOException("none of the keys opens it, or it is damaged");
    }
    Map<Key, Account> accounts = new LinkedHashMap<>();
    try {
      for (Object one : (Iterable<?>) required(values, "accounts")) {
        Map<?, ?> entry = (Map<?, ?>) one;
        accounts.put(
            new Key(
                (String) required(entry, "application"),
                (String) entry.get("issuer"),
                (String) entry.get("user")),
            new Account((String) required(entry, "name"), (String) required(entry, "password")));
      }
    } catch (ClassCastException | IllegalArgumentException e) {
      throw new IOException("it holds something else", e);
    }
    return Map.copyOf(accounts);
  }

  private static Object required(Map<?, ?> values, String name) {
    Object value = values.get(name);
    if (value == null) {
      throw new IllegalArgumentException("there is no " + name);
    }
    return value;
  }

  private static Map<String, Object> values(Map<Key, Account> accounts) {
    return Map.of(
        "accounts",
        accounts.entrySet().stream()
            .map(
                entry -> {
                  Map<String, Object> one = new LinkedHashMap<>();
                  one.put("application", entry.getKey().application());
                  if (entry.getKey().issuer() != null) {
                    one.put("issuer", entry.getKey().issuer());
                    one.put("user", entry.getKey().user());
                  }
                  one.put("name", entry.getValue().name());
                  one.put("password", entry.getValue().password());
                  return one;
                })
            .toList());
  }

  /** Tells where it is, and nothing of what is in it. */
  @Override
  public String toString() {
    return "SecretFile[" + file + "]";
  }
}
