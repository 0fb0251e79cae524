package io.apprxy;

/**
 * The stage that decides whether an identified user may make this request, now. Asked for every
 * request to an application that demands pre-authentication.
 *
 * <p>Called on an I/O thread by many requests at once: thread-safe, and never blocking; what has to
 * wait answers {@link Verdict#later}. It fails closed: a throw, or an exceptional completion,
 * refuses the request.
 */
@FunctionalInterface
public interface AccessPolicy {
  Verdict authorize(Exchange exchange);
}
