package io.apprxy.observe;

/** Gets one event per request. Called on an I/O thread by many requests at once: thread-safe, and never blocking for long. */
@FunctionalInterface
public interface AccessLog {
  /** Records the event. What it throws is logged, and changes nothing for the client. */
  void record(AccessEvent event);

  /** One line of JSON per event, on the SLF4J logger {@code io.apprxy.access} at INFO. */
  static AccessLog json() {
    return event -> {};
  }
}
