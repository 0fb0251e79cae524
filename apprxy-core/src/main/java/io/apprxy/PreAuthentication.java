package io.apprxy;

import java.util.function.Consumer;

/**
 * The stage that finds out who a request is made for: from a session, from a token, or by sending
 * the user to sign in. It also answers the reserved paths ({@link Exchange#isReserved()}) that it
 * needs, such as the callback of a sign-in; whose those of an application are that takes the
 * client's certificate for an identity is known already.
 *
 * <p>Called on an I/O thread by many requests at once: thread-safe, and never blocking; what has to
 * wait answers {@link Verdict#later}. Not called for requests that pass through ({@link
 * Exchange#passesThrough}). It fails closed: a throw, or an exceptional completion, refuses the
 * request. When it lets a request proceed to an application that demands pre-authentication it has
 * called {@link Exchange#identify}; the gateway refuses the request otherwise.
 */
@FunctionalInterface
public interface PreAuthentication {
  Verdict authenticate(Exchange exchange);

  /**
   * Looks at an application that demands pre-authentication when the gateway is built, so that a
   * setting which no request could meet is found then. Default: takes any.
   *
   * @throws IllegalArgumentException if nobody could sign in to it, with setting, value and rule
   */
  default void check(Application application) {}

  /**
   * Gets the access token that the origin is to get of an identified user ({@link
   * Application.SingleSignOn#token()}), passes it to {@link Exchange#passToOrigin}, and lets the
   * request proceed; or has the user sign in again, if that is what it takes. Called once the
   * policy let the request pass. Default: refuses with {@link ErrorCode#SIGN_ON_FAILED}.
   */
  default Verdict tokenForOrigin(Exchange exchange) {
    throw new GatewayException(ErrorCode.SIGN_ON_FAILED, "nothing here has tokens of users");
  }

  /**
   * Told when the origin refused the token of {@link #tokenForOrigin}: the next one should be
   * another. Must not block. Default: does nothing.
   */
  default void tokenWasRefused(Exchange exchange) {}

  /**
   * Has somebody told when sessions end, so that what is kept for them elsewhere is dropped: see
   * {@link SignOn#forget}. Called when the gateway is built. Default: nobody is told.
   *
   * @param listener called on any thread; does not block; what it throws keeps no other from being
   *     told
   */
  default void whenEnded(Consumer<EndedSessions> listener) {}

  /**
   * Lets an identified user prove more, as the policy demands: a page is sent to the provider,
   * another request gets a challenge. Never {@link Verdict#proceed}: the user comes back with
   * another request. Default: refuses with {@link ErrorCode#REFUSED_BY_POLICY}.
   */
  default Verdict stepUp(Exchange exchange, StepUpRequirement requirement) {
    throw new GatewayException(
        ErrorCode.REFUSED_BY_POLICY, "nothing here can ask for more: " + requirement.reason());
  }
}
