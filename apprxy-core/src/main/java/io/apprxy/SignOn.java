package io.apprxy;

import java.util.function.Supplier;

/**
 * The stage that puts an identity into the form that the origin wants. It runs where the origin is
 * reached from: in the gateway for direct origins, in the connector for the others.
 *
 * <p>Called on an I/O thread by many requests at once: thread-safe, and never blocking; what has to
 * wait answers {@link Verdict#later}. It fails closed: a throw, or an exceptional completion,
 * refuses the request.
 */
@FunctionalInterface
public interface SignOn {
  /**
   * Signs the request on. The client's own headers of the names that are set here are removed by
   * {@link OriginRequest#set}.
   *
   * @param application the application, whose {@link Application#singleSignOn()} says how
   */
  Verdict signOn(OriginRequest request, Identity identity, Application application);

  /** Signs the request on by this one, and then by the other: each does what it knows of. */
  default SignOn then(SignOn other) {
    SignOn first = this;
    return new SignOn() {
      @Override
      public Verdict signOn(OriginRequest request, Identity identity, Application application) {
        return after(
            first.signOn(request, identity, application),
            () -> other.signOn(request, identity, application));
      }

      @Override
      public void forget(EndedSessions ended) {
        try {
          first.forget(ended);
        } finally {
          other.forget(ended);
        }
      }
    };
  }

  /**
   * Drops what is kept for sessions that have ended, such as tickets. Called by the gateway, or the
   * connector, that has this stage; on any thread, and must not block. A stage around another one
   * passes it on. Default: nothing is kept.
   */
  default void forget(EndedSessions ended) {}

  private static Verdict after(Verdict first, Supplier<Verdict> then) {
    if (first instanceof Verdict.Later later) {
      return Verdict.later(later.outcome().thenApply(outcome -> after(outcome, then)));
    }
    return first instanceof Verdict.Proceed ? then.get() : first;
  }

  /** Signs nobody on: the origin gets no identity. */
  static SignOn none() {
    return (request, identity, application) -> Verdict.proceed();
  }
}
