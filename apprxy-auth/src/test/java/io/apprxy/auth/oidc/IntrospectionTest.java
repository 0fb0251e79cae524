package io.apprxy.auth.oidc;

import static io.apprxy.ErrorCode.ACCESS_TOKEN_REFUSED;
import static io.apprxy.ErrorCode.PROVIDER_INVALID;
import static io.apprxy.ErrorCode.PROVIDER_UNAVAILABLE;
import static io.apprxy.ErrorCode.SCOPE_MISSING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.auth.TestExchange;
import io.apprxy.auth.oidc.ApiClient.Outcome;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import io.apprxy.auth.session.SessionsOf;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/** Tokens that only the provider can judge: RFC 7662. */
class IntrospectionTest extends OidcTest {
  private static final JsonMapper JSON = new JsonMapper();

  private Sessions sessions;
  private ApiClient client;

  @BeforeEach
  void startClient() {
    sessions = Sessions.builder().keys(SessionKeys.generate()).clock(clock).build();
    gateway =
        OidcPreAuthentication.builder()
            .provider(provider("idp").introspectTokens().build())
            .sessions(sessions)
            .build();
    client = new ApiClient(gateway, AccessTokensTest.API);
    says(claims -> {});
  }

  private OidcProvider.Builder provider(String name) {
    return OidcProvider.builder(name)
        .issuer(provider.issuer())
        .client(OidcClient.builder(TestProvider.CLIENT).secret(TestProvider.SECRET).build());
  }

  private void says(Consumer<Map<String, Object>> bend) {
    long now = clock.instant().getEpochSecond();
    Map<String, Object> claims = new LinkedHashMap<>();
    claims.put("active", true);
    claims.put("sub", "4711");
    claims.put("aud", "api://wiki");
    claims.put("client_id", "mobile app");
    claims.put("scope", "read");
    claims.put("token_type", "Bearer");
    claims.put("exp", now + 600);
    claims.put("iat", now);
    bend.accept(claims);
    String answer = JSON.writeValueAsString(claims);
    provider.introspection = token -> token.startsWith("opaque") ? answer : "{\"active\":false}";
  }

  private static void assertRefused(Outcome outcome) {
    assertThat(outcome.error()).isEqualTo(ACCESS_TOKEN_REFUSED);
    assertThat(outcome.exchange().identity()).isNull();
  }

  @Test
  void activeToken_authenticates_andTheProviderIsAskedOnceAMinute() {
    assertThat(client.bearer("opaque-1").identity().subject()).isEqualTo("4711");
    assertThat(client.bearer("opaque-1").identity().subject()).isEqualTo("4711");
    assertThat(provider.introspections).hasValue(1);

    clock.advance(Duration.ofSeconds(60));
    assertThat(client.bearer("opaque-1").identity()).isNotNull();
    assertThat(provider.introspections).hasValue(2);
    assertThat(client.bearer("opaque-2").identity()).isNotNull();
    assertThat(provider.introspections).hasValue(3);
  }

  @Test
  void tokenThatIsNotActive_isRefused_andNotAskedForEachTime() {
    assertRefused(client.bearer("unknown"));
    assertRefused(client.bearer("unknown"));
    assertThat(provider.introspections).hasValue(1);

    clock.advance(Duration.ofSeconds(30));
    assertRefused(client.bearer("unknown"));
    assertThat(provider.introspections).hasValue(2);
  }

  @Test
  void revokedToken_isRefused_withinAMinute() {
    assertThat(client.bearer("opaque").identity()).isNotNull();
    provider.introspection = token -> "{\"active\":false}";
    clock.advance(Duration.ofSeconds(60));

    assertRefused(client.bearer("opaque"));
  }

  @Test
  void answer_isNotKept_beyondTheLifeOfTheToken() {
    long now = clock.instant().getEpochSecond();
    says(claims -> claims.put("exp", now + 10));
    assertThat(client.bearer("opaque").identity()).isNotNull();
    clock.advance(Duration.ofSeconds(70)); // the skew included

    assertRefused(client.bearer("opaque"));
  }

  @Test
  void openRequest_ends_whenItsTokenIsRevoked() throws Exception {
    TestExchange open = client.bearer("opaque").exchange();
    assertThat(open.identityStands()).isTrue();
    CountDownLatch asked = new CountDownLatch(1);
    provider.introspection =
        token -> {
          asked.countDown();
          return "{\"active\":false}";
        };
    assertThat(open.identityStands()).isTrue();
    clock.advance(Duration.ofSeconds(60));
    open.identityStands(); // asks, and waits for nobody
    assertThat(asked.await(30, TimeUnit.SECONDS)).isTrue();
    assertThat(client.bearer("opaque").error()).isEqualTo(ACCESS_TOKEN_REFUSED);

    assertThat(open.identityStands()).isFalse();
  }

  @Test
  void openRequest_goesOnForAWhile_whileTheProviderDoesNotAnswer() {
    TestExchange open = client.bearer("opaque").exchange();
    provider.introspection = token -> null;
    clock.advance(Duration.ofSeconds(299));
    assertThat(client.bearer("opaque").error()).isEqualTo(PROVIDER_UNAVAILABLE);
    assertThat(open.identityStands()).isTrue();
    clock.advance(Duration.ofSeconds(1));

    assertThat(open.identityStands()).isFalse();
  }

  @Test
  void whatEndsSessions_endsTokensFromBefore_too() throws Exception {
    TestExchange open = client.bearer("opaque").exchange();
    clock.advance(Duration.ofSeconds(1));
    sessions
        .end(SessionsOf.user(provider.issuer(), "4711"), "disabled")
        .toCompletableFuture()
        .get(30, TimeUnit.SECONDS);

    assertThat(open.identityStands()).isFalse();
    assertRefused(client.bearer("opaque"));
    clock.advance(Duration.ofSeconds(1));
    says(claims -> {});
    assertThat(client.bearer("opaque-new").identity()).isNotNull();
  }

  @Test
  void manyRequestsWithOneToken_askOnce() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    var answer = provider.introspection;
    provider.introspection =
        token -> {
          try {
            go.await(30, TimeUnit.SECONDS);
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          return answer.apply(token);
        };
    ExecutorService tabs = Executors.newFixedThreadPool(16);
    try {
      List<Future<Outcome>> outcomes =
          java.util.stream.IntStream.range(0, 16)
              .mapToObj(tab -> tabs.submit(() -> client.bearer("opaque")))
              .toList();
      go.countDown();
      for (Future<Outcome> outcome : outcomes) {
        assertThat(outcome.get(60, TimeUnit.SECONDS).identity()).isNotNull();
      }
    } finally {
      tabs.shutdownNow();
    }
    assertThat(provider.introspections).hasValue(1);
  }

  @Test
  void answerThatDoesNotFit_isRefused() {
    for (Consumer<Map<String, Object>> bend :
        List.<Consumer<Map<String, Object>>>of(
            claims -> claims.put("aud", "api://other"),
            claims -> claims.remove("aud"),
            claims -> claims.put("iss", "https://evil.test"),
            claims -> claims.remove("exp"),
            claims -> claims.put("exp", 1),
            claims -> claims.put("nbf", clock.instant().getEpochSecond() + 61),
            claims -> claims.remove("token_type"),
            claims -> claims.put("token_type", "refresh_token"),
            claims -> claims.put("typ", "Refresh"),
            claims -> claims.put("typ", "ID"),
            claims -> claims.put("cnf", Map.of("jkt", "x")),
            claims -> claims.put("sub", ""))) {
      says(bend);
      assertRefused(client.bearer("opaque-" + Math.random()));
    }
    says(claims -> claims.put("scope", "write"));
    assertThat(client.bearer("opaque-scope").error()).isEqualTo(SCOPE_MISSING);
  }

  @Test
  void answerThatIsNone_isAnErrorOfTheProvider_notAnIdentity() {
    for (String answer :
        List.of(
            "",
            "null",
            "[]",
            "{}",
            "{",
            "{\"active\":\"true\"}",
            "{\"active\":1}",
            "{\"active\":false,\"active\":true}")) {
      provider.introspection = token -> answer;
      Outcome outcome = client.bearer("opaque-" + answer.hashCode());
      assertThat(outcome.error()).as(answer).isEqualTo(PROVIDER_INVALID);
      assertThat(outcome.exchange().identity()).isNull();
    }
    provider.introspection = token -> null;
    assertThat(client.bearer("opaque-500").error()).isEqualTo(PROVIDER_UNAVAILABLE);
  }

  @Test
  void signedToken_isNotAskedFor() {
    assertRefused(client.bearer("eyJhbGciOiJSUzI1NiJ9.e30.AAAA"));
    assertThat(provider.introspections).hasValue(0);
  }

  @Test
  void opaqueToken_isRefused_unlessTheProviderMayBeAsked() {
    ApiClient other = new ApiClient(gateway().build(), AccessTokensTest.API);
    assertRefused(other.bearer("opaque"));
    assertThat(provider.introspections).hasValue(0);
  }

  /** A token of one would be told to the other. */
  @Test
  void severalProvidersToAsk_areRefused_unlessTheApplicationNamesOne() {
    OidcPreAuthentication two =
        OidcPreAuthentication.builder()
            .provider(provider("idp").introspectTokens().build())
            .provider(
                OidcProvider.builder("other")
                    .issuer("https://other.test")
                    .client(OidcClient.builder("x").secret("y").build())
                    .introspectTokens()
                    .build())
            .build();
    assertThatThrownBy(() -> two.check(AccessTokensTest.API))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("introspectTokens()");
  }

  @Test
  void guessing_isLockedOut() {
    Outcome outcome = null;
    for (int i = 0; i < 200; i++) {
      outcome = client.bearer("guess-" + i);
      if (outcome.error() == io.apprxy.ErrorCode.LOCKED_OUT) {
        break;
      }
    }
    assertThat(outcome.error()).isEqualTo(io.apprxy.ErrorCode.LOCKED_OUT);
    assertThat(provider.introspections.get()).isLessThan(150);
  }
}
