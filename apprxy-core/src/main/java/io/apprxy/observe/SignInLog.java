package io.apprxy.observe;

/**
 * Gets what happens to sign-ins and sessions. Called on any thread, by many at once: thread-safe,
 * and never blocking. A throw is logged, and changes nothing for the client.
 */
@FunctionalInterface
public interface SignInLog {
  /** Records the event. */
  void record(SignInEvent event);

  /**
   * One line of JSON per event, on the SLF4J logger {@code io.apprxy.signin} at INFO. All but
   * visible ASCII is escaped, so that no client can forge a line.
   */
  static SignInLog json() {
    return new JsonSignInLog();
  }
}
