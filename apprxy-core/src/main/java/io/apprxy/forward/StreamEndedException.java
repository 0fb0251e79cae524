package io.apprxy.forward;

import java.io.IOException;

/** The peer has given up one stream (RFC 9113 §6.4), or says that it will not answer it (§6.8). */
final class StreamEndedException extends IOException {
  private final boolean unprocessed;

  /**
   * @param unprocessed whether the peer says that it has done nothing with the request, so that it
   *     may be sent again whatever it is (RFC 9113 §8.7)
   */
  StreamEndedException(String message, boolean unprocessed) {
    super(message);
    this.unprocessed = unprocessed;
  }

  boolean isUnprocessed() {
    return unprocessed;
  }
}
