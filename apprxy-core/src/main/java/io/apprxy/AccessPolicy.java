package io.apprxy;

/**
 * The stage that decides whether an identified user may make this request, now. Asked for every
 * request to an application that demands pre-authentication.
 *
 * <p>It is asked about a request again while that is open, twice a second, and what it does not let
 * proceed any more is broken off: streams, too. So the answer follows from the exchange and present
 * facts alone, and being asked counts as nothing.
 *
 * <p>Called on an I/O thread by many requests at once: thread-safe, and never blocking; what has to
 * wait answers {@link Verdict#later}. It fails closed: a throw, or an exceptional completion,
 * refuses the request.
 */
@FunctionalInterface
public interface AccessPolicy {
  Verdict authorize(Exchange exchange);

  /**
   * Answers the reserved paths ({@link Exchange#isReserved()}) that the policy needs, such as the
   * one where terms of use are accepted. Called as {@link #authorize} is, for those that {@link
   * PreAuthentication} let proceed; the request may be anybody's. Default: refuses with {@link
   * ErrorCode#NO_SUCH_PAGE}.
   */
  default Verdict page(Exchange exchange) {
    throw new GatewayException(ErrorCode.NO_SUCH_PAGE, "no stage answered this reserved path");
  }
}
