package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What of a protected application is forwarded without sign-in: what its settings name, no more.
 */
@Timeout(60)
class PassthroughIT {
  private static ProtectedGateway gateway;

  @BeforeAll
  static void start() {
    gateway =
        new ProtectedGateway(
            application ->
                application
                    .passthroughPath("/health", "GET", "HEAD")
                    .passthroughBelow("/hooks", "POST"));
  }

  @AfterAll
  static void stop() {
    gateway.close();
  }

  @BeforeEach
  void forget() {
    gateway.originRequests.set(0);
  }

  private static void assertProtected(String method, String target, String headers)
      throws IOException {
    assertThat(gateway.send(method, target, headers))
        .as("%s %s %s", method, target, headers)
        .startsWith("HTTP/1.1 401")
        .contains("APX-201");
    assertThat(gateway.originRequests).hasValue(0);
  }

  @Test
  void namedPathAndMethod_reachTheOrigin_withoutSignIn() throws Exception {
    assertThat(gateway.send("GET", "/health", ""))
        .startsWith("HTTP/1.1 200")
        .contains("seen GET /health");
    assertThat(gateway.send("GET", "/health?verbose", "")).startsWith("HTTP/1.1 200");
    assertThat(gateway.send("POST", "/hooks/git", "Content-Length: 0\n"))
        .startsWith("HTTP/1.1 200");
  }

  /** Who is signed in is nobody there: a page could be told apart by whom it is shown to. */
  @Test
  void identity_neverReachesTheOrigin_thoughTheUserIsSignedIn() throws Exception {
    assertThat(
            gateway.send(
                "GET",
                "/health",
                ProtectedGateway.SIGNED_IN + "X-User: mallory\nx_user: mallory\n"))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("alice")
        .doesNotContain("mallory")
        .doesNotContain("x-user")
        .doesNotContain("apprxy-session");
  }

  @Test
  void cookiesOfTheApplicationItself_andItsOwnCredentials_reachIt() throws Exception {
    assertThat(
            gateway.send(
                "POST",
                "/hooks/git",
                "Cookie: a=1; __Host-apprxy-session=alice\nAuthorization: Bearer of-the-hook\n"
                    + "X-Hub-Signature-256: sha256=1\nContent-Length: 0\n"))
        .contains("cookie: a=1\n")
        .contains("authorization: Bearer of-the-hook")
        .contains("x-hub-signature-256: sha256=1");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/",
        "/admin",
        "/Health",
        "/HEALTH",
        "/health/",
        "/health/x",
        "/healthz",
        "/health.",
        "/health%20",
        "/health%23",
        "/health%3F",
        "/health%23/../admin",
        "/x/health",
        "/?/health",
        "/admin?x=/health",
        "/hooks"
      })
  void otherPath_needsSignIn(String target) throws Exception {
    String response = gateway.send("GET", target, "");
    assertThat(response).matches("(?s)HTTP/1.1 (401|400) .*");
    assertThat(gateway.originRequests).hasValue(0);
  }

  /** GHSA-pxq7-h93f-9jrg: a path was matched by what is before, or behind, the number sign. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "/admin#/health",
        "/health#/../admin",
        "/health#",
        "#/health",
        "/admin?#/health",
        "/admin;/health",
        "/health;/../admin",
        "/health;",
        "/admin/..;/health",
        "/admin%2f..%2fhealth",
        "/hooks/..%2fadmin",
        "/hooks/%2e%2e/admin",
        "/hooks/../admin",
        "/hooks/./../admin",
        "/hooks//../admin",
        "//health",
        "/hooks/%252e%252e/admin",
        "/health%00",
        "/health\\",
        "/hooks\\..\\admin",
        "/health%0a"
      })
  void targetThatTwoServersCouldReadInTwoWays_isRefused(String target) throws Exception {
    for (String method : new String[] {"GET", "POST"}) {
      assertThat(gateway.send(method, target, "Content-Length: 0\n"))
          .satisfiesAnyOf(
              response -> assertThat(response).startsWith("HTTP/1.1 400"),
              response -> assertThat(response).isEmpty());
    }
    assertThat(gateway.originRequests).hasValue(0);
  }

  @Test
  void otherMethod_needsSignIn() throws Exception {
    for (String method : new String[] {"POST", "PUT", "DELETE", "OPTIONS", "get", "Get", "GETX"}) {
      assertProtected(method, "/health", "Content-Length: 0\n");
    }
    for (String method : new String[] {"GET", "HEAD", "DELETE", "post"}) {
      String response = gateway.send(method, "/hooks/git", "");
      assertThat(response).as(method).startsWith("HTTP/1.1 401");
    }
    assertThat(gateway.originRequests).hasValue(0);
  }

  /** GHSA-5hvv-m4w4-gf6v: a client that calls itself a health check was let in everywhere. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "User-Agent: GoogleHC/1.0",
        "User-Agent: kube-probe/1.30",
        "User-Agent: ELB-HealthChecker/2.0",
        "User-Agent: Amazon-Route53-Health-Check-Service",
        "X-Health-Check: 1",
        "X-Probe: ready",
        "Referer: http://localhost/health",
        "Purpose: prefetch",
        "X-GitHub-Event: push"
      })
  void headerOfTheClient_opensNothing(String header) throws Exception {
    assertProtected("GET", "/admin", header + "\n");
  }

  /** GHSA-7x63-xv5r-3p2x: the path was taken from a header of the client. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-Forwarded-Uri: /health",
        "X-Forwarded-Path: /health",
        "X-Forwarded-Prefix: /health",
        "X-Original-URL: /health",
        "X-Original-URI: /health",
        "X-Rewrite-URL: /health",
        "X-Auth-Request-Redirect: /health",
        "Forwarded: for=192.0.2.1;host=localhost",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Host: localhost"
      })
  void pathInAHeader_opensNothing_evenThroughATrustedProxy(String header) throws Exception {
    assertProtected("GET", "/admin", header + "\n");
    assertProtected("DELETE", "/health", header + "\n");
  }

  /** Nor the other way round: it would be the origin that is fooled. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-Forwarded-Uri",
        "X-Original-URL",
        "X-Original-URI",
        "X-Rewrite-URL",
        "x_original_url"
      })
  void pathInAHeader_doesNotReachTheOrigin_withARequestThatIsOpen(String name) throws Exception {
    assertThat(gateway.send("GET", "/health", name + ": /admin\n"))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("/admin");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "X-HTTP-Method-Override", "x-http-method-override", "X_HTTP_Method_Override",
        "X-HTTP-Method", "X-Method-Override", "x.method_override"
      })
  void otherMethodInAHeader_neitherOpens_norReachesTheOrigin(String name) throws Exception {
    assertProtected("DELETE", "/health", name + ": GET\n");
    assertThat(gateway.send("POST", "/hooks/git", name + ": DELETE\nContent-Length: 0\n"))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("DELETE");
  }

  /** Applications that tunnel methods through POST by design need it: SharePoint does. */
  @Test
  void otherMethodInAHeader_reachesTheOrigin_ofAUserWhoIsSignedIn() throws Exception {
    assertThat(
            gateway.send(
                "POST",
                "/list",
                ProtectedGateway.SIGNED_IN + "X-HTTP-Method: MERGE\nContent-Length: 0\n"))
        .contains("x-http-method: MERGE");
  }

  @Test
  void reservedPath_isNotOpened() throws Exception {
    assertThat(gateway.send("GET", "/.apprxy/health", "")).startsWith("HTTP/1.1 401");
    assertThat(gateway.originRequests).hasValue(0);
  }
}
