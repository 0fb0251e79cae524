package io.apprxy.tunnel;

import org.jspecify.annotations.Nullable;

/** Is told which versions of apprxy gateways want their connectors to run. */
public interface VersionListener {
  /**
   * A gateway has announced versions, by semver.org. Called on a thread that may block, and again
   * when what is announced changes. What it throws is logged.
   *
   * @param running this connector's; {@code 0.0.0} if its classes are in no jar that tells it
   * @param recommended the one that connectors should run; null if none is recommended
   * @param least the oldest one that is admitted; null if there is none
   */
  void announced(String running, @Nullable String recommended, @Nullable String least);
}
