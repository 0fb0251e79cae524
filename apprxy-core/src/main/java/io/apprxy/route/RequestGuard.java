package io.apprxy.route;

import io.apprxy.GatewayException;
import java.util.function.BiConsumer;

/**
 * Refuses messages that two parsers could read in two ways, and those that are too large.
 *
 * @param maxHeaders the most header lines. Default: 200
 * @param maxHeaderBytes the most bytes of all header names and values. Default: 65536
 */
public record RequestGuard(int maxHeaders, int maxHeaderBytes) {
  /** With the defaults. */
  public static RequestGuard defaults() {
    return new RequestGuard(200, 65536);
  }

  /** The header lines of a message: calls the consumer once per line, with name and value. */
  @FunctionalInterface
  public interface Lines {
    void forEach(BiConsumer<String, String> line);
  }

  /**
   * Checks method and headers.
   *
   * @throws GatewayException if the request must not be served
   */
  public void check(String method, Lines headers) {}
}
