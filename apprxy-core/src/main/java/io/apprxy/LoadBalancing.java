package io.apprxy;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * How the requests of an application are spread over its endpoints: over its connectors by the
 * gateway, and over its origin instances by whoever reaches them, gateway or connector. Immutable
 * data, part of an {@link Application}.
 *
 * @param algorithm picks an endpoint. Default: {@link Algorithm#LEAST_REQUESTS}
 * @param affinity whether a user stays with a connector and an origin instance. Default: {@link
 *     Affinity#NONE}
 * @param healthCheck asks each origin instance how it is; null for not at all. Default: null
 * @param outlierEjection takes an endpoint that fails out of service for a while; null for never.
 *     Default: {@link OutlierEjection#defaults()}
 * @param slowStart how long an endpoint that comes back gets less than its share, from a tenth of
 *     it to all of it; at most 1 hour. Default: zero, which is all of it at once
 * @param maxConcurrentRequests how many requests, upgraded connections included, one endpoint
 *     serves at once, 1 to 1,000,000. Default: 10,000
 * @param maxWaitingRequests how many requests wait when all endpoints serve as many as they may; 0
 *     to 100,000. Default: 1,000
 * @param waitTimeout how long a request waits for its turn, at most 10 minutes. Default: 10 s
 * @param retries when a request that failed is tried again. Default: {@link Retries#defaults()}
 * @param circuitBreaker answers at once while the application fails; null for never. Default:
 *     {@link CircuitBreaker#defaults()}
 */
public record LoadBalancing(
    Algorithm algorithm,
    Affinity affinity,
    @Nullable HealthCheck healthCheck,
    @Nullable OutlierEjection outlierEjection,
    Duration slowStart,
    int maxConcurrentRequests,
    int maxWaitingRequests,
    Duration waitTimeout,
    Retries retries,
    @Nullable CircuitBreaker circuitBreaker) {

  /**
   * Load balancing with these settings.
   *
   * @throws IllegalArgumentException if a value is out of range; the message names setting, value
   *     and rule
   */
  public LoadBalancing {
    Objects.requireNonNull(algorithm, "algorithm");
    Objects.requireNonNull(affinity, "affinity");
    Objects.requireNonNull(retries, "retries");
    require(
        !slowStart.isNegative() && slowStart.compareTo(Duration.ofHours(1)) <= 0,
        "slowStart must be zero to 1 hour: " + slowStart);
    requireRange("maxConcurrentRequests", maxConcurrentRequests, 1, 1_000_000);
    requireRange("maxWaitingRequests", maxWaitingRequests, 0, 100_000);
    requireDuration("waitTimeout", waitTimeout, Duration.ofMinutes(10));
  }

  /** The policies by which an endpoint is picked. */
  public enum Algorithm {
    /**
     * The one with fewer requests under way of two that are drawn at random ("power of two
     * choices"), in relation to their weights.
     */
    LEAST_REQUESTS,
    /** One after the other. Weights are refused with it. */
    ROUND_ROBIN,
    /** At random, in proportion to the weights. Connectors have all the same weight. */
    WEIGHTED,
    /**
     * By the user, or where nobody is known the client's address: the same endpoint as long as it
     * is in service, and few users move when one comes or goes (rendezvous hashing).
     */
    CONSISTENT_HASH
  }

  /**
   * Whether a user stays with the endpoints that served the first request, and what happens when
   * they are gone. It is remembered in a signed cookie that names no host.
   */
  public enum Affinity {
    /** Each request is balanced by itself, and no cookie is set. */
    NONE,
    /** A user whose endpoint is gone or out of service is pinned to another one. */
    RE_PIN,
    /**
     * A user whose endpoint is gone gets an error ({@code APX-608}), as long as the cookie lasts:
     * for applications where another instance would lose or mix up what the user did.
     */
    FAIL
  }

  /**
   * A request that is sent to each origin instance from where it is reached, gateway or connector.
   * Begins with the first request of a user. If no instance is healthy, all are used: a check that
   * is wrong must not take an application down. Immutable.
   *
   * @param path the path and query that are requested by GET, beginning with a slash
   * @param interval the pause between two checks, 100 ms to 1 hour. Default: 10 s
   * @param timeout until the answer must have begun, up to 1 minute. Default: 5 s
   * @param healthyThreshold how many good answers in a row bring an instance back, 1 to 100.
   *     Default: 2
   * @param unhealthyThreshold how many bad or missing ones take it out, 1 to 100. Default: 3
   * @param expectedStatuses the statuses that are good, 200 to 599. Default: 200 and 204
   */
  public record HealthCheck(
      String path,
      Duration interval,
      Duration timeout,
      int healthyThreshold,
      int unhealthyThreshold,
      Set<Integer> expectedStatuses) {

    /**
     * A check with these settings.
     *
     * @throws IllegalArgumentException if a value is out of range
     */
    public HealthCheck {
      require(
          path.matches("/[\\x21-\\x7E]*") && path.indexOf('#') < 0,
          "healthCheck.path must begin with a slash, and have visible ASCII and no # only: "
              + path);
      require(
          interval.compareTo(Duration.ofMillis(100)) >= 0
              && interval.compareTo(Duration.ofHours(1)) <= 0,
          "healthCheck.interval must be 100 ms to 1 hour: " + interval);
      requireDuration("healthCheck.timeout", timeout, Duration.ofMinutes(1));
      requireRange("healthCheck.healthyThreshold", healthyThreshold, 1, 100);
      requireRange("healthCheck.unhealthyThreshold", unhealthyThreshold, 1, 100);
      require(!expectedStatuses.isEmpty(), "healthCheck.expectedStatuses must name a status");
      for (int status : expectedStatuses) {
        requireRange("healthCheck.expectedStatuses", status, 200, 599);
      }
      expectedStatuses = Set.copyOf(expectedStatuses);
    }

    /** A check of this path with the defaults. */
    public static HealthCheck of(String path) {
      return new HealthCheck(
          path, Duration.ofSeconds(10), Duration.ofSeconds(5), 2, 3, Set.of(200, 204));
    }

    /** This check with another pause between two checks, and another timeout. */
    public HealthCheck every(Duration pause, Duration patience) {
      return new HealthCheck(
          path, pause, patience, healthyThreshold, unhealthyThreshold, expectedStatuses);
    }

    /** This check with other thresholds. */
    public HealthCheck thresholds(int healthy, int unhealthy) {
      return new HealthCheck(path, interval, timeout, healthy, unhealthy, expectedStatuses);
    }

    /** This check with other good statuses. */
    public HealthCheck expecting(Integer... statuses) {
      return new HealthCheck(
          path,
          interval,
          timeout,
          healthyThreshold,
          unhealthyThreshold,
          new TreeSet<>(List.of(statuses)));
    }
  }

  /**
   * Takes endpoints out of service by what requests meet there: no connection, no answer, a broken
   * one, and of an origin also the statuses 502, 503 and 504. A plain 500 is the application's
   * answer, and no failure. What fails behind a connector counts against the connector only when
   * another one has reached the same application since. One endpoint at least stays in service.
   * Immutable.
   *
   * @param consecutiveFailures how many failures in a row, 1 to 1,000. Default: 5
   * @param baseTime how long the first time, 1 ms to 1 hour; the second time in short succession
   *     twice as long, the third time three times, and so on up to ten times. Then the first answer
   *     brings the endpoint back for good, and the first failure ends its trial. Default: 30 s
   * @param maxShare the share of the endpoints that may be out at once, more than 0 and up to 1;
   *     one may always, where there are two. Default: 0.5
   */
  public record OutlierEjection(int consecutiveFailures, Duration baseTime, double maxShare) {
    /**
     * An ejection with these settings.
     *
     * @throws IllegalArgumentException if a value is out of range
     */
    public OutlierEjection {
      requireRange("outlierEjection.consecutiveFailures", consecutiveFailures, 1, 1_000);
      requireDuration("outlierEjection.baseTime", baseTime, Duration.ofHours(1));
      requireShare("outlierEjection.maxShare", maxShare);
    }

    /** The defaults. */
    public static OutlierEjection defaults() {
      return new OutlierEjection(5, Duration.ofSeconds(30), 0.5);
    }
  }

  /**
   * When a request is tried again on another endpoint: never after a byte of the answer has
   * arrived; a request that is not idempotent (RFC 9110 §9.2.2), has a body or is an upgrade, only
   * if nothing of it can have reached the origin and nothing of its body was read. Immutable.
   *
   * @param maxAttempts how often one request is tried in all, 1 to 10; 1 is no retry. Default: 3
   * @param budget how many retries there may be in relation to the requests of the last 10 seconds,
   *     0 to 1: an application that fails must not get more to do for it. What was cut off with its
   *     connection is not counted. Default: 0.2
   * @param minimumPerSecond retries that there may be beyond that, 0 to 1,000. Default: 10
   */
  public record Retries(int maxAttempts, double budget, int minimumPerSecond) {
    /**
     * Retries with these settings.
     *
     * @throws IllegalArgumentException if a value is out of range
     */
    public Retries {
      requireRange("retries.maxAttempts", maxAttempts, 1, 10);
      require(budget >= 0 && budget <= 1, "retries.budget must be 0 to 1: " + budget);
      requireRange("retries.minimumPerSecond", minimumPerSecond, 0, 1_000);
    }

    /** The defaults. */
    public static Retries defaults() {
      return new Retries(3, 0.2, 10);
    }
  }

  /**
   * Opens when an application fails: then requests are answered at once, by {@code APX-607}. After
   * a pause some are let through on trial, and if all of them are answered it closes. What counts
   * is that no answer came; any answer of the application is one. Failures of an endpoint that has
   * been taken out of service, while others are in it, do not count. Immutable.
   *
   * @param failureShare opens when at least this share of the requests fails, more than 0 and up to
   *     1. Default: 0.5
   * @param minimumRequests but not before there were this many in the window, 1 to 100,000.
   *     Default: 20
   * @param window the time that is looked at, 1 s to 1 hour. Default: 10 s
   * @param pause how long it stays open before the first trial, 1 ms to 1 hour. Default: 5 s
   * @param trialRequests how many requests are let through on trial, 1 to 1,000. Default: 3
   */
  public record CircuitBreaker(
      double failureShare,
      int minimumRequests,
      Duration window,
      Duration pause,
      int trialRequests) {
    /**
     * A circuit breaker with these settings.
     *
     * @throws IllegalArgumentException if a value is out of range
     */
    public CircuitBreaker {
      requireShare("circuitBreaker.failureShare", failureShare);
      requireRange("circuitBreaker.minimumRequests", minimumRequests, 1, 100_000);
      require(
          window.compareTo(Duration.ofSeconds(1)) >= 0
              && window.compareTo(Duration.ofHours(1)) <= 0,
          "circuitBreaker.window must be 1 s to 1 hour: " + window);
      requireDuration("circuitBreaker.pause", pause, Duration.ofHours(1));
      requireRange("circuitBreaker.trialRequests", trialRequests, 1, 1_000);
    }

    /** The defaults. */
    public static CircuitBreaker defaults() {
      return new CircuitBreaker(0.5, 20, Duration.ofSeconds(10), Duration.ofSeconds(5), 3);
    }
  }

  /** Everything at its default. */
  public static LoadBalancing defaults() {
    return builder().build();
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  private static void require(boolean rule, String message) {
    if (!rule) {
      throw new IllegalArgumentException(message);
    }
  }

  private static void requireRange(String setting, int value, int least, int most) {
    require(
        value >= least && value <= most,
        "%s must be %d to %d: %d".formatted(setting, least, most, value));
  }

  private static void requireShare(String setting, double value) {
    require(value > 0 && value <= 1, setting + " must be more than 0 and up to 1: " + value);
  }

  private static void requireDuration(String setting, Duration value, Duration most) {
    require(
        value.compareTo(Duration.ofMillis(1)) >= 0 && value.compareTo(most) <= 0,
        "%s must be 1 ms to %s: %s".formatted(setting, most, value));
  }

  /** Builds a {@link LoadBalancing}. Not thread-safe. */
  public static final class Builder {
    private Algorithm algorithm = Algorithm.LEAST_REQUESTS;
    private Affinity affinity = Affinity.NONE;
    private @Nullable HealthCheck healthCheck;
    private @Nullable OutlierEjection outlierEjection = OutlierEjection.defaults();
    private Duration slowStart = Duration.ZERO;
    private int maxConcurrentRequests = 10_000;
    private int maxWaitingRequests = 1_000;
    private Duration waitTimeout = Duration.ofSeconds(10);
    private Retries retries = Retries.defaults();
    private @Nullable CircuitBreaker circuitBreaker = CircuitBreaker.defaults();

    private Builder() {}

    /** See {@link LoadBalancing#algorithm()}. Default: least requests. */
    public Builder algorithm(Algorithm policy) {
      algorithm = policy;
      return this;
    }

    /** See {@link LoadBalancing#affinity()}. Default: none. */
    public Builder affinity(Affinity policy) {
      affinity = policy;
      return this;
    }

    /** See {@link LoadBalancing#healthCheck()}. Default: null, no check. */
    public Builder healthCheck(@Nullable HealthCheck check) {
      healthCheck = check;
      return this;
    }

    /** See {@link LoadBalancing#outlierEjection()}; null for none. Default: as stated there. */
    public Builder outlierEjection(@Nullable OutlierEjection ejection) {
      outlierEjection = ejection;
      return this;
    }

    /** See {@link LoadBalancing#slowStart()}. Default: zero. */
    public Builder slowStart(Duration time) {
      slowStart = time;
      return this;
    }

    /** See {@link LoadBalancing#maxConcurrentRequests()}. Default: 10,000. */
    public Builder maxConcurrentRequests(int requests) {
      maxConcurrentRequests = requests;
      return this;
    }

    /** See {@link LoadBalancing#maxWaitingRequests()}. Default: 1,000. */
    public Builder maxWaitingRequests(int requests) {
      maxWaitingRequests = requests;
      return this;
    }

    /** See {@link LoadBalancing#waitTimeout()}. Default: 10 s. */
    public Builder waitTimeout(Duration timeout) {
      waitTimeout = timeout;
      return this;
    }

    /** See {@link LoadBalancing#retries()}. Default: as stated there. */
    public Builder retries(Retries policy) {
      retries = policy;
      return this;
    }

    /** See {@link LoadBalancing#circuitBreaker()}; null for none. Default: as stated there. */
    public Builder circuitBreaker(@Nullable CircuitBreaker breaker) {
      circuitBreaker = breaker;
      return this;
    }

    /**
     * The settings.
     *
     * @throws IllegalArgumentException if a value is out of range
     */
    public LoadBalancing build() {
      return new LoadBalancing(
          algorithm,
          affinity,
          healthCheck,
          outlierEjection,
          slowStart,
          maxConcurrentRequests,
          maxWaitingRequests,
          waitTimeout,
          retries,
          circuitBreaker);
    }
  }
}
