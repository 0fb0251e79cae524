package io.apprxy.tunnel;

import java.util.Arrays;
import java.util.Comparator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A version by Semantic Versioning 2.0.0. Immutable.
 *
 * <p>{@link #compareTo} is precedence (§11), which ignores build metadata; two versions can have
 * the same precedence and not be equal.
 */
record Version(String text) implements Comparable<Version> {
  private static final int MAX_LENGTH = 128;

  private static final String NUMBER = "(?:0|[1-9][0-9]*)"; // §2, §9: no leading zeros
  private static final String IDENTIFIER = "(?:" + NUMBER + "|[0-9]*[A-Za-z-][0-9A-Za-z-]*)";
  private static final Pattern FORM =
      Pattern.compile(
          "(N)\\.(N)\\.(N)(?:-(I(?:\\.I)*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?"
              .replace("N", NUMBER)
              .replace("I", IDENTIFIER));

  Version {
    if (text.length() > MAX_LENGTH || !FORM.matcher(text).matches()) {
      throw new IllegalArgumentException(
          "a version must be one of semver.org, such as 1.4.0 or 1.4.0-rc.1: " + text);
    }
  }

  /** Of the jar that these classes come from; null if there is none that tells it. */
  static @Nullable Version ofThisJar() {
    String text = Version.class.getPackage().getImplementationVersion();
    return text != null && FORM.matcher(text).matches() ? new Version(text) : null;
  }

  @Override
  public int compareTo(Version other) {
    Matcher mine = parts();
    Matcher others = other.parts();
    for (int i = 1; i <= 3; i++) {
      int difference = compareNumbers(mine.group(i), others.group(i));
      if (difference != 0) {
        return difference;
      }
    }
    return comparePreReleases(mine.group(4), others.group(4));
  }

  private Matcher parts() {
    Matcher parts = FORM.matcher(text);
    if (!parts.matches()) {
      throw new IllegalStateException(text);
    }
    return parts;
  }

  /** Of any length: without leading zeros, the longer number is the larger one. */
  private static int compareNumbers(String mine, String others) {
    return Comparator.comparingInt(String::length)
        .thenComparing(Comparator.naturalOrder())
        .compare(mine, others);
  }

  private static int comparePreReleases(@Nullable String mine, @Nullable String others) {
    if (mine == null || others == null) {
      return Boolean.compare(
          mine == null, others == null); // a pre-release comes before its release
    }
    return Arrays.compare(mine.split("\\."), others.split("\\."), Version::compareIdentifiers);
  }

  private static int compareIdentifiers(String mine, String others) {
    boolean mineIsNumber = isNumber(mine);
    boolean othersIsNumber = isNumber(others);
    if (mineIsNumber && othersIsNumber) {
      return compareNumbers(mine, others);
    }
    return mineIsNumber == othersIsNumber
        ? mine.compareTo(others)
        : Boolean.compare(othersIsNumber, mineIsNumber); // numbers come before words
  }

  private static boolean isNumber(String identifier) {
    return identifier.chars().allMatch(c -> c >= '0' && c <= '9');
  }

  @Override
  public String toString() {
    return text;
  }
}
