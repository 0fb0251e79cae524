package io.apprxy.tunnel;

import java.time.Duration;
import java.time.Instant;

/**
 * A connector that is connected to this gateway, as of now. Immutable.
 *
 * <p>What the connector says of itself (name, version, host, uptime, load, active requests) is what
 * it said last, at the time of {@code lastSeen}; a gateway cannot check it.
 *
 * @param id names the connector for good
 * @param name its label, which others may have, too
 * @param group whose applications it serves
 * @param version of its software, by semver.org
 * @param host the name of its machine
 * @param address where it connects from
 * @param uptime how long it has been running
 * @param load of its machine: the average of the last minute per processor, so that 1 is fully
 *     used; 0 where the system does not tell
 * @param activeRequests the requests that it serves at present, for all gateways
 * @param connections those to this gateway that can be used
 * @param lastSeen when it last checked in
 * @param phase whether it takes requests
 */
public record ConnectorState(
    String id,
    String name,
    String group,
    String version,
    String host,
    String address,
    Duration uptime,
    double load,
    int activeRequests,
    int connections,
    Instant lastSeen,
    Phase phase) {
  /** Whether a connector takes requests. */
  public enum Phase {
    /** It takes requests. */
    UP,
    /** It finishes those in flight, and leaves. */
    DRAINING
  }
}
