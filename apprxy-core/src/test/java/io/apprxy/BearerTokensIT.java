package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What of an access token reaches the origin. Who it is of is decided by the session here. */
@Timeout(60)
class BearerTokensIT {
  private static final BearerTokens TOKENS = BearerTokens.forAudiences("api://app").build();

  private ProtectedGateway gateway;

  @AfterEach
  void stop() {
    gateway.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"Bearer secret", "bearer secret", "DPoP secret", "Bearer\tsecret", "Bearer"})
  void token_doesNotReachTheOrigin(String credentials) throws Exception {
    gateway = new ProtectedGateway(application -> application.bearerTokens(TOKENS));

    assertThat(
            gateway.send(
                "GET",
                "/api",
                ProtectedGateway.SIGNED_IN
                    + "Authorization: "
                    + credentials
                    + "\nDPoP: proof\nAuthorization: Bearer other\n"))
        .startsWith("HTTP/1.1 200")
        .contains("x-user: alice")
        .doesNotContain("secret", "other", "dpop", "authorization");
  }

  @Test
  void otherCredentials_reachTheOrigin() throws Exception {
    gateway = new ProtectedGateway(application -> application.bearerTokens(TOKENS));

    assertThat(
            gateway.send("GET", "/api", ProtectedGateway.SIGNED_IN + "Authorization: Basic YTpi\n"))
        .contains("authorization: Basic YTpi");
  }

  @Test
  void token_reachesTheOrigin_ifTheApplicationSaysSo_orTakesNoneItself() throws Exception {
    gateway =
        new ProtectedGateway(
            application ->
                application.bearerTokens(BearerTokens.forAudiences("api://app").forward().build()));
    String headers = ProtectedGateway.SIGNED_IN + "Authorization: Bearer own\n";
    assertThat(gateway.send("GET", "/api", headers)).contains("authorization: Bearer own");
    gateway.close();
    gateway = new ProtectedGateway(application -> application);
    assertThat(gateway.send("GET", "/api", headers)).contains("authorization: Bearer own");
  }

  @Test
  void metadataThatNoStageAnswers_isNoPageOfTheOrigin() throws Exception {
    gateway = new ProtectedGateway(application -> application.bearerTokens(TOKENS));

    assertThat(
            gateway.send(
                "GET", "/.well-known/oauth-protected-resource", ProtectedGateway.SIGNED_IN))
        .startsWith("HTTP/1.1 404");
    assertThat(gateway.originRequests).hasValue(0);
  }
}
