package io.apprxy;

import java.util.List;
import java.util.function.Predicate;

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
  default void set(String name, String value) {
    set(name, List.of(value));
  }

  /**
   * Sets a header for each of these values, none if there are none, as {@link #set(String, String)}
   * does.
   *
   * @throws IllegalArgumentException as there
   */
  void set(String name, List<String> values);

  /** Removes every header of this name, in any spelling. */
  void remove(String name);

  /**
   * Has the origin's answer looked at, before any of it goes on: whether the origin takes the
   * request for nobody's, so that it is to be signed on anew and sent once more. That is done once,
   * and only for a request without a body; else it ends with {@link
   * ErrorCode#ORIGIN_REFUSED_SIGN_ON}. Replaces what was set before.
   *
   * @param isRefused called on the request's I/O thread with the head of each answer; must not
   *     block. What it throws refuses the answer
   */
  void onAnswer(Predicate<OriginAnswer> isRefused);
}
