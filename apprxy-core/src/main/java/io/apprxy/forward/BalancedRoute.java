package io.apprxy.forward;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.balance.Member;
import io.apprxy.balance.Outcome;
import io.apprxy.balance.Selection;
import io.apprxy.balance.Selection.Slot;
import io.undertow.client.ClientConnection;
import io.undertow.server.HttpServerExchange;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.xnio.XnioExecutor;

/**
 * One attempt at whichever endpoint the balancer grants: waits for its turn, counts as a request of
 * the endpoint from then until it is released, and reports what came of it. Confined to its
 * request. For the engine.
 */
public final class BalancedRoute<M extends Member> implements Route {
  private final Selection<M> selection;
  private final Ways<M> ways;
  private Selection.@Nullable Waiter waiter;
  private XnioExecutor.@Nullable Key timeout;
  private @Nullable Route way;
  private boolean cancelled;

  /** The way to an endpoint. */
  public interface Ways<M extends Member> {
    /**
     * A route for one attempt, or null if the endpoint has none at present.
     *
     * @param anew whether the attempt before was at this endpoint, on a connection that may just
     *     have been closed: on a new one this time
     */
    @Nullable Route to(M endpoint, boolean anew);
  }

  private BalancedRoute(Selection<M> selection, Ways<M> ways) {
    this.selection = selection;
    this.ways = ways;
  }

  /**
   * The route of the next attempt, or null if there may be none.
   *
   * @throws GatewayException if there may not be even a first one
   */
  public static <M extends Member> @Nullable BalancedRoute<M> next(
      Selection<M> selection, Ways<M> ways) {
    return selection.attempt() ? new BalancedRoute<>(selection, ways) : null;
  }

  @Override
  public String name() {
    return Objects.requireNonNull(way).name();
  }

  @Override
  public boolean carriesUpgrades() {
    return Objects.requireNonNull(way).carriesUpgrades();
  }

  @Override
  public GatewayException failure(Exception cause) {
    if (cause instanceof GatewayException known) {
      return known;
    }
    return Objects.requireNonNull(way).failure(cause);
  }

  @Override
  public void open(HttpServerExchange exchange, Opened opened) {
    waiter =
        selection.acquire(
            exchange.getIoThread(),
            new Selection.Granted<>() {
              @Override
              public void granted(Slot<M> slot) {
                stopWaiting();
                go(slot, exchange, opened);
              }

              @Override
              public void refused(GatewayException cause) {
                opened.failed(cause);
              }
            });
    if (waiter != null) {
      awaitTurn(exchange, opened);
    }
  }

  private void awaitTurn(HttpServerExchange exchange, Opened opened) {
    timeout =
        exchange
            .getIoThread()
            .executeAfter(
                () -> {
                  if (leave()) {
                    opened.failed(
                        new GatewayException(
                            ErrorCode.ORIGIN_OVERLOADED,
                            "no turn in " + selection.settings().waitTimeout()));
                  }
                },
                selection.settings().waitTimeout().toMillis(),
                TimeUnit.MILLISECONDS);
  }

  private void go(Slot<M> slot, HttpServerExchange exchange, Opened opened) {
    Route found = cancelled ? null : ways.to(slot.member(), slot.isRepeated());
    if (found == null) {
      slot.release();
      if (!cancelled) {
        opened.failed(selection.nobody());
      }
      return;
    }
    way = found;
    found.open(
        exchange,
        new Opened() {
          @Override
          public void opened(Lease lease) {
            opened.opened(new BalancedLease(slot, found, lease));
          }

          @Override
          public void failed(Exception cause) {
            GatewayException failure = found.failure(cause);
            report(slot, found, failure);
            slot.release();
            opened.failed(failure);
          }
        });
  }

  @Override
  public void cancel() {
    cancelled = true;
    leave();
    if (way != null) {
      way.cancel();
    }
  }

  private boolean leave() {
    boolean left = waiter != null && waiter.leave();
    stopWaiting();
    return left;
  }

  private void stopWaiting() {
    waiter = null;
    if (timeout != null) {
      timeout.remove();
      timeout = null;
    }
  }

  /** What the client, the gateway itself or the user's identity is the reason of says nothing. */
  private static void report(Slot<?> slot, Route way, GatewayException cause) {
    if (wasCut(cause) && way.afterCut() != Next.ELSEWHERE) {
      slot.repeat(way.afterCut() == Next.HERE);
      return;
    }
    switch (cause.code()) {
      case CONNECTOR_LOST,
          CONNECTOR_REFUSED,
          ASSERTION_REFUSED,
          ORIGIN_UNREACHABLE,
          ORIGIN_TIMEOUT,
          ORIGIN_CERTIFICATE,
          ORIGIN_PROTOCOL,
          ORIGIN_BROKEN ->
          slot.report(cause instanceof ReportedFailure ? Outcome.FAILED_BEHIND : Outcome.FAILED);
      case ORIGIN_OVERLOADED, CIRCUIT_OPEN -> {
        if (cause instanceof ReportedFailure) {
          slot.report(Outcome.FAILED_BEHIND);
        }
      }
      default -> {}
    }
  }

  /** As a kept connection is that the hop has closed; silence has another reason. */
  private static boolean wasCut(GatewayException cause) {
    return !(cause instanceof ReportedFailure)
        && switch (cause.code()) {
          case ORIGIN_UNREACHABLE, ORIGIN_BROKEN, CONNECTOR_LOST -> true;
          default -> false;
        };
  }

  private static final class BalancedLease implements Lease {
    private final Slot<?> slot;
    private final Route way;
    private final Lease lease;

    BalancedLease(Slot<?> slot, Route way, Lease lease) {
      this.slot = slot;
      this.way = way;
      this.lease = lease;
    }

    @Override
    public ClientConnection connection() {
      return lease.connection();
    }

    @Override
    public void answered(int status) {
      boolean turnedAway = way.endsAtOrigin() && (status >= 502 && status <= 504);
      slot.report(turnedAway ? Outcome.TURNED_AWAY : Outcome.ANSWERED);
      lease.answered(status);
    }

    @Override
    public void upgraded() {
      lease.upgraded();
    }

    @Override
    public void failed(GatewayException cause) {
      report(slot, way, cause);
      lease.failed(cause);
    }

    @Override
    public void release(boolean intact) {
      slot.release();
      lease.release(intact);
    }
  }
}
