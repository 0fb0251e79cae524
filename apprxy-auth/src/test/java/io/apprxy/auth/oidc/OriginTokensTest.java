package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.ErrorCode;
import io.apprxy.OriginToken;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import io.apprxy.auth.session.SessionsOf;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The access tokens that origins get of users. */
class OriginTokensTest extends OidcTest {
  private static final OriginToken BACKEND = OriginToken.exchangedFor("backend");

  private Sessions sessions;

  @BeforeEach
  void signIn() throws Exception {
    sessions = Sessions.builder().keys(SessionKeys.generate()).clock(clock).build();
    gateway = gateway(client().refreshSessions().build());
    browser = new TestBrowser(gateway);
    provider.accessToken = provider.sign("{\"sub\":\"4711\"}"); // on-behalf-of takes no other
    browser.signIn(provider, "/");
  }

  private static OidcClient.Builder client() {
    return OidcClient.builder(TestProvider.CLIENT).secret(TestProvider.SECRET);
  }

  private OidcPreAuthentication gateway(OidcClient client) {
    return OidcPreAuthentication.builder()
        .provider(OidcProvider.builder("staff").issuer(provider.issuer()).client(client).build())
        .sessions(sessions)
        .build();
  }

  private static Application.Builder wiki(OriginToken token) {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example/")
        .internalUrl("http://wiki.corp/")
        .assignEveryone()
        .tokenSignOn(token);
  }

  // ---- the user's own

  @Test
  void usersOwnToken_isTheOneOfTheSignIn() throws Exception {
    assertThat(token(OriginToken.usersOwn())).isEqualTo(provider.accessToken);
    assertThat(provider.exchanges).hasValue(0);
  }

  @Test
  void usersOwnToken_isTheNewest_onceItWasRefreshed() throws Exception {
    assertThat(token(OriginToken.usersOwn())).isEqualTo(provider.accessToken);
    clock.advance(Duration.ofMinutes(6));

    assertThat(token(OriginToken.usersOwn())).isEqualTo("newer");
  }

  @Test
  void tokenThatHasEnded_andCannotBeRefreshed_takesANewSignIn() throws Exception {
    provider.givesRefreshTokens = false;
    browser.cookies.clear();
    browser.signIn(provider, "/");
    clock.advance(Duration.ofMinutes(6));

    TestExchange page = exchange(wiki(OriginToken.usersOwn()).build(), TestBrowser.NAVIGATION);
    Verdict verdict = ask(page);
    Verdict program = ask(exchange(wiki(OriginToken.usersOwn()).build(), Map.of()));

    assertThat(verdict)
        .isInstanceOfSatisfying(
            Verdict.Answer.class, answer -> assertThat(answer.response().status()).isEqualTo(302));
    assertThat(program)
        .isInstanceOfSatisfying(
            Verdict.Answer.class, answer -> assertThat(answer.response().status()).isEqualTo(401));
    assertThat(page.tokenForOrigin()).isNull();
  }

  // ---- token exchange

  @Test
  void exchange_asksAsRfc8693Says() throws Exception {
    assertThat(
            token(
                new OriginToken(
                    OriginToken.Grant.TOKEN_EXCHANGE,
                    "backend",
                    URI.create("https://backend.corp/api"),
                    List.of("read", "write"))))
        .isEqualTo("exchanged-1");
    assertThat(provider.lastForm)
        .containsEntry("grant_type", List.of("urn:ietf:params:oauth:grant-type:token-exchange"))
        .containsEntry("subject_token", List.of(provider.accessToken))
        .containsEntry(
            "subject_token_type", List.of("urn:ietf:params:oauth:token-type:access_token"))
        .containsEntry("audience", List.of("backend"))
        .containsEntry("resource", List.of("https://backend.corp/api"))
        .containsEntry("scope", List.of("read write"));
    assertThat(provider.lastAuthorization).startsWith("Basic ");
  }

  /** Microsoft identity platform, OAuth 2.0 On-Behalf-Of flow. */
  @Test
  void onBehalfOf_asksAsEntraSays() throws Exception {
    assertThat(token(OriginToken.onBehalfOf("api://backend/.default"))).isEqualTo("exchanged-1");
    assertThat(provider.lastForm)
        .containsEntry("grant_type", List.of("urn:ietf:params:oauth:grant-type:jwt-bearer"))
        .containsEntry("assertion", List.of(provider.accessToken))
        .containsEntry("requested_token_use", List.of("on_behalf_of"))
        .containsEntry("scope", List.of("api://backend/.default"));
  }

  @Test
  void onBehalfOf_needsATokenThatIsAJwt() throws Exception {
    provider.accessToken = "opaque";
    browser.cookies.clear();
    browser.signIn(provider, "/");

    assertRefused(
        () -> token(OriginToken.onBehalfOf("api://backend/.default")),
        ErrorCode.ORIGIN_TOKEN_REFUSED);
  }

  @Test
  void exchangedToken_isKept_untilShortlyBeforeItEnds() throws Exception {
    assertThat(token(BACKEND)).isEqualTo("exchanged-1");
    clock.advance(Duration.ofMinutes(8));
    assertThat(token(BACKEND)).isEqualTo("exchanged-1");
    clock.advance(Duration.ofSeconds(70));
    assertThat(token(BACKEND)).isEqualTo("exchanged-2");
  }

  @Test
  void tokenUnderWay_isKept_whenSessionsOfOthersEnd() throws Exception {
    CountDownLatch answer = new CountDownLatch(1);
    provider.beforeExchange = () -> await(answer);
    CountDownLatch told = new CountDownLatch(1);
    sessions.whenEnded(ended -> told.countDown()); // the last of those who are
    TestExchange exchange = exchange(wiki(BACKEND).build(), Map.of());
    ApiClient.settle(gateway.authenticate(exchange));
    Verdict.Later later = (Verdict.Later) gateway.tokenForOrigin(exchange);
    sessions.end(SessionsOf.session("of somebody else"), "test");
    assertThat(told.await(30, TimeUnit.SECONDS)).isTrue();

    answer.countDown();

    later.outcome().toCompletableFuture().get(30, TimeUnit.SECONDS);
    assertThat(token(BACKEND)).isEqualTo("exchanged-1");
  }

  @Test
  void manyRequestsAtOnce_exchangeOnce() throws Exception {
    CountDownLatch answer = new CountDownLatch(1);
    provider.beforeExchange = () -> await(answer);
    List<CompletableFuture<String>> tokens = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      TestExchange exchange = exchange(wiki(BACKEND).build(), Map.of());
      ApiClient.settle(gateway.authenticate(exchange));
      tokens.add(
          ((Verdict.Later) gateway.tokenForOrigin(exchange))
              .outcome()
              .thenApply(proceed -> exchange.tokenForOrigin())
              .toCompletableFuture());
    }
    answer.countDown();

    assertThat(tokens).allSatisfy(token -> assertThat(token.get()).isEqualTo("exchanged-1"));
    assertThat(provider.exchanges).hasValue(1);
  }

  @Test
  void eachApplication_andEachSession_getsATokenOfItsOwn() throws Exception {
    assertThat(token(BACKEND)).isEqualTo("exchanged-1");
    assertThat(token(OriginToken.exchangedFor("other"))).isEqualTo("exchanged-2");
    browser.cookies.clear();
    browser.signIn(provider, "/");
    assertThat(token(BACKEND)).isEqualTo("exchanged-3");
  }

  @Test
  void tokensOfASession_areForgottenWithIt() throws Exception {
    TestExchange exchange = exchange(wiki(BACKEND).build(), Map.of());
    CountDownLatch told = new CountDownLatch(1);
    sessions.whenEnded(ended -> told.countDown()); // the last of those who are
    ask(exchange);
    sessions.end(SessionsOf.session(exchange.identity().sessionId()), "test");
    assertThat(told.await(30, TimeUnit.SECONDS)).isTrue();

    // As if the request had got past the session's end.
    ApiClient.settle(gateway.tokenForOrigin(exchange));
    assertThat(provider.exchanges).hasValue(2);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"invalid_target", "access_denied", "invalid_grant", "unauthorized_client"})
  void exchangeThatTheProviderRefuses_refusesTheRequest_andIsNotAskedAtOnceAgain(String error)
      throws Exception {
    provider.exchangeError = error;
    assertRefused(() -> token(BACKEND), ErrorCode.ORIGIN_TOKEN_REFUSED);
    assertRefused(() -> token(BACKEND), ErrorCode.ORIGIN_TOKEN_REFUSED);
    assertThat(provider.exchanges).hasValue(1);

    provider.exchangeError = null;
    clock.advance(Duration.ofSeconds(6));
    assertThat(token(BACKEND)).isEqualTo("exchanged-2");
  }

  @Test
  void providerThatIsDown_refusesTheRequest() {
    provider.beforeExchange =
        () -> {
          throw new IllegalStateException("down");
        };

    assertThatThrownBy(() -> token(BACKEND))
        .isInstanceOfSatisfying(
            io.apprxy.GatewayException.class,
            refusal ->
                assertThat(refusal.code())
                    .isIn(ErrorCode.PROVIDER_INVALID, ErrorCode.PROVIDER_UNAVAILABLE));
  }

  @ParameterizedTest
  @ValueSource(strings = {"DPoP", "N_A"})
  void tokenThatTheOriginCouldNotUse_isRefused(String type) {
    provider.exchanged = map -> map.put("token_type", type);

    assertRefused(() -> token(BACKEND), ErrorCode.ORIGIN_TOKEN_REFUSED);
  }

  @Test
  void tokenThatTheOriginRefused_isExchangedAnew_butNotEachTime() throws Exception {
    TestExchange exchange = exchange(wiki(BACKEND).build(), Map.of());
    ask(exchange);
    gateway.tokenWasRefused(exchange);
    assertThat(token(BACKEND)).isEqualTo("exchanged-2");
    gateway.tokenWasRefused(exchange);
    assertThat(token(BACKEND)).isEqualTo("exchanged-2");
  }

  // ---- API clients

  @Test
  void tokenOfAnApiClient_isWhatIsExchanged() throws Exception {
    String own =
        provider.sign(
            "{\"iss\":\"%s\",\"sub\":\"4711\",\"aud\":\"api://wiki\",\"client_id\":\"mobile\",\"scope\":\"read\",\"iat\":%d,\"exp\":%d}"
                .formatted(
                    provider.issuer(),
                    clock.instant().getEpochSecond(),
                    clock.instant().getEpochSecond() + 300));
    Application application =
        wiki(BACKEND).bearerTokens(BearerTokens.forAudiences("api://wiki").build()).build();
    TestExchange exchange = exchange(application, Map.of("Authorization", "Bearer " + own));

    ask(exchange);

    assertThat(exchange.tokenForOrigin()).isEqualTo("exchanged-1");
    assertThat(provider.lastForm).containsEntry("subject_token", List.of(own));
  }

  // ---- settings

  @Test
  void clientThatForgetsTokens_isRefusedWhenTheGatewayIsBuilt() {
    assertThatThrownBy(() -> gateway(client().build()).check(wiki(BACKEND).build()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("set refreshSessions() on it");
  }

  private TestExchange exchange(Application application, Map<String, String> headers) {
    return new TestExchange("wiki.example", "GET", "/", headers, browser.cookies, application);
  }

  private String token(OriginToken wanted) throws Exception {
    TestExchange exchange = exchange(wiki(wanted).build(), Map.of());
    assertThat(ask(exchange)).isInstanceOf(Verdict.Proceed.class);
    return exchange.tokenForOrigin();
  }

  private Verdict ask(TestExchange exchange) {
    assertThat(ApiClient.settle(gateway.authenticate(exchange)))
        .isInstanceOf(Verdict.Proceed.class);
    return ApiClient.settle(gateway.tokenForOrigin(exchange));
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
