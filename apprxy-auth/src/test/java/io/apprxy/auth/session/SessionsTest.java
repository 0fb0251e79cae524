package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.TestExchange;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SessionsTest {
  private static final String HOST = "wiki.example";
  private static final String COOKIE = "__Host-apprxy-session";
  private static final Map<String, Object> CLAIMS =
      Map.of("preferred_username", "alice", "groups", List.of("staff", "admins"));

  private final TestClock clock = new TestClock();
  private final SessionKeys keys = SessionKeys.generate();
  private final Sessions sessions =
      Sessions.builder()
          .keys(keys)
          .clock(clock)
          .absoluteLifetime(Duration.ofHours(12))
          .idleLifetime(Duration.ofHours(1))
          .build();
  private Application application = application(false);

  /** What the browser has. */
  private final Map<String, String> jar = new HashMap<>();

  // ---- found, or not

  @Test
  void session_afterBegin_isFoundWithAllThatWasSaid() {
    Identity begun = begin(CLAIMS);

    Identity found = find();
    assertThat(found).isEqualTo(begun);
    assertThat(found.issuer()).isEqualTo("https://issuer.test");
    assertThat(found.subject()).isEqualTo("4711");
    assertThat(found.claims()).isEqualTo(CLAIMS);
    assertThat(found.authenticatedAt()).isEqualTo(clock.instant());
  }

  @Test
  void session_isFoundByAnotherNodeWithTheSameKeys() {
    Identity begun = begin(CLAIMS);

    Sessions other = Sessions.builder().keys(keys).clock(clock).build();
    assertThat(other.find(exchange())).isEqualTo(begun);
  }

  @Test
  void noCookie_isNoSession() {
    assertThat(find()).isNull();
  }

  @Test
  void forgedCookie_isNoSession() {
    jar.put(COOKIE, "eyJhbGciOiJub25lIn0..a.b.c");

    assertThat(find()).isNull();
  }

  @Test
  void changedCookie_isNoSession_evenAfterTheGenuineOneWasSeen() {
    begin(CLAIMS);
    find();
    String genuine = jar.get(COOKIE);
    int middle = genuine.length() / 2;
    char other = genuine.charAt(middle) == 'A' ? 'B' : 'A';
    jar.put(COOKIE, genuine.substring(0, middle) + other + genuine.substring(middle + 1));

    assertThat(find()).isNull();
  }

  @Test
  void cookieOfAnotherPurpose_isNoSession() {
    String sealed =
        new Seal(keys, "login", clock)
            .seal(Map.of("iss", "https://issuer.test", "sub", "4711"), Duration.ofHours(1));
    jar.put(COOKIE, sealed);

    assertThat(find()).isNull();
  }

  @Test
  void cookieOfAnotherHost_isNoSession() {
    begin(CLAIMS);

    assertThat(sessions.find(exchange("mail.example"))).isNull();
    assertThat(sessions.find(exchange(HOST + ":8443"))).isNull();
  }

  @Test
  void cookieOfAnotherKey_isNoSession() {
    begin(CLAIMS);

    assertThat(Sessions.builder().clock(clock).build().find(exchange())).isNull();
  }

  @Test
  void keyRotation_keepsSessions_untilTheirKeyIsGone() {
    begin(CLAIMS);
    keys.rotate();
    assertThat(find()).isNotNull();

    for (int i = 0; i < 4; i++) {
      keys.rotate();
    }
    // Another node, since this one remembers what it has opened.
    assertThat(Sessions.builder().keys(keys).clock(clock).build().find(exchange())).isNull();
  }

  // ---- time

  @Test
  void idleSession_ends() {
    begin(CLAIMS);
    clock.advance(Duration.ofHours(1));

    assertThat(find()).isNull();
  }

  @Test
  void usedSession_doesNotGetIdle() {
    begin(CLAIMS);
    for (int i = 0; i < 10; i++) {
      clock.advance(Duration.ofMinutes(50));
      assertThat(find()).as("after %d × 50 minutes", i + 1).isNotNull();
    }
  }

  @Test
  void usedSession_endsAfterItsAbsoluteLifetimeNevertheless() {
    begin(CLAIMS);
    for (int i = 0; i < 14; i++) {
      clock.advance(Duration.ofMinutes(50));
      assertThat(find()).isNotNull();
    }
    clock.advance(Duration.ofMinutes(20));

    assertThat(find()).isNull();
  }

  @Test
  void cookie_isRenewedAfterATenthOfTheIdleLifetime_andNotBefore() {
    begin(CLAIMS);
    clock.advance(Duration.ofMinutes(6));
    assertThat(setCookies(found())).isEmpty();

    clock.advance(Duration.ofSeconds(1));
    assertThat(setCookies(found())).hasSize(1);
  }

  @Test
  void renewedCookie_isTheSameSession() {
    Identity begun = begin(CLAIMS);
    clock.advance(Duration.ofMinutes(30));
    find();

    assertThat(find()).isEqualTo(begun);
  }

  // ---- the end

  @Test
  void endedSession_isGone_alsoForACopyOfItsCookie() {
    begin(CLAIMS);
    Map<String, String> stolen = Map.copyOf(jar);
    TestExchange signOut = exchange();
    sessions.end(signOut);
    store(signOut);
    assertThat(jar).isEmpty();

    jar.putAll(stolen);
    assertThat(find()).isNull();
  }

  @Test
  void endedSession_isGone_alsoForACookieThatWasRenewedBefore() {
    begin(CLAIMS);
    Map<String, String> early = Map.copyOf(jar);
    clock.advance(Duration.ofMinutes(30));
    find();
    sessions.end(exchange());

    jar.putAll(early);
    assertThat(find()).isNull();
  }

  @Test
  void otherSessionsOfTheUser_goOn() {
    begin(CLAIMS);
    Map<String, String> phone = Map.copyOf(jar);
    jar.clear();
    begin(CLAIMS);
    sessions.end(exchange());

    jar.putAll(phone);
    assertThat(find()).isNotNull();
  }

  // ---- fixation

  @Test
  void begin_givesANewSession_whateverTheBrowserSent() {
    Identity attackers = begin(Map.of("preferred_username", "mallory"));
    Identity victims = begin(CLAIMS);

    assertThat(victims.sessionId()).isNotEqualTo(attackers.sessionId());
    assertThat(find().sessionId()).isEqualTo(victims.sessionId());
  }

  // ---- the cookie

  @Test
  void cookie_isOutOfReachOfScriptsOtherHostsAndOtherSites() {
    TestExchange signIn = exchange();
    sessions.begin(signIn, "https://issuer.test", "4711", clock.instant(), clock.instant(), CLAIMS);

    assertThat(setCookies(signIn).get(0))
        .startsWith(COOKIE + "=")
        .endsWith("; Path=/; Secure; HttpOnly; SameSite=Lax");
  }

  @Test
  void cookie_hasTheSameSiteThatWasAskedFor() {
    Sessions strict = Sessions.builder().sameSite(Sessions.SameSite.STRICT).build();
    TestExchange signIn = exchange();
    strict.begin(signIn, "https://issuer.test", "4711", clock.instant(), clock.instant(), CLAIMS);

    assertThat(setCookies(signIn).get(0)).endsWith("SameSite=Strict");
  }

  @Test
  void cookieOfAnApplicationThatWantsItPersistent_hasTheSessionsLifetime() {
    application = application(true);
    begin(CLAIMS);
    clock.advance(Duration.ofMinutes(30));

    assertThat(setCookies(found()).get(0)).contains("; Max-Age=" + (12 * 3600 - 1800));
  }

  /** Two applications of one host share the cookie; a policy may change its mind. */
  @Test
  void cookie_thatMayNotOutliveTheWindowAnyMore_doesNot_whenItIsRenewed() {
    application = application(true);
    begin(CLAIMS);
    application = application(false);
    clock.advance(Duration.ofMinutes(30));

    assertThat(setCookies(found()).get(0)).startsWith(COOKIE + "=").doesNotContain("Max-Age");
  }

  @Test
  void cookie_outlivesTheWindow_asAPolicySays_whateverTheApplication() {
    Sessions lasting = Sessions.builder().persistentCookie((exchange, identity) -> true).build();
    TestExchange signIn = exchange();
    lasting.begin(signIn, "https://issuer.test", "4711", clock.instant(), clock.instant(), CLAIMS);

    assertThat(setCookies(signIn).get(0)).contains("; Max-Age=");
  }

  @Test
  void manyClaims_areSpreadOverCookies_andFound() {
    Identity begun = begin(groups(300));

    assertThat(jar).hasSizeGreaterThan(1);
    assertThat(jar.values()).allMatch(value -> value.length() < 4_000);
    assertThat(find()).isEqualTo(begun);
  }

  @Test
  void spreadSession_withAPartMissing_isNone() {
    begin(groups(300));
    jar.remove(COOKIE + "-1");

    assertThat(find()).isNull();
  }

  @Test
  void spreadSession_withPartsOfAnother_isNone() {
    begin(groups(300));
    Map<String, String> first = Map.copyOf(jar);
    begin(groups(300));
    jar.put(COOKIE + "-1", first.get(COOKIE + "-1"));

    assertThat(find()).isNull();
  }

  @Test
  void spreadSession_thatClaimsToHaveOtherParts_isNone() {
    begin(groups(300));
    String first = jar.get(COOKIE).substring(3);
    for (String mark : List.of("c0.", "c1.", "c5.", "c9.", "c-.", "c", "")) {
      jar.put(COOKIE, mark + first);
      assertThat(find()).as(mark).isNull();
    }
  }

  @Test
  void smallerSession_takesAwayThePartsOfALargerOne() {
    begin(groups(300));
    begin(CLAIMS);

    assertThat(jar).containsOnlyKeys(COOKIE);
  }

  @Test
  void moreClaimsThanCookiesHold_areRefused() {
    assertThatThrownBy(() -> begin(groups(2_000)))
        .isInstanceOfSatisfying(
            GatewayException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.SESSION_TOO_LARGE));
  }

  // ---- settings

  @Test
  void idleLifetimeBeyondTheAbsoluteOne_isRefused() {
    Sessions.Builder builder =
        Sessions.builder()
            .absoluteLifetime(Duration.ofMinutes(10))
            .idleLifetime(Duration.ofMinutes(11));

    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("idleLifetime PT11M", "absoluteLifetime PT10M");
  }

  @Test
  void noLifetime_isRefused() {
    assertThatThrownBy(() -> Sessions.builder().idleLifetime(Duration.ZERO))
        .hasMessageContaining("idleLifetime");
    assertThatThrownBy(() -> Sessions.builder().absoluteLifetime(Duration.ofSeconds(-1)))
        .hasMessageContaining("absoluteLifetime");
    assertThatThrownBy(() -> Sessions.builder().cacheSize(0)).hasMessageContaining("cacheSize");
  }

  // ---- the browser

  private Identity begin(Map<String, Object> claims) {
    TestExchange signIn = exchange();
    Identity begun =
        sessions.begin(
            signIn, "https://issuer.test", "4711", clock.instant(), clock.instant(), claims);
    store(signIn);
    return begun;
  }

  private Identity find() {
    TestExchange request = exchange();
    Identity found = sessions.find(request);
    store(request);
    return found;
  }

  private TestExchange found() {
    TestExchange request = exchange();
    assertThat(sessions.find(request)).isNotNull();
    return request;
  }

  private TestExchange exchange() {
    return exchange(HOST);
  }

  private TestExchange exchange(String host) {
    return new TestExchange(host, "GET", "/", Map.of(), jar, application);
  }

  private void store(TestExchange answered) {
    for (String cookie : setCookies(answered)) {
      String[] pair = cookie.split(";", 2)[0].split("=", 2);
      if (cookie.contains("; Max-Age=0")) {
        jar.remove(pair[0]);
      } else {
        jar.put(pair[0], pair[1]);
      }
    }
  }

  private static List<String> setCookies(TestExchange answered) {
    List<String> cookies = new ArrayList<>();
    answered
        .responseHeaders()
        .forEach(
            header -> {
              if (header.name().equals("Set-Cookie")) {
                cookies.add(header.value());
              }
            });
    return cookies;
  }

  private static Map<String, Object> groups(int count) {
    return Map.of("groups", IntStream.range(0, count).mapToObj(i -> "group-number-" + i).toList());
  }

  private static Application application(boolean persistent) {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example/")
        .internalUrl("http://wiki.corp/")
        .assignEveryone()
        .persistentCookie(persistent)
        .build();
  }
}
