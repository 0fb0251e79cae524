package io.apprxy.balance;

/**
 * What an attempt says about the endpoint. Where it says nothing, as when the client leaves, there
 * is no outcome.
 */
public enum Outcome {
  /** An answer has begun. */
  ANSWERED,
  /**
   * An origin answered 502, 503 or 504: it does not serve, but it is there. Counts for ejection.
   */
  TURNED_AWAY,
  /** There was no connection, or no answer to what was sent. */
  FAILED,
  /**
   * The endpoint is well and answered, but what is behind it failed: an origin, as a connector
   * tells.
   */
  FAILED_BEHIND
}
