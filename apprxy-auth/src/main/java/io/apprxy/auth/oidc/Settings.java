package io.apprxy.auth.oidc;

/** What the builders of this package check settings with. */
final class Settings {
  private Settings() {}

  /**
   * Refuses a setting.
   *
   * @throws IllegalArgumentException with setting, rule and value, unless the rule is met
   */
  static void require(boolean met, String setting, Object value, String rule) {
    if (!met) {
      throw new IllegalArgumentException(setting + " must be " + rule + ": " + value);
    }
  }
}
