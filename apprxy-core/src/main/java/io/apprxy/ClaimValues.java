package io.apprxy;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What there is of a claim, on its way to an origin. Immutable.
 *
 * @param values the values; none if the user does not have the claim
 * @param isList whether there could have been several, so that one must not pass for more
 */
public record ClaimValues(List<String> values, boolean isList) {
  /** What a user does not have. */
  static final ClaimValues NONE = new ClaimValues(List.of(), false);

  public ClaimValues {
    values = List.copyOf(values);
  }

  static ClaimValues of(String value) {
    return new ClaimValues(List.of(value), false);
  }

  /** Whether there is no value, or none but empty ones. */
  public boolean isEmpty() {
    for (String value : values) {
      if (!value.isEmpty()) {
        return false;
      }
    }
    return true;
  }

  /** The same with another value for each; without those that the function has none for. */
  ClaimValues map(Function<String, @Nullable String> function) {
    List<String> mapped = new ArrayList<>(values.size());
    for (String value : values) {
      String other = function.apply(value);
      if (other != null) {
        mapped.add(other);
      }
    }
    return new ClaimValues(mapped, isList);
  }
}
