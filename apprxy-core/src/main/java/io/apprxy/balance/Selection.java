package io.apprxy.balance;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.Affinity;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One request on its way through the endpoints: for each attempt {@link #attempt}, then {@link
 * #acquire}, and what that grants is reported and released. Not thread-safe; confined to the
 * request's thread. For the engine.
 */
public final class Selection<M extends Member> {
  private final Balancer<M> balancer;
  private final long key;
  private final @Nullable Predicate<? super M> pin;
  private @Nullable List<Endpoint<M>> tried;
  private @Nullable Endpoint<M> again;
  private @Nullable Endpoint<M> lastResort;
  private int attempts;
  private boolean over;

  Selection(Balancer<M> balancer, long key, @Nullable Predicate<? super M> pin) {
    this.balancer = balancer;
    this.key = key;
    this.pin = pin;
  }

  /** Gets an endpoint, or the reason why there is none; on the request's thread. */
  public interface Granted<M extends Member> {
    void granted(Slot<M> slot);

    void refused(GatewayException cause);
  }

  /** What waits for its turn; see {@link Selection#acquire}. */
  public interface Waiter {
    /**
     * Gives the place in the queue back.
     *
     * @return false if it is the request's turn already
     */
    boolean leave();
  }

  Balancer<M> balancer() {
    return balancer;
  }

  long key() {
    return key;
  }

  boolean hasTried(Endpoint<M> endpoint) {
    return tried != null && tried.contains(endpoint);
  }

  /** How long to wait for a turn. */
  public LoadBalancing settings() {
    return balancer.settings();
  }

  /**
   * Whether there may be an attempt, the first or a further one. If so it counts as made.
   *
   * @throws GatewayException if there may not be even a first one
   */
  public boolean attempt() {
    boolean may = attempts == 0 ? first() : further();
    if (may) {
      attempts++;
    }
    return may;
  }

  /** What it means that no endpoint is usable. */
  public GatewayException nobody() {
    return new GatewayException(
        balancer.nobody(), "no endpoint of " + balancer.name() + " is usable");
  }

  private boolean first() {
    if (!balancer.anyUsable(this)) {
      throw nobody();
    }
    long now = balancer.now();
    Breaker breaker = balancer.breaker();
    if (breaker != null && !breaker.admits(now)) {
      throw new GatewayException(
          ErrorCode.CIRCUIT_OPEN, balancer.name() + " fails, and its circuit breaker is open");
    }
    balancer.budget().request(now);
    return true;
  }

  private boolean further() {
    if (over
        || attempts >= balancer.settings().retries().maxAttempts()
        || (again == null && lastResort() == null && (isBound() || !balancer.anyUsable(this)))) {
      return false;
    }
    // What was cut off is as much as was under way, once: no load that feeds on itself.
    boolean cutOff = again != null || lastResort != null;
    if (!cutOff && !balancer.budget().retry(balancer.now())) {
      balancer.events().retryRefused();
      return false;
    }
    balancer.events().retried();
    return true;
  }

  private @Nullable Endpoint<M> lastResort() {
    return lastResort != null && lastResort.member().isUsable() ? lastResort : null;
  }

  /** Whether no other endpoint than the pinned one may serve. */
  private boolean isBound() {
    return pin != null && balancer.settings().affinity() == Affinity.FAIL;
  }

  /**
   * Gets an endpoint for the attempt: at once, or when it is the request's turn.
   *
   * @param thread runs tasks on the request's thread
   * @return null if the request has been answered to, else what waits
   */
  public @Nullable Waiter acquire(Executor thread, Granted<M> granted) {
    Endpoint<M> bound = repeated();
    if (bound == null) {
      bound = pinned();
    }
    if (bound == null && isBound()) {
      over = true;
      granted.refused(
          new GatewayException(
              ErrorCode.PINNED_ENDPOINT_GONE,
              "the endpoint of " + balancer.name() + " that the user is pinned to is gone"));
      return null;
    }
    // Whoever comes later does not overtake those that wait.
    return !balancer.hasWaiting() && grantFree(bound, granted)
        ? null
        : await(bound, thread, granted);
  }

  private boolean grantFree(@Nullable Endpoint<M> bound, Granted<M> granted) {
    Endpoint<M> free = bound != null ? bound : balancer.pickFree(this, balancer.now());
    if (free == null || !free.acquire()) {
      return false;
    }
    grant(free, granted);
    return true;
  }

  /** The endpoint of the attempt before, if the next one is made there, too. */
  private @Nullable Endpoint<M> repeated() {
    boolean nowhereElse = isBound() || !balancer.anyUsable(this);
    Endpoint<M> repeated = nowhereElse ? lastResort() : null;
    if (again != null && (nowhereElse || again.inService(balancer.now()))) {
      repeated = again;
    }
    again = null;
    lastResort = null;
    return repeated;
  }

  /** The pinned endpoint, as far as the user can be served there. */
  private @Nullable Endpoint<M> pinned() {
    if (pin == null) {
      return null;
    }
    for (Endpoint<M> endpoint : balancer.endpoints()) {
      if (pin.test(endpoint.member()) && !hasTried(endpoint)) {
        boolean serves =
            isBound() ? endpoint.member().isUsable() : endpoint.inService(balancer.now());
        return serves ? endpoint : null;
      }
    }
    return null;
  }

  private @Nullable Waiter await(@Nullable Endpoint<M> bound, Executor thread, Granted<M> granted) {
    if (bound == null && !balancer.anyUsable(this)) {
      granted.refused(nobody());
      return null;
    }
    Balancer.Waiting<M> waiting = new Balancer.Waiting<>(this, bound, thread, granted);
    if (!balancer.enqueue(waiting)) {
      if (grantFree(bound, granted)) {
        return null;
      }
      over = true;
      granted.refused(
          new GatewayException(
              ErrorCode.ORIGIN_OVERLOADED,
              balancer.waitingRequests() + " requests wait for " + balancer.name()));
      return null;
    }
    return () -> {
      boolean left = balancer.dequeue(waiting);
      over |= left;
      return left;
    };
  }

  void grant(Endpoint<M> endpoint, Granted<M> granted) {
    boolean repeated = hasTried(endpoint);
    if (!repeated) {
      if (tried == null) {
        tried = new ArrayList<>(2);
      }
      tried.add(endpoint);
    }
    granted.granted(new Slot<>(this, endpoint, repeated));
  }

  /**
   * An endpoint's promise to serve one attempt. Not thread-safe; confined to the request's thread.
   */
  public static final class Slot<M extends Member> {
    private final Selection<M> request;
    private final Endpoint<M> endpoint;
    private final boolean repeated;
    private boolean reported;
    private boolean released;

    private Slot(Selection<M> request, Endpoint<M> endpoint, boolean repeated) {
      this.request = request;
      this.endpoint = endpoint;
      this.repeated = repeated;
    }

    /** The endpoint. */
    public M member() {
      return endpoint.member();
    }

    /** Whether the attempt before was at the same endpoint, see {@link #repeat}. */
    public boolean isRepeated() {
      return repeated;
    }

    /** What came of the attempt; the first report counts. */
    public void report(Outcome outcome) {
      if (reported) {
        return;
      }
      reported = true;
      if (outcome == Outcome.ANSWERED) {
        request.balancer.answered(endpoint);
      } else {
        request.balancer.failed(endpoint, outcome);
      }
    }

    /**
     * The attempt failed in a way that says nothing about the endpoint, as on a kept connection
     * that had just been closed: the next one may be made there again.
     *
     * @param first whether there before elsewhere
     */
    public void repeat(boolean first) {
      if (!reported) {
        reported = true;
        if (first) {
          request.again = endpoint;
        } else {
          request.lastResort = endpoint;
        }
      }
    }

    /** The attempt is over. May be called twice. */
    public void release() {
      if (!released) {
        released = true;
        request.balancer.release(endpoint);
      }
    }
  }
}
