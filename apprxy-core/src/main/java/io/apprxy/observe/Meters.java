package io.apprxy.observe;

import io.apprxy.balance.BalanceEvents;
import io.apprxy.balance.Balancer;
import io.apprxy.balance.EndpointState;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.undertow.util.StatusCodes;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The meters of a gateway. Thread-safe. For the engine.
 *
 * <p>What clients or origins choose freely is no tag: an unknown method is {@code other}, an
 * unregistered status its class, and a request to no application has the application {@code none}.
 */
public final class Meters {
  private static final Set<String> METHODS =
      Set.of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT");

  private final @Nullable MeterRegistry registry;
  private final Map<RequestKey, Timer> requests = new ConcurrentHashMap<>();
  private final Map<String, Timer> origins = new ConcurrentHashMap<>();
  private final Map<String, Timer> stages = new ConcurrentHashMap<>();

  private record RequestKey(String application, String method, String status, String code) {}

  private Meters(@Nullable MeterRegistry registry) {
    this.registry = registry;
  }

  /** Records in this registry. */
  public static Meters in(MeterRegistry registry) {
    return new Meters(registry);
  }

  /** Records nothing, at no cost. */
  public static Meters none() {
    return new Meters(null);
  }

  /**
   * Records a request that ended: timer {@code apprxy.requests} (application, method, status,
   * code), and timer {@code apprxy.origin} (application) if the origin answered.
   */
  public void request(AccessEvent event) {
    MeterRegistry meters = registry;
    if (meters == null) {
      return;
    }
    String application = event.application() == null ? "none" : event.application();
    String code = event.code() == null ? "none" : event.code();
    RequestKey key =
        new RequestKey(application, method(event.method()), status(event.status()), code);
    requests.computeIfAbsent(key, absent -> timer(meters, absent)).record(event.duration());
    Duration originLatency = event.originLatency();
    if (originLatency != null) {
      origins
          .computeIfAbsent(
              application, absent -> meters.timer("apprxy.origin", "application", absent))
          .record(originLatency);
    }
  }

  /**
   * Records the time that a request spent in a stage: timer {@code apprxy.stage} (stage).
   *
   * @param stage one of a fixed set of names
   */
  public void stage(String stage, Duration time) {
    MeterRegistry meters = registry;
    if (meters != null) {
      stages
          .computeIfAbsent(stage, absent -> meters.timer("apprxy.stage", "stage", absent))
          .record(time);
    }
  }

  /**
   * Counts what happens while the requests of an application are balanced: {@code
   * apprxy.balance.retries}, {@code apprxy.balance.retries.refused} (the budget was spent), {@code
   * apprxy.balance.ejections} and {@code apprxy.balance.circuit.openings} (application, endpoints).
   *
   * @param endpoints what is balanced: {@code origin} or {@code connector}
   */
  public BalanceEvents balancing(String application, String endpoints) {
    MeterRegistry meters = registry;
    if (meters == null) {
      return BalanceEvents.NONE;
    }
    Tags tags = Tags.of("application", application, "endpoints", endpoints);
    Counter retries = meters.counter("apprxy.balance.retries", tags);
    Counter refused = meters.counter("apprxy.balance.retries.refused", tags);
    Counter ejections = meters.counter("apprxy.balance.ejections", tags);
    Counter openings = meters.counter("apprxy.balance.circuit.openings", tags);
    return new BalanceEvents() {
      @Override
      public void retried() {
        retries.increment();
      }

      @Override
      public void retryRefused() {
        refused.increment();
      }

      @Override
      public void ejected() {
        ejections.increment();
      }

      @Override
      public void circuitOpened() {
        openings.increment();
      }
    };
  }

  /**
   * Watches a balancer: the gauges {@code apprxy.balance.endpoints} (application, endpoints, state:
   * in-service or out), {@code apprxy.balance.waiting} and {@code apprxy.balance.circuit.open}
   * (application, endpoints).
   *
   * @param endpoints what is balanced: {@code origin} or {@code connector}
   */
  public void watch(String application, String endpoints, Balancer<?> balancer) {
    MeterRegistry meters = registry;
    if (meters == null) {
      return;
    }
    Tags tags = Tags.of("application", application, "endpoints", endpoints);
    meters.gauge(
        "apprxy.balance.endpoints",
        tags.and("state", "in-service"),
        balancer,
        one -> one.states().stream().filter(EndpointState::inService).count());
    meters.gauge(
        "apprxy.balance.endpoints",
        tags.and("state", "out"),
        balancer,
        one -> one.states().stream().filter(state -> !state.inService()).count());
    meters.gauge("apprxy.balance.waiting", tags, balancer, Balancer::waitingRequests);
    meters.gauge("apprxy.balance.circuit.open", tags, balancer, one -> one.isCircuitOpen() ? 1 : 0);
  }

  private static Timer timer(MeterRegistry registry, RequestKey key) {
    return registry.timer(
        "apprxy.requests",
        Tags.of(
            "application",
            key.application,
            "method",
            key.method,
            "status",
            key.status,
            "code",
            key.code));
  }

  private static String method(String method) {
    return METHODS.contains(method) ? method : "other";
  }

  private static String status(int status) {
    if (status < 100 || status > 599) {
      return "none";
    }
    boolean registered = !StatusCodes.getReason(status).equals("Unknown");
    return registered ? Integer.toString(status) : status / 100 + "xx";
  }
}
