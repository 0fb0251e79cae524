package io.apprxy.balance;

/**
 * What happens while requests are balanced, for meters. Called on I/O threads by many at once:
 * thread-safe, and never blocking.
 */
public interface BalanceEvents {
  /** Tells nobody. */
  BalanceEvents NONE = new BalanceEvents() {};

  /** A request is tried again. */
  default void retried() {}

  /** A request could have been tried again, but the budget was spent. */
  default void retryRefused() {}

  /** An endpoint was taken out of service because it failed. */
  default void ejected() {}

  /** The application fails, and requests are answered at once from now on. */
  default void circuitOpened() {}
}
