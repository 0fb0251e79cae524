package io.apprxy;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeName;
import com.fasterxml.jackson.annotation.JsonValue;
import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.util.Objects;
import java.util.function.IntPredicate;
import java.util.function.IntUnaryOperator;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One step from a claim to what the origin is told: the functions of Entra's claims transformations
 * (<i>Customize SAML token claims</i>), of which there can be any number in a row. Each is done to
 * every value of a claim, in its order, unless it says otherwise; a value for which a function has
 * no result is gone, and what is to take its place then says {@link IfEmpty}. Upper and lower case
 * are not the same. Immutable data; what is no function is refused when it is made.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "function")
@JsonSubTypes({
  @JsonSubTypes.Type(ClaimsTransformation.ExtractMailPrefix.class),
  @JsonSubTypes.Type(ClaimsTransformation.Join.class),
  @JsonSubTypes.Type(ClaimsTransformation.ToLowercase.class),
  @JsonSubTypes.Type(ClaimsTransformation.ToUppercase.class),
  @JsonSubTypes.Type(ClaimsTransformation.Contains.class),
  @JsonSubTypes.Type(ClaimsTransformation.EndWith.class),
  @JsonSubTypes.Type(ClaimsTransformation.StartWith.class),
  @JsonSubTypes.Type(ClaimsTransformation.ExtractAfter.class),
  @JsonSubTypes.Type(ClaimsTransformation.ExtractBefore.class),
  @JsonSubTypes.Type(ClaimsTransformation.ExtractBetween.class),
  @JsonSubTypes.Type(ClaimsTransformation.ExtractAlpha.class),
  @JsonSubTypes.Type(ClaimsTransformation.ExtractNumeric.class),
  @JsonSubTypes.Type(ClaimsTransformation.IfEmpty.class),
  @JsonSubTypes.Type(ClaimsTransformation.IfNotEmpty.class),
  @JsonSubTypes.Type(ClaimsTransformation.Substring.class),
  @JsonSubTypes.Type(ClaimsTransformation.RegexReplace.class),
  @JsonSubTypes.Type(ClaimsTransformation.Filter.class),
})
public sealed interface ClaimsTransformation {
  /**
   * The values after this step.
   *
   * @throws GatewayException {@link ErrorCode#SIGN_ON_FAILED} if a claim of the user cannot be used
   */
  ClaimValues apply(ClaimValues values, Identity identity);

  /** What stands before the last {@code @}; all of a value without one. */
  @JsonTypeName("ExtractMailPrefix")
  record ExtractMailPrefix() implements ClaimsTransformation {
    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(
          value -> {
            int at = value.lastIndexOf('@');
            return at < 0 ? value : value.substring(0, at);
          });
    }
  }

  /**
   * The value, the separator, and what else. Where the user does not have the other, there is no
   * result.
   *
   * @param separator may be empty
   * @param with must have no more than one value
   */
  @JsonTypeName("Join")
  record Join(String separator, ClaimSource with) implements ClaimsTransformation {
    public Join {
      Objects.requireNonNull(separator, "separator");
      Objects.requireNonNull(with, "with");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      ClaimValues other = with.of(identity);
      if (other.values().size() > 1) {
        throw new GatewayException(
            ErrorCode.SIGN_ON_FAILED, "the claim " + with.claim() + " has more than one value");
      }
      return values.map(
          value -> other.isEmpty() ? null : value + separator + other.values().get(0));
    }
  }

  /**
   * In lower case, whatever the language of the machine. What is beyond ASCII stays so: the Kelvin
   * sign becomes no {@code k}, by which one user could pass for another.
   */
  @JsonTypeName("ToLowercase")
  record ToLowercase() implements ClaimsTransformation {
    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(value -> inCase(value, Character::toLowerCase));
    }
  }

  /** In upper case; as {@link ToLowercase}, one character for another. */
  @JsonTypeName("ToUppercase")
  record ToUppercase() implements ClaimsTransformation {
    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(value -> inCase(value, Character::toUpperCase));
    }
  }

  /**
   * One thing if one of the values contains this text, and another if none does.
   *
   * @param output what there is then
   * @param otherwise what there is else; null for nothing
   */
  @JsonTypeName("Contains")
  record Contains(String value, ClaimSource output, @Nullable ClaimSource otherwise)
      implements ClaimsTransformation {
    public Contains {
      requireText("Contains: value", value);
      Objects.requireNonNull(output, "output");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return choose(values, one -> one.contains(value), output, otherwise, identity);
    }
  }

  /**
   * One thing if one of the values ends with this text, and another if none does.
   *
   * @param output what there is then
   * @param otherwise what there is else; null for nothing
   */
  @JsonTypeName("EndWith")
  record EndWith(String value, ClaimSource output, @Nullable ClaimSource otherwise)
      implements ClaimsTransformation {
    public EndWith {
      requireText("EndWith: value", value);
      Objects.requireNonNull(output, "output");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return choose(values, one -> one.endsWith(value), output, otherwise, identity);
    }
  }

  /**
   * One thing if one of the values begins with this text, and another if none does.
   *
   * @param output what there is then
   * @param otherwise what there is else; null for nothing
   */
  @JsonTypeName("StartWith")
  record StartWith(String value, ClaimSource output, @Nullable ClaimSource otherwise)
      implements ClaimsTransformation {
    public StartWith {
      requireText("StartWith: value", value);
      Objects.requireNonNull(output, "output");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return choose(values, one -> one.startsWith(value), output, otherwise, identity);
    }
  }

  /** What follows the first occurrence of this text; nothing of a value without it. */
  @JsonTypeName("ExtractAfter")
  record ExtractAfter(String value) implements ClaimsTransformation {
    public ExtractAfter {
      requireText("ExtractAfter: value", value);
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(one -> textAfter(one, value));
    }
  }

  /** What stands before the first occurrence of this text; nothing of a value without it. */
  @JsonTypeName("ExtractBefore")
  record ExtractBefore(String value) implements ClaimsTransformation {
    public ExtractBefore {
      requireText("ExtractBefore: value", value);
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(one -> textBefore(one, value));
    }
  }

  /**
   * What stands between the first occurrence of one text and the next one of another; nothing of a
   * value without both.
   */
  @JsonTypeName("ExtractBetween")
  record ExtractBetween(String after, String before) implements ClaimsTransformation {
    public ExtractBetween {
      requireText("ExtractBetween: after", after);
      requireText("ExtractBetween: before", before);
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(
          one -> {
            String rest = textAfter(one, after);
            return rest == null ? null : textBefore(rest, before);
          });
    }
  }

  /** The letters, of any alphabet, that a value begins or ends with; nothing if there are none. */
  @JsonTypeName("ExtractAlpha")
  record ExtractAlpha(Part part) implements ClaimsTransformation {
    public ExtractAlpha {
      Objects.requireNonNull(part, "part");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(value -> part.of(value, Character::isLetter));
    }
  }

  /** The digits 0 to 9 that a value begins or ends with; nothing if there are none. */
  @JsonTypeName("ExtractNumeric")
  record ExtractNumeric(Part part) implements ClaimsTransformation {
    public ExtractNumeric {
      Objects.requireNonNull(part, "part");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(value -> part.of(value, c -> c >= '0' && c <= '9'));
    }
  }

  /** Something else if there is no value, or none but empty ones. */
  @JsonTypeName("IfEmpty")
  record IfEmpty(ClaimSource output) implements ClaimsTransformation {
    public IfEmpty {
      Objects.requireNonNull(output, "output");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.isEmpty() ? output.of(identity) : values;
    }
  }

  /** Something else if there is a value that is not empty; else nothing. */
  @JsonTypeName("IfNotEmpty")
  record IfNotEmpty(ClaimSource output) implements ClaimsTransformation {
    public IfNotEmpty {
      Objects.requireNonNull(output, "output");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.isEmpty() ? ClaimValues.NONE : output.of(identity);
    }
  }

  /**
   * A part of each value, by its place: Entra's <i>Fixed Length</i> and <i>EndOfString</i>. Nothing
   * of a value that is no longer than what is left out before; if it ends sooner, what there is.
   *
   * @param startIndex how many characters (code points) are left out before
   * @param length how many are taken; null for all that follow
   */
  @JsonTypeName("Substring")
  record Substring(int startIndex, @Nullable Integer length) implements ClaimsTransformation {
    public Substring {
      if (startIndex < 0) {
        throw new IllegalArgumentException(
            "Substring: startIndex must not be negative: " + startIndex);
      }
      if (length != null && length <= 0) {
        throw new IllegalArgumentException("Substring: length must be positive: " + length);
      }
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(this::of);
    }

    private @Nullable String of(String value) {
      int characters = value.codePointCount(0, value.length());
      if (characters <= startIndex) {
        return null;
      }
      int from = value.offsetByCodePoints(0, startIndex);
      return length == null || length >= characters - startIndex
          ? value.substring(from)
          : value.substring(from, value.offsetByCodePoints(from, length));
    }
  }

  /**
   * Each value with all occurrences of a pattern replaced; as it was, if there is none.
   *
   * @param pattern see {@link Regex}
   * @param replacement in which {@code $1} and <code>${name}</code> stand for groups of the
   *     pattern, and {@code \$} for a dollar
   */
  @JsonTypeName("RegexReplace")
  record RegexReplace(Regex pattern, String replacement) implements ClaimsTransformation {
    /**
     * A step.
     *
     * @throws IllegalArgumentException if the replacement names a group that the pattern has not
     */
    public RegexReplace {
      Objects.requireNonNull(pattern, "pattern");
      Objects.requireNonNull(replacement, "replacement");
      pattern.checkReplacement(replacement);
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(value -> pattern.replaceAll(value, replacement));
    }
  }

  /** Those values only that a pattern matches as a whole, such as the groups of one application. */
  @JsonTypeName("Filter")
  record Filter(Regex pattern) implements ClaimsTransformation {
    public Filter {
      Objects.requireNonNull(pattern, "pattern");
    }

    @Override
    public ClaimValues apply(ClaimValues values, Identity identity) {
      return values.map(value -> pattern.matches(value) ? value : null);
    }
  }

  /** Which end of a value. */
  enum Part {
    /** What it begins with. */
    PREFIX,
    /** What it ends with. */
    SUFFIX;

    @Nullable String of(String value, IntPredicate wanted) {
      int from = 0;
      int to = value.length();
      if (this == PREFIX) {
        int end = 0;
        while (end < to && wanted.test(value.codePointAt(end))) {
          end += Character.charCount(value.codePointAt(end));
        }
        to = end;
      } else {
        int begin = to;
        while (begin > 0 && wanted.test(value.codePointBefore(begin))) {
          begin -= Character.charCount(value.codePointBefore(begin));
        }
        from = begin;
      }
      return from == to ? null : value.substring(from, to);
    }
  }

  /**
   * A regular expression in the syntax of RE2: that of Java without backreferences and lookaround,
   * and so in time linear in its input, whatever a user writes into a profile. Immutable; equal to
   * one of the same text.
   */
  final class Regex {
    private final Pattern pattern;

    private Regex(Pattern pattern) {
      this.pattern = pattern;
    }

    /**
     * A pattern.
     *
     * @throws IllegalArgumentException if it is none
     */
    @JsonCreator
    public static Regex of(String text) {
      try {
        return new Regex(Pattern.compile(text));
      } catch (PatternSyntaxException e) {
        throw new IllegalArgumentException(
            "no regular expression (RE2): " + text + ": " + e.getDescription(), e);
      }
    }

    /** The pattern as it was written. */
    @JsonValue
    public String text() {
      return pattern.pattern();
    }

    private boolean matches(String value) {
      return pattern.matches(value);
    }

    /** Tried where the pattern matches for certain, with all of its groups. */
    private void checkReplacement(String replacement) {
      try {
        Pattern.compile("|" + text()).matcher("").replaceAll(replacement);
      } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
        throw new IllegalArgumentException(
            "RegexReplace: replacement names a group that " + text() + " has not: " + replacement,
            e);
      }
    }

    private String replaceAll(String value, String replacement) {
      return pattern.matcher(value).replaceAll(replacement);
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Regex regex && regex.text().equals(text());
    }

    @Override
    public int hashCode() {
      return text().hashCode();
    }

    @Override
    public String toString() {
      return text();
    }
  }

  private static String inCase(String value, IntUnaryOperator mapping) {
    StringBuilder mapped = new StringBuilder(value.length());
    value
        .codePoints()
        .map(
            c -> {
              int other = mapping.applyAsInt(c);
              return c > 0x7f && other <= 0x7f ? c : other;
            })
        .forEach(mapped::appendCodePoint);
    return mapped.toString();
  }

  private static void requireText(String what, String text) {
    if (text.isEmpty()) {
      throw new IllegalArgumentException(what + " must not be empty");
    }
  }

  private static ClaimValues choose(
      ClaimValues values,
      Predicate<String> condition,
      ClaimSource output,
      @Nullable ClaimSource otherwise,
      Identity identity) {
    if (values.values().stream().anyMatch(condition)) {
      return output.of(identity);
    }
    return otherwise == null ? ClaimValues.NONE : otherwise.of(identity);
  }

  private static @Nullable String textAfter(String value, String text) {
    int at = value.indexOf(text);
    return at < 0 ? null : value.substring(at + text.length());
  }

  private static @Nullable String textBefore(String value, String text) {
    int at = value.indexOf(text);
    return at < 0 ? null : value.substring(0, at);
  }
}
