package io.apprxy.auth.session;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * AES-256 keys for what the gateway gives to browsers. The newest encrypts, all decrypt, so that a
 * key can be replaced while sessions last. Thread-safe.
 */
public final class SessionKeys {
  private static final int BYTES = 32;

  /** A key that is older than this many others opens nothing any more. */
  private static final int KEPT = 4;

  private volatile List<Key> keys;

  private SessionKeys(List<Key> keys) {
    this.keys = keys;
  }

  /** A key with a public name that tells nothing about it. */
  record Key(String id, SecretKey secret) {
    static Key of(byte[] bytes) {
      try {
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(bytes);
        String id = Long.toHexString(ByteBuffer.wrap(hash).getLong());
        return new Key(id, new SecretKeySpec(bytes, "AES"));
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("every JDK has SHA-256", e);
      }
    }

    @Override
    public String toString() {
      return "Key[" + id + "]";
    }
  }

  /** One random key: sessions end when the process does, and no other gateway can read them. */
  public static SessionKeys generate() {
    return new SessionKeys(List.of(random()));
  }

  /**
   * These keys, each 32 bytes in Base64.
   *
   * @param newest encrypts
   * @param older decrypt, too
   * @throws IllegalArgumentException if one is not 32 bytes in Base64; the message does not tell it
   */
  public static SessionKeys of(String newest, String... older) {
    List<Key> keys = new ArrayList<>();
    keys.add(parse(newest));
    for (String key : older) {
      keys.add(parse(key));
    }
    return new SessionKeys(List.copyOf(keys));
  }

  /** Encrypts with a new random key from now on. */
  public void rotate() {
    prepend(random());
  }

  /**
   * Encrypts with this key from now on.
   *
   * @throws IllegalArgumentException if it is not 32 bytes in Base64
   */
  public void rotate(String key) {
    prepend(parse(key));
  }

  private synchronized void prepend(Key key) {
    List<Key> more = new ArrayList<>();
    more.add(key);
    more.addAll(keys);
    keys = List.copyOf(more.subList(0, Math.min(more.size(), KEPT)));
  }

  Key newest() {
    return keys.get(0);
  }

  @Nullable Key find(@Nullable String id) {
    return keys.stream().filter(key -> key.id().equals(id)).findFirst().orElse(null);
  }

  private static Key random() {
    byte[] bytes = new byte[BYTES];
    new SecureRandom().nextBytes(bytes);
    return Key.of(bytes);
  }

  private static Key parse(String base64) {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(base64);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "a session key must be 32 bytes in Base64; this is no Base64");
    }
    if (bytes.length != BYTES) {
      throw new IllegalArgumentException(
          "a session key must be 32 bytes in Base64; this has " + bytes.length + " bytes");
    }
    return Key.of(bytes);
  }

  /** Tells how many keys there are. */
  @Override
  public String toString() {
    return "SessionKeys[" + keys.size() + "]";
  }
}
