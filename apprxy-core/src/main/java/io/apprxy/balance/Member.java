package io.apprxy.balance;

/**
 * What requests are spread over: an instance of an origin, or a connector. Called on I/O threads by
 * many requests at once: thread-safe, and never blocking.
 */
public interface Member {
  /** Unique among those that are balanced together, and stable: hashes and affinity go by it. */
  String id();

  /** Requests go to the members of the lowest tier that serves: 0 is nearest. */
  default int tier() {
    return 0;
  }

  /** Its share in relation to others, at least 1. */
  default int weight() {
    return 1;
  }

  /** Whether requests can be sent at all, as to a connector that is connected. */
  default boolean isUsable() {
    return true;
  }

  /**
   * The requests under way.
   *
   * @param here those of the balancer that asks; others may share the member
   */
  default int load(int here) {
    return here;
  }
}
