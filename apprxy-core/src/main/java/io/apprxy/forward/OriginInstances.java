package io.apprxy.forward;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.LoadBalancing;
import io.apprxy.balance.BalanceEvents;
import io.apprxy.balance.Balancer;
import io.apprxy.balance.Member;
import java.net.URI;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The instances of one application's origin, balanced and checked. Thread-safe. */
final class OriginInstances {
  private final Balancer<Instance> balancer;
  private final @Nullable HealthChecks checks;

  /** One of them. */
  record Instance(String id, int weight, URI origin, OriginConnections pool) implements Member {}

  OriginInstances(
      Application application,
      Function<URI, OriginConnections> pools,
      Function<Balancer<Instance>, HealthChecks> checks,
      BalanceEvents events) {
    List<Instance> instances =
        application.allOriginInstances().stream().map(instance -> of(instance, pools)).toList();
    LoadBalancing settings = application.loadBalancing();
    this.balancer =
        new Balancer<>(
            "application " + application.id(), settings, ErrorCode.ORIGIN_UNREACHABLE, events);
    balancer.update(instances);
    this.checks = settings.healthCheck() == null ? null : checks.apply(balancer);
    if (this.checks != null) {
      instances.forEach(this.checks::begin);
    }
  }

  private static Instance of(
      Application.OriginInstance instance, Function<URI, OriginConnections> pools) {
    URI origin = URI.create(instance.url().getScheme() + "://" + instance.url().getRawAuthority());
    return new Instance(instance.origin(), instance.weight(), origin, pools.apply(origin));
  }

  Balancer<Instance> balancer() {
    return balancer;
  }

  /** Checks them no more. */
  void close() {
    if (checks != null) {
      checks.close();
    }
  }
}
