package io.apprxy;

import io.apprxy.forward.Forwarder;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.XnioIoThread;

/**
 * The requests that are under way to origins for a user, until the last byte of them: each is
 * broken off soon after the user may no longer make it, however long it has been open. Upgraded
 * connections are such requests, too. Thread-safe.
 *
 * <p>Each I/O thread looks after its own, so that a request costs no more than to be added to a set
 * and to be removed again, and a thread without any has nothing to do.
 */
final class OpenRequests {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.gateway");

  private static final int ROUND_MILLIS = 250;

  /** How many are looked at before the other work of the thread gets its turn. */
  private static final int TURN = 64;

  private final ThreadLocal<Watch> watches = ThreadLocal.withInitial(Watch::new);
  private final Function<? super UndertowExchange, Verdict> policy;

  /**
   * @param policy whether a request may be made now; asked about open ones twice a second
   */
  OpenRequests(Function<? super UndertowExchange, Verdict> policy) {
    this.policy = policy;
  }

  /** How many of this I/O thread are looked after. */
  int ofThisThread() {
    return watches.get().all.size();
  }

  /** Looks after a request that somebody was identified for. Called on its I/O thread. */
  void add(UndertowExchange exchange) {
    Open open = new Open(exchange, watches.get());
    exchange
        .undertow()
        .addExchangeCompleteListener(
            (undertow, next) -> {
              open.completed();
              next.proceed();
            });
    open.watch.add(open);
  }

  private final class Open {
    private final UndertowExchange exchange;
    private final Watch watch;
    private boolean asking;

    Open(UndertowExchange exchange, Watch watch) {
      this.exchange = exchange;
      this.watch = watch;
    }

    /** An HTTP/1.1 request is complete, for the server, when its connection is upgraded. */
    void completed() {
      if (!exchange.undertow().isUpgrade() || !isForwarded()) {
        onThread(() -> watch.remove(this));
      }
    }

    private boolean isForwarded() {
      return Forwarder.isUnderWay(exchange.undertow());
    }

    void look(boolean policyToo) {
      if (exchange.undertow().isComplete() && !isForwarded()) {
        watch.remove(this); // an upgraded connection has ended
        return;
      }
      try {
        if (!exchange.identityStands()) {
          breakOff(new GatewayException(ErrorCode.SESSION_ENDED, "the session has ended"));
        } else if (policyToo && !asking) {
          follow(policy.apply(exchange));
        }
      } catch (RuntimeException | Error e) {
        breakOff(Pipeline.asGatewayException(e));
      }
    }

    private void follow(@Nullable Verdict verdict) {
      if (verdict instanceof Verdict.Later later) {
        asking = true;
        later.outcome().whenComplete((then, failed) -> onThread(() -> followLater(then, failed)));
      } else if (verdict instanceof Verdict.StepUp stepUp) {
        breakOff(
            new GatewayException(
                ErrorCode.STEP_UP_REQUIRED,
                "the policy demands more by now: " + stepUp.requirement().reason()));
      } else if (!(verdict instanceof Verdict.Proceed)) {
        breakOff(
            new GatewayException(
                ErrorCode.REFUSED_BY_POLICY, "the policy does not allow it any more: " + verdict));
      }
    }

    private void followLater(@Nullable Verdict then, @Nullable Throwable failed) {
      asking = false;
      if (failed == null) {
        follow(then);
      } else {
        breakOff(Pipeline.asGatewayException(failed));
      }
    }

    private void breakOff(GatewayException cause) {
      watch.remove(this);
      exchange.endsWith(cause.code());
      if (cause.code() == ErrorCode.INTERNAL && exchange.undertow().isResponseStarted()) {
        LOG.error("{} request broken off", exchange.id(), cause); // nobody else tells
      }
      Forwarder.breakOff(exchange.undertow(), cause);
    }

    private void onThread(Runnable task) {
      XnioIoThread thread = exchange.undertow().getIoThread();
      if (Thread.currentThread() == thread) {
        task.run();
      } else {
        thread.execute(task);
      }
    }
  }

  /** Those of one I/O thread, and confined to it. */
  private static final class Watch implements Runnable {
    private final Set<Open> all = new HashSet<>();
    private Open[] round = {};
    private int next;
    private boolean running;
    private boolean policyToo;

    void add(Open open) {
      all.add(open);
      if (!running) {
        running = true;
        nextRound(open.exchange.undertow().getIoThread());
      }
    }

    void remove(Open open) {
      all.remove(open);
    }

    /** One turn of a round. */
    @Override
    public void run() {
      for (int end = Math.min(next + TURN, round.length); next < end; next++) {
        Open open = round[next];
        if (all.contains(open)) {
          look(open);
        }
      }
      XnioIoThread thread = XnioIoThread.currentThread();
      if (next < round.length) {
        thread.execute(this);
      } else {
        nextRound(thread);
      }
    }

    /** Whatever happens with one, the others are looked at: nobody else does. */
    private void look(Open open) {
      try {
        open.look(policyToo);
      } catch (RuntimeException | Error e) {
        LOG.error("{} could not be broken off in order", open.exchange.id(), e);
        all.remove(open);
        IoUtils.safeClose(open.exchange.undertow().getConnection());
      }
    }

    private void nextRound(XnioIoThread thread) {
      round = new Open[0]; // keeps nothing of what has ended
      next = 0;
      running = !all.isEmpty();
      if (running) {
        try {
          var unused = thread.executeAfter(this::beginRound, ROUND_MILLIS, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
          running = false; // the threads end, and their connections with them
        }
      }
    }

    private void beginRound() {
      round = all.toArray(round);
      policyToo = !policyToo;
      run();
    }
  }
}
