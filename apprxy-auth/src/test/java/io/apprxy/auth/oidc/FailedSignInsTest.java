package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.auth.policy.SignInAttempts;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.Kind;
import java.net.URI;
import java.time.Duration;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;

/** Sign-ins that fail are recorded and counted, and whoever goes on is locked out. */
class FailedSignInsTest extends OidcTest {
  private final ConcurrentLinkedQueue<SignInEvent> events = new ConcurrentLinkedQueue<>();

  @Override
  OidcPreAuthentication.Builder gateway() {
    return super.gateway()
        .attempts(SignInAttempts.builder().clock(clock).signInLog(events::add).build());
  }

  @Test
  void signIn_isRecorded() throws Exception {
    browser.signIn(provider, "/");

    assertThat(events).hasSize(1);
    SignInEvent event = events.poll();
    assertThat(event.kind()).isEqualTo(Kind.SIGNED_IN);
    assertThat(event.subject()).isEqualTo("4711");
    assertThat(event.issuer()).isEqualTo(provider.issuer());
    assertThat(event.application()).isEqualTo("wiki");
  }

  @Test
  void answerThatComesTwice_isSuspected() throws Exception {
    URI callback = callbackFor("/");
    browser.open(callback);
    browser.cookies.remove(SESSION);

    assertRefused(() -> browser.open(callback), ErrorCode.SIGN_IN_FAILED);

    assertThat(events)
        .extracting(SignInEvent::kind)
        .containsExactly(Kind.SIGNED_IN, Kind.ATTACK_SUSPECTED, Kind.SIGN_IN_FAILED);
    assertThat(events)
        .anySatisfy(event -> assertThat(event.details()).containsEntry("pattern", "token-replay"));
  }

  @Test
  void addressThatSendsForgedAnswers_isLockedOut_untilItHasWaited() throws Exception {
    URI genuine = callbackFor("/");
    for (int i = 0; i < 50; i++) {
      assertThatThrownBy(() -> browser.open("/.apprxy/callback?code=x&state=forged"));
    }

    assertRefused(() -> browser.open(genuine), ErrorCode.LOCKED_OUT);
    assertThat(events)
        .filteredOn(event -> event.kind() == Kind.ATTACK_SUSPECTED)
        .extracting(SignInEvent::details)
        .extracting(details -> details.get("pattern") + " of " + details.get("counted"))
        .containsExactly("brute-force of address");

    clock.advance(Duration.ofSeconds(30));
    assertThat(browser.open(genuine).response().status()).isEqualTo(302);
  }

  @Test
  void addressThatIsKnownGood_isNotLockedOut_byOthersThere() throws Exception {
    browser.signIn(provider, "/");
    for (int i = 0; i < 60; i++) {
      assertThatThrownBy(() -> browser.open("/.apprxy/callback?code=x&state=forged"));
    }
    browser.cookies.clear();

    assertThat(browser.signIn(provider, "/").response().status()).isEqualTo(302);
  }
}
