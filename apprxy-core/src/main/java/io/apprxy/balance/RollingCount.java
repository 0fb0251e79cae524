package io.apprxy.balance;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Two counts of the last while, in ten slots of time. A slot is one word, so that counting is one
 * atomic step: 16 bits tell which turn of the ring it is of, and 24 bits are each count's.
 * Thread-safe, and never blocking.
 */
final class RollingCount {
  private static final int SLOTS = 10;
  private static final int BITS = 24;
  private static final long MAX = (1L << BITS) - 1;

  private final AtomicLongArray slots = new AtomicLongArray(SLOTS);
  private final long slotNanos;

  RollingCount(long windowNanos) {
    slotNanos = Math.max(1, windowNanos / SLOTS);
  }

  void addFirst(long now) {
    add(now, 1, 0);
  }

  void addSecond(long now) {
    add(now, 0, 1);
  }

  private void add(long now, int first, int second) {
    long turn = Math.floorDiv(now, slotNanos);
    int slot = (int) Math.floorMod(turn, (long) SLOTS);
    for (; ; ) {
      long word = slots.get(slot);
      boolean current = isOf(word, turn);
      long a = Math.min(MAX, (current ? firstOf(word) : 0) + first);
      long b = Math.min(MAX, (current ? secondOf(word) : 0) + second);
      if (slots.compareAndSet(slot, word, pack(turn, a, b))) {
        return;
      }
    }
  }

  long first(long now) {
    return sum(now, true);
  }

  long second(long now) {
    return sum(now, false);
  }

  private long sum(long now, boolean ofFirst) {
    long turn = Math.floorDiv(now, slotNanos);
    long sum = 0;
    for (long t = turn - SLOTS + 1; t <= turn; t++) {
      long word = slots.get((int) Math.floorMod(t, (long) SLOTS));
      if (isOf(word, t)) {
        sum += ofFirst ? firstOf(word) : secondOf(word);
      }
    }
    return sum;
  }

  void reset() {
    for (int i = 0; i < SLOTS; i++) {
      slots.set(i, 0);
    }
  }

  private static long pack(long turn, long first, long second) {
    return (turn << (2 * BITS)) | (first << BITS) | second;
  }

  private static boolean isOf(long word, long turn) {
    return (word >>> (2 * BITS)) == (turn & 0xffff);
  }

  private static long firstOf(long word) {
    return (word >>> BITS) & MAX;
  }

  private static long secondOf(long word) {
    return word & MAX;
  }
}
