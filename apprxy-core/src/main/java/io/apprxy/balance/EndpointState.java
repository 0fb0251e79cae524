package io.apprxy.balance;

/**
 * How an endpoint of an application is doing. Immutable.
 *
 * @param endpoint the origin instance, or the id of the connector
 * @param tier requests go to the lowest tier that serves; 0 is nearest
 * @param usable whether requests can be sent to it at all, as to a connected connector
 * @param healthy whether its health check is content; true if there is none
 * @param ejected whether it is out of service because of failures
 * @param ejections how often it was, in short succession
 * @param consecutiveFailures the failures since its last answer
 * @param activeRequests the requests of the application that it serves
 */
public record EndpointState(
    String endpoint,
    int tier,
    boolean usable,
    boolean healthy,
    boolean ejected,
    int ejections,
    int consecutiveFailures,
    int activeRequests) {

  /** Whether requests are sent to it while others are in service, too. */
  public boolean inService() {
    return usable && healthy && !ejected;
  }
}
