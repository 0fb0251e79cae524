package io.apprxy.observe;

/**
 * Gets one event per request. Called on an I/O thread by many requests at once: thread-safe, and
 * never blocking. A throw is logged, and changes nothing for the client.
 */
@FunctionalInterface
public interface AccessLog {
  /** Records the event. */
  void record(AccessEvent event);

  /**
   * One line of JSON per event, on the SLF4J logger {@code io.apprxy.access} at INFO. All but
   * visible ASCII is escaped, so that no client can forge a line. Whether the line is written on
   * the calling thread is up to the logger's back end.
   */
  static AccessLog json() {
    return new JsonAccessLog();
  }
}
