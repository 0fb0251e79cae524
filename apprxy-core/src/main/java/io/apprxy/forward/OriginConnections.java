package io.apprxy.forward;

import org.jspecify.annotations.Nullable;

/** The connections to one origin, in one protocol. Thread-safe. */
interface OriginConnections {
  /**
   * A route to the origin that serves one attempt of one request.
   *
   * @param failed the attempt before, whose connection is not to be met again
   */
  Attempt route(@Nullable Attempt failed);

  /** Closes idle connections now, and those in use when their request ends. */
  void close();

  /** One attempt. Confined to its request. */
  interface Attempt extends Route {
    /**
     * Whether another connection may fare better: the one that was used had served others before,
     * so that the origin may just have closed it, or it has turned the request away.
     */
    boolean mayBeRepeated();

    @Override
    default Next afterCut() {
      return mayBeRepeated() ? Next.HERE : Next.ELSEWHERE;
    }

    @Override
    default boolean endsAtOrigin() {
      return true;
    }
  }
}
