package io.apprxy.observe;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.ErrorCode;
import io.apprxy.LoadBalancing;
import io.apprxy.balance.BalanceEvents;
import io.apprxy.balance.Balancer;
import io.apprxy.balance.Member;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class MetersTest {
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  private final Meters meters = Meters.in(registry);

  private static AccessEvent event(
      @Nullable String application,
      String method,
      int status,
      @Nullable String code,
      @Nullable Duration origin) {
    return new AccessEvent(
        Instant.EPOCH,
        "1",
        application,
        method,
        "/",
        status,
        code,
        Duration.ofMillis(30),
        0,
        0,
        "::1",
        null,
        null,
        null,
        origin);
  }

  @Test
  void request_isTimedByApplicationMethodStatusAndCode() {
    meters.request(event("wiki", "GET", 200, null, Duration.ofMillis(20)));
    meters.request(event("wiki", "GET", 200, null, Duration.ofMillis(40)));
    meters.request(event("wiki", "POST", 403, "APX-301", null));

    assertThat(
            registry
                .get("apprxy.requests")
                .tags("application", "wiki", "method", "GET", "status", "200", "code", "none")
                .timer()
                .count())
        .isEqualTo(2);
    assertThat(
            registry
                .get("apprxy.requests")
                .tags("method", "POST", "status", "403", "code", "APX-301")
                .timer()
                .totalTime(TimeUnit.MILLISECONDS))
        .isEqualTo(30);
    assertThat(
            registry
                .get("apprxy.origin")
                .tags("application", "wiki")
                .timer()
                .totalTime(TimeUnit.MILLISECONDS))
        .isEqualTo(60);
    assertThat(registry.get("apprxy.origin").timers()).hasSize(1);
  }

  @Test
  void stage_isTimed() {
    meters.stage("guard", Duration.ofMillis(5));
    meters.stage("guard", Duration.ofMillis(6));

    assertThat(
            registry
                .get("apprxy.stage")
                .tags("stage", "guard")
                .timer()
                .totalTime(TimeUnit.MILLISECONDS))
        .isEqualTo(11);
  }

  @Test
  void cardinality_isBounded_whateverClientsAndOriginsSend() {
    for (int i = 0; i < 2_000; i++) {
      meters.request(event(null, "METHOD" + i, i, null, null));
      meters.request(event(null, "GET", -i, null, null));
    }

    assertThat(registry.getMeters()).hasSizeLessThan(120);
    assertThat(registry.getMeters())
        .extracting(Meter::getId)
        .extracting(id -> id.getTag("method"))
        .containsOnly("other", "GET");
    assertThat(registry.getMeters())
        .extracting(Meter::getId)
        .extracting(id -> id.getTag("application"))
        .containsOnly("none");
    assertThat(registry.getMeters())
        .extracting(Meter::getId)
        .extracting(id -> id.getTag("status"))
        .contains("200", "2xx", "5xx", "none");
  }

  @Test
  void none_recordsNothing() {
    Meters.none().request(event("wiki", "GET", 200, null, Duration.ZERO));
    Meters.none().stage("guard", Duration.ZERO);

    assertThat(registry.getMeters()).isEmpty();
  }

  @Test
  void balancing_isCountedAndWatched_byApplicationOnly() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    Meters meters = Meters.in(registry);
    BalanceEvents events = meters.balancing("wiki", "origin");
    events.retried();
    events.retryRefused();
    events.ejected();
    events.circuitOpened();
    Balancer<Member> balancer =
        new Balancer<>("wiki", LoadBalancing.defaults(), ErrorCode.ORIGIN_UNREACHABLE, events);
    balancer.update(List.of(() -> "http://a.test", () -> "http://b.test"));
    meters.watch("wiki", "origin", balancer);

    assertThat(registry.getMeters())
        .allSatisfy(
            meter -> {
              assertThat(meter.getId().getTag("application")).isEqualTo("wiki");
              assertThat(meter.getId().getTag("endpoints")).isEqualTo("origin");
            })
        .extracting(meter -> meter.getId().getName())
        .containsExactlyInAnyOrder(
            "apprxy.balance.retries",
            "apprxy.balance.retries.refused",
            "apprxy.balance.ejections",
            "apprxy.balance.circuit.openings",
            "apprxy.balance.endpoints",
            "apprxy.balance.endpoints",
            "apprxy.balance.waiting",
            "apprxy.balance.circuit.open");
    assertThat(registry.get("apprxy.balance.retries").counter().count()).isEqualTo(1);
    assertThat(registry.get("apprxy.balance.endpoints").tag("state", "in-service").gauge().value())
        .isEqualTo(2);
    assertThat(registry.get("apprxy.balance.endpoints").tag("state", "out").gauge().value())
        .isZero();
    Meters.none().watch("wiki", "origin", balancer);
    assertThat(Meters.none().balancing("wiki", "origin")).isSameAs(BalanceEvents.NONE);
  }
}
