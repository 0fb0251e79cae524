package io.apprxy.forward;

import io.apprxy.Application;
import io.apprxy.EndedSessions;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.SignOn;
import io.apprxy.balance.EndpointState;
import io.undertow.client.ClientRequest;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Picks the way of a request to an application that connectors serve. Called on an I/O thread by
 * many requests at once: thread-safe, and never blocking.
 */
public interface Dispatcher {
  /** Tells which applications are published. Called when the gateway starts, before any request. */
  void publish(Collection<Application> applications);

  /**
   * Begins to dispatch a request.
   *
   * @param pinned the tag of the connector that the user is pinned to, 0 for none: see {@link
   *     io.apprxy.balance.AffinityCookie}
   * @param clientConnection names the connection of a client whose requests are to go the same way
   *     as long as there is one ({@link LastHop#CLIENT_CONNECTION}); null for none
   */
  Dispatch dispatch(Exchange exchange, long pinned, @Nullable String clientConnection);

  /** Has connectors drop what they keep for sessions that have ended: see {@link SignOn#forget}. */
  void forget(EndedSessions ended);

  /** How the connectors of an application are doing, the nearest first. */
  List<EndpointState> endpoints(Application application);

  /** One request on its way. Confined to that request. */
  interface Dispatch {
    /**
     * The route of the next attempt, or null if there may be none.
     *
     * @throws GatewayException if the request must not be sent
     */
    @Nullable Route route();

    /** Adds what the hop needs to trust the request, such as a signed assertion of the identity. */
    void prepare(ClientRequest request);

    /** The tag of the connector that the last attempt was made at; 0 before the first. */
    long connector();
  }
}
