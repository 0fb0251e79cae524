package io.apprxy.observe;

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
