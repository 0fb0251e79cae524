package io.apprxy.auth.sso;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.sso.KerberosFailure.Step;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * The domain controllers of a realm, as far as they can be reached. The JDK asks those that {@code
 * krb5.conf} names, one after the other, for as long as is said there; where all of them are
 * silent, whoever wants something is told so at once for a while, and takes no thread. Then one
 * tries. Thread-safe.
 */
final class Kdc {
  private static final int FAILURES = 3;
  private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** A question that is open for so long is likely to have no answer. */
  private static final long SILENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

  private final LongSupplier nanoTime;

  /** When each was asked, the oldest first. */
  private final Map<Object, Long> open = new LinkedHashMap<>();

  private int failures;
  private long failedAt;

  Kdc(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Something that asks them; blocks. */
  interface Question<T> {
    T ask() throws Exception;
  }

  /**
   * Whether it makes sense to ask; never blocks.
   *
   * @throws GatewayException {@link ErrorCode#KDC_UNREACHABLE} if not
   */
  synchronized void check() {
    long now = nanoTime.getAsLong();
    boolean resting = failures >= FAILURES && (now - failedAt < PAUSE_NANOS || !open.isEmpty());
    Iterator<Long> asked = open.values().iterator();
    boolean silent = asked.hasNext() && now - asked.next() >= SILENCE_NANOS;
    if (resting || silent) {
      throw new GatewayException(
          ErrorCode.KDC_UNREACHABLE,
          "the domain controllers do not answer, and are not asked any more for now");
    }
  }

  /**
   * The answer.
   *
   * @throws GatewayException if there is none, or it is no
   */
  <T> T ask(Step step, Question<T> question) {
    Object mine = begin();
    try {
      T answer = question.ask();
      end(mine, true);
      return answer;
    } catch (Exception e) {
      GatewayException failure = KerberosFailure.of(e, step);
      end(mine, failure.code() != ErrorCode.KDC_UNREACHABLE);
      throw failure;
    } catch (Error e) {
      end(mine, true);
      throw e;
    }
  }

  private synchronized Object begin() {
    check();
    Object mine = new Object();
    open.put(mine, nanoTime.getAsLong());
    return mine;
  }

  private synchronized void end(Object mine, boolean answered) {
    open.remove(mine);
    failures = answered ? 0 : failures + 1;
    failedAt = answered ? failedAt : nanoTime.getAsLong();
  }
}
