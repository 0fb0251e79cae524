package io.apprxy.examples;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.servlet.PreAuthenticationFilter;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * {@link PreAuthenticationFilter} in every container, with users that sign in at a provider: the
 * application at the root, of which {@code /admin/} is for others, and the same once more in a
 * context of its own.
 */
@Timeout(120)
class PreAuthenticationFilterIT {
  @TempDir private static Path directory;
  private static final Map<ServletContainer, Site> SITES = new EnumMap<>(ServletContainer.class);

  /** A container, its provider, and alice, who is signed in. */
  private static final class Site implements AutoCloseable {
    final ServletApplication application = new ServletApplication();
    final DemoCertificates certificates;
    final URI url;
    final TlsClient client;
    final DemoProvider provider;
    final ServletContainer.Running running;
    final String alice;

    Site(ServletContainer container) throws Exception {
      certificates = DemoCertificates.in(directory);
      int port = DemoSetup.portOrFree(0);
      url = URI.create("https://localhost:" + port + "/");
      client = new TlsClient(certificates.trust(), port);
      provider =
          DemoProvider.start(
              0, certificates.server(), DemoProvider.Client.gateway("app", "secret", url));
      PreAuthenticationFilter filter =
          PreAuthenticationFilter.builder()
              .preAuthentication(
                  OidcPreAuthentication.builder()
                      .issuer(provider.issuer().toString())
                      .clientId("app")
                      .clientSecret("secret")
                      .trust(certificates.trust())
                      .build())
              .accessPolicy(new AssignmentPolicy())
              .userName("preferred_username")
              .protect(part("app", "", "staff"))
              .protect(part("admin", "admin/", "admins"))
              .protect(part("wiki", "wiki/", "staff"))
              .protect(part("wiki-admin", "wiki/admin/", "admins"))
              .protect(
                  Application.builder("open")
                      .externalUrl(url + "open/")
                      .internalUrl(url + "open/")
                      .passthrough()
                      .build())
              .build();
      running =
          container.start(
              port,
              certificates,
              Map.of(
                  "",
                  context -> {
                    filter.register(context);
                    application.install(context);
                  },
                  "/wiki",
                  context -> {
                    filter.register(context);
                    application.install(context);
                  }));
      alice = cookies(DemoProvider.USERS.get(0));
    }

    private Application part(String id, String path, String group) {
      return Application.builder(id)
          .externalUrl(url + path)
          .internalUrl(url + path)
          .assignGroups(group)
          .build();
    }

    String cookies(DemoProvider.User user) throws Exception {
      DemoBrowser browser = new DemoBrowser(certificates.trust());
      HttpResponse<String> page = browser.signIn(url, user, false);
      assertThat(page.uri()).isEqualTo(url);
      return "Cookie: " + browser.cookies(url) + "\n";
    }

    @Override
    public void close() {
      application.close();
      running.close();
      provider.close();
    }
  }

  private static synchronized Site at(ServletContainer container) throws Exception {
    Site known = SITES.get(container);
    if (known == null) {
      known = new Site(container);
      SITES.put(container, known);
    }
    return known;
  }

  @AfterAll
  static void stop() {
    SITES.values().forEach(Site::close);
  }

  @ParameterizedTest
  @EnumSource
  void user_signsInAtTheProvider_andComesBackToThePage(ServletContainer container)
      throws Exception {
    Site site = at(container);
    DemoBrowser browser = new DemoBrowser(site.certificates.trust());

    HttpResponse<String> page =
        browser.signIn(site.url.resolve("/page?x=%201"), DemoProvider.USERS.get(0), false);

    assertThat(page.uri()).isEqualTo(site.url.resolve("/page?x=%201"));
    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.body())
        .contains("hello", "user alice", "staff true admin false", "auth apprxy")
        .contains("identity Identity[")
        .contains("marked yes")
        .doesNotContain("__Host-apprxy");
    assertThat(page.headers().allValues("Cache-Control")).containsExactly("private");
    assertThat(page.headers().firstValue("X-Request-Id")).get().asString().hasSize(32);
  }

  @ParameterizedTest
  @EnumSource
  void userWhoIsNotAssigned_isRefused_beforeTheApplicationRuns(ServletContainer container)
      throws Exception {
    Site site = at(container);
    DemoBrowser browser = new DemoBrowser(site.certificates.trust());
    int before = site.application.calls.get();

    HttpResponse<String> page = browser.signIn(site.url, DemoProvider.USERS.get(1), false);

    assertThat(page.statusCode()).isEqualTo(403);
    assertThat(page.body()).contains("APX-301").doesNotContain("hello");
    assertThat(site.application.calls).hasValue(before);
  }

  @ParameterizedTest
  @EnumSource
  void requestWithoutASession_isSentToSignIn_orToldHow(ServletContainer container)
      throws Exception {
    Site site = at(container);
    int before = site.application.calls.get();

    assertThat(site.client.get("/page", "Accept: text/html\nSec-Fetch-Mode: navigate\n"))
        .startsWith("HTTP/1.1 302")
        .contains("Location: " + site.provider.issuer() + "/authorize?")
        .contains("Set-Cookie: __Host-apprxy-");
    for (String path : List.of("/page", "/async", "/forward", "/simple", "/missing", "/wiki/x")) {
      assertThat(site.client.get(path, "Accept: application/json\n"))
          .as(path)
          .startsWith("HTTP/1.1 401")
          .contains("APX-201", "sign_in_url", "no-store");
    }
    assertThat(site.client.get("/error-page", "")).startsWith("HTTP/1.1 401");
    assertThat(site.application.calls).hasValue(before);
  }

  @ParameterizedTest
  @EnumSource
  void partForOthers_isRefused_whateverTheSpelling(ServletContainer container) throws Exception {
    Site site = at(container);
    int before = site.application.calls.get();

    for (String target :
        List.of(
            "/admin/page",
            "/admin/",
            "/admin",
            "/%61dmin/page",
            "//admin/page",
            "/admin//page",
            "/./admin/page",
            "/x/../admin/page",
            "/x/%2e%2e/admin/page",
            "/%2e/admin/page",
            "/;x=1/admin/page",
            "/admin;x=1/page",
            "/admin;/page",
            "/x;/../admin/page",
            "/..;/admin/page",
            "/admin%2fpage",
            "/admin%2Fpage",
            "/%2fadmin/page",
            "/admin\\page",
            "/\\admin/page",
            "/admin%5cpage",
            "/%5cadmin/page",
            "/admin%00/page",
            "/%00/admin/page",
            "/%c0%afadmin/page",
            "/admin/page;.css",
            "/admin/page%3b.css",
            "/admin/page#x",
            "/.apprxy/../admin/page",
            "/open/../admin/page",
            "/open/..;/admin/page",
            "/open/%2e%2e/admin/page",
            "/open/%252e%252e/admin/page",
            "/wiki/admin/page",
            "/wiki/../admin/page",
            "/wiki/%61dmin/page",
            "/wiki//admin/page",
            "/wiki/;/admin/page",
            "/wiki;x=1/admin/page",
            "/wiki/.apprxy/../admin/page",
            "//wiki/admin/page",
            "/%77iki/admin/page",
            "http://localhost:" + site.url.getPort() + "/admin/page",
            "https://localhost:" + site.url.getPort() + "/admin/page",
            "https://evil.test/admin/page")) {
      String answer = site.client.get(target, site.alice);
      assertThat(answer)
          .as(target)
          .matches("(?s)HTTP/1\\.1 [34].*")
          .doesNotContain("user alice", "user null", "dispatched as");
    }
    assertThat(site.application.calls).hasValue(before);
  }

  /**
   * Decoded once it is a page of that odd name; whoever decoded it twice would take it for another.
   */
  @ParameterizedTest
  @EnumSource
  void nameThatIsEncodedTwice_isDecodedOnce_byBoth(ServletContainer container) throws Exception {
    Site site = at(container);
    assertThat(site.client.get("/%2561dmin/page", site.alice))
        .containsAnyOf("hello", "HTTP/1.1 400")
        .doesNotContain("\r\n\r\nadmin");
  }

  @ParameterizedTest
  @EnumSource
  void cookiesOfTheSession_areNotSeenByTheApplication(ServletContainer container) throws Exception {
    Site site = at(container);
    String alone = site.client.get("/page", site.alice);
    assertThat(alone)
        .startsWith("HTTP/1.1 200")
        .contains("cookies none")
        .doesNotContain("__Host-apprxy")
        .doesNotContainIgnoringCase("header cookie");
    String others = site.client.get("/page", site.alice.strip() + "; own=1\n");
    assertThat(others).contains("cookies [own]").containsIgnoringCase("header cookie: own=1");
  }

  @ParameterizedTest
  @EnumSource
  void otherHeadersThanTheTarget_doNotChooseThePage(ServletContainer container) throws Exception {
    Site site = at(container);
    for (String header :
        List.of(
            "X-Original-URL: /open/",
            "X-Rewrite-URL: /open/",
            "X-Forwarded-Host: evil.test",
            "X-HTTP-Method-Override: GET",
            "Forwarded: host=evil.test")) {
      assertThat(site.client.get("/admin/page", header + "\n")).startsWith("HTTP/1.1 401");
    }
    String two =
        site.client.send(
            "GET /page HTTP/1.1\nHost: localhost:"
                + site.url.getPort()
                + "\nHost: evil.test\nConnection: close\n\n");
    assertThat(two).startsWith("HTTP/1.1 400");
    assertThat(
            site.client.send(
                "GET /page HTTP/1.1\nHost: evil.test\nConnection: close\n" + site.alice + "\n"))
        .startsWith("HTTP/1.1 404")
        .contains("APX-401");
  }

  @ParameterizedTest
  @EnumSource
  void methodsAndLengthsThatContradict_areRefused(ServletContainer container) throws Exception {
    Site site = at(container);
    int before = site.application.calls.get();

    assertThat(site.client.send("TRACE", "/page", site.alice, ""))
        .matches("(?s)HTTP/1\\.1 [45].*")
        .doesNotContain("__Host-apprxy");
    assertThat(site.client.send("TRACK", "/page", site.alice, "")).startsWith("HTTP/1.1 501");
    assertThat(
            site.client.send(
                "POST", "/page", site.alice + "Content-Length: 3\nContent-Length: 4\n", "abcd"))
        .startsWith("HTTP/1.1 400");
    assertThat(site.application.calls).hasValue(before);
  }

  /** Whatever the container makes of it, there is one request and no second one behind it. */
  @ParameterizedTest
  @EnumSource
  void bodyWithBothLengths_hidesNoSecondRequest(ServletContainer container) throws Exception {
    Site site = at(container);
    int before = site.application.calls.get();
    String host = "Host: localhost:" + site.url.getPort() + "\n";
    String answer =
        site.client.send(
            "POST /page HTTP/1.1\n"
                + host
                + site.alice
                + "Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\nGET /hidden HTTP/1.1\n"
                + host
                + site.alice
                + "Connection: close\n\n");
    assertThat(answer.split("HTTP/1\\.1 ", -1)).hasSize(2);
    assertThat(site.application.calls.get() - before).isLessThanOrEqualTo(1);
  }

  @ParameterizedTest
  @EnumSource
  void identity_staysWithForwardsIncludesErrorPagesAndAsynchronousAnswers(
      ServletContainer container) throws Exception {
    Site site = at(container);
    for (String path :
        List.of(
            "/forward", "/include", "/async", "/async-dispatch", "/async-elsewhere", "/simple")) {
      String answer = site.client.get(path, site.alice + "X-Plain: 1\n");
      assertThat(answer)
          .as(path)
          .startsWith("HTTP/1.1 200")
          .contains("user alice", "staff true", "marked yes")
          .containsIgnoringCase("header x-plain: 1")
          .doesNotContain("user null", "__Host-apprxy");
      assertThat(cacheControl(answer)).as(path).contains("private").doesNotContain("public");
    }
    assertThat(site.client.get("/missing", site.alice))
        .startsWith("HTTP/1.1 404")
        .contains("error page", "user alice");
    assertThat(site.client.get("/broken", site.alice)).startsWith("HTTP/1.1 500");
  }

  @ParameterizedTest
  @EnumSource
  void applicationInAContext_isServedByTheSameFilter(ServletContainer container) throws Exception {
    Site site = at(container);
    assertThat(site.client.get("/wiki/page", site.alice))
        .startsWith("HTTP/1.1 200")
        .contains("user alice");
    assertThat(site.client.get("/wiki/.apprxy/user", site.alice)).contains("hello", "user alice");
    assertThat(site.client.get("/wiki", site.alice)).startsWith("HTTP/1.1 30").contains("/wiki/");
  }

  @ParameterizedTest
  @EnumSource
  void reservedPaths_areTheFilters(ServletContainer container) throws Exception {
    Site site = at(container);
    int before = site.application.calls.get();
    assertThat(site.client.get("/.apprxy/user", site.alice))
        .startsWith("HTTP/1.1 200")
        .contains("\"name\":\"alice\"", "no-store");
    assertThat(site.client.get("/.apprxy/nothing", site.alice)).startsWith("HTTP/1.1 404");
    assertThat(site.client.get("/.apprxy/callback?state=x&code=y", site.alice))
        .startsWith("HTTP/1.1 403")
        .contains("APX-202");
    assertThat(site.application.calls).hasValue(before);
  }

  @ParameterizedTest
  @EnumSource
  void responseToAUser_isForNoSharedCache_andThatOfPassthroughIsLeftAlone(
      ServletContainer container) throws Exception {
    Site site = at(container);
    String answer = site.client.get("/public", site.alice);
    assertThat(cacheControl(answer)).isEqualTo("max-age=60, private");
    assertThat(answer).doesNotContain("Surrogate-Control", "X-Accel-Expires");

    String open = site.client.get("/open/page", "");
    assertThat(open).startsWith("HTTP/1.1 200").contains("user null");
    assertThat(cacheControl(open)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void internalHeaders_ofAClient_areNotSeen(ServletContainer container) throws Exception {
    Site site = at(container);
    assertThat(
            site.client.get(
                "/page", site.alice + "X-Apprxy-User: mallory\napprxy-assertion: mallory\n"))
        .startsWith("HTTP/1.1 200")
        .doesNotContain("mallory");
  }

  /** An application, or its framework, may believe a proxy that it thinks stands before it. */
  @ParameterizedTest
  @EnumSource
  void whatOnlyAProxyMaySay_isNotBelievedOfAClient_signedInOrNot(ServletContainer container)
      throws Exception {
    Site site = at(container);
    String claims =
        "Forwarded: for=6.6.6.6;host=evil.test\nX-Forwarded-For: 6.6.6.6\nX_Forwarded_Host:"
            + " evil.test\nX-Forwarded-Proto: gopher\nX-Real-IP: 6.6.6.6\nssl-client-verify:"
            + " SUCCESS-evil\nX-SSL-Client-Cert: evil\nX-Client-Cert: evil\n";
    for (String answer :
        List.of(
            site.client.get("/page", site.alice + claims), site.client.get("/open/page", claims))) {
      assertThat(answer)
          .startsWith("HTTP/1.1 200")
          .containsIgnoringCase("header x-forwarded-for: 127.0.0.1")
          .containsIgnoringCase("header x-forwarded-proto: https")
          .doesNotContainIgnoringCase("6.6.6.6", "evil", "gopher");
    }
  }

  @ParameterizedTest
  @EnumSource
  void body_reachesTheApplication(ServletContainer container) throws Exception {
    Site site = at(container);
    assertThat(site.client.send("POST", "/page", site.alice + "Content-Length: 5\n", "hello"))
        .startsWith("HTTP/1.1 200")
        .contains("body hello");
    assertThat(
            site.client.send(
                "POST", "/page", site.alice + "Transfer-Encoding: chunked\n", "5\nhello\n0\n\n"))
        .contains("body hello");
  }

  @ParameterizedTest
  @EnumSource
  void session_endsWithTheSignOut_forCopiesOfTheCookieToo(ServletContainer container)
      throws Exception {
    Site site = at(container);
    String cookies = site.cookies(DemoProvider.USERS.get(0));
    assertThat(site.client.get("/page", cookies)).startsWith("HTTP/1.1 200");

    assertThat(signOut(site, cookies)).startsWith("HTTP/1.1 30");
    assertThat(site.client.get("/page", cookies)).startsWith("HTTP/1.1 401");
  }

  @ParameterizedTest
  @EnumSource
  void whatIsOpen_endsWithTheSignOut(ServletContainer container) throws Exception {
    Site site = at(container);
    for (String path : List.of("/stream", "/sse")) {
      String cookies = site.cookies(DemoProvider.USERS.get(0));
      String host = " HTTP/1.1\r\nHost: localhost:" + site.url.getPort() + "\r\n";
      try (Socket socket = site.client.connect()) {
        String request = "GET " + path + host + "Connection: close\r\n" + cookies.strip();
        socket.getOutputStream().write((request + "\r\n\r\n").getBytes(US_ASCII));
        BufferedReader answer =
            new BufferedReader(new InputStreamReader(socket.getInputStream(), US_ASCII));
        String line = answer.readLine();
        assertThat(line).startsWith("HTTP/1.1 200");
        while (!line.contains("tick")) {
          line = answer.readLine();
        }
        assertThat(signOut(site, cookies)).startsWith("HTTP/1.1 30");
        assertThat(ends(answer)).as(path).isTrue();
      }
    }
  }

  private static boolean ends(BufferedReader answer) {
    try {
      while (answer.readLine() != null) {}
      return true;
    } catch (SocketTimeoutException e) {
      return false;
    } catch (IOException e) {
      return true;
    }
  }

  private static String signOut(Site site, String cookies) throws IOException {
    return site.client.send(
        "POST",
        "/.apprxy/sign-out",
        cookies
            + "Origin: https://localhost:"
            + site.url.getPort()
            + "\nSec-Fetch-Site: same-origin\nContent-Length: 0\n",
        "");
  }

  private static String cacheControl(String answer) {
    return answer
        .lines()
        .takeWhile(line -> !line.isEmpty())
        .filter(line -> line.toLowerCase(java.util.Locale.ROOT).startsWith("cache-control:"))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .collect(java.util.stream.Collectors.joining(" AND "));
  }
}
