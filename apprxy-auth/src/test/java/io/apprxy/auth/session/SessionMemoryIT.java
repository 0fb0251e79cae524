package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.auth.TestExchange;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What the sessions that a gateway knows cost it. */
class SessionMemoryIT {
  private static final int SESSIONS = 100_000;
  private static final long BOUND = 200L << 20;
  private static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .assignEveryone()
          .build();

  /** As Entra ID names them: an organisation of 5,000 groups. */
  private static final List<String> GROUPS =
      IntStream.range(0, 5_000).mapToObj(i -> uuid("group", i)).toList();

  @Test
  void hundredThousandSessions_costLessThan200MiB() {
    Sessions sessions = Sessions.builder().cacheSize(SESSIONS).build();
    open(sessions, -1); // what is there but once
    long before = retained();

    for (int user = 0; user < SESSIONS; user++) {
      open(sessions, user);
    }

    long cost = retained() - before;
    System.out.printf(
        "%,d sessions cost %,d KiB: %,d bytes each%n", SESSIONS, cost >> 10, cost / SESSIONS);
    assertThat(cost).isLessThan(BOUND);
    assertThat(cost).as("that they were kept at all").isGreaterThan(SESSIONS * 200L);
    Reference.reachabilityFence(sessions);
  }

  /** Signs a user in, and has the cookie come back. */
  private static void open(Sessions sessions, int user) {
    TestExchange signIn = exchange(Map.of());
    sessions.begin(
        signIn,
        "https://login.example/6b1d3bd4-9fd3-4b0e-a1fb-6d8bbd7d1c55/v2.0",
        uuid("subject", user),
        Instant.now(),
        Instant.now(),
        claims(user));
    Map<String, String> cookies = new HashMap<>();
    signIn
        .responseHeaders()
        .forEach(
            header -> {
              String[] pair = header.value().split(";", 2)[0].split("=", 2);
              cookies.put(pair[0], pair[1]);
            });
    assertThat(sessions.find(exchange(cookies))).isNotNull();
  }

  private static Map<String, Object> claims(int user) {
    Random random = new Random(user);
    String name = "user" + user + ".of.the.organisation";
    Map<String, Object> claims = new LinkedHashMap<>();
    claims.put("name", "Given" + user + " Family" + user);
    claims.put("given_name", "Given" + user);
    claims.put("family_name", "Family" + user);
    claims.put("preferred_username", name + "@example.com");
    claims.put("email", name + "@mail.example.com");
    claims.put("email_verified", true);
    claims.put("oid", uuid("object", user));
    claims.put("tid", "6b1d3bd4-9fd3-4b0e-a1fb-6d8bbd7d1c55");
    claims.put("locale", "en-GB");
    claims.put("amr", List.of("pwd", "mfa"));
    claims.put("acr", "c1");
    claims.put("groups", random.ints(20, 0, GROUPS.size()).mapToObj(GROUPS::get).toList());
    return claims;
  }

  private static String uuid(String kind, int number) {
    return UUID.nameUUIDFromBytes((kind + number).getBytes(StandardCharsets.UTF_8)).toString();
  }

  private static TestExchange exchange(Map<String, String> cookies) {
    return new TestExchange("wiki.example", "GET", "/", Map.of(), cookies, WIKI);
  }

  /** What is left after collections; the least of several, as the JVM itself comes and goes. */
  private static long retained() {
    long least = Long.MAX_VALUE;
    for (int i = 0; i < 6; i++) {
      System.gc();
      Runtime runtime = Runtime.getRuntime();
      least = Math.min(least, runtime.totalMemory() - runtime.freeMemory());
    }
    return least;
  }
}
