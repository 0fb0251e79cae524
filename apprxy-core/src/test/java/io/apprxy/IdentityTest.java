package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class IdentityTest {
  private static Identity identity(Map<String, Object> claims) {
    return new Identity("https://issuer.test", "sub-1", "session-1", Instant.EPOCH, claims);
  }

  @Test
  void name_isTheOneThatAPersonKnows() {
    assertThat(identity(Map.of("preferred_username", "alice", "email", "a@b.test")).name())
        .isEqualTo("alice");
    assertThat(identity(Map.of("email", "a@b.test")).name()).isEqualTo("a@b.test");
    assertThat(identity(Map.of()).name()).isEqualTo("sub-1");
  }

  @Test
  void groups_areAListWhateverTheIssuerSends() {
    assertThat(identity(Map.of("groups", List.of("a", "b"))).groups()).containsExactly("a", "b");
    assertThat(identity(Map.of("groups", "a")).groups()).containsExactly("a");
    assertThat(identity(Map.of("groups", List.of(1, true))).groups()).containsExactly("1", "true");
    assertThat(identity(Map.of()).groups()).isEmpty();
  }

  @Test
  void issuerAndSubject_cannotBeOverriddenByClaims() {
    Identity identity = identity(Map.of("sub", "admin", "iss", "https://evil.test"));

    assertThat(identity.claim("sub")).isEqualTo("sub-1");
    assertThat(identity.claim("iss")).isEqualTo("https://issuer.test");
    assertThat(identity.values("sub")).containsExactly("sub-1");
  }

  @Test
  void claims_areACopy() {
    Map<String, Object> claims = new HashMap<>(Map.of("groups", "a"));
    Identity identity = identity(claims);
    claims.put("groups", "admin");

    assertThat(identity.groups()).containsExactly("a");
    assertThatThrownBy(() -> identity.claims().put("x", "y"))
        .isInstanceOf(UnsupportedOperationException.class);
  }

  @Test
  void text_tellsNoValueOfAClaim() {
    assertThat(identity(Map.of("ssn", "078-05-1120")).toString())
        .contains("sub-1", "ssn")
        .doesNotContain("078", "session-1");
  }

  @Test
  @SuppressWarnings("NullAway")
  void missingParts_areRefused() {
    assertThatThrownBy(() -> new Identity(null, "s", "x", Instant.EPOCH, Map.of()))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("issuer");
    assertThatThrownBy(() -> new Identity("i", null, "x", Instant.EPOCH, Map.of()))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("subject");
    assertThatThrownBy(() -> new Identity("i", "s", null, Instant.EPOCH, Map.of()))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("sessionId");
    assertThatThrownBy(() -> new Identity("i", "s", "x", null, Map.of()))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("authenticatedAt");
  }
}
