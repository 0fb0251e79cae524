package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.TestExchange;
import io.apprxy.cluster.SharedState;
import io.apprxy.observe.SignInEvent;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What ends a session, who learns of it, and what is remembered. */
class SessionEndingsTest {
  private static final String HOST = "wiki.example";
  private static final String ISSUER = "https://issuer.test";

  private final TestClock clock = new TestClock();
  private final SessionKeys keys = SessionKeys.generate();
  private final FaultyState state = new FaultyState();
  private final List<SignInEvent> events = new ArrayList<>();
  private final Sessions sessions = node(state);
  private final Sessions other = node(state);

  private Sessions node(SharedState shared) {
    return Sessions.builder()
        .keys(keys)
        .clock(clock)
        .state(shared)
        .signInLog(events::add)
        .absoluteLifetime(Duration.ofHours(12))
        .idleLifetime(Duration.ofHours(1))
        .build();
  }

  // ---- whose

  @Test
  void sessionOfAnId_ends_onAllNodes_theUsersOthersDoNot() {
    User phone = signIn("alice", Map.of());
    User laptop = signIn("alice", Map.of());

    end(SessionsOf.session(phone.identity.sessionId()));

    assertThat(isIn(sessions, phone)).isFalse();
    assertThat(isIn(other, phone)).isFalse();
    assertThat(isIn(other, laptop)).isTrue();
  }

  /** The id is that of one session, which began somewhere by another clock than ours. */
  @Test
  void sessionOfAnId_ends_alsoWhereItBeganOnAGatewayWhoseClockIsAhead() {
    TestClock ahead = new TestClock();
    ahead.advance(Duration.ofSeconds(30));
    Sessions fast = Sessions.builder().keys(keys).clock(ahead).state(state).build();
    User phone = signIn(fast, ISSUER, "alice", Map.of(), clock.instant());
    User laptop = signIn(fast, ISSUER, "bob", Map.of(), clock.instant());

    end(SessionsOf.session(phone.identity.sessionId()));
    await(sessions.end(exchange(laptop.jar)));

    assertThat(isIn(fast, phone)).isFalse();
    assertThat(isIn(sessions, phone)).isFalse();
    assertThat(isIn(fast, laptop)).as("signed out").isFalse();
  }

  @Test
  void sessionsOfAUser_end_notThoseOfOthers_norTheSameSubjectOfAnotherIssuer() {
    User alice = signIn("alice", Map.of());
    User again = signIn("alice", Map.of());
    User bob = signIn("bob", Map.of());
    User namesake = signIn("https://other.test", "alice", Map.of(), clock.instant());

    end(SessionsOf.user(ISSUER, "alice"));

    assertThat(isIn(other, alice)).isFalse();
    assertThat(isIn(sessions, again)).isFalse();
    assertThat(isIn(sessions, bob)).isTrue();
    assertThat(isIn(sessions, namesake)).isTrue();
  }

  @Test
  void sessionOfTheProvider_endsThoseThatBelongToIt() {
    User one = signIn("alice", Map.of("sid", "s1"));
    User two = signIn("alice", Map.of("sid", "s2"));
    User bobs = signIn("bob", Map.of("sid", "s1"));

    end(SessionsOf.providerSession(ISSUER, "s1"));

    assertThat(isIn(sessions, one)).isFalse();
    assertThat(isIn(sessions, two)).isTrue();
    assertThat(isIn(sessions, bobs)).isFalse();
  }

  @Test
  void sessionOfTheProvider_ofAUser_endsThoseOfWhichNobodyKnowsWhichTheyBelongTo_too() {
    User one = signIn("alice", Map.of("sid", "s1"));
    User two = signIn("alice", Map.of("sid", "s2"));
    User unknown = signIn("alice", Map.of());
    User bobs = signIn("bob", Map.of("sid", "s1"));

    end(SessionsOf.providerSession(ISSUER, "alice", "s1"));

    assertThat(isIn(sessions, one)).isFalse();
    assertThat(isIn(sessions, unknown)).isFalse();
    assertThat(isIn(sessions, two)).isTrue();
    assertThat(isIn(sessions, bobs)).isTrue();
  }

  @Test
  void device_endsTheSessionsOnIt_andOfAUserThoseThatMayBe() {
    User onIt = signIn("alice", Map.of("deviceid", "d1"));
    User elsewhere = signIn("alice", Map.of("deviceid", "d2"));
    User somewhere = signIn("alice", Map.of());
    User bob = signIn("bob", Map.of("device_id", "d1"));

    end(SessionsOf.device(ISSUER, "alice", "d1"));
    assertThat(isIn(sessions, onIt)).isFalse();
    assertThat(isIn(sessions, somewhere)).isFalse();
    assertThat(isIn(sessions, elsewhere)).isTrue();
    assertThat(isIn(sessions, bob)).isTrue();

    end(SessionsOf.device(ISSUER, "d1"));
    assertThat(isIn(sessions, bob)).isFalse();
    assertThat(isIn(sessions, elsewhere)).isTrue();
  }

  @Test
  void email_endsTheSessionsOfWhoHasIt_inAnyCase() {
    User alice = signIn("a-1", Map.of("email", "Alice@Example.com"));
    User bob = signIn("b-1", Map.of("email", "bob@example.com"));

    end(SessionsOf.email(ISSUER, "alice@example.COM"));

    assertThat(isIn(sessions, alice)).isFalse();
    assertThat(isIn(sessions, bob)).isTrue();
  }

  @Test
  void everybody_isOut_andMayComeBack() {
    User alice = signIn("alice", Map.of());
    User bob = signIn("bob", Map.of());

    end(SessionsOf.everybody());

    assertThat(isIn(sessions, alice)).isFalse();
    assertThat(isIn(other, bob)).isFalse();
    clock.advance(Duration.ofMillis(1));
    assertThat(isIn(other, signIn("alice", Map.of()))).isTrue();
  }

  /** Two texts that look alike in a row are not the same. */
  @Test
  void partsOfAMark_areNotMixedUp() {
    User alice = signIn("https://a", "b 1:c", Map.of(), clock.instant());

    end(SessionsOf.user("https://a 5:b 1:c", ""));
    end(SessionsOf.user("https://a 1:b", "c"));

    assertThat(isIn(sessions, alice)).isTrue();
  }

  // ---- when

  @Test
  void sessionThatBegunAfterTheEnd_isValid() {
    end(SessionsOf.user(ISSUER, "alice"));
    clock.advance(Duration.ofMillis(1));

    assertThat(isIn(sessions, signIn("alice", Map.of()))).isTrue();
  }

  /** The provider logs a user out while their browser is on its way back here. */
  @Test
  void tokenFromBeforeTheProvidersWord_beginsNoSession_howeverLateItComes() {
    Instant told = clock.instant().plusSeconds(30); // the provider's clock is ahead
    await(sessions.end(SessionsOf.user(ISSUER, "alice"), told, "logout"));
    clock.advance(Duration.ofSeconds(5));

    assertThatThrownBy(() -> signIn(ISSUER, "alice", Map.of(), told))
        .isInstanceOfSatisfying(
            GatewayException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.SESSION_ENDED));
    assertThat(isIn(sessions, signIn(ISSUER, "alice", Map.of(), told.plusSeconds(1)))).isTrue();
  }

  @Test
  void twoEndings_areBothRemembered() {
    Instant told = clock.instant().plusSeconds(60);
    await(sessions.end(SessionsOf.user(ISSUER, "alice"), told, "logout"));
    clock.advance(Duration.ofSeconds(5));
    end(SessionsOf.user(ISSUER, "alice"));
    clock.advance(Duration.ofSeconds(1));

    Sessions restarted = node(state);
    assertThatThrownBy(() -> signIn(restarted, ISSUER, "alice", Map.of(), told))
        .isInstanceOf(GatewayException.class);
  }

  // ---- who learns of it

  @Test
  void nodeThatMissedTheMessage_findsOut_withinTwoSeconds() {
    User alice = signIn("alice", Map.of());
    state.loseMessages = true;

    end(SessionsOf.user(ISSUER, "alice"));
    assertThat(isIn(sessions, alice)).isFalse();
    assertThat(isIn(other, alice)).isTrue();
    clock.advance(Duration.ofMillis(2_001));

    assertThat(isIn(other, alice)).isFalse();
  }

  @Test
  void nodeThatHearsOfEachEnding_readsThemNotAgain() {
    signIn("alice", Map.of());
    end(SessionsOf.user(ISSUER, "bob"));
    state.reads = 0;
    clock.advance(Duration.ofSeconds(5));

    isIn(other, signIn("alice", Map.of()));
    isIn(sessions, signIn("alice", Map.of()));

    assertThat(state.reads).isZero();
  }

  @Test
  void nodeThatStarts_knowsWhatEndedBefore() {
    User alice = signIn("alice", Map.of());
    User bob = signIn("bob", Map.of());
    end(SessionsOf.user(ISSUER, "alice"));

    Sessions late = node(state);
    assertThat(isIn(late, alice)).isFalse();
    assertThat(isIn(late, bob)).isTrue();
  }

  @Test
  void restart_bringsNothingBack_withAStateThatOutlivesIt(@TempDir Path directory) {
    Path file = directory.resolve("state");
    User alice;
    User bob;
    try (SharedState kept = SharedState.file(file)) {
      Sessions before = node(kept);
      alice = signIn(before, ISSUER, "alice", Map.of(), clock.instant());
      bob = signIn(before, ISSUER, "bob", Map.of(), clock.instant());
      await(before.end(SessionsOf.user(ISSUER, "alice"), "left"));
    }
    try (SharedState kept = SharedState.file(file)) {
      Sessions after = node(kept);
      assertThat(isIn(after, alice)).isFalse();
      assertThat(isIn(after, bob)).isTrue();
    }
  }

  @Test
  void whoKeepsSomethingForSessions_isToldWhichEnded_onAllNodes_once() throws Exception {
    BlockingQueue<EndedSessions> here = new LinkedBlockingQueue<>();
    BlockingQueue<EndedSessions> there = new LinkedBlockingQueue<>();
    sessions.whenEnded(
        ended -> {
          throw new IllegalStateException("broken");
        });
    sessions.whenEnded(here::add);
    other.whenEnded(there::add);
    User alice = signIn("alice", Map.of("sid", "s1"));
    User bob = signIn("bob", Map.of());

    end(SessionsOf.providerSession(ISSUER, "s1"));
    assertThat(told(here)).accepts(alice.identity).rejects(bob.identity);
    assertThat(told(there)).accepts(alice.identity).rejects(bob.identity);

    clock.advance(Duration.ofSeconds(5));
    assertThat(isIn(other, bob)).as("looks what it missed").isTrue();
    end(SessionsOf.user(ISSUER, "bob"));
    assertThat(told(here)).accepts(bob.identity).rejects(alice.identity);
    assertThat(told(there)).accepts(bob.identity).rejects(alice.identity);
  }

  private static EndedSessions told(BlockingQueue<EndedSessions> queue)
      throws InterruptedException {
    EndedSessions next = queue.poll(30, TimeUnit.SECONDS);
    assertThat(next).as("told within half a minute").isNotNull();
    return next;
  }

  @Test
  void ending_isRecordedOnce_withItsReason() {
    end(SessionsOf.user(ISSUER, "alice"));

    assertThat(events)
        .singleElement()
        .satisfies(
            event -> {
              assertThat(event.kind()).isEqualTo(SignInEvent.Kind.SESSION_ENDED);
              assertThat(event.subject()).isEqualTo("alice");
              assertThat(event.details()).containsEntry("reason", "test");
            });
  }

  @Test
  void signOut_isRecorded_andEndsCopiesOfTheCookie_onAllNodes() {
    User alice = signIn("alice", Map.of());
    await(sessions.end(exchange(alice.jar)));

    assertThat(isIn(other, alice)).isFalse();
    assertThat(events)
        .singleElement()
        .satisfies(event -> assertThat(event.kind()).isEqualTo(SignInEvent.Kind.SIGNED_OUT));
  }

  // ---- when nobody can know

  @Test
  void stateThatWasNeverReached_refusesSessions_untilItIs() {
    User alice = signIn("alice", Map.of());
    end(SessionsOf.user(ISSUER, "alice"));
    User bob = signIn("bob", Map.of());
    state.down = true;

    Sessions late = node(state);
    assertUnknown(late, alice);
    assertUnknown(late, bob);
    state.down = false;
    clock.advance(Duration.ofSeconds(3));

    assertThat(isIn(late, alice)).isFalse();
    assertThat(isIn(late, bob)).isTrue();
  }

  @Test
  void stateThatIsGone_isDoneWithoutForAMinute() {
    User bob = signIn("bob", Map.of());
    state.down = true;
    clock.advance(Duration.ofSeconds(60));
    assertThat(isIn(sessions, bob)).isTrue();
    clock.advance(Duration.ofSeconds(1));
    assertUnknown(sessions, bob);
    state.down = false;
    clock.advance(Duration.ofSeconds(3));
    assertThat(isIn(sessions, bob)).isTrue();
  }

  @Test
  void endingThatCannotBeTold_isOneHere_andFails() {
    User alice = signIn("alice", Map.of());
    state.down = true;

    CompletionStage<Void> ended = sessions.end(SessionsOf.user(ISSUER, "alice"), "test");

    assertThat(ended.toCompletableFuture()).isCompletedExceptionally();
    assertThat(isIn(sessions, alice)).isFalse();
  }

  /** A quiet eviction would let ended sessions back in. */
  @Test
  void moreEndingsThanCanBeRemembered_endEverything_insteadOfForgettingOne() throws Exception {
    SessionEndings few =
        new SessionEndings(state, clock, Duration.ofHours(12), Duration.ofMinutes(1), 100);
    User first = signIn("first", Map.of());
    User bystander = signIn("bystander", Map.of());
    clock.advance(Duration.ofMillis(10));
    await(few.end(SessionsOf.user(ISSUER, "first"), 0));
    for (int i = 0; i < 99; i++) {
      await(few.end(SessionsOf.session("session " + i), 0));
    }
    assertThat(few.has(first.session())).isTrue();
    assertThat(few.has(bystander.session())).isFalse();

    BlockingQueue<EndedSessions> told = new LinkedBlockingQueue<>();
    few.listen(told::add);
    await(few.end(SessionsOf.session("session " + 100), 0));

    while (!told(told).test(bystander.identity)) {} // what was still to tell comes before
    assertThat(few.has(first.session())).isTrue();
    assertThat(few.has(bystander.session())).isTrue();
    clock.advance(Duration.ofMillis(1));
    assertThat(few.has(signIn("new", Map.of()).session())).isFalse();
  }

  @Test
  void endingsThatAreOver_makeRoom() {
    SessionEndings few =
        new SessionEndings(state, clock, Duration.ofHours(12), Duration.ofMinutes(1), 100);
    for (int i = 0; i < 100; i++) {
      await(few.end(SessionsOf.session("session " + i), 0));
    }
    clock.advance(Duration.ofHours(13));
    User alice = signIn("alice", Map.of());
    clock.advance(Duration.ofMillis(1));

    await(few.end(SessionsOf.session("session " + 100), 0));

    assertThat(few.has(alice.session())).isFalse();
  }

  // ---- open requests

  @Test
  void identityOfAnOpenRequest_standsUntilTheSessionEnds() {
    User alice = signIn("alice", Map.of());
    TestExchange open = open(alice);
    assertThat(open.identityStands()).isTrue();
    assertThat(open.identityStands()).isTrue();

    await(other.end(SessionsOf.user(ISSUER, "alice"), "test"));

    assertThat(open.identityStands()).isFalse();
  }

  @Test
  void identityOfAnOpenRequest_fallsWhenTheSessionsTimeIsOver() {
    TestExchange open = open(signIn("alice", Map.of()));
    for (int minutes = 0; minutes < 12 * 60; minutes += 10) {
      assertThat(open.identityStands()).isTrue();
      open.receive(1);
      clock.advance(Duration.ofMinutes(10));
    }
    assertThat(open.identityStands()).isFalse();
  }

  @Test
  void identityOfAnOpenRequest_fallsWhenTheUserIsIdle_whatTheySendIsNot() {
    TestExchange open = open(signIn("alice", Map.of()));
    clock.advance(Duration.ofMinutes(59));
    assertThat(open.identityStands()).isTrue();
    open.receive(1);
    assertThat(open.identityStands()).isTrue();
    clock.advance(Duration.ofMinutes(59));
    assertThat(open.identityStands()).isTrue();
    clock.advance(Duration.ofMinutes(1));
    assertThat(open.identityStands()).isFalse();
  }

  @Test
  void otherRequestsOfTheSession_keepAnOpenOneFromBeingIdle_thoseOfOthersDoNot() {
    User alice = signIn("alice", Map.of());
    User bob = signIn("bob", Map.of());
    TestExchange alices = open(alice);
    TestExchange bobs = open(bob);
    clock.advance(Duration.ofMinutes(40));
    assertThat(alices.identityStands() && bobs.identityStands()).isTrue();
    open(alice);
    clock.advance(Duration.ofMinutes(40));

    assertThat(alices.identityStands()).isTrue();
    assertThat(bobs.identityStands()).isFalse();
  }

  /** Its cookie could not be renewed meanwhile. */
  @Test
  void userOfAWebSocketAlone_isNotIdleAfterwards() {
    User alice = signIn("alice", Map.of());
    TestExchange open = open(alice);
    for (int i = 0; i < 5; i++) {
      clock.advance(Duration.ofMinutes(30));
      open.receive(1);
      assertThat(open.identityStands()).isTrue();
    }
    assertThat(isIn(sessions, alice)).isTrue();
  }

  @Test
  void sessionThatExpires_isToldHere_andNobodyElses() throws Exception {
    BlockingQueue<EndedSessions> told = new LinkedBlockingQueue<>();
    sessions.whenEnded(told::add);
    User idle = signIn("alice", Map.of());
    User reading = signIn("bob", Map.of());
    User listening = signIn("carol", Map.of());
    assertThat(isIn(sessions, idle) && isIn(sessions, reading)).isTrue();
    TestExchange open = open(listening);
    clock.advance(Duration.ofMinutes(35));
    assertThat(isIn(sessions, reading)).isTrue(); // gets a new cookie
    open.receive(1);
    assertThat(open.identityStands()).isTrue();

    clock.advance(Duration.ofMinutes(25));
    othersCome();
    assertThat(told(told))
        .accepts(idle.identity)
        .rejects(reading.identity)
        .rejects(listening.identity);

    clock.advance(Duration.ofMinutes(35));
    othersCome();
    assertThat(told(told)).accepts(reading.identity).accepts(listening.identity);
  }

  @Test
  void sessionOfTwelveHours_isTold_howeverMuchItIsUsed() throws Exception {
    User busy = signIn("alice", Map.of());
    TestExchange open = open(busy);
    for (int i = 0; i < 14; i++) {
      clock.advance(Duration.ofMinutes(50));
      open.receive(1);
      assertThat(open.identityStands()).isTrue();
    }
    BlockingQueue<EndedSessions> told = new LinkedBlockingQueue<>();
    sessions.whenEnded(told::add);

    clock.advance(Duration.ofMinutes(20));
    othersCome();

    assertThat(told(told)).accepts(busy.identity);
    assertThat(isIn(sessions, busy)).isFalse();
  }

  /** What expired is noticed then, or else by the system's clock. */
  private void othersCome() {
    assertThat(isIn(sessions, signIn("others", Map.of()))).isTrue();
  }

  // ---- parts

  private record User(Identity identity, Map<String, String> jar, long proven, long begun) {
    Session session() {
      return new Session(
          identity, HOST, false, proven, begun, begun, EndedSessions.marks(identity));
    }
  }

  private User signIn(String subject, Map<String, Object> claims) {
    return signIn(ISSUER, subject, claims, clock.instant());
  }

  private User signIn(String issuer, String subject, Map<String, Object> claims, Instant proven) {
    return signIn(sessions, issuer, subject, claims, proven);
  }

  private User signIn(
      Sessions at, String issuer, String subject, Map<String, Object> claims, Instant proven) {
    TestExchange exchange = exchange(Map.of());
    Identity identity = at.begin(exchange, issuer, subject, clock.instant(), proven, claims);
    Map<String, String> jar = new HashMap<>();
    exchange
        .responseHeaders()
        .forEach(
            header -> {
              String[] pair = header.value().split(";", 2)[0].split("=", 2);
              jar.put(pair[0], pair[1]);
            });
    return new User(identity, jar, proven.toEpochMilli(), clock.millis());
  }

  private TestExchange open(User user) {
    TestExchange exchange = exchange(user.jar);
    assertThat(sessions.identify(exchange, identity -> true)).isTrue();
    assertThat(exchange.identityStands()).isTrue(); // asked before it is sent
    assertThat(exchange.identityStands()).isTrue();
    return exchange;
  }

  private static boolean isIn(Sessions node, User user) {
    return node.find(exchange(user.jar)) != null;
  }

  private static void assertUnknown(Sessions node, User user) {
    assertThatThrownBy(() -> node.find(exchange(user.jar)))
        .isInstanceOfSatisfying(
            GatewayException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.SESSIONS_UNKNOWN));
  }

  private void end(SessionsOf whose) {
    await(sessions.end(whose, "test"));
  }

  private static void await(CompletionStage<?> stage) {
    stage.toCompletableFuture().orTimeout(30, TimeUnit.SECONDS).join();
  }

  private static TestExchange exchange(Map<String, String> cookies) {
    return new TestExchange(
        HOST,
        "GET",
        "/",
        Map.of(),
        cookies,
        Application.builder("wiki")
            .externalUrl("https://" + HOST + "/")
            .internalUrl("http://127.0.0.1:1/")
            .assignEveryone()
            .build());
  }

  /** A state that can be out of reach, and lose what is told. */
  private static final class FaultyState implements SharedState {
    private final SharedState real = SharedState.inMemory();
    private boolean down;
    private boolean loseMessages;
    private int reads;

    private <T> CompletionStage<T> unlessDown(CompletionStage<T> answer) {
      return down ? CompletableFuture.failedFuture(new IllegalStateException("down")) : answer;
    }

    @Override
    public CompletionStage<String> get(String key) {
      return unlessDown(real.get(key));
    }

    @Override
    public CompletionStage<Map<String, String>> entries(String prefix) {
      reads++;
      return unlessDown(real.entries(prefix));
    }

    @Override
    public CompletionStage<Void> put(String key, String value, Duration lifetime) {
      return down ? unlessDown(null) : real.put(key, value, lifetime);
    }

    @Override
    public CompletionStage<String> putIfAbsent(String key, String value, Duration lifetime) {
      return unlessDown(real.putIfAbsent(key, value, lifetime));
    }

    @Override
    public CompletionStage<Boolean> remove(String key, String value) {
      return unlessDown(real.remove(key, value));
    }

    @Override
    public CompletionStage<Long> increment(String key, Duration lifetime) {
      return unlessDown(real.increment(key, lifetime));
    }

    @Override
    public CompletionStage<Void> publish(String topic, String message) {
      return loseMessages
          ? CompletableFuture.completedFuture(null)
          : unlessDown(real.publish(topic, message));
    }

    @Override
    public Subscription subscribe(String topic, Consumer<String> listener) {
      return real.subscribe(topic, listener);
    }

    @Override
    public void close() {
      real.close();
    }
  }
}
