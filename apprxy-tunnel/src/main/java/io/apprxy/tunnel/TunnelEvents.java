package io.apprxy.tunnel;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Clock;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells what happens to connectors: to the log, to a counter, and to whoever listens. Thread-safe.
 */
final class TunnelEvents {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");

  private final Clock clock;
  private final Consumer<TunnelEvent> listener;
  private final @Nullable MeterRegistry meters;
  private final Set<String> groups;
  private final ConcurrentMap<Series, Counter> counters = new ConcurrentHashMap<>();

  private record Series(TunnelEvent.Type type, String group) {}

  /**
   * @param groups the ones that are counted by name: what peers choose freely is no tag
   */
  TunnelEvents(
      Clock clock,
      Consumer<TunnelEvent> listener,
      @Nullable MeterRegistry meters,
      Set<String> groups) {
    this.clock = clock;
    this.listener = listener;
    this.meters = meters;
    this.groups = groups;
  }

  void tell(TunnelEvent.Type type, RemoteConnector connector, String detail) {
    tell(type, connector.group, connector.id, detail);
  }

  /**
   * @param group empty if it is not known
   * @param connector empty if it is not known
   */
  void tell(TunnelEvent.Type type, String group, String connector, String detail) {
    switch (type) {
      case REFUSED -> LOG.debug("{}: {}", type, detail); // who is refused can come again at will
      case UPDATE_FAILED, UPDATE_REFUSED -> LOG.warn("{}: {}", type, detail);
      default -> LOG.info("{}: {}", type, detail);
    }
    count(type, group);
    try {
      listener.accept(new TunnelEvent(type, clock.instant(), group, connector, detail));
    } catch (RuntimeException e) {
      LOG.error("the listener of tunnel events failed", e);
    }
  }

  private void count(TunnelEvent.Type type, String group) {
    MeterRegistry registry = meters;
    if (registry != null) {
      counters
          .computeIfAbsent(
              new Series(type, groups.contains(group) ? group : "none"),
              series ->
                  Counter.builder("apprxy.tunnel.events")
                      .tag("type", series.type().name().toLowerCase(java.util.Locale.ROOT))
                      .tag("group", series.group())
                      .register(registry))
          .increment();
    }
  }
}
