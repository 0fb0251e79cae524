package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.LoadBalancing.Affinity;
import io.apprxy.LoadBalancing.Algorithm;
import io.apprxy.LoadBalancing.CircuitBreaker;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.LoadBalancing.OutlierEjection;
import io.apprxy.LoadBalancing.Retries;
import java.time.Duration;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LoadBalancingTest {
  private static final Duration SECOND = Duration.ofSeconds(1);

  @Test
  void defaults_areThoseOfTheDocumentation() {
    LoadBalancing defaults = LoadBalancing.defaults();

    assertThat(defaults.algorithm()).isEqualTo(Algorithm.LEAST_REQUESTS);
    assertThat(defaults.affinity()).isEqualTo(Affinity.NONE);
    assertThat(defaults.healthCheck()).isNull();
    assertThat(defaults.outlierEjection())
        .isEqualTo(new OutlierEjection(5, Duration.ofSeconds(30), 0.5));
    assertThat(defaults.slowStart()).isZero();
    assertThat(defaults.maxConcurrentRequests()).isEqualTo(10_000);
    assertThat(defaults.maxWaitingRequests()).isEqualTo(1_000);
    assertThat(defaults.waitTimeout()).isEqualTo(Duration.ofSeconds(10));
    assertThat(defaults.retries()).isEqualTo(new Retries(3, 0.2, 10));
    assertThat(defaults.circuitBreaker())
        .isEqualTo(new CircuitBreaker(0.5, 20, Duration.ofSeconds(10), Duration.ofSeconds(5), 3));
    assertThat(HealthCheck.of("/health"))
        .isEqualTo(
            new HealthCheck(
                "/health", Duration.ofSeconds(10), Duration.ofSeconds(5), 2, 3, Set.of(200, 204)));
  }

  private static void assertRefused(String setting, ThrowingCallable change) {
    assertThatThrownBy(change)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(setting + " must");
  }

  @Test
  void valueOutOfRange_isRefused_withItsNameAndRule() {
    assertRefused("slowStart", () -> LoadBalancing.builder().slowStart(SECOND.negated()).build());
    assertRefused(
        "slowStart", () -> LoadBalancing.builder().slowStart(Duration.ofHours(2)).build());
    assertRefused(
        "maxConcurrentRequests", () -> LoadBalancing.builder().maxConcurrentRequests(0).build());
    assertRefused(
        "maxWaitingRequests", () -> LoadBalancing.builder().maxWaitingRequests(-1).build());
    assertRefused("waitTimeout", () -> LoadBalancing.builder().waitTimeout(Duration.ZERO).build());
    assertRefused("outlierEjection.consecutiveFailures", () -> new OutlierEjection(0, SECOND, 0.5));
    assertRefused("outlierEjection.baseTime", () -> new OutlierEjection(1, Duration.ZERO, 0.5));
    assertRefused("outlierEjection.maxShare", () -> new OutlierEjection(1, SECOND, 0));
    assertRefused("outlierEjection.maxShare", () -> new OutlierEjection(1, SECOND, Double.NaN));
    assertRefused("retries.maxAttempts", () -> new Retries(0, 0.1, 1));
    assertRefused("retries.budget", () -> new Retries(1, 1.1, 1));
    assertRefused("retries.budget", () -> new Retries(1, Double.NaN, 1));
    assertRefused("retries.minimumPerSecond", () -> new Retries(1, 0.1, -1));
    assertRefused(
        "circuitBreaker.failureShare", () -> new CircuitBreaker(1.5, 1, SECOND, SECOND, 1));
    assertRefused(
        "circuitBreaker.minimumRequests", () -> new CircuitBreaker(1, 0, SECOND, SECOND, 1));
    assertRefused(
        "circuitBreaker.window", () -> new CircuitBreaker(1, 1, Duration.ofMillis(999), SECOND, 1));
    assertRefused("circuitBreaker.pause", () -> new CircuitBreaker(1, 1, SECOND, Duration.ZERO, 1));
    assertRefused(
        "circuitBreaker.trialRequests", () -> new CircuitBreaker(1, 1, SECOND, SECOND, 0));
    HealthCheck check = HealthCheck.of("/");
    assertRefused("healthCheck.interval", () -> check.every(Duration.ofMillis(1), SECOND));
    assertRefused("healthCheck.timeout", () -> check.every(SECOND, Duration.ofMinutes(2)));
    assertRefused("healthCheck.healthyThreshold", () -> check.thresholds(0, 1));
    assertRefused("healthCheck.unhealthyThreshold", () -> check.thresholds(1, 101));
    assertRefused("healthCheck.expectedStatuses", () -> check.expecting());
    assertRefused("healthCheck.expectedStatuses", () -> check.expecting(199));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "health", "/a b", "/a\r\nX: y", "/\u00e9", "/#x", "/a\n"})
  void pathThatIsNoRequestTarget_isRefused(String path) {
    assertRefused("healthCheck.path", () -> HealthCheck.of(path));
  }

  // ---- in an application

  private static Application.Builder wiki() {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example.com/")
        .internalUrl("http://wiki.corp.test:8080/")
        .assignUsers("alice");
  }

  @Test
  void json_carriesEverySetting() {
    Application application =
        wiki()
            .connectorGroups("hq", "branch")
            .originInstance("http://10.0.0.2:8080", 3)
            .originInstance("https://10.0.0.3")
            .loadBalancing(
                LoadBalancing.builder()
                    .algorithm(Algorithm.WEIGHTED)
                    .affinity(Affinity.FAIL)
                    .healthCheck(
                        HealthCheck.of("/up?x=1")
                            .every(SECOND, SECOND)
                            .thresholds(4, 5)
                            .expecting(200, 302))
                    .outlierEjection(new OutlierEjection(7, SECOND, 0.25))
                    .slowStart(Duration.ofMinutes(1))
                    .maxConcurrentRequests(5)
                    .maxWaitingRequests(0)
                    .waitTimeout(Duration.ofMillis(250))
                    .retries(new Retries(1, 0, 0))
                    .circuitBreaker(null)
                    .build())
            .build();

    assertThat(Application.fromJson(application.toJson())).isEqualTo(application);
  }

  @Test
  void shortJson_takesTheDefaultsOfTheRest() {
    Application application =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"users": ["alice"]}, "originInstances": [{"url": "http://10.0.0.2:8080"}],
             "loadBalancing": {"algorithm": "ROUND_ROBIN", "retries": {"maxAttempts": 2},
               "healthCheck": {"path": "/up", "healthyThreshold": 1}, "outlierEjection": null}}
            """);

    assertThat(application)
        .isEqualTo(
            wiki()
                .originInstance("http://10.0.0.2:8080")
                .loadBalancing(
                    LoadBalancing.builder()
                        .algorithm(Algorithm.ROUND_ROBIN)
                        .retries(new Retries(2, 0.2, 10))
                        .healthCheck(HealthCheck.of("/up").thresholds(1, 3))
                        .outlierEjection(null)
                        .build())
                .build());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"loadBalancing\": null",
        "\"loadBalancing\": {\"algorithm\": \"FASTEST\"}",
        "\"loadBalancing\": {\"retries\": null}",
        "\"loadBalancing\": {\"healthCheck\": {}}",
        "\"loadBalancing\": {\"healthCheck\": {\"path\": null}}",
        "\"loadBalancing\": {\"healthCheck\": {\"path\": \"/\", \"x\": 1}}",
        "\"loadBalancing\": {\"maxConcurrentRequests\": 0}",
        "\"loadBalancing\": {\"maxConcurrentRequests\": null}",
        "\"originInstances\": null",
        "\"originInstances\": [null]",
        "\"originInstances\": [{}]",
        "\"originInstances\": [{\"url\": \"http://a\", \"weight\": 0}]",
        "\"originInstances\": [\"http://a\"]",
        "\"connectorGroups\": null",
        "\"connectorGroups\": [null]"
      })
  void json_thatIsNoLoadBalancing_isRefused(String setting) {
    assertThatThrownBy(
            () ->
                Application.fromJson(
                    """
                    {"id": "a", "externalUrl": "https://a.test/", "internalUrl": "http://b.test/",
                     "assignments": {"everyone": true}, %s}
                    """
                        .formatted(setting)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void instances_areThatOfTheInternalUrl_andTheFurtherOnes() {
    assertThat(wiki().build().allOriginInstances())
        .extracting(instance -> instance.url().toString())
        .containsExactly("http://wiki.corp.test:8080");
    assertThat(
            wiki()
                .originInstance("http://10.0.0.2:8080", 2)
                .originInstance("http://WIKI.corp.test:8080/", 5)
                .loadBalancing(LoadBalancing.builder().algorithm(Algorithm.WEIGHTED).build())
                .build()
                .allOriginInstances())
        .extracting(Application.OriginInstance::origin, Application.OriginInstance::weight)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple("http://wiki.corp.test:8080", 5),
            org.assertj.core.groups.Tuple.tuple("http://10.0.0.2:8080", 2));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "10.0.0.2:8080",
        "ftp://10.0.0.2",
        "http://10.0.0.2/path/",
        "http://10.0.0.2/?x",
        "http://user@10.0.0.2",
        "http://",
        "http://10.0.0.2#x"
      })
  void instance_thatIsNoOrigin_isRefused(String url) {
    assertThatThrownBy(() -> wiki().originInstance(url).build())
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void instancesAndGroups_areNamedOnce() {
    assertThatThrownBy(
            () -> wiki().originInstance("http://a:80").originInstance("http://A/").build())
        .hasMessageContaining("originInstances must name no instance twice");
    assertThatThrownBy(() -> wiki().connectorGroups("a", "a").build())
        .hasMessageContaining("connectorGroups must name no group twice");
    assertThatThrownBy(() -> wiki().connectorGroups(" ").build())
        .hasMessageContaining("connectorGroups must");
  }

  @Test
  void weightsThatWouldHaveNoEffect_areRefused() {
    assertThatThrownBy(
            () ->
                wiki()
                    .originInstance("http://a", 2)
                    .loadBalancing(LoadBalancing.builder().algorithm(Algorithm.ROUND_ROBIN).build())
                    .build())
        .hasMessageContaining("ROUND_ROBIN would ignore");
  }

  @Test
  void connectorGroup_isTheFormForOne() {
    assertThat(wiki().connectorGroup("hq").build().connectorGroups()).containsExactly("hq");
  }
}
