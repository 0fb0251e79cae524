package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.TestExchange;
import io.apprxy.cluster.SharedState;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class SignInAttemptsTest {
  private static final String OFFICE = "192.0.2.1";
  private static final String ELSEWHERE = "198.51.100.1";
  private static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .assignEveryone()
          .build();

  private final TestClock clock = new TestClock();
  private final ConcurrentLinkedQueue<SignInEvent> events = new ConcurrentLinkedQueue<>();
  private SharedState state = SharedState.inMemory();
  private SignInAttempts attempts = attempts();

  private SignInAttempts attempts() {
    return SignInAttempts.builder().state(state).clock(clock).signInLog(events::add).build();
  }

  @Test
  void tenFailures_asOneUserFromOneAddress_lockThemOut_thereOnly() {
    fail(9, OFFICE, "alice");
    assertMayTry(OFFICE, "alice");

    fail(1, OFFICE, "alice");

    assertLockedOut(OFFICE, "alice", Duration.ofSeconds(30));
    assertMayTry(OFFICE, "bob");
    assertMayTry(ELSEWHERE, "alice");
    assertMayTry(OFFICE, null);
  }

  @Test
  void delay_doublesWithEachFurtherFailure_upToAnHour() {
    fail(10, OFFICE, "alice");
    for (long seconds : new long[] {30, 60, 120, 240, 480, 960, 1920, 3600, 3600}) {
      assertLockedOut(OFFICE, "alice", Duration.ofSeconds(seconds));
      clock.advance(Duration.ofSeconds(seconds));
      assertMayTry(OFFICE, "alice");
      fail(1, OFFICE, "alice");
    }
  }

  /** Whoever fails decides whom they name, but not where they are. */
  @Test
  void userForWhomManyFail_isLockedOut_butNotFromAnAddressThatIsKnownGood() {
    attempts.signedIn(from(OFFICE), identity("alice"));
    for (int i = 0; i < 100; i++) {
      fail(1, "203.0.113." + i, "alice");
    }

    assertLockedOut(ELSEWHERE, "alice", Duration.ofSeconds(30));
    assertMayTry(OFFICE, "alice");
    assertMayTry(ELSEWHERE, "bob");
  }

  @Test
  void failuresAtAnAddressThatIsKnownGood_asThatUser_countThere() {
    attempts.signedIn(from(OFFICE), identity("alice"));
    fail(10, OFFICE, "alice");

    assertLockedOut(OFFICE, "alice", Duration.ofSeconds(30));
  }

  /** As behind one router: what somebody else does there is not held against who works there. */
  @Test
  void addressThatFailsTooOften_isLockedOut_butNotThoseForWhomItIsKnownGood() {
    attempts.proven(from(OFFICE), identity("alice"));
    fail(50, OFFICE, null);

    assertLockedOut(OFFICE, "mallory", Duration.ofSeconds(30));
    assertMayTry(OFFICE, "alice");
    assertMayTry(OFFICE, null);

    fail(50, ELSEWHERE, null);
    assertLockedOut(ELSEWHERE, null, Duration.ofSeconds(30));
    assertLockedOut(ELSEWHERE, "alice", Duration.ofSeconds(30));
  }

  @Test
  void addressThatFailsAsManyUsers_isLockedOut_andSuspectedOfSpraying() {
    for (int i = 0; i < 9; i++) {
      fail(2, OFFICE, "user" + i);
    }
    assertMayTry(OFFICE, "carol");
    assertThat(patterns()).isEmpty();

    fail(1, OFFICE, "user9");

    assertLockedOut(OFFICE, "carol", Duration.ofSeconds(30));
    assertThat(patterns()).containsExactly("password-spray of address: 10");
  }

  @Test
  void guessing_isSuspected_atTheLimit_andWithEachDoubling() {
    fail(45, OFFICE, "alice");

    assertThat(patterns())
        .containsExactly(
            "brute-force of user and address: 10",
            "brute-force of user and address: 20",
            "brute-force of user and address: 40");
  }

  @Test
  void guessingAtAnApplication_fromEverywhere_isSuspected_andLocksNobodyOut() {
    for (int i = 0; i < 1_000; i++) {
      fail(1, "203.0." + i / 250 + "." + i % 250, null);
    }

    assertThat(patterns()).containsExactly("brute-force of application: 1000");
    assertMayTry(OFFICE, "alice");
  }

  @Test
  void proofThatWasUsedBefore_isSuspectedAtOnce() {
    attempts.replayed(from(OFFICE), user("alice"));

    assertThat(patterns()).containsExactly("token-replay of address: 1");
  }

  @Test
  void failure_isRecorded_withItsCode() {
    fail(1, OFFICE, "alice");

    assertThat(events).hasSize(1);
    SignInEvent event = events.poll();
    assertThat(event.kind()).isEqualTo(Kind.SIGN_IN_FAILED);
    assertThat(event.code()).isEqualTo("APX-202");
    assertThat(event.issuer()).isEqualTo("https://issuer.test");
    assertThat(event.subject()).isEqualTo("alice");
    assertThat(event.clientAddress()).isEqualTo(OFFICE);
    assertThat(event.application()).isEqualTo("wiki");
  }

  @Test
  void guard_countsWhatIsRefused_atOnceOrLater_andThenLooksAtNoProof() {
    AtomicInteger looked = new AtomicInteger();
    for (int i = 0; i < 10; i++) {
      boolean later = i % 2 == 0;
      Supplier<Verdict> proof =
          () -> {
            looked.incrementAndGet();
            if (later) {
              return Verdict.later(CompletableFuture.failedFuture(refusal()));
            }
            throw refusal();
          };
      assertThatThrownBy(() -> await(attempts.guard(from(OFFICE), user("alice"), proof)))
          .hasMessageContaining("APX-202");
    }

    assertThatThrownBy(
            () ->
                await(
                    attempts.guard(
                        from(OFFICE),
                        user("alice"),
                        () -> {
                          looked.incrementAndGet();
                          return Verdict.proceed();
                        })))
        .hasMessageContaining("APX-305");
    assertThat(looked).hasValue(10);
    assertThat(attempts.guard(from(OFFICE), user("bob"), Verdict::proceed))
        .isEqualTo(Verdict.proceed());
  }

  /** It says nothing about who asks. */
  @Test
  void guard_countsNot_whatNobodyCanTell() {
    for (int i = 0; i < 50; i++) {
      assertThatThrownBy(
          () ->
              await(
                  attempts.guard(
                      from(OFFICE),
                      user("alice"),
                      () -> {
                        throw new GatewayException(ErrorCode.PROVIDER_UNAVAILABLE, "down");
                      })));
    }

    assertThat(events).isEmpty();
    assertMayTry(OFFICE, "alice");
  }

  private static Verdict await(Verdict verdict) throws Exception {
    return verdict instanceof Verdict.Later later
        ? later.outcome().toCompletableFuture().get()
        : verdict;
  }

  @Test
  void signIn_isRecorded_butNotEachRequestWithAProofOfItsOwn() {
    attempts.proven(from(OFFICE), identity("alice"));
    assertThat(events).isEmpty();

    attempts.signedIn(from(OFFICE), identity("alice"));
    assertThat(events).extracting(SignInEvent::kind).containsExactly(Kind.SIGNED_IN);
  }

  @Test
  void addressesOfOneSubscriber_areOne() {
    fail(25, "2001:db8:1:2::1", null);
    fail(25, "2001:db8:1:2:ffff::1", null);
    fail(50, "::ffff:192.0.2.1", null);

    assertLockedOut("2001:db8:1:2::3", null, Duration.ofSeconds(30));
    assertMayTry("2001:db8:1:3::1", null);
    assertLockedOut(OFFICE, null, Duration.ofSeconds(30));
  }

  @Test
  void gateways_countTogether_andTellEachOther() {
    SignInAttempts other = attempts();
    fail(5, OFFICE, "alice");
    for (int i = 0; i < 5; i++) {
      other.failed(from(OFFICE), user("alice"), refusal());
    }

    assertLockedOut(OFFICE, "alice", Duration.ofSeconds(30));
    attempts = attempts(); // one that starts anew
    assertLockedOut(OFFICE, "alice", Duration.ofSeconds(30));
    other.proven(from(ELSEWHERE), identity("alice"));
    for (int i = 0; i < 100; i++) {
      fail(1, "203.0.113." + i, "alice");
    }
    assertMayTry(ELSEWHERE, "alice");
  }

  @Test
  void names_areInNoKey() {
    fail(1, OFFICE, "alice@example.com");

    assertThat(state.entries("").toCompletableFuture().join().keySet())
        .isNotEmpty()
        .allSatisfy(
            key ->
                assertThat(key)
                    .hasSizeLessThan(100)
                    .startsWith("attempts/")
                    .doesNotContain("alice", "192"));
  }

  @Test
  void stateThatCannotBeReached_letsThisGatewayCountAlone_andNobodyIsKnownGood() {
    state = new StateOutOfReach();
    attempts = attempts();
    for (int i = 0; i < 100; i++) {
      fail(1, "203.0.113." + i, "alice");
    }
    fail(10, OFFICE, "bob");

    assertLockedOut(OFFICE, "bob", Duration.ofSeconds(30));
    assertLockedOut(OFFICE, "alice", Duration.ofSeconds(30));
  }

  @Test
  void logThatFails_changesNothing() {
    attempts =
        SignInAttempts.builder()
            .state(state)
            .clock(clock)
            .signInLog(
                event -> {
                  throw new IllegalStateException("full");
                })
            .build();
    fail(10, OFFICE, "alice");

    assertLockedOut(OFFICE, "alice", Duration.ofSeconds(30));
  }

  private void fail(int times, String address, String user) {
    for (int i = 0; i < times; i++) {
      attempts.failed(from(address), user == null ? null : user(user), refusal());
    }
  }

  private void assertMayTry(String address, String user) {
    assertThat(check(from(address), user)).isCompleted();
  }

  private void assertLockedOut(String address, String user, Duration left) {
    TestExchange exchange = from(address);
    assertThat(check(exchange, user))
        .isCompletedExceptionally()
        .failsWithin(Duration.ofSeconds(1))
        .withThrowableOfType(ExecutionException.class)
        .satisfies(
            failed ->
                assertThat(failed.getCause())
                    .isInstanceOfSatisfying(
                        GatewayException.class,
                        refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.LOCKED_OUT)));
    assertThat(exchange.responseHeaders())
        .contains(new Response.Header("Retry-After", Long.toString(left.toSeconds() + 1)));
  }

  private CompletableFuture<Void> check(TestExchange exchange, String user) {
    return attempts.check(exchange, user == null ? null : user(user)).toCompletableFuture();
  }

  private List<String> patterns() {
    return events.stream()
        .filter(event -> event.kind() == Kind.ATTACK_SUSPECTED)
        .map(SignInEvent::details)
        .map(told -> told.get("pattern") + " of " + told.get("counted") + ": " + told.get("times"))
        .toList();
  }

  private static GatewayException refusal() {
    return new GatewayException(ErrorCode.SIGN_IN_FAILED, "no");
  }

  private static String user(String name) {
    return SignInAttempts.user("https://issuer.test", name);
  }

  private static Identity identity(String subject) {
    return new Identity("https://issuer.test", subject, "session", Instant.EPOCH, Map.of());
  }

  private static TestExchange from(String address) {
    return new TestExchange("wiki.example", "GET", "/", Map.of(), Map.of(), WIKI)
        .withClientAddress(address);
  }
}
