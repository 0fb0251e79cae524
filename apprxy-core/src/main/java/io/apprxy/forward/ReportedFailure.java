package io.apprxy.forward;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;

/**
 * The next hop is well, and has answered that it could not serve the request: a connector that does
 * not reach the origin. For the engine.
 */
public final class ReportedFailure extends GatewayException {
  private final boolean sentNothing;

  /**
   * @param code what went wrong beyond the hop
   * @param sentNothing whether the hop vouches that nothing of the request has left it
   */
  public ReportedFailure(ErrorCode code, boolean sentNothing) {
    super(code, "the next hop answered with an error");
    this.sentNothing = sentNothing;
  }

  boolean sentNothing() {
    return sentNothing;
  }

  /**
   * Whether another hop could do better. Not after the origin had its time: it may still be at
   * work, and the client has waited long enough.
   */
  boolean isWorthAnotherAttempt() {
    return switch (code()) {
      case CONNECTOR_REFUSED,
          ASSERTION_REFUSED,
          ORIGIN_UNREACHABLE,
          ORIGIN_CERTIFICATE,
          ORIGIN_OVERLOADED,
          CIRCUIT_OPEN ->
          true;
      case ORIGIN_TIMEOUT -> sentNothing;
      default -> false;
    };
  }
}
