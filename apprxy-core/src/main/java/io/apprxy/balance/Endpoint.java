package io.apprxy.balance;

import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.LoadBalancing.OutlierEjection;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What a balancer knows of one member. Serving takes no lock; only failures, checks and ejections
 * do, one at a time. Thread-safe.
 */
final class Endpoint<M extends Member> {
  private static final int MAX_EJECTION_FACTOR = 10;

  /** Less than a tenth of its share would tell nothing about an endpoint that comes back. */
  private static final double LEAST_SHARE = 0.1;

  /** A time that is noted for every answer would be written by all threads all the time. */
  private static final long ANSWER_RESOLUTION = TimeUnit.MILLISECONDS.toNanos(10);

  private final M member;
  private final LoadBalancing settings;
  private final long hash;
  private final AtomicInteger active = new AtomicInteger();

  private volatile boolean healthy = true;
  private volatile boolean ejected;
  private volatile long ejectedUntil;
  private volatile boolean slow;
  private volatile long slowSince;
  private volatile int failures;
  private volatile long lastAnswer;

  // Guarded by this.
  private int ejections;
  private long failingSince;
  private long ejectionEnded;
  private int goodChecks;
  private int badChecks;

  Endpoint(M member, LoadBalancing settings, long now) {
    this.member = member;
    this.settings = settings;
    this.hash = hash(member.id());
    this.lastAnswer = now - TimeUnit.DAYS.toNanos(1);
  }

  /** The same in every process, so that all gateway nodes hash alike. */
  static long hash(String id) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(id.getBytes(StandardCharsets.UTF_8));
      return ByteBuffer.wrap(digest).getLong();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  M member() {
    return member;
  }

  long hash() {
    return hash;
  }

  // ---- requests

  boolean isFree() {
    return active.get() < settings.maxConcurrentRequests();
  }

  boolean acquire() {
    for (int now = active.get(); now < settings.maxConcurrentRequests(); now = active.get()) {
      if (active.compareAndSet(now, now + 1)) {
        return true;
      }
    }
    return false;
  }

  void release() {
    active.decrementAndGet();
  }

  /** In relation to the weight, as if one request more were under way. */
  double burden() {
    return (member.load(active.get()) + 1.0) / member.weight();
  }

  // ---- service

  boolean inService(long now) {
    return healthy && !isEjected(now) && member.isUsable();
  }

  private boolean isEjected(long now) {
    return ejected && (now - ejectedUntil < 0 || !comeBack(now));
  }

  private synchronized boolean comeBack(long now) {
    if (ejected && now - ejectedUntil >= 0) {
      ejected = false;
      ejectionEnded = now;
      // On trial: one more failure is enough.
      failures = ejection().consecutiveFailures() - 1;
      failingSince = now;
      startSlowly(now);
    }
    return !ejected;
  }

  void startSlowly(long now) {
    if (!settings.slowStart().isZero()) {
      slowSince = now;
      slow = true;
    }
  }

  /** The share of its share that it gets: 1, or less while it starts slowly. */
  double share(long now) {
    if (!slow) {
      return 1;
    }
    double elapsed = (double) (now - slowSince) / settings.slowStart().toNanos();
    if (elapsed >= 1) {
      slow = false;
      return 1;
    }
    return Math.max(LEAST_SHARE, elapsed);
  }

  // ---- outcomes

  void answered(long now) {
    if (failures != 0) {
      recovered();
    }
    if (now - lastAnswer > ANSWER_RESOLUTION) {
      lastAnswer = now;
    }
  }

  private synchronized void recovered() {
    failures = 0;
  }

  boolean hasAnsweredSince(long time) {
    return lastAnswer - time >= 0;
  }

  /** Counts a failure; true if the endpoint should be ejected. */
  synchronized boolean failed(long now) {
    if (settings.outlierEjection() == null || ejected) {
      return false;
    }
    if (failures == 0) {
      failingSince = now;
    }
    int more = failures + 1;
    failures = more;
    return more >= ejection().consecutiveFailures();
  }

  synchronized long failingSince() {
    return failingSince;
  }

  synchronized void eject(long now) {
    long base = ejection().baseTime().toNanos();
    if (now - ejectionEnded > base * MAX_EJECTION_FACTOR) {
      ejections = 0;
    }
    ejections = Math.min(ejections + 1, MAX_EJECTION_FACTOR);
    ejectedUntil = now + base * ejections;
    ejected = true;
  }

  private OutlierEjection ejection() {
    OutlierEjection ejection = settings.outlierEjection();
    return ejection == null ? OutlierEjection.defaults() : ejection;
  }

  // ---- checks

  /** Takes the result of a check; true if the endpoint has come back. */
  synchronized boolean checked(boolean good, HealthCheck check, long now) {
    goodChecks = good ? goodChecks + 1 : 0;
    badChecks = good ? 0 : badChecks + 1;
    if (healthy && badChecks >= check.unhealthyThreshold()) {
      healthy = false;
    } else if (!healthy && goodChecks >= check.healthyThreshold()) {
      healthy = true;
      startSlowly(now);
      return true;
    }
    return false;
  }

  synchronized EndpointState state(long now) {
    return new EndpointState(
        member.id(),
        member.tier(),
        member.isUsable(),
        healthy,
        isEjected(now),
        ejections,
        failures,
        active.get());
  }
}
