package io.apprxy;

import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * The ids of requests: 128 random bits, which nobody can guess, nor make collide. Each thread draws
 * those of many at once, since a generator that all share is one that they wait for.
 */
final class RequestIds {
  private static final int LENGTH = 16;
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final ThreadLocal<RequestIds> OF_THREAD = ThreadLocal.withInitial(RequestIds::new);

  private final byte[] drawn = new byte[64 * LENGTH];
  private int used = drawn.length;

  private RequestIds() {}

  static String next() {
    return OF_THREAD.get().take();
  }

  private String take() {
    if (used == drawn.length) {
      RANDOM.nextBytes(drawn);
      used = 0;
    }
    used += LENGTH;
    return HexFormat.of().formatHex(drawn, used - LENGTH, used);
  }
}
