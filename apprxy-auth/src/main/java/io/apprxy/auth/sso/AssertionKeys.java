package io.apprxy.auth.sso;

import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.util.JSONObjectUtils;
import io.apprxy.cluster.PrivateFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The keys that a gateway signs assertions with, in memory or in a file. Thread-safe.
 *
 * <p>A new key is published for {@link #ANNOUNCED} before it signs, so that an origin which keeps
 * what it fetched knows it by then; and the one before is published for {@link #OVERLAP} after its
 * last signature. Gateways that serve the same origins share a file: what one rotates, the others
 * follow within ten seconds.
 */
public final class AssertionKeys {
  /** How long a new key is published before it signs. */
  public static final Duration ANNOUNCED = Duration.ofMinutes(10);

  /** How long a key is published after it signed for the last time. */
  public static final Duration OVERLAP = Duration.ofMinutes(10);

  private static final Duration LOOK = Duration.ofSeconds(10);
  private static final String SIGNS_FROM = "apprxy_from";
  private static final String PUBLISHED_UNTIL = "apprxy_until";
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.auth");

  private final Clock clock;
  private final @Nullable Path file;
  private final AtomicReference<Instant> looked;
  private volatile Ring ring;

  /**
   * One key.
   *
   * @param jwk with its private half
   * @param from when it begins to sign
   * @param until when it is published no longer; null as long as none follows
   */
  record Key(
      JWK jwk, Algorithm algorithm, PrivateKey secret, Instant from, @Nullable Instant until) {
    static Key of(JWK jwk, Instant from, @Nullable Instant until) throws GeneralSecurityException {
      Algorithm algorithm = KeyForms.algorithmOf(jwk);
      if (algorithm == null) {
        throw new GeneralSecurityException("a key is for none of our algorithms");
      }
      return new Key(jwk, algorithm, KeyForms.privateKey(jwk), from, until);
    }

    Key until(Instant end) {
      return new Key(jwk, algorithm, secret, from, end);
    }

    boolean isPublished(Instant now) {
      return until == null || now.isBefore(until);
    }

    @Override
    public String toString() {
      return "Key[" + jwk.getKeyID() + "]";
    }
  }

  /**
   * @param keys the newest last; never empty
   * @param read when the file was written that they were read from; null in memory
   */
  private record Ring(List<Key> keys, @Nullable FileTime read) {}

  private AssertionKeys(Clock clock, @Nullable Path file, Ring ring) {
    this.clock = clock;
    this.file = file;
    this.ring = ring;
    this.looked = new AtomicReference<>(clock.instant());
  }

  /** A key for {@link Algorithm#ES256}, which is forgotten when the process ends. */
  public static AssertionKeys generate() {
    return generate(Algorithm.ES256);
  }

  /** A key that is forgotten when the process ends. */
  public static AssertionKeys generate(Algorithm algorithm) {
    return generate(algorithm, Clock.systemUTC());
  }

  static AssertionKeys generate(Algorithm algorithm, Clock clock) {
    return new AssertionKeys(clock, null, new Ring(List.of(first(algorithm, clock)), null));
  }

  /**
   * The keys in this file, which must be its owner's alone; it is created with one for {@link
   * Algorithm#ES256} if there is none.
   *
   * @throws UncheckedIOException if it cannot be read or written, others may read it, or it holds
   *     something else
   */
  public static AssertionKeys inFile(Path file) {
    return inFile(file, Algorithm.ES256);
  }

  /**
   * The keys in this file, as {@link #inFile(Path)}.
   *
   * @param algorithm of the key that is made if there is no file
   */
  public static AssertionKeys inFile(Path file, Algorithm algorithm) {
    return inFile(file, algorithm, Clock.systemUTC());
  }

  static AssertionKeys inFile(Path file, Algorithm algorithm, Clock clock) {
    try {
      if (Files.notExists(file)) {
        // Another gateway may be quicker: then its key counts.
        PrivateFiles.create(file, write(List.of(first(algorithm, clock))));
      }
      return new AssertionKeys(clock, file, read(file));
    } catch (IOException e) {
      throw new UncheckedIOException("the keys of assertions cannot be kept in " + file, e);
    }
  }

  private static Key first(Algorithm algorithm, Clock clock) {
    return newKey(algorithm, clock.instant());
  }

  private static Key newKey(Algorithm algorithm, Instant from) {
    try {
      return Key.of(KeyForms.generate(algorithm), from, null);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM cannot use the key that it made", e);
    }
  }

  /**
   * Makes a new key, which signs after it was {@link #ANNOUNCED}.
   *
   * @throws IllegalStateException if the one before does not sign yet
   * @throws UncheckedIOException if the file cannot be read or written: then nothing has changed
   */
  public synchronized void rotate() {
    try {
      readAgain(); // or it would bring back what another gateway has replaced
    } catch (IOException e) {
      throw new UncheckedIOException("the keys of assertions cannot be read in " + file, e);
    }
    Instant now = clock.instant();
    List<Key> keys = new ArrayList<>(ring.keys());
    keys.removeIf(key -> !key.isPublished(now));
    Key last = keys.get(keys.size() - 1);
    if (last.from().isAfter(now)) {
      throw new IllegalStateException(
          "the last key signs from " + last.from() + " on: rotate again after that");
    }
    Instant from = now.plus(ANNOUNCED);
    keys.set(keys.size() - 1, last.until(from.plus(OVERLAP)));
    keys.add(newKey(last.algorithm(), from));
    keep(keys);
  }

  /**
   * Makes a new key, signs with it at once, and publishes no other: for one that was stolen. Until
   * an origin fetches the keys again it refuses what is signed, and may believe the thief.
   *
   * @throws UncheckedIOException if the file cannot be written: then nothing has changed
   */
  public synchronized void replace() {
    List<Key> keys = ring.keys();
    keep(List.of(newKey(keys.get(keys.size() - 1).algorithm(), clock.instant())));
  }

  private void keep(List<Key> keys) {
    if (file == null) {
      ring = new Ring(List.copyOf(keys), null);
      return;
    }
    try {
      PrivateFiles.write(file, write(keys));
      ring = read(file);
    } catch (IOException e) {
      throw new UncheckedIOException("the keys of assertions cannot be kept in " + file, e);
    }
  }

  /** The key to sign with now. */
  Key signing() {
    Instant now = clock.instant();
    List<Key> keys = current(now);
    for (int i = keys.size() - 1; i > 0; i--) {
      if (!keys.get(i).from().isAfter(now)) {
        return keys.get(i);
      }
    }
    return keys.get(0); // also if the clock was set back to before it was made
  }

  /** The public halves, as a JWK set. */
  String published() {
    Instant now = clock.instant();
    return new JWKSet(
            current(now).stream()
                .filter(key -> key.isPublished(now))
                .map(key -> key.jwk().toPublicJWK())
                .toList())
        .toString();
  }

  /** Looks at the file every now and then, but on another thread: this one may be of a request. */
  private List<Key> current(Instant now) {
    Instant last = looked.get();
    boolean due = Duration.between(last, now).abs().compareTo(LOOK) > 0;
    if (file != null && due && looked.compareAndSet(last, now)) {
      var unused = CompletableFuture.runAsync(this::reload);
    }
    return ring.keys();
  }

  /** Takes what another gateway wrote; keeps what is known if that cannot be read. */
  synchronized void reload() {
    try {
      readAgain();
    } catch (IOException e) {
      LOG.warn("the keys of assertions cannot be read again; those that are known are used on", e);
    }
  }

  private void readAgain() throws IOException {
    if (file != null && !Files.getLastModifiedTime(file).equals(ring.read())) {
      ring = read(file);
    }
  }

  // ---- the file: a JWK set, with what else is known of each key

  private static String write(List<Key> keys) {
    List<Map<String, Object>> all = new ArrayList<>();
    for (Key key : keys) {
      Map<String, Object> jwk = new HashMap<>(key.jwk().toJSONObject());
      jwk.put(SIGNS_FROM, key.from().getEpochSecond());
      if (key.until() != null) {
        jwk.put(PUBLISHED_UNTIL, key.until().getEpochSecond());
      }
      all.add(jwk);
    }
    return JSONObjectUtils.toJSONString(Map.of("keys", all));
  }

  private static Ring read(Path file) throws IOException {
    FileTime written = Files.getLastModifiedTime(file); // before it is read: rather once too often
    String text = PrivateFiles.read(file);
    try {
      List<Key> keys = new ArrayList<>();
      for (Map<String, Object> jwk :
          JSONObjectUtils.getJSONObjectArray(JSONObjectUtils.parse(text), "keys")) {
        Instant from = Instant.ofEpochSecond(JSONObjectUtils.getLong(jwk, SIGNS_FROM));
        Instant until =
            jwk.containsKey(PUBLISHED_UNTIL)
                ? Instant.ofEpochSecond(JSONObjectUtils.getLong(jwk, PUBLISHED_UNTIL))
                : null;
        keys.add(Key.of(JWK.parse(jwk), from, until));
      }
      if (keys.isEmpty()) {
        throw new IOException(file + " holds no key");
      }
      return new Ring(List.copyOf(keys), written);
    } catch (ParseException | GeneralSecurityException | RuntimeException e) {
      throw new IOException(file + " holds no keys of assertions", e);
    }
  }

  /** Tells how many keys there are. */
  @Override
  public String toString() {
    return "AssertionKeys[" + ring.keys().size() + "]";
  }
}
