package io.apprxy.tunnel;

import java.time.Instant;
import java.util.Objects;

/**
 * Something that happened to a connector, as its gateway sees it. Immutable.
 *
 * @param type what happened
 * @param time when
 * @param group the group of the connector; empty if it is not known
 * @param connector the connector's id; empty if it is not known
 * @param detail more, in a sentence for people
 */
public record TunnelEvent(Type type, Instant time, String group, String connector, String detail) {
  /** Checks that nothing is null. */
  public TunnelEvent {
    Objects.requireNonNull(type, "type");
    Objects.requireNonNull(time, "time");
    Objects.requireNonNull(group, "group");
    Objects.requireNonNull(connector, "connector");
    Objects.requireNonNull(detail, "detail");
  }

  /** What can happen. */
  public enum Type {
    /** A connector can be sent requests. */
    UP,
    /** The last connection of a connector has ended. */
    DOWN,
    /** A connector leaves: it takes no new requests. */
    DRAINING,
    /** A connector runs an older version than is recommended. */
    VERSION_BEHIND,
    /** A connector was admitted to its group, for a token. */
    ENROLLED,
    /** A connector has got another certificate in time. */
    RENEWED,
    /** A connector was revoked, on this gateway. */
    REVOKED,
    /** A peer was refused. */
    REFUSED,
    /** It is a connector's turn to update itself. */
    UPDATE_STARTED,
    /** A connector is back from its turn, and runs the recommended version. */
    UPDATED,
    /** A connector's update did not work out. It is tried again in an hour. */
    UPDATE_FAILED,
    /** A connector found a release that is not to be trusted. It is tried again in an hour. */
    UPDATE_REFUSED
  }
}
