package io.apprxy.forward;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.jspecify.annotations.Nullable;
import org.xnio.OptionMap;
import org.xnio.Options;
import org.xnio.Xnio;
import org.xnio.XnioWorker;

/**
 * The I/O threads that all listeners of this process share, so that a request of a user and the
 * tunnel connection that carries it can live on one thread, and need no other to be woken. They run
 * while there is a listener. Thread-safe.
 */
final class IoThreads {
  private static @Nullable XnioWorker worker;
  private static int users;

  private IoThreads() {}

  static synchronized XnioWorker acquire() {
    XnioWorker running = worker;
    if (running == null) {
      running = start();
      worker = running;
    }
    users++;
    return running;
  }

  static synchronized void release() {
    users--;
    if (users == 0 && worker != null) {
      worker.shutdown();
      worker = null;
    }
  }

  private static XnioWorker start() {
    int threads = Math.max(2, Runtime.getRuntime().availableProcessors());
    try {
      return Xnio.getInstance()
          .createWorker(
              OptionMap.builder()
                  .set(Options.WORKER_NAME, "apprxy-io")
                  .set(Options.WORKER_IO_THREADS, threads)
                  .set(Options.WORKER_TASK_CORE_THREADS, threads * 2)
                  .set(Options.WORKER_TASK_MAX_THREADS, threads * 8)
                  .set(Options.TCP_NODELAY, true)
                  .getMap());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
