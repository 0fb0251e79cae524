package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
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

  private static void assertRefused(String claim, Object value) {
    assertThatThrownBy(() -> headers("X-Header", claim, value))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.SIGN_ON_FAILED));
  }

  private static Map<String, String> headers(String header, String claim, Object value) {
    return headers(header, claim, value, claim);
  }

  /** What the origin gets of a client that sent a header of this name itself. */
  private static Map<String, String> headers(
      String header, String claim, Object value, String mapped) {
    Application application =
        Application.builder("wiki")
            .externalUrl("https://wiki.example/")
            .internalUrl("http://wiki.corp/")
            .assignEveryone()
            .headerSignOn(Map.of(header, mapped))
            .build();
    Identity alice =
        new Identity("https://issuer.test", "4711", "session", Instant.EPOCH, Map.of(claim, value));
    Headers request = new Headers();
    request.set(header, "forged by the client");
    new HeaderSignOn().signOn(request, alice, application);
    return request.all;
  }

  private static final class Headers implements OriginRequest {
    private final Map<String, String> all = new LinkedHashMap<>();

    @Override
    public void set(String name, String value) {
      all.put(name, value);
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
