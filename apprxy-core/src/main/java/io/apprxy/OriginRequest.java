package io.apprxy;

/** The headers of a request on their way to an origin. Not thread-safe; confined to one request. */
public interface OriginRequest {
  /**
   * Sets a header that the origin is to trust: first every header of this name goes, in any
   * spelling that an origin could take for the same ({@code X-User}, {@code x_user}), then this
   * value is set.
   *
   * @throws IllegalArgumentException if the name is no token (RFC 9110 §5.6.2), or the value holds
   *     a control character or a character beyond ASCII
   */
  void set(String name, String value);

  /** Removes every header of this name, in any spelling. */
  void remove(String name);
}
