package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.auth.oidc.TestBrowser.Page;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import io.apprxy.cluster.SharedState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sessions that go on only while the provider lets them. */
class RefreshTokensTest extends OidcTest {
  private final SessionKeys keys = SessionKeys.generate();
  private final SharedState state = SharedState.inMemory();

  @BeforeEach
  void refreshSessions() throws Exception {
    browser = new TestBrowser(node(state));
    browser.signIn(provider, "/");
  }

  private OidcPreAuthentication node(SharedState shared) {
    return OidcPreAuthentication.builder()
        .provider(
            OidcProvider.builder("staff")
                .issuer(provider.issuer())
                .client(
                    OidcClient.builder(TestProvider.CLIENT)
                        .secret(TestProvider.SECRET)
                        .refreshSessions()
                        .build())
                .build())
        .sessions(Sessions.builder().keys(keys).clock(clock).state(shared).build())
        .build();
  }

  private TestBrowser at(OidcPreAuthentication node) {
    TestBrowser tab = new TestBrowser(node);
    tab.cookies.putAll(browser.cookies);
    return tab;
  }

  @Test
  void freshSession_asksNothingOfTheProvider() throws Exception {
    clock.advance(Duration.ofMinutes(3));

    assertThat(browser.open("/").reachedApplication()).isTrue();
    assertThat(provider.refreshes).hasValue(0);
  }

  @Test
  void session_isRefreshed_asOftenAsItsTokensEnd() throws Exception {
    for (int i = 1; i <= 3; i++) {
      clock.advance(Duration.ofMinutes(6));
      assertThat(browser.open("/").reachedApplication()).isTrue();
      assertThat(provider.refreshes).hasValue(i);
    }
  }

  /** In the last minute of the access token, while requests go on. */
  @Test
  void session_isRefreshedBeforeItsTokenEnds_andNobodyWaits() throws Exception {
    CountDownLatch answer = new CountDownLatch(1);
    provider.beforeRefresh = () -> await(answer);
    clock.advance(Duration.ofSeconds(270));

    assertThat(browser.open("/").reachedApplication()).isTrue();
    answer.countDown();
    clock.advance(Duration.ofMinutes(2));
    assertThat(browser.open("/").reachedApplication()).isTrue();
    assertThat(provider.refreshes).hasValue(1);
  }

  @Test
  void sessionThatTheProviderRevoked_ends_everywhere() throws Exception {
    OidcPreAuthentication other = node(state);
    assertThat(at(other).open("/").reachedApplication()).isTrue();
    provider.refreshTokens.clear();
    clock.advance(Duration.ofMinutes(6));

    Page page = browser.open("/page?a=b");

    assertThat(page.response().status()).isEqualTo(302);
    assertThat(page.header("Location")).isEqualTo("https://wiki.example/page?a=b");
    assertThat(browser.open("/page?a=b").header("Location")).startsWith(provider.issuer());
    assertThat(at(other).open("/").reachedApplication()).isFalse();
    assertThat(provider.refreshes).hasValue(1);
  }

  /** OpenID Connect Core §3.1.2.6, as Entra ID says it when a policy of its own demands more. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "invalid_grant",
        "access_denied",
        "login_required",
        "interaction_required",
        "consent_required"
      })
  void sessionThatNeedsTheUserAgain_ends(String error) throws Exception {
    provider.refreshTokens.clear();
    provider.refreshError = error;
    clock.advance(Duration.ofMinutes(6));

    assertThat(browser.open("/").reachedApplication()).isFalse();
    assertThat(browser.open("/").header("Location")).startsWith(provider.issuer());
  }

  /** The gateway's own fault, or the provider's, is none of the user's. */
  @ParameterizedTest
  @ValueSource(strings = {"invalid_client", "invalid_request", "temporarily_unavailable", "x"})
  void refreshThatFailsForAnotherReason_endsNoSession(String error) throws Exception {
    provider.refreshTokens.clear();
    provider.refreshError = error;
    clock.advance(Duration.ofMinutes(6));

    assertThat(browser.open("/").reachedApplication()).isTrue();
    assertThat(provider.refreshes).hasValue(1);
  }

  @Test
  void programOfARevokedSession_isTold() throws Exception {
    provider.refreshTokens.clear();
    clock.advance(Duration.ofMinutes(6));

    assertThat(browser.send("GET", "/api", Map.of()).response().status()).isEqualTo(401);
    assertThat(browser.send("GET", "/api", Map.of()).response().status()).isEqualTo(401);
  }

  @Test
  void providerThatIsDown_endsNoSession_andIsNotAskedAllTheTime() throws Exception {
    provider.beforeRefresh =
        () -> {
          throw new IllegalStateException("down");
        };
    clock.advance(Duration.ofMinutes(6));
    for (int i = 0; i < 5; i++) {
      assertThat(browser.open("/").reachedApplication()).isTrue();
    }
    assertThat(provider.refreshes).hasValue(1);

    provider.beforeRefresh = () -> {};
    clock.advance(Duration.ofSeconds(31));
    assertThat(browser.open("/").reachedApplication()).isTrue();
    assertThat(provider.refreshes).hasValue(2);
    clock.advance(Duration.ofMinutes(3));
    assertThat(browser.open("/").reachedApplication()).isTrue();
    assertThat(provider.refreshes).hasValue(2);
  }

  /** A token that is used twice is refused, and taken for stolen by many a provider. */
  @Test
  void manyTabs_onTwoGateways_refreshOnce() throws Exception {
    OidcPreAuthentication here = node(state);
    OidcPreAuthentication there = node(state);
    clock.advance(Duration.ofMinutes(6));
    List<CompletableFuture<Page>> tabs = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      TestBrowser tab = at(i % 2 == 0 ? here : there);
      tabs.add(CompletableFuture.supplyAsync(() -> open(tab)));
    }

    assertThat(tabs).allSatisfy(tab -> assertThat(tab.join().reachedApplication()).isTrue());
    assertThat(provider.refreshes).hasValue(1);
    clock.advance(Duration.ofSeconds(3));
    assertThat(at(here).open("/").reachedApplication()).isTrue();
    assertThat(at(there).open("/").reachedApplication()).isTrue();
    assertThat(provider.refreshes).hasValue(1);
  }

  @Test
  void sessionWhoseTokenIsLost_ends() throws Exception {
    TestBrowser restarted = at(node(SharedState.inMemory()));

    restarted.open("/");
    assertThat(restarted.open("/").header("Location")).startsWith(provider.issuer());
  }

  @Test
  void tokens_areSealedInTheState() throws Exception {
    Map<String, String> entries = state.entries("refresh/").toCompletableFuture().get();

    assertThat(entries).hasSize(1);
    assertThat(provider.refreshTokens)
        .allSatisfy(token -> assertThat(entries.toString()).doesNotContain(token));
    assertThat(browser.cookies.toString()).doesNotContain(provider.refreshTokens.iterator().next());
  }

  private static Page open(TestBrowser tab) {
    try {
      return tab.open("/");
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
