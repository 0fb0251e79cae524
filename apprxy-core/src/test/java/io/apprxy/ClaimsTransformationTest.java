package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ClaimsTransformation.Contains;
import io.apprxy.ClaimsTransformation.EndWith;
import io.apprxy.ClaimsTransformation.ExtractAfter;
import io.apprxy.ClaimsTransformation.ExtractAlpha;
import io.apprxy.ClaimsTransformation.ExtractBefore;
import io.apprxy.ClaimsTransformation.ExtractBetween;
import io.apprxy.ClaimsTransformation.ExtractMailPrefix;
import io.apprxy.ClaimsTransformation.ExtractNumeric;
import io.apprxy.ClaimsTransformation.Filter;
import io.apprxy.ClaimsTransformation.IfEmpty;
import io.apprxy.ClaimsTransformation.IfNotEmpty;
import io.apprxy.ClaimsTransformation.Join;
import io.apprxy.ClaimsTransformation.Part;
import io.apprxy.ClaimsTransformation.Regex;
import io.apprxy.ClaimsTransformation.RegexReplace;
import io.apprxy.ClaimsTransformation.StartWith;
import io.apprxy.ClaimsTransformation.Substring;
import io.apprxy.ClaimsTransformation.ToLowercase;
import io.apprxy.ClaimsTransformation.ToUppercase;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The functions of Entra's claims transformations, with the examples of their documentation. */
class ClaimsTransformationTest {
  private static final Identity ALICE =
      new Identity(
          "https://issuer.test",
          "4711",
          "session",
          Instant.EPOCH,
          Map.of("employeeid", "E-17", "department", "Finance", "groups", List.of("staff", "dev")));

  @ParameterizedTest
  @CsvSource({
    "joe_smith@contoso.com, joe_smith",
    "joe_smith, joe_smith",
    "admin@corp@evil.test, admin@corp", // what precedes the domain, and no more is taken off
    "@contoso.com, ''",
  })
  void extractMailPrefix_isWhatStandsBeforeTheLastAt(String value, String prefix) {
    assertThat(apply(new ExtractMailPrefix(), value)).containsExactly(prefix);
  }

  @Test
  void join_addsAConstant_orAClaim() {
    assertThat(apply(new Join("@", ClaimSource.constant("fabrikam.com")), "joe_smith"))
        .containsExactly("joe_smith@fabrikam.com");
    assertThat(apply(new Join("", ClaimSource.claim("employeeid")), "a", "b"))
        .containsExactly("aE-17", "bE-17");
  }

  @Test
  void join_withAClaimThatTheUserDoesNotHave_isNothing() {
    assertThat(apply(new Join("@", ClaimSource.claim("mail")), "joe")).isEmpty();
  }

  @Test
  void join_withSeveralValues_isRefused_sinceItWouldBeUpToTheirOrder() {
    assertThatThrownBy(() -> apply(new Join("@", ClaimSource.claim("groups")), "joe"))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.SIGN_ON_FAILED));
  }

  @Test
  void cases_doNotDependOnTheLanguageOfTheMachine() {
    Locale before = Locale.getDefault();
    try {
      Locale.setDefault(Locale.forLanguageTag("tr"));
      assertThat(apply(new ToLowercase(), "ALICE")).containsExactly("alice");
      assertThat(apply(new ToUppercase(), "alice")).containsExactly("ALICE");
    } finally {
      Locale.setDefault(before);
    }
  }

  /** Else the Kelvin sign, a long s or a dotless i would make one user of two. */
  @Test
  void cases_makeNoAsciiOfWhatIsNone() {
    assertThat(apply(new ToLowercase(), "\u212AEVIN", "\u0130AN"))
        .containsExactly("\u212Aevin", "\u0130an");
    assertThat(apply(new ToUppercase(), "\u017Fmith", "\u0131an", "wei\u00df", "\ufb01x"))
        .containsExactly("\u017FMITH", "\u0131AN", "WEI\u00df", "\ufb01X");
    assertThat(apply(new ToUppercase(), "j\u00fcrgen")).containsExactly("J\u00dcRGEN");
  }

  @Test
  void contains_startWith_endWith_giveTheOutputIfOneValueDoes() {
    ClaimSource yes = ClaimSource.constant("yes");

    assertThat(apply(new Contains("@contoso", yes, null), "x", "a@contoso.com"))
        .containsExactly("yes");
    assertThat(apply(new StartWith("US", yes, null), "US-12")).containsExactly("yes");
    assertThat(apply(new EndWith("000", yes, null), "7000")).containsExactly("yes");
  }

  @Test
  void contains_startWith_endWith_giveTheOther_ifNoneDoes() {
    ClaimSource yes = ClaimSource.constant("yes");
    ClaimSource other = ClaimSource.claim("employeeid");

    assertThat(apply(new Contains("@contoso", yes, other), "a@CONTOSO")).containsExactly("E-17");
    assertThat(apply(new StartWith("US", yes, other), "1US")).containsExactly("E-17");
    assertThat(apply(new EndWith("000", yes, other), "0001")).containsExactly("E-17");
    assertThat(apply(new EndWith("000", yes, null), "0001")).isEmpty();
    assertThat(apply(new Contains("x", yes, other))).containsExactly("E-17");
  }

  @Test
  void extract_findsTheFirstOccurrence() {
    assertThat(apply(new ExtractAfter("Finance_"), "Finance_BSimon")).containsExactly("BSimon");
    assertThat(apply(new ExtractAfter("_"), "a_b_c")).containsExactly("b_c");
    assertThat(apply(new ExtractBefore("_US"), "BSimon_US")).containsExactly("BSimon");
    assertThat(apply(new ExtractBefore("_"), "a_b_c")).containsExactly("a");
    assertThat(apply(new ExtractBetween("Finance_", "_US"), "Finance_BSimon_US"))
        .containsExactly("BSimon");
    assertThat(apply(new ExtractBetween("_", "_"), "a_b_c")).containsExactly("b");
  }

  @Test
  void extract_ofAValueWithoutTheText_isNothing() {
    assertThat(apply(new ExtractAfter("_"), "ab", "c_d")).containsExactly("d");
    assertThat(apply(new ExtractBefore("_"), "ab")).isEmpty();
    assertThat(apply(new ExtractBetween("_", "-"), "a_b", "a-b", "-_")).isEmpty();
  }

  @Test
  void extractAlphaAndNumeric_takeWhatAValueBeginsOrEndsWith() {
    assertThat(apply(new ExtractAlpha(Part.PREFIX), "BSimon_123")).containsExactly("BSimon");
    assertThat(apply(new ExtractAlpha(Part.SUFFIX), "123_Simon")).containsExactly("Simon");
    assertThat(apply(new ExtractNumeric(Part.PREFIX), "123_BSimon")).containsExactly("123");
    assertThat(apply(new ExtractNumeric(Part.SUFFIX), "BSimon_123")).containsExactly("123");
    assertThat(apply(new ExtractAlpha(Part.PREFIX), "Jürgen𝒳1")).containsExactly("Jürgen𝒳");
    assertThat(apply(new ExtractAlpha(Part.SUFFIX), "1𝒳")).containsExactly("𝒳");
    assertThat(apply(new ExtractAlpha(Part.SUFFIX), "all")).containsExactly("all");
  }

  @Test
  void extractAlphaAndNumeric_whereThereIsNone_isNothing() {
    assertThat(apply(new ExtractAlpha(Part.PREFIX), "1a", "")).isEmpty();
    assertThat(apply(new ExtractNumeric(Part.SUFFIX), "1a")).isEmpty();
    assertThat(apply(new ExtractNumeric(Part.PREFIX), "\u0661")).isEmpty(); // an Arabic digit
  }

  @Test
  void ifEmpty_isSomethingElse_onlyWhereThereIsNothing() {
    IfEmpty step = new IfEmpty(ClaimSource.claim("employeeid"));

    assertThat(apply(step)).containsExactly("E-17");
    assertThat(apply(step, "", "")).containsExactly("E-17");
    assertThat(apply(step, "", "a")).containsExactly("", "a");
  }

  @Test
  void ifNotEmpty_isSomethingElse_onlyWhereThereIsSomething() {
    IfNotEmpty step = new IfNotEmpty(ClaimSource.claim("employeeid"));

    assertThat(apply(step, "a")).containsExactly("E-17");
    assertThat(apply(step)).isEmpty();
    assertThat(apply(step, "")).isEmpty();
  }

  @Test
  void substring_countsCharacters() {
    assertThat(apply(new Substring(6, 11), "PleaseExtractThisNow")).containsExactly("ExtractThis");
    assertThat(apply(new Substring(6, null), "PleaseExtractThisNow"))
        .containsExactly("ExtractThisNow");
    assertThat(apply(new Substring(1, 1), "𝒳𝒴𝒵")).containsExactly("𝒴");
    assertThat(apply(new Substring(0, Integer.MAX_VALUE), "ab")).containsExactly("ab");
  }

  @Test
  void substring_ofWhatIsShorter_isWhatThereIs() {
    assertThat(apply(new Substring(2, 5), "abcd")).containsExactly("cd");
    assertThat(apply(new Substring(2, 5), "ab", "")).isEmpty();
  }

  @Test
  void regexReplace_knowsGroupsByNumberAndName() {
    assertThat(
            apply(
                new RegexReplace(Regex.of("(?i)^(?P<user>.*)@fabrikam\\.com$"), "FAB\\\\${user}"),
                "joe@Fabrikam.com",
                "joe@contoso.com"))
        .containsExactly("FAB\\joe", "joe@contoso.com");
    assertThat(apply(new RegexReplace(Regex.of("(a)(b)?"), "[$2$1]"), "xaab"))
        .containsExactly("x[a][ba]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"$3", "${other}"})
  void replacement_thatNamesNoGroup_isRefusedAtOnce(String replacement) {
    assertThatThrownBy(() -> new RegexReplace(Regex.of("(a)(?P<n>b)"), replacement))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("names a group that (a)(?P<n>b) has not");
  }

  @ParameterizedTest
  @ValueSource(strings = {"(", "a(?=b)", "(a)\\1", "[", "*"})
  void pattern_thatIsNone_orWouldTakeMoreThanLinearTime_isRefused(String pattern) {
    assertThatThrownBy(() -> Regex.of(pattern))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(pattern);
  }

  /** With a backtracking engine, this test would not end. */
  @Test
  void regexReplace_isNotSlowedDownByWhatUsersWrite() {
    String hostile = "a".repeat(20_000) + "!";

    assertThat(apply(new RegexReplace(Regex.of("^(a+)+$"), "x"), hostile)).containsExactly(hostile);
  }

  @Test
  void filter_keepsWhatThePatternMatchesAsAWhole() {
    assertThat(apply(new Filter(Regex.of("wiki-.*|dev")), "wiki-a", "my-wiki-b", "dev", "devs"))
        .containsExactly("wiki-a", "dev");
  }

  @Test
  void eachStep_keepsWhetherThereCouldHaveBeenSeveral() {
    ClaimValues one = new ClaimValues(List.of("a,b"), true);

    assertThat(new ToLowercase().apply(one, ALICE).isList()).isTrue();
    assertThat(new IfEmpty(ClaimSource.constant("x")).apply(one, ALICE).isList()).isTrue();
    assertThat(
            new Contains("a", ClaimSource.claim("groups"), null)
                .apply(ClaimValues.of("a"), ALICE)
                .isList())
        .isTrue();
    assertThat(
            new Contains("a", ClaimSource.constant("x,y"), null)
                .apply(new ClaimValues(List.of("a"), true), ALICE)
                .isList())
        .isFalse();
  }

  @Test
  void emptyTexts_andBadPlaces_areRefused() {
    ClaimSource yes = ClaimSource.constant("yes");

    assertRefused(() -> new Contains("", yes, null), "Contains: value must not be empty");
    assertRefused(() -> new StartWith("", yes, null), "StartWith: value must not be empty");
    assertRefused(() -> new EndWith("", yes, null), "EndWith: value must not be empty");
    assertRefused(() -> new ExtractAfter(""), "ExtractAfter: value must not be empty");
    assertRefused(() -> new ExtractBefore(""), "ExtractBefore: value must not be empty");
    assertRefused(() -> new ExtractBetween("a", ""), "ExtractBetween: before must not be empty");
    assertRefused(() -> new Substring(-1, null), "startIndex must not be negative: -1");
    assertRefused(() -> new Substring(0, 0), "length must be positive: 0");
  }

  private static void assertRefused(Runnable made, String message) {
    assertThatThrownBy(made::run)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message);
  }

  private static List<String> apply(ClaimsTransformation step, String... values) {
    return step.apply(new ClaimValues(List.of(values), false), ALICE).values();
  }
}
