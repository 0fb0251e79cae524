package io.apprxy.auth.sso;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.sso.KerberosFailure.Step;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * The domain controllers, as far as they can be reached. The JDK asks those that {@code krb5.conf}
 * names, one after the other; where all of them are silent, the next ones who want something are
 * told so at once for a while, and are not made to wait. Thread-safe.
 */
final class Kdc {
  private static final int FAILURES = 3;
  private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final LongSupplier nanoTime;
  private int failures;
  private long closedSince;

  Kdc(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Something that asks them; blocks. */
  interface Question<T> {
    T ask() throws Exception;
  }

  /**
   * The answer.
   *
   * @throws GatewayException if there is none, or it is no
   */
  <T> T ask(Step step, Question<T> question) {
    admit();
    try {
      T answer = question.ask();
      answered();
      return answer;
    } catch (Exception e) {
      GatewayException failure = KerberosFailure.of(e, step);
      if (failure.code() == ErrorCode.KDC_UNREACHABLE) {
        failed();
      } else {
        answered();
      }
      throw failure;
    }
  }

  /** One tries, once in a while. */
  private synchronized void admit() {
    if (failures >= FAILURES) {
      long now = nanoTime.getAsLong();
      if (now - closedSince < PAUSE_NANOS) {
        throw new GatewayException(
            ErrorCode.KDC_UNREACHABLE,
            "the domain controllers have not answered "
                + failures
                + " times, and are not asked now");
      }
      closedSince = now;
    }
  }

  private synchronized void answered() {
    failures = 0;
  }

  /** Nobody answered, or not in time. */
  synchronized void failed() {
    failures++;
    closedSince = nanoTime.getAsLong();
  }
}
