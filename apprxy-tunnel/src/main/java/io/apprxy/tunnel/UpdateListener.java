package io.apprxy.tunnel;

/**
 * Updates a connector when it is its turn: gateways give it to one connector of a group after the
 * other, so that the others serve meanwhile.
 */
public interface UpdateListener {
  /**
   * It is this connector's turn. Called on a thread that may block, and not again before it has
   * returned. Usually it downloads the release ({@link Updater#update}), and then has the process
   * close the connector and start again in the new release, which it need not wait for: the turn
   * ends when the connector is back.
   *
   * @param version what the gateway recommends, by semver.org
   * @throws UpdateException if there is no update; gateways are told, and another connector gets
   *     the turn. So they are if anything else is thrown.
   */
  void update(String version) throws UpdateException;
}
