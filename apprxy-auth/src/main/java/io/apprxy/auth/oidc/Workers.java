package io.apprxy.auth.oidc;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Verdict;
import io.apprxy.auth.session.WorkerThreads;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeoutException;

/** The few threads that wait for the provider, so that no I/O thread does. */
final class Workers {
  private static final int THREADS = 8;
  private static final int QUEUE = 256;

  private Workers() {}

  static Executor start() {
    return WorkerThreads.start("apprxy-oidc", THREADS, QUEUE);
  }

  /** What went wrong, without what the future wrapped it into. */
  static Throwable cause(Throwable failed) {
    return failed instanceof CompletionException && failed.getCause() != null
        ? failed.getCause()
        : failed;
  }

  /**
   * A verdict that waits; a wait that was too long, or could not begin, is the provider's
   * unavailability.
   */
  static Verdict verdict(CompletableFuture<Verdict> outcome) {
    return Verdict.later(
        outcome.exceptionally(
            failed -> {
              Throwable cause = cause(failed);
              if (cause instanceof TimeoutException
                  || cause instanceof RejectedExecutionException) {
                throw new GatewayException(
                    ErrorCode.PROVIDER_UNAVAILABLE, "no answer of the provider in time", cause);
              }
              throw new CompletionException(cause);
            }));
  }
}
