package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.TestExchange;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** What holds for any cookie that a browser can be made to send. */
class SessionFuzzTest {
  private static final Seal SEAL = new Seal(SessionKeys.generate(), "fuzz", new TestClock());
  private static final Sessions SESSIONS = Sessions.builder().clock(new TestClock()).build();
  private static final int GROUPS = 300;
  private static final String COOKIE = "__Host-apprxy-session";
  private static final List<String> NAMES =
      List.of(COOKIE, COOKIE + "-1", COOKIE + "-2", COOKIE + "-3", COOKIE + "-4");
  private static final Map<String, String> ALICE = signIn("alice");
  private static final Map<String, String> BOB = signIn("bob");

  @FuzzTest
  void cookie_thatWasNotSealed_doesNotOpen(byte[] input) {
    assertThat(SEAL.open(new String(input, StandardCharsets.ISO_8859_1))).isNull();
  }

  /**
   * A byte that is another, wherever it stands. Bits that base64 leaves over at the end of a part
   * say nothing, and change nothing.
   */
  @FuzzTest
  void cookie_thatWasChanged_opensToWhatWasSealed_orNotAtAll(byte[] input) {
    String sealed = SEAL.seal(Map.of("name", "alice"), Duration.ofHours(1));
    StringBuilder changed = new StringBuilder(sealed);
    for (int i = 0; i + 1 < input.length; i += 2) {
      changed.setCharAt((input[i] & 0xff) * 7 % changed.length(), (char) (input[i + 1] & 0x7f));
    }
    Map<String, Object> opened = SEAL.open(changed.toString());
    assertThat(opened).isIn(null, SEAL.open(sealed));
    if (changed.toString().equals(sealed)) {
      assertThat(opened).isNotNull();
    }
  }

  /**
   * A browser with the cookies of two sessions, of several parts each, in any mixture: it has one
   * of the sessions, whole, or none.
   */
  @FuzzTest
  void cookiesOfTwoSessions_areOneOfThem_orNone(byte[] input) {
    Map<String, String> jar = new HashMap<>();
    for (int i = 0; i + 2 < input.length; i += 3) {
      Map<String, String> from = (input[i] & 1) == 0 ? ALICE : BOB;
      String taken = NAMES.get((input[i + 1] & 0x7f) % NAMES.size());
      String put = NAMES.get((input[i + 2] & 0x7f) % NAMES.size());
      String value = from.getOrDefault(taken, "");
      int mark = (input[i] >> 1) & 0x3f; // "c3." before the first part, or something like it
      String rest = value.substring(Math.min(value.length(), 3));
      jar.put(put, mark == 0 ? value : "c" + (char) ('0' + mark % 11) + "." + rest);
    }
    Identity found = SESSIONS.find(exchange(jar));
    if (found != null) {
      Map<String, String> whole = found.subject().equals("alice") ? ALICE : BOB;
      assertThat(joined(jar)).isEqualTo(joined(whole));
      assertThat(found.groups()).hasSize(GROUPS);
    }
  }

  private static String joined(Map<String, String> jar) {
    String first = jar.get(COOKIE);
    StringBuilder joined = new StringBuilder(first.substring(3));
    for (int i = 1; i < first.charAt(1) - '0'; i++) {
      joined.append(jar.get(COOKIE + "-" + i));
    }
    return joined.toString();
  }

  private static Map<String, String> signIn(String subject) {
    TestExchange exchange = exchange(Map.of());
    List<String> groups =
        IntStream.range(0, GROUPS).mapToObj(i -> subject + "-of-group-" + i).toList();
    SESSIONS.begin(
        exchange,
        "https://issuer.test",
        subject,
        SESSIONS.clock().instant(),
        SESSIONS.clock().instant(),
        Map.of("groups", groups));
    Map<String, String> jar = new HashMap<>();
    for (Response.Header header : exchange.responseHeaders()) {
      String[] pair = header.value().split(";", 2)[0].split("=", 2);
      jar.put(pair[0], pair[1]);
    }
    assertThat(jar).hasSize(3);
    return jar;
  }

  private static TestExchange exchange(Map<String, String> cookies) {
    Application wiki =
        Application.builder("wiki")
            .externalUrl("https://wiki.example/")
            .internalUrl("http://wiki.corp/")
            .assignEveryone()
            .build();
    return new TestExchange("wiki.example", "GET", "/", Map.of(), cookies, wiki);
  }
}
