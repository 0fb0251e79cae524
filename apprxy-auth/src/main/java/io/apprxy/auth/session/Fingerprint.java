package io.apprxy.auth.session;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The SHA-256 of a cookie's value: who keeps it keeps neither the kilobytes of the cookie nor what
 * a thief of memory could send. Immutable.
 */
record Fingerprint(long first, long second, long third, long fourth) {
  static Fingerprint of(String value) {
    try {
      ByteBuffer hash =
          ByteBuffer.wrap(
              MessageDigest.getInstance("SHA-256").digest(value.getBytes(StandardCharsets.UTF_8)));
      return new Fingerprint(hash.getLong(), hash.getLong(), hash.getLong(), hash.getLong());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /** As good as any part of a hash. */
  @Override
  public int hashCode() {
    return Long.hashCode(first);
  }
}
