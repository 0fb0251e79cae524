package io.apprxy.balance;

import io.apprxy.ErrorCode;
import io.apprxy.LoadBalancing;
import io.apprxy.LoadBalancing.CircuitBreaker;
import io.apprxy.LoadBalancing.HealthCheck;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.IntUnaryOperator;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The endpoints of one application, and which of them serve. Thread-safe, and never blocking. For
 * the engine.
 *
 * <p><b>Picking.</b> An endpoint is in service if it is usable, healthy and not ejected. A request
 * goes to a free one in service of the lowest tier that has one. If all in service are busy it
 * waits. If none is in service it goes to any that is usable: what we believe of endpoints decides
 * which is better, and never that there is none.
 *
 * <p><b>Locks.</b> A request that finds a free endpoint takes none. The lock of the queue is taken
 * while requests wait, the lock of an endpoint when it fails or is checked.
 *
 * <p><b>Waiting.</b> A request counts itself as waiting before it looks again for a free endpoint;
 * whoever frees one looks for waiting requests afterwards. So one of the two sees the other.
 */
public final class Balancer<M extends Member> {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.balance");

  private final String name;
  private final LoadBalancing settings;
  private final ErrorCode nobody;
  private final LongSupplier nanos;
  private final Picker<M> picker;
  private final RetryBudget budget;
  private final @Nullable Breaker breaker;
  private final BalanceEvents events;
  private final Object membership = new Object();
  private volatile List<Endpoint<M>> all = List.of();
  private volatile List<List<Endpoint<M>>> tiers = List.of();

  /** In the order in which they came; guarded by itself. */
  private final Set<Waiting<M>> queue = new LinkedHashSet<>();

  /** The size of the queue, for those that only look whether there is one. */
  private volatile int waiting;

  /**
   * A balancer without endpoints.
   *
   * @param name the application's, for logs
   * @param nobody what it means that no endpoint is usable
   * @param events is told what happens, on the thread where it does
   */
  public Balancer(String name, LoadBalancing settings, ErrorCode nobody, BalanceEvents events) {
    this(
        name,
        settings,
        nobody,
        events,
        System::nanoTime,
        bound -> ThreadLocalRandom.current().nextInt(bound));
  }

  Balancer(
      String name,
      LoadBalancing settings,
      ErrorCode nobody,
      BalanceEvents events,
      LongSupplier nanos,
      IntUnaryOperator random) {
    CircuitBreaker circuitBreaker = settings.circuitBreaker();
    this.name = name;
    this.settings = settings;
    this.nobody = nobody;
    this.events = events;
    this.nanos = nanos;
    this.picker = new Picker<>(settings.algorithm(), random);
    this.budget = new RetryBudget(settings.retries());
    this.breaker = circuitBreaker == null ? null : new Breaker(circuitBreaker);
  }

  // ---- members

  /** Balances these from now on. What is known of those that were balanced before stays. */
  public void update(Collection<? extends M> members) {
    synchronized (membership) {
      IdentityHashMap<M, Endpoint<M>> known = new IdentityHashMap<>();
      all.forEach(endpoint -> known.put(endpoint.member(), endpoint));
      long now = nanos.getAsLong();
      List<Endpoint<M>> updated = new ArrayList<>();
      for (M member : members) {
        Endpoint<M> endpoint = known.get(member);
        if (endpoint == null) {
          endpoint = new Endpoint<>(member, settings, now);
          if (!known.isEmpty()) {
            endpoint.startSlowly(now);
          }
        }
        updated.add(endpoint);
      }
      Map<Integer, List<Endpoint<M>>> byTier = new TreeMap<>();
      updated.forEach(
          endpoint ->
              byTier
                  .computeIfAbsent(endpoint.member().tier(), tier -> new ArrayList<>())
                  .add(endpoint));
      all = List.copyOf(updated);
      tiers = byTier.values().stream().map(List::copyOf).toList();
    }
    all.forEach(this::serveWaiting);
  }

  /** Takes the result of a health check. */
  public void checked(M member, boolean good) {
    HealthCheck check = settings.healthCheck();
    for (Endpoint<M> endpoint : all) {
      if (check != null && endpoint.member() == member) {
        boolean before = endpoint.state(now()).healthy();
        if (endpoint.checked(good, check, now())) {
          LOG.info("{}: {} is healthy again", name, member.id());
          serveWaiting(endpoint);
        } else if (before && !endpoint.state(now()).healthy()) {
          LOG.warn("{}: {} is not healthy", name, member.id());
        }
      }
    }
  }

  /** How the endpoints are doing, the nearest first. */
  public List<EndpointState> states() {
    long now = now();
    return all.stream()
        .map(endpoint -> endpoint.state(now))
        .sorted(Comparator.comparing(EndpointState::tier))
        .toList();
  }

  /** The requests that wait for their turn. */
  public int waitingRequests() {
    return waiting;
  }

  /** Whether requests are answered at once, because the application fails. */
  public boolean isCircuitOpen() {
    return breaker != null && !breaker.isClosed();
  }

  // ---- requests

  /**
   * Begins to balance one request.
   *
   * @param user whom the request is for, as a text that stays the same: {@code CONSISTENT_HASH}
   *     goes by it
   * @param pin tells the endpoint that the user is pinned to; null if to none
   */
  public Selection<M> begin(String user, @Nullable Predicate<? super M> pin) {
    long key =
        settings.algorithm() == LoadBalancing.Algorithm.CONSISTENT_HASH ? Picker.key(user) : 0;
    return new Selection<>(this, key, pin);
  }

  String name() {
    return name;
  }

  LoadBalancing settings() {
    return settings;
  }

  ErrorCode nobody() {
    return nobody;
  }

  long now() {
    return nanos.getAsLong();
  }

  List<Endpoint<M>> endpoints() {
    return all;
  }

  RetryBudget budget() {
    return budget;
  }

  @Nullable Breaker breaker() {
    return breaker;
  }

  BalanceEvents events() {
    return events;
  }

  /** A free endpoint, or null if the request must wait, or there is none. */
  @Nullable Endpoint<M> pickFree(Selection<M> request, long now) {
    Endpoint<M> best = pick(request, endpoint -> endpoint.isFree() && endpoint.inService(now), now);
    return best != null || anyInService(request, now)
        ? best
        : pick(request, endpoint -> endpoint.isFree() && endpoint.member().isUsable(), now);
  }

  private @Nullable Endpoint<M> pick(
      Selection<M> request, Predicate<Endpoint<M>> serves, long now) {
    for (List<Endpoint<M>> tier : tiers) {
      Endpoint<M> picked =
          picker.pick(
              tier,
              endpoint -> !request.hasTried(endpoint) && serves.test(endpoint),
              request.key(),
              now);
      if (picked != null) {
        return picked;
      }
    }
    return null;
  }

  private boolean anyInService(Selection<M> request, long now) {
    for (Endpoint<M> endpoint : all) {
      if (!request.hasTried(endpoint) && endpoint.inService(now)) {
        return true;
      }
    }
    return false;
  }

  boolean anyUsable(Selection<M> request) {
    for (Endpoint<M> endpoint : all) {
      if (!request.hasTried(endpoint) && endpoint.member().isUsable()) {
        return true;
      }
    }
    return false;
  }

  // ---- waiting

  boolean hasWaiting() {
    return waiting > 0;
  }

  /** Adds it to the queue; false if that is full. */
  boolean enqueue(Waiting<M> request) {
    synchronized (queue) {
      if (queue.size() >= settings.maxWaitingRequests()) {
        return false;
      }
      queue.add(request);
      waiting = queue.size();
    }
    all.forEach(this::serveWaiting);
    return true;
  }

  /** Takes it off the queue; false if it has left, and has its endpoint or will get it. */
  boolean dequeue(Waiting<M> request) {
    synchronized (queue) {
      boolean removed = queue.remove(request);
      waiting = queue.size();
      return removed;
    }
  }

  void release(Endpoint<M> endpoint) {
    endpoint.release();
    if (waiting > 0) {
      serveWaiting(endpoint);
    }
  }

  /** Gives what is free of an endpoint to those that wait for it, first come, first served. */
  private void serveWaiting(Endpoint<M> endpoint) {
    while (waiting > 0 && endpoint.isFree()) {
      Waiting<M> served = takeWaiting(endpoint);
      if (served == null) {
        return;
      }
      served.serve(endpoint);
    }
  }

  private @Nullable Waiting<M> takeWaiting(Endpoint<M> endpoint) {
    synchronized (queue) {
      long now = now();
      for (Waiting<M> candidate : queue) {
        if (candidate.accepts(endpoint, now)) {
          if (!endpoint.acquire()) {
            return null;
          }
          queue.remove(candidate);
          waiting = queue.size();
          return candidate;
        }
      }
      return null;
    }
  }

  /** Whether a request that waits may be served by it: better ones may have gone meanwhile. */
  boolean serves(Endpoint<M> endpoint, Selection<M> request, long now) {
    return endpoint.member().isUsable() && (endpoint.inService(now) || !anyInService(request, now));
  }

  // ---- outcomes

  void answered(Endpoint<M> endpoint) {
    long now = now();
    endpoint.answered(now);
    if (breaker != null) {
      breaker.answered(now);
    }
  }

  void failed(Endpoint<M> endpoint, Outcome outcome) {
    long now = now();
    if (endpoint.failed(now)) {
      ejectIfAllowed(endpoint, outcome, now);
    }
    if (breaker == null) {
      return;
    }
    if (outcome == Outcome.TURNED_AWAY) {
      breaker.answered(now);
    } else if (endpoint.inService(now) || !othersInService(endpoint, now)) {
      boolean wasClosed = breaker.isClosed();
      breaker.failed(now);
      if (wasClosed && !breaker.isClosed()) {
        LOG.warn("{} fails: requests are answered at once for a while", name);
        events.circuitOpened();
      }
    }
  }

  private void ejectIfAllowed(Endpoint<M> endpoint, Outcome outcome, long now) {
    synchronized (membership) {
      long out = all.stream().filter(other -> other.state(now).ejected()).count();
      LoadBalancing.OutlierEjection ejection = settings.outlierEjection();
      if (ejection == null
          || out >= Math.max(1, (long) (ejection.maxShare() * all.size()))
          || !othersInService(endpoint, now)
          || (outcome == Outcome.FAILED_BEHIND && !othersReachIt(endpoint))) {
        return;
      }
      endpoint.eject(now);
    }
    LOG.warn("{}: {} fails, and is out of service for a while", name, endpoint.member().id());
    events.ejected();
  }

  private boolean othersInService(Endpoint<M> endpoint, long now) {
    for (Endpoint<M> other : all) {
      if (other != endpoint && other.inService(now)) {
        return true;
      }
    }
    return false;
  }

  private boolean othersReachIt(Endpoint<M> endpoint) {
    long since = endpoint.failingSince();
    for (Endpoint<M> other : all) {
      if (other != endpoint && other.hasAnsweredSince(since)) {
        return true;
      }
    }
    return false;
  }

  // ---- what waits

  /** One request in the queue. */
  static final class Waiting<M extends Member> {
    private final Selection<M> request;
    private final @Nullable Endpoint<M> pinned;
    private final Executor thread;
    private final Selection.Granted<M> granted;

    Waiting(
        Selection<M> request,
        @Nullable Endpoint<M> pinned,
        Executor thread,
        Selection.Granted<M> granted) {
      this.request = request;
      this.pinned = pinned;
      this.thread = thread;
      this.granted = granted;
    }

    boolean accepts(Endpoint<M> endpoint, long now) {
      return pinned != null
          ? pinned == endpoint
          : !request.hasTried(endpoint) && request.balancer().serves(endpoint, request, now);
    }

    /** The endpoint has been acquired; the request learns it on its own thread. */
    void serve(Endpoint<M> endpoint) {
      try {
        thread.execute(() -> request.grant(endpoint, granted));
      } catch (RejectedExecutionException e) {
        LOG.debug("a request that waited has no thread any more", e);
        request.balancer().release(endpoint);
      }
    }
  }
}
