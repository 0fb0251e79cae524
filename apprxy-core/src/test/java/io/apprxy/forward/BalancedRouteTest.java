package io.apprxy.forward;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class BalancedRouteTest {
  /** What a lease is told and does not pass on is lost, such as that a connection was upgraded. */
  @Test
  void balancedLease_passesOnEverything() throws Exception {
    Class<?> lease = Class.forName(BalancedRoute.class.getName() + "$BalancedLease");

    assertThat(Arrays.stream(lease.getDeclaredMethods()).map(Method::getName))
        .containsAll(Arrays.stream(Route.Lease.class.getMethods()).map(Method::getName).toList());
  }
}
