package io.apprxy.auth.session;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The few threads that wait for others, so that no I/O thread does. For the engine. */
public final class WorkerThreads {
  private WorkerThreads() {}

  /**
   * Daemon threads that end when they have nothing to do, so that nobody needs to close them; what
   * is too much is refused ({@link java.util.concurrent.RejectedExecutionException}).
   *
   * @param name what their names begin with
   * @param threads how many at most
   * @param queue how much may wait for one
   */
  public static ThreadPoolExecutor start(String name, int threads, int queue) {
    AtomicInteger number = new AtomicInteger();
    ThreadPoolExecutor workers =
        new ThreadPoolExecutor(
            threads,
            threads,
            30,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(queue),
            work -> {
              Thread thread = new Thread(work, name + "-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
    workers.allowCoreThreadTimeOut(true);
    return workers;
  }
}
