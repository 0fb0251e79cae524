package io.apprxy.auth.servlet;

import io.apprxy.Verdict;
import jakarta.servlet.AsyncContext;
import jakarta.servlet.AsyncEvent;
import jakarta.servlet.AsyncListener;
import java.io.IOException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request that the application is answering, and whether it may go on. Once the identity does not
 * stand any more, or the policy would refuse the request, every further read and write fails, and
 * an asynchronous request is dispatched to the filter, which breaks it off. Thread-safe.
 */
final class OpenRequest implements AsyncListener {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.servlet");

  private final ServletExchange exchange;
  private final Watch watch;
  private volatile boolean asking;
  private volatile boolean ended;
  private volatile boolean cutOff;
  private @Nullable AsyncContext async;

  private OpenRequest(ServletExchange exchange, Watch watch) {
    this.exchange = exchange;
    this.watch = watch;
  }

  /** Those that are open for a user, and a thread that asks about each. */
  static final class Watch {
    private static final long ROUND_MILLIS = 250;

    private final Function<? super ServletExchange, Verdict> policy;
    private final Set<OpenRequest> all = ConcurrentHashMap.newKeySet();
    private boolean policyToo;
    private int users;
    private @Nullable ScheduledExecutorService timer;

    /**
     * @param policy whether a request may be made now; asked about open ones twice a second
     */
    Watch(Function<? super ServletExchange, Verdict> policy) {
      this.policy = policy;
    }

    /** Called by each context that uses it. */
    synchronized void start() {
      users++;
      if (timer == null) {
        timer =
            Executors.newSingleThreadScheduledExecutor(
                task -> {
                  Thread thread = new Thread(task, "apprxy-open-requests");
                  thread.setDaemon(true);
                  return thread;
                });
        var unused =
            timer.scheduleWithFixedDelay(
                this::round, ROUND_MILLIS, ROUND_MILLIS, TimeUnit.MILLISECONDS);
      }
    }

    synchronized void stop() {
      users--;
      if (users == 0 && timer != null) {
        timer.shutdownNow();
        timer = null;
      }
    }

    private void round() {
      policyToo = !policyToo;
      for (OpenRequest request : all) {
        try {
          request.look(policyToo);
        } catch (RuntimeException | Error e) { // or the timer would look at nobody any more
          LOG.error("{} could not be broken off", request.exchange.id(), e);
        }
      }
    }

    OpenRequest begin(ServletExchange exchange) {
      OpenRequest request = new OpenRequest(exchange, this);
      if (exchange.identity() != null) {
        all.add(request);
      }
      return request;
    }
  }

  private void look(boolean policyToo) {
    try {
      if (ended) {
        return;
      }
      if (!exchange.stands().getAsBoolean()) {
        end();
      } else if (policyToo && !asking) {
        follow(watch.policy.apply(exchange));
      }
    } catch (RuntimeException | Error e) { // who cannot tell does not vouch
      LOG.warn("{} is broken off: whether it may go on cannot be told", exchange.id(), e);
      end();
    }
  }

  private void follow(@Nullable Verdict verdict) {
    if (verdict instanceof Verdict.Later later) {
      asking = true;
      var unused =
          later
              .outcome()
              .whenComplete(
                  (then, failed) -> {
                    asking = false;
                    follow(failed == null ? then : null);
                  });
    } else if (!(verdict instanceof Verdict.Proceed)) {
      end();
    }
  }

  private synchronized void end() {
    ended = true;
    if (async != null) {
      wake(async);
    }
  }

  private static void wake(AsyncContext context) {
    try {
      context.dispatch();
    } catch (RuntimeException e) {
      LOG.debug("an asynchronous request was about to end anyway", e);
    }
  }

  /** Whether it must not go on. */
  boolean hasEnded() {
    return ended;
  }

  /**
   * Whether the application was kept from reading or writing something: its answer is not whole.
   */
  boolean isCutOff() {
    return cutOff;
  }

  /**
   * To be called before the application reads or writes.
   *
   * @throws IOException if it must not go on
   */
  void check() throws IOException {
    if (ended) {
      cutOff = true;
      throw new IOException("the session of this request has ended");
    }
  }

  /** The client has sent more of the body. */
  void received(int bytes) {
    exchange.received(bytes);
  }

  /** The application answers from now on without the thread of the container. */
  void continues(AsyncContext context) {
    try {
      context.addListener(this);
    } catch (IllegalStateException e) {
      LOG.debug("an asynchronous request has ended already", e);
      done();
      return;
    }
    synchronized (this) {
      async = context;
      if (ended) {
        wake(context);
      }
    }
  }

  /** A thread of the container has it again. */
  synchronized void isDispatched() {
    async = null;
  }

  void done() {
    watch.all.remove(this);
  }

  @Override
  public void onComplete(AsyncEvent event) {
    done();
  }

  @Override
  public void onTimeout(AsyncEvent event) {}

  @Override
  public void onError(AsyncEvent event) {}

  /** Begun anew, during a dispatch: the filter will see it, and call {@link #continues} again. */
  @Override
  public void onStartAsync(AsyncEvent event) {}
}
