package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.oidc.SocketGateway.Answer;
import io.apprxy.auth.oidc.SocketGateway.Client;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What comes from clients, on the wire: nothing that anybody may write makes them somebody, and
 * what is of one user, host or application stays with it. The classes of oauth2-proxy's advisories
 * are here by number.
 */
@Timeout(60)
class ClientBoundaryIT {
  private static final String SESSION = "__Host-apprxy-session";

  private final TestClock clock = new TestClock();
  private TestProvider provider;
  private SocketGateway gateway;
  private Client client;

  @BeforeEach
  void start() throws Exception {
    provider = new TestProvider(clock);
    provider.claims =
        claims -> {
          claims.put("email", "ada@example.com");
          claims.put("email_verified", true);
        };
    OidcPreAuthentication signIn =
        OidcPreAuthentication.builder()
            .issuer(provider.issuer())
            .clientId(TestProvider.CLIENT)
            .clientSecret(TestProvider.SECRET)
            .sessions(Sessions.builder().keys(SessionKeys.generate()).clock(clock).build())
            .build();
    gateway = new SocketGateway(signIn, ClientBoundaryIT::applications);
    client = gateway.client("wiki.test");
  }

  @AfterEach
  void stop() {
    gateway.close();
    provider.close();
  }

  private static List<Application> applications(SocketGateway gateway) {
    return List.of(
        application(gateway, "wiki", gateway.url("wiki.test"))
            .passthroughPath("/health", "GET")
            .passthroughBelow("/hooks", "POST")
            .build(),
        application(gateway, "mail", gateway.url("mail.test")).build(),
        Application.builder("open")
            .externalUrl(gateway.url("wiki.test") + "open/")
            .internalUrl(gateway.originUrl() + "open/")
            .passthrough()
            .build());
  }

  private static Application.Builder application(SocketGateway gateway, String id, String url) {
    return Application.builder(id)
        .externalUrl(url)
        .internalUrl(gateway.originUrl())
        .assignUsers("ada@example.com")
        .headerSignOn(Map.of("X-User", "preferred_username", "X-Missing", "no_such_claim"));
  }

  // ---- who is let in

  /** GHSA-5hvv-m4w4-gf6v: a health checker's name opened everything. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "GoogleHC/1.0",
        "kube-probe/1.30",
        "ELB-HealthChecker/2.0",
        "Amazon-Route53-Health-Check-Service",
        "Edge Health Probe",
        "Pingdom.com_bot_version_1.4",
        "Consul Health Check",
        "HAProxy/health",
        "Blackbox Exporter/0.25",
        "apprxy"
      })
  void healthCheckersName_opensNothing(String agent) throws Exception {
    assertThat(client.get("/secret", "User-Agent: " + agent).status()).isEqualTo(401);
    assertThat(client.get("/ping", "User-Agent: " + agent).status()).isEqualTo(401);
    assertThat(client.get("/health", "User-Agent: " + agent).isOfTheOrigin()).isTrue();
    assertThat(gateway.reached).containsExactly("/health");
  }

  /** GHSA-7x63-xv5r-3p2x: what a header said was matched, and what the target said was served. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-Forwarded-Uri: /open/",
        "X-Forwarded-Uri: /health",
        "X-Forwarded-Path: /open/",
        "X-Forwarded-Prefix: /open",
        "X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /hooks",
        "X-Forwarded-Host: open.test",
        "X-Forwarded-Port: 1",
        "X-Original-URL: /open/",
        "X-Original-Uri: /health",
        "X-Original-Method: POST",
        "X-Rewrite-Url: /health",
        "X-Auth-Request-Redirect: /health",
        "X-Envoy-Original-Path: /health",
        "X-Http-Method-Override: POST",
        "Forwarded: for=127.0.0.1;host=open.test",
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-Ip: 127.0.0.1",
        "Referer: http://wiki.test/open/",
        "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: script"
      })
  void headerThatNamesAnotherTarget_opensNothing(String header) throws Exception {
    for (String target : List.of("/secret", "/hooks", "/hooks/a")) {
      assertThat(client.get(target, header).status()).as(target).isEqualTo(401);
    }
    assertThat(gateway.reached).isEmpty();
  }

  /** GHSA-pxq7-h93f-9jrg and its kin: the path that was matched is the path that is served. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "/secret#/open/",
        "/secret#/../open/",
        "/secret%23/open/",
        "/open/#/../secret",
        "/open/..%2fsecret",
        "/open/%2e%2e/secret",
        "/open/..;/secret",
        "/open/.;/../secret",
        "/open/\\..\\secret",
        "/open/%5c..%5csecret",
        "/open//../secret",
        "/open/%252e%252e/secret",
        "/open/%c0%ae%c0%ae/secret",
        "/open%2f..%2fsecret",
        "/open/%00/../secret",
        "/open/../secret",
        "/health/../secret",
        "/health;/../secret",
        "/health%3b",
        "/health%2f..%2fsecret",
        "/health#",
        "/health/",
        "/HEALTH",
        "/secret?/open/",
        "/secret?x=/health",
        "/secret%3f/open/",
        "//health",
        "/./health",
        "/openx/",
        "/.apprxy/../health"
      })
  void targetThatLooksLikeAnOpenOne_isProtected_orRefused(String target) throws Exception {
    Answer answer = client.get(target);

    assertThat(answer.status()).isIn(400, 401, 404);
    assertThat(gateway.reached).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Authorization: Bearer x",
        "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiI0NzExIn0.",
        "Authorization: Basic YWRhOmFkYQ==",
        "Cookie: " + SESSION + "=x",
        "Cookie: " + SESSION + "=",
        "Cookie: " + SESSION + "=c2.a; " + SESSION + "-1=b",
        "Cookie: " + SESSION + "=\"\"",
        "X-User: ada",
        "X-Forwarded-User: ada",
        "X-Forwarded-Email: ada@example.com",
        "X-Forwarded-Preferred-Username: ada",
        "X-Auth-Request-User: ada",
        "Remote-User: ada",
        "Apprxy-Assertion: x",
        "X-Apprxy-User: ada",
        "X-Pomerium-Jwt-Assertion: x",
        "Cf-Access-Jwt-Assertion: x",
        "SSL-Client-Verify: SUCCESS",
        "X-Client-Cert: x"
      })
  void headerThatNamesAUser_makesNobodyOne(String header) throws Exception {
    assertThat(client.get("/secret", header).status()).isEqualTo(401);
    assertThat(gateway.reached).isEmpty();
  }

  /** GHSA-c5c4-8r6x-56w3: of an address with several @, one part was taken for its domain. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "ada@example.com@evil.test",
        "evil@evil.test@example.com",
        "\"ada@example.com\"@evil.test",
        "ada@example.com ",
        " ada@example.com",
        "ada@example.com,evil@evil.test",
        "ada@example.com;evil@evil.test",
        "<ada@example.com>",
        "ada@example.com\u0000@evil.test",
        "ada@example.com\n",
        "ADA@example.com",
        "ada@example.com.",
        "ada@ex\u0430mple.com",
        "ada+x@example.com",
        "@example.com",
        "ada@"
      })
  void addressThatLooksLikeAnAssignedOne_isAnother(String address) throws Exception {
    provider.claims =
        claims -> {
          claims.put("email", address);
          claims.put("email_verified", true);
        };
    client.signIn(provider);

    assertThat(client.get("/secret").status()).isEqualTo(403);
    assertThat(gateway.reached).isEmpty();
  }

  // ---- who the origin is told

  static Stream<String> namesOfTheIdentityHeader() {
    return Stream.of("X-User", "x-user", "X_User", "x.user", "X-USER", "x_UsEr", "X~User", "X!User")
        .flatMap(
            name -> Stream.of(name, name.replace("User", "Missing").replace("USER", "MISSING")));
  }

  @ParameterizedTest
  @MethodSource("namesOfTheIdentityHeader")
  void identityHeaderOfAClient_reachesNoOrigin(String name) throws Exception {
    client.signIn(provider);

    for (String target : List.of("/", "/health", "/open/")) {
      Answer answer = client.get(target, name + ": mallory", name + ": mallory");
      assertThat(answer.isOfTheOrigin()).as(target).isTrue();
      assertThat(answer.text()).as(target).doesNotContain("mallory");
    }
  }

  @Test
  void signedInUser_isTold_onceAndOnlyWhereTheRequestWasAuthenticated() throws Exception {
    client.signIn(provider);

    assertThat(client.get("/").text()).containsOnlyOnce("x-user: ada");
    assertThat(client.get("/", "Connection: X-User, close").text()).contains("x-user: ada");
    // As a word: a request id, which is hexadecimal, may have these letters within.
    assertThat(client.get("/health").text()).doesNotContainPattern("\\bada\\b");
    assertThat(client.get("/open/").text()).doesNotContainPattern("\\bada\\b");
    assertThat(client.send("POST", "/hooks/a", "Content-Length: 0").text())
        .doesNotContainPattern("\\bada\\b");
  }

  @Test
  void identityInATrailer_reachesNoOrigin() throws Exception {
    client.signIn(provider);
    String answer =
        gateway.exchange(
            "POST / HTTP/1.1\r\nHost: wiki.test:"
                + gateway.port
                + "\r\nConnection: close\r\nCookie: "
                + SESSION
                + "="
                + client.cookies.get(SESSION)
                + "\r\nTrailer: X-User\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "1\r\na\r\n0\r\nX-User: mallory\r\nx_user: mallory\r\n\r\n");

    assertThat(answer).contains("x-user: ada").doesNotContain("mallory");
  }

  // ---- cookies

  @Test
  void gatewaysCookies_reachNoOrigin_alsoWhereTheRequestIsNotAuthenticated() throws Exception {
    client.signIn(provider);
    String session = client.cookies.get(SESSION);

    for (String target : List.of("/", "/health", "/open/")) {
      assertThat(client.get(target).text())
          .as(target)
          .contains("\r\n\r\norigin")
          .doesNotContain(session, "apprxy-session", "apprxy-login");
    }
  }

  /** GHSA-f24x-5g9q-753f: the origin, or anybody who can answer for it, plants no session. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "__Host-apprxy-session=x; Path=/; Secure",
        "__host-apprxy-session=x",
        "__HOST-Apprxy-Session=x",
        "__Host-apprxy-login=x; Path=/; Secure",
        "__Host-apprxy-session-1=x",
        "=__Host-apprxy-session=x",
        " __Host-apprxy-session=x",
        "\t=\t__Host-apprxy-session=x"
      })
  void sessionCookieOfAnOrigin_reachesNoBrowser(String cookie) throws Exception {
    client.signIn(provider);
    gateway.originHeaders.put("Set-Cookie", cookie);

    assertThat(client.get("/").headers("Set-Cookie")).isEmpty();
    assertThat(client.get("/open/").headers("Set-Cookie")).isEmpty();
  }

  /** The other half of GHSA-f24x-5g9q-753f: what was there before the sign-in is worth nothing. */
  @Test
  void sessionBeforeTheSignIn_isNotTheOneAfterIt() throws Exception {
    URI request = URI.create(client.open("/").header("Location"));
    Client attacker = gateway.client("wiki.test");
    attacker.signIn(provider);
    String planted = attacker.cookies.get(SESSION);
    client.cookies.put(SESSION, planted);
    provider.subject = "victim";

    client.open(provider.authorize(request));

    assertThat(client.cookies.get(SESSION)).isNotEqualTo(planted);
    assertThat(client.get("/.apprxy/user").text()).contains("victim");
    assertThat(attacker.get("/.apprxy/user").text()).contains("4711").doesNotContain("victim");
  }

  @Test
  void cookiesOfOneHost_areOfNoUseAtAnother() throws Exception {
    client.signIn(provider);
    Client elsewhere = gateway.client("mail.test");
    elsewhere.cookies.putAll(client.cookies);

    assertThat(elsewhere.get("/").status()).isEqualTo(401);
    assertThat(elsewhere.get("/.apprxy/user").status()).isEqualTo(401);
    assertThat(gateway.reached).isEmpty();
  }

  @Test
  void hostInAnotherSpelling_isTheSameHost_orNone() throws Exception {
    client.signIn(provider);
    Client shouting = gateway.client("WIKI.test");
    shouting.cookies.putAll(client.cookies);
    Client dotted = gateway.client("wiki.test.");
    dotted.cookies.putAll(client.cookies);

    assertThat(shouting.get("/").isOfTheOrigin()).isTrue();
    assertThat(dotted.get("/").status()).isEqualTo(400);
  }

  @ParameterizedTest
  @CsvSource({
    "__Host-apprxy-login, __Host-apprxy-session",
    "__Host-apprxy-session, __Host-apprxy-login"
  })
  void cookieOfOnePurpose_isOfNoUseForAnother(String from, String to) throws Exception {
    URI request = URI.create(client.open("/").header("Location"));
    URI callback = provider.authorize(request);
    if (from.equals(SESSION)) {
      client.open(callback);
      callback = provider.authorize(request);
    }
    Client forger = gateway.client("wiki.test");
    forger.cookies.put(to, client.cookies.get(from));

    assertThat(forger.get("/").status()).isEqualTo(401);
    forger.open(callback);
    assertThat(forger.get("/").status()).isEqualTo(401);
    assertThat(provider.tokenRequests.get()).isLessThanOrEqualTo(1);
  }

  // ---- caches

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Cache-Control|public, max-age=600",
        "Cache-Control|s-maxage=600",
        "Cache-Control|public, s-maxage=600, immutable",
        "Expires|Thu, 01 Jan 2099 00:00:00 GMT",
        "X-Accel-Expires|600",
        "Surrogate-Control|max-age=600",
        "CDN-Cache-Control|max-age=600",
        "Cloudflare-CDN-Cache-Control|max-age=600",
        "Edge-Control|cache-maxage=600",
        "Vary|Accept"
      })
  void answerOfASignedInUser_isForNoSharedCache(String name, String value) throws Exception {
    client.signIn(provider);
    gateway.originHeaders.put(name, value);

    Answer answer = client.get("/style.css");

    assertThat(answer.header("Cache-Control"))
        .contains("private")
        .doesNotContain("public", "s-maxage");
    if (!name.equals("Cache-Control") && !name.equals("Expires") && !name.equals("Vary")) {
      assertThat(answer.headers(name)).isEmpty();
    }
  }

  /** The renewed session cookie would be everybody's. */
  @Test
  void answerThatRenewsASession_isForNoSharedCache() throws Exception {
    client.signIn(provider);
    gateway.originHeaders.put("Cache-Control", "public, max-age=600");
    clock.advance(Duration.ofMinutes(30));

    Answer answer = client.get("/style.css");

    assertThat(answer.header("Set-Cookie")).startsWith(SESSION);
    assertThat(answer.headers("Cache-Control")).containsExactly("max-age=600, private");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/",
        "/.apprxy/user",
        "/.apprxy/sign-in",
        "/.apprxy/sign-out",
        "/.apprxy/signed-out",
        "/.apprxy/callback?state=x",
        "/.apprxy/nothing",
        "/a;b"
      })
  void answerOfTheGatewayItself_isForNoCache(String target) throws Exception {
    assertThat(client.open(target).headers("Cache-Control")).containsExactly("no-store");
    assertThat(client.get(target).headers("Cache-Control")).containsExactly("no-store");
    client.signIn(provider);
    if (target.startsWith("/.apprxy/")) {
      assertThat(client.open(target).headers("Cache-Control")).containsExactly("no-store");
    }
  }

  // ---- sizes

  @ParameterizedTest
  @ValueSource(
      strings = {
        "GET /.apprxy/callback?state=%1$s&code=x",
        "GET /.apprxy/callback?code=%1$s",
        "GET /.apprxy/sign-in?return=/%1$s",
        "GET /.apprxy/sign-in?%1$s=%1$s",
        "GET /?%1$s",
        "GET /%1$s",
      })
  void targetBeyondAllMeasure_isAnsweredOrRefused_andOthersAreServed(String line) throws Exception {
    for (int size : List.of(2_000, 30_000, 200_000)) {
      String answer =
          gateway.exchange(
              line.formatted("x".repeat(size))
                  + " HTTP/1.1\r\nHost: wiki.test:"
                  + gateway.port
                  + "\r\nConnection: close\r\n\r\n");
      assertThat(answer).doesNotStartWith("HTTP/1.1 5");
    }
    assertThat(gateway.reached).isEmpty();
    assertThat(client.get("/health").isOfTheOrigin()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"x", "eyJhbGciOiJkaXIifQ", "c4.x", "{[", ".", "%00"})
  void cookieBeyondAllMeasure_makesNobodyAUser_andOthersAreServed(String filling) throws Exception {
    for (int size : List.of(3_000, 30_000, 60_000, 200_000)) {
      String value = filling.repeat(size / filling.length());
      assertThat(client.get("/", "Cookie: " + SESSION + "=" + value).status())
          .isIn(0, 400, 401, 431);
    }
    assertThat(gateway.reached).isEmpty();
    assertThat(client.get("/health").isOfTheOrigin()).isTrue();
  }
}
