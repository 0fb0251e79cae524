package io.apprxy.forward;

import io.apprxy.Application;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.undertow.client.ClientRequest;
import java.util.Collection;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Picks the way of a request to an application that connectors serve. Called on an I/O thread by
 * many requests at once: thread-safe, and never blocking.
 */
public interface Dispatcher {
  /** Tells which applications are published. Called when the gateway starts, before any request. */
  void publish(Collection<Application> applications);

  /**
   * A route that was not tried yet for this request, or null if there is no further one.
   *
   * @param tried the routes that failed before any byte of the response arrived
   * @throws GatewayException if the request must not be sent
   */
  @Nullable Route route(Exchange exchange, Set<Route> tried);

  /** Adds what the hop needs to trust the request, such as a signed assertion of the identity. */
  void prepare(Exchange exchange, ClientRequest request);
}
