package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ClaimsTransformation.ExtractAfter;
import io.apprxy.ClaimsTransformation.ExtractMailPrefix;
import io.apprxy.ClaimsTransformation.IfEmpty;
import io.apprxy.ClaimsTransformation.Join;
import io.apprxy.ClaimsTransformation.ToLowercase;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HeaderMappingTest {
  @Test
  void claim_isToldAsItIs() {
    assertThat(HeaderMapping.of("X-User", "name").values(alice(Map.of("name", "Alice"))).values())
        .containsExactly("Alice");
    assertThat(HeaderMapping.of("X-Id", "sub").values(alice(Map.of())).values())
        .containsExactly("4711");
    assertThat(HeaderMapping.of("X-Flag", "flag").values(alice(Map.of("flag", true))).values())
        .containsExactly("true");
  }

  @Test
  void constant_isTheSameForEverybody() {
    assertThat(HeaderMapping.constant("X-Realm", "corp").values(alice(Map.of())).values())
        .containsExactly("corp");
  }

  @Test
  void steps_areDoneOneAfterTheOther_asManyAsThereAre() {
    HeaderMapping mapping =
        HeaderMapping.of("X-User", "email")
            .transform(new ExtractAfter("smtp:"), new ExtractMailPrefix())
            .transform(new ToLowercase(), new Join("@", ClaimSource.constant("corp.test")));

    assertThat(mapping.values(alice(Map.of("email", "smtp:Alice@Example.com"))).values())
        .containsExactly("alice@corp.test");
  }

  @Test
  void missingClaim_isNothing_orRefused() {
    HeaderMapping mapping = HeaderMapping.of("X-User", "name");

    assertThat(mapping.values(alice(Map.of())).values()).isEmpty();
    assertThatThrownBy(() -> mapping.require().values(alice(Map.of())))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.CLAIM_MISSING))
        .hasMessageContaining("X-User");
  }

  /** An origin would take it for nobody, or for everybody. */
  @Test
  void emptyClaim_isRefusedWhereItMustBeThere() {
    HeaderMapping mapping = HeaderMapping.of("X-User", "name");

    assertThat(mapping.values(alice(Map.of("name", ""))).values()).containsExactly("");
    assertThatThrownBy(() -> mapping.require().values(alice(Map.of("name", ""))))
        .isInstanceOf(GatewayException.class);
  }

  @Test
  void missingClaim_canHaveAnotherInItsPlace() {
    assertThat(
            HeaderMapping.of("X-User", "upn")
                .transform(new IfEmpty(ClaimSource.claim("email")))
                .require()
                .values(alice(Map.of("email", "a@b.test")))
                .values())
        .containsExactly("a@b.test");
  }

  @Test
  void nullAmongValues_isNone() {
    ClaimValues values =
        HeaderMapping.of("X-Groups", "groups")
            .values(alice(Map.of("groups", Arrays.asList("a", null, "b"))));

    assertThat(values.values()).containsExactly("a", "b");
    assertThat(values.isList()).isTrue();
  }

  @Test
  void object_hasNoFormThatAnOriginCouldKnow() {
    assertThatThrownBy(
            () ->
                HeaderMapping.of("X-Address", "address")
                    .values(alice(Map.of("address", Map.of("locality", "Oxford")))))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.SIGN_ON_FAILED))
        .hasMessageContaining("address");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Host", "Content_Length", "transfer-encoding", "Cookie", "Authorization", "X-Forwarded-For",
        "Forwarded", "x_forwarded_host", "Connection", "X-Apprxy-User", "apprxy-x", "X-Request-Id"
      })
  void headerThatSaysSomethingElse_isRefused(String name) {
    assertThatThrownBy(() -> HeaderMapping.of(name, "name"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(name);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "X User", "X-User:", "X\r\nY", "Jürgen"})
  void headerThatIsNoToken_isRefused(String name) {
    assertThatThrownBy(() -> HeaderMapping.of(name, "name"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("must be a token");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\n", "\t", "·"})
  void separatorThatCannotBeInAHeader_isRefused(String separator) {
    assertThatThrownBy(() -> HeaderMapping.of("X-Groups", "groups").joinedBy(separator))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("separator of header X-Groups");
  }

  @Test
  void source_isAClaimOrAConstant() {
    assertThatThrownBy(() -> new ClaimSource(null, null))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new ClaimSource("a", "b"))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> ClaimSource.claim(" ")).isInstanceOf(IllegalArgumentException.class);
  }

  private static Identity alice(Map<String, Object> claims) {
    return new Identity("https://issuer.test", "4711", "session", Instant.EPOCH, claims);
  }
}
