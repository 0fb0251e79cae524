package io.apprxy.auth.policy;

import java.time.Duration;
import java.util.Objects;

/**
 * Terms that users accept once before they get through, and again where they changed. Immutable.
 *
 * @param displayName their name, unique in a set, which users see, too
 * @param version changes whenever users are to accept them anew
 * @param text what users read: plain text, with an empty line between paragraphs
 * @param reacceptAfter how long an acceptance is good. Default: 365 days
 */
public record TermsOfUse(String displayName, String version, String text, Duration reacceptAfter) {
  private static final int MAX_TEXT = 200_000;

  /**
   * Terms.
   *
   * @throws IllegalArgumentException if something is blank, the text has more than 200,000
   *     characters, or the time is not positive
   */
  public TermsOfUse {
    Objects.requireNonNull(reacceptAfter, "reacceptAfter");
    if (displayName.isBlank() || version.isBlank() || text.isBlank()) {
      throw new IllegalArgumentException("terms of use must have a name, a version and a text");
    }
    if (text.length() > MAX_TEXT) {
      throw new IllegalArgumentException(
          "the text of \"" + displayName + "\" must have at most " + MAX_TEXT + " characters");
    }
    if (reacceptAfter.isNegative() || reacceptAfter.isZero()) {
      throw new IllegalArgumentException(
          "reacceptAfter of \"" + displayName + "\" must be longer than zero: " + reacceptAfter);
    }
  }

  /**
   * Terms that are accepted for a year.
   *
   * @throws IllegalArgumentException as {@link TermsOfUse} does
   */
  public static TermsOfUse of(String displayName, String version, String text) {
    return new TermsOfUse(displayName, version, text, Duration.ofDays(365));
  }
}
