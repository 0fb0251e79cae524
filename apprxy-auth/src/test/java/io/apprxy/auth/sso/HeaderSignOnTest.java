package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.ClaimSource;
import io.apprxy.ClaimsTransformation.IfEmpty;
import io.apprxy.ClaimsTransformation.IfNotEmpty;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.HeaderMapping;
import io.apprxy.Identity;
import io.apprxy.OriginAnswer;
import io.apprxy.OriginRequest;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HeaderSignOnTest {
  @Test
  void claim_isSetAsTheHeader() {
    assertThat(headers("X-User", "name", "Alice Liddell")).containsEntry("X-User", "Alice Liddell");
  }

  @Test
  void severalValues_areJoinedWithACommaInTheirOrder() {
    assertThat(headers("X-Groups", "groups", List.of("staff", "admins")))
        .containsEntry("X-Groups", "staff,admins");
  }

  @Test
  void subject_canBeAHeader() {
    assertThat(headers("X-Id", "sub", "unused", "sub")).containsEntry("X-Id", "4711");
  }

  @Test
  void missingClaim_leavesNoHeader_notEvenTheClients() {
    assertThat(headers("X-User", "name", "Alice", "nickname")).isEmpty();
  }

  @Test
  void emptyList_leavesNoHeader() {
    assertThat(headers("X-Groups", "groups", List.of())).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "Jürgen, UTF-8''J%C3%BCrgen",
    "Ł, UTF-8''%C5%81",
    "a b%ü, UTF-8''a%20b%25%C3%BC",
    "日本, UTF-8''%E6%97%A5%E6%9C%AC",
  })
  void valueBeyondAscii_isEncodedAsRfc8187Says(String value, String encoded) {
    assertThat(headers("X-User", "name", value)).containsEntry("X-User", encoded);
  }

  /** The origin would decode it, and take one user for another. */
  @ParameterizedTest
  @CsvSource({
    "UTF-8''%61lice, UTF-8''UTF-8%27%27%2561lice",
    "utf-8'en'alice, UTF-8''utf-8%27en%27alice",
  })
  void valueThatLooksEncoded_isEncoded(String value, String encoded) {
    assertThat(headers("X-User", "name", value)).containsEntry("X-User", encoded);
  }

  @Test
  void apostrophe_isLeftAlone() {
    assertThat(headers("X-User", "name", "O'Brien")).containsEntry("X-User", "O'Brien");
  }

  @ParameterizedTest
  @ValueSource(strings = {"a\r\nX-Admin: true", "a\nb", "a\u0000b", "a\tb", "a\u007fb", "a\u0085b"})
  void valueWithAControlCharacter_refusesTheRequest(String value) {
    assertRefused("name", value);
  }

  @Test
  void oneOfSeveralValuesWithAComma_refusesTheRequest() {
    assertRefused("groups", List.of("staff", "guests,admins"));
    assertRefused("groups", List.of("guests,admins"));
  }

  @Test
  void oneValueWithAComma_isOneValue() {
    assertThat(headers("X-User", "name", "Liddell, Alice"))
        .containsEntry("X-User", "Liddell, Alice");
  }

  @Test
  void severalValues_canHaveAHeaderEach() {
    HeaderMapping mapping = HeaderMapping.of("X-Group", "groups").inSeveralHeaders();

    assertThat(headers(mapping, Map.of("groups", List.of("staff", "dév"))))
        .containsEntry("X-Group", List.of("staff", "UTF-8''d%C3%A9v"));
    assertThat(headers(mapping, Map.of("groups", List.of()))).isEmpty();
  }

  /** Whoever stands between may join headers of one name by commas (RFC 9110 §5.3). */
  @Test
  void commaInOneOfSeveralHeaders_refusesTheRequest() {
    assertRefused(
        HeaderMapping.of("X-Group", "groups").inSeveralHeaders(),
        Map.of("groups", List.of("guests,admins")));
  }

  @Test
  void separator_isTheOneThatTheOriginKnows_andMustNotBeInAValue() {
    HeaderMapping mapping = HeaderMapping.of("X-Groups", "groups").joinedBy(";");

    assertThat(headers(mapping, Map.of("groups", List.of("a,b", "c"))))
        .containsEntry("X-Groups", List.of("a,b;c"));
    assertRefused(mapping, Map.of("groups", List.of("guests;admins")));
  }

  /** The list came by a step, not from the claim that the header begins with. */
  @Test
  void commaInAListThatAStepBrought_refusesTheRequest() {
    assertRefused(
        HeaderMapping.of("X-Groups", "name").transform(new IfNotEmpty(ClaimSource.claim("groups"))),
        Map.of("name", "Alice", "groups", List.of("guests,admins")));
  }

  @Test
  void userWithoutAClaimThatMustBeThere_isRefused() {
    assertThatThrownBy(
            () -> headers(HeaderMapping.of("X-User", "upn").require(), Map.of("name", "Alice")))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.CLAIM_MISSING));
  }

  @Test
  void constantOfNothing_isAnEmptyHeader() {
    assertThat(
            headers(
                HeaderMapping.of("X-User", "upn").transform(new IfEmpty(ClaimSource.constant(""))),
                Map.of()))
        .containsEntry("X-User", List.of(""));
  }

  /** Parsers of headers take it off: {@code "alice "} would be taken for {@code "alice"}. */
  @ParameterizedTest
  @CsvSource(
      ignoreLeadingAndTrailingWhitespace = false,
      value = {"alice ,UTF-8''alice%20", " alice,UTF-8''%20alice"})
  void spaceAtAnEnd_isEncoded(String value, String encoded) {
    assertThat(headers("X-User", "name", value)).containsEntry("X-User", encoded);
  }

  /** An origin that splits the list takes it off. */
  @Test
  void spaceAtAnEndOfOneOfSeveral_refusesTheRequest() {
    assertRefused("groups", List.of("users", " wiki-admin"));
    assertRefused("groups", List.of("users "));
  }

  @Test
  void halfACharacter_refusesTheRequest() {
    assertRefused("name", "alice\ud83d");
  }

  private static void assertRefused(String claim, Object value) {
    assertRefused(HeaderMapping.of("X-Header", claim), Map.of(claim, value));
  }

  private static void assertRefused(HeaderMapping mapping, Map<String, Object> claims) {
    assertThatThrownBy(() -> headers(mapping, claims))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.SIGN_ON_FAILED));
  }

  private static Map<String, String> headers(String header, String claim, Object value) {
    return headers(header, claim, value, claim);
  }

  private static Map<String, String> headers(
      String header, String claim, Object value, String mapped) {
    Map<String, String> told = new LinkedHashMap<>();
    headers(HeaderMapping.of(header, mapped), Map.of(claim, value))
        .forEach((name, values) -> told.put(name, String.join(" and ", values)));
    return told;
  }

  /** What the origin gets of a client that sent a header of this name itself. */
  private static Map<String, List<String>> headers(
      HeaderMapping mapping, Map<String, Object> claims) {
    Application application =
        Application.builder("wiki")
            .externalUrl("https://wiki.example/")
            .internalUrl("http://wiki.corp/")
            .assignEveryone()
            .headerSignOn(mapping)
            .build();
    Identity alice = new Identity("https://issuer.test", "4711", "session", Instant.EPOCH, claims);
    Headers request = new Headers();
    request.set(mapping.header(), "forged by the client");
    new HeaderSignOn().signOn(request, alice, application);
    return request.all;
  }

  private static final class Headers implements OriginRequest {
    private final Map<String, List<String>> all = new LinkedHashMap<>();

    @Override
    public void set(String name, List<String> values) {
      all.remove(name);
      if (!values.isEmpty()) {
        all.put(name, values);
      }
    }

    @Override
    public void remove(String name) {
      all.remove(name);
    }

    @Override
    public void onAnswer(Predicate<OriginAnswer> isRefused) {
      throw new AssertionError("headers have nothing to do with answers");
    }
  }
}
