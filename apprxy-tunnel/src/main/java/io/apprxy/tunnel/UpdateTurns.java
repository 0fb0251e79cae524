package io.apprxy.tunnel;

import io.apprxy.tunnel.UpdateReport.State;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Gives connectors of one group the turn to update themselves, to one after the other. A turn ends
 * when its connector is back in the new version, when the connector says that it will not be, when
 * it is back in the old one, or when its time is over; in the last three cases the connector is
 * passed over for a while. Thread-safe.
 *
 * <p>Several gateways need not talk about it: they choose by the same rule among the same
 * connectors, and each takes a turn that another has given, or a failure that another has seen, for
 * its own when the connector reports it.
 */
final class UpdateTurns {
  /** How long a connector is passed over whose update failed. */
  static final Duration PASSED_OVER = Duration.ofHours(1);

  private final Duration time;
  private final boolean onlyOneToo;
  private final Clock clock;
  private final Listener listener;
  private final Map<String, PassedOver> passedOver = new HashMap<>();

  /** Of more than one connector only if gateways gave them that did not know the same ones. */
  private final Map<String, Turn> underWay = new HashMap<>();

  private @Nullable Version target;

  /**
   * A connector of the group.
   *
   * @param label names it to people
   * @param instance names this run of it
   * @param able whether it can update itself
   * @param usable whether requests can be sent to it
   */
  record Member(
      String id,
      String label,
      String instance,
      Version version,
      boolean able,
      boolean usable,
      UpdateReport said) {}

  /**
   * What a connector is told when it is its turn.
   *
   * @param attempt the number of the turn: it begins it once, however often it is told, by however
   *     many gateways
   */
  record Order(String id, String instance, int attempt, Version version) {
    private static final JsonMapper JSON = new JsonMapper();

    String toJson() {
      return JSON.writeValueAsString(
          JSON.createObjectNode()
              .put("id", id)
              .put("instance", instance)
              .put("attempt", attempt)
              .put("version", version.text()));
    }

    /**
     * @throws IllegalArgumentException if it is none
     */
    static Order fromJson(String json) {
      try {
        JsonNode all = JSON.readTree(json);
        return new Order(
            Wire.text(all.required("id")),
            Wire.text(all.required("instance")),
            all.required("attempt").intValue(),
            new Version(Wire.text(all.required("version"))));
      } catch (JacksonException e) {
        throw new IllegalArgumentException("no turn to update", e);
      }
    }
  }

  /** Is told what happens; called while the turns are locked. */
  interface Listener {
    void happened(TunnelEvent.Type type, String id, String detail);
  }

  /**
   * @param attempt the one that the connector had reported when it got the turn
   */
  private record Turn(String id, String label, String instance, int attempt, Instant end) {}

  /**
   * An update that failed.
   *
   * @param attempt of this instance: what it reports of a later one is news, once the time is over,
   *     or a connector that reports one after the other would hold up its group for good
   */
  private record PassedOver(String id, String instance, int attempt, Instant end) {
    boolean isStill(Instant now) {
      return now.isBefore(end);
    }

    boolean covers(Member member) {
      return member.instance().equals(instance) && member.said().attempt() <= attempt;
    }
  }

  /**
   * @param time how long a turn may take
   * @param onlyOneToo whether a connector may go that no other can stand in for
   */
  UpdateTurns(Duration time, boolean onlyOneToo, Clock clock, Listener listener) {
    this.time = time;
    this.onlyOneToo = onlyOneToo;
    this.clock = clock;
    this.listener = listener;
  }

  /**
   * Something may have changed.
   *
   * @param members all connectors of the group that are connected
   * @return what a connector is to be told; again, as long as it does not report that it was
   */
  synchronized Optional<Order> advance(Collection<Member> members, Version recommended) {
    if (!recommended.equals(target)) {
      target = recommended;
      underWay.clear();
      passedOver.clear(); // what failed was another version
    }
    Instant now = clock.instant();
    for (Turn turn : List.copyOf(underWay.values())) {
      if (!isUnderWay(turn, members, recommended, now)) {
        underWay.remove(turn.id());
      }
    }
    members.forEach(member -> takeUp(member, recommended, now));
    passedOver
        .values()
        .removeIf(
            failed ->
                !failed.isStill(now)
                    && members.stream().noneMatch(m -> m.id().equals(failed.id())));
    if (underWay.isEmpty()) {
      members.stream()
          .filter(member -> mayGo(member, members, recommended, now))
          .min(Comparator.comparing(Member::id))
          .ifPresent(next -> begin(next, next.said().attempt(), recommended, now));
    }
    return underWay.size() == 1
        ? order(underWay.values().iterator().next(), members, recommended)
        : Optional.empty();
  }

  private static Optional<Order> order(
      Turn current, Collection<Member> members, Version recommended) {
    return members.stream()
        .filter(
            member ->
                member.id().equals(current.id())
                    && member.instance().equals(current.instance())
                    && member.said().attempt() <= current.attempt())
        .findAny()
        .map(
            member ->
                new Order(member.id(), member.instance(), current.attempt() + 1, recommended));
  }

  /** Another gateway may have given a turn, also while ours is under way, and seen it fail. */
  private void takeUp(Member member, Version recommended, Instant now) {
    UpdateReport said = member.said();
    PassedOver known = passedOver.get(member.id());
    if (!isBehind(member, recommended)
        || underWay.containsKey(member.id())
        || (known != null && (known.isStill(now) || known.covers(member)))) {
      return;
    }
    if (said.state() == State.STARTED) {
      begin(member, said.attempt() - 1, recommended, now);
    } else if (hasFailed(said) && said.version().equals(recommended.text())) {
      passOver(member.id(), member.instance(), said.attempt(), now);
    }
  }

  private void begin(Member member, int attempt, Version recommended, Instant now) {
    underWay.put(
        member.id(),
        new Turn(member.id(), member.label(), member.instance(), attempt, now.plus(time)));
    listener.happened(
        TunnelEvent.Type.UPDATE_STARTED,
        member.id(),
        "%s runs %s, and is to update itself to %s"
            .formatted(member.label(), member.version(), recommended));
  }

  private boolean isUnderWay(
      Turn current, Collection<Member> members, Version recommended, Instant now) {
    for (Member member : members) {
      if (member.id().equals(current.id())) {
        if (!isBehind(member, recommended)) {
          listener.happened(
              TunnelEvent.Type.UPDATED,
              current.id(),
              member.label() + " runs " + member.version() + " now");
          return false;
        }
        UpdateReport said = member.said();
        if (!member.instance().equals(current.instance())) {
          passOver(member.id(), member.instance(), said.attempt(), now);
          tellFailure(current, State.FAILED, "it is back, and runs " + member.version() + " again");
          return false;
        }
        if (said.attempt() > current.attempt() && hasFailed(said)) {
          passOver(member.id(), member.instance(), said.attempt(), now);
          tellFailure(current, said.state(), said.detail());
          return false;
        }
      }
    }
    if (!now.isBefore(current.end())) {
      passOver(current.id(), current.instance(), current.attempt() + 1, now);
      tellFailure(current, State.FAILED, "it was not back after " + time);
      return false;
    }
    return true;
  }

  private static boolean hasFailed(UpdateReport said) {
    return said.state() == State.REFUSED || said.state() == State.FAILED;
  }

  private void passOver(String id, String instance, int attempt, Instant now) {
    passedOver.put(id, new PassedOver(id, instance, attempt, now.plus(PASSED_OVER)));
  }

  private void tellFailure(Turn failed, State state, String detail) {
    listener.happened(
        state == State.REFUSED ? TunnelEvent.Type.UPDATE_REFUSED : TunnelEvent.Type.UPDATE_FAILED,
        failed.id(),
        failed.label() + " was not updated: " + detail);
  }

  private boolean mayGo(
      Member member, Collection<Member> members, Version recommended, Instant now) {
    PassedOver failed = passedOver.get(member.id());
    return member.able()
        && member.usable()
        && isBehind(member, recommended)
        && (failed == null || !failed.isStill(now))
        && members.stream().noneMatch(run -> isBackAlready(run, member, recommended))
        && (onlyOneToo
            || members.stream()
                .anyMatch(other -> other.usable() && !other.id().equals(member.id())));
  }

  /** A run that was cut off may be thought alive for some seconds after the next one is there. */
  private static boolean isBackAlready(Member run, Member former, Version recommended) {
    return run.id().equals(former.id()) && !isBehind(run, recommended);
  }

  private static boolean isBehind(Member member, Version recommended) {
    return member.version().compareTo(recommended) < 0;
  }
}
