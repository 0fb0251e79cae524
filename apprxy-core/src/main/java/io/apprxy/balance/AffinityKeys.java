package io.apprxy.balance;

import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Keys that sign the cookies by which users stay with their endpoints (HMAC-SHA256). The newest
 * signs, all verify: gateways that share them know each other's cookies, and a key can be replaced
 * while users are at work. Immutable.
 */
public final class AffinityKeys {
  private static final int BYTES = 32;
  private static final String ALGORITHM = "HmacSHA256";

  private final List<SecretKeySpec> keys;

  private AffinityKeys(List<SecretKeySpec> keys) {
    this.keys = List.copyOf(keys);
  }

  /** One random key: users are pinned anew when the process starts, and by every other gateway. */
  public static AffinityKeys generate() {
    byte[] random = new byte[BYTES];
    new SecureRandom().nextBytes(random);
    return new AffinityKeys(List.of(new SecretKeySpec(random, ALGORITHM)));
  }

  /**
   * These keys, each 32 bytes in Base64.
   *
   * @param newest signs
   * @param older verify, too
   * @throws IllegalArgumentException if one is not 32 bytes in Base64; the message does not tell it
   */
  public static AffinityKeys of(String newest, String... older) {
    List<SecretKeySpec> keys = new ArrayList<>();
    keys.add(parse(newest));
    for (String key : older) {
      keys.add(parse(key));
    }
    return new AffinityKeys(keys);
  }

  private static SecretKeySpec parse(String key) {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(key);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("an affinity key must be 32 bytes in Base64");
    }
    if (bytes.length != BYTES) {
      throw new IllegalArgumentException(
          "an affinity key must be 32 bytes in Base64, and not " + bytes.length);
    }
    return new SecretKeySpec(bytes, ALGORITHM);
  }

  int count() {
    return keys.size();
  }

  byte[] sign(int key, byte[]... parts) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(keys.get(key));
      for (byte[] part : parts) {
        mac.update(part);
      }
      return mac.doFinal();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has " + ALGORITHM, e);
    }
  }

  /** Tells how many there are, and none of them. */
  @Override
  public String toString() {
    return "AffinityKeys[" + keys.size() + "]";
  }
}
