package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.AccessPolicy;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.PreAuthentication;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.servlet.PreAuthenticationFilter;
import io.apprxy.auth.sso.HeaderSignOn;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What {@link PreAuthenticationFilter} does with whatever its stages decide, in every container.
 */
@Timeout(120)
class ServletStagesIT {
  private static final Identity ALICE =
      new Identity(
          "https://idp.test",
          "a-1",
          "session-1",
          Instant.EPOCH,
          Map.of("preferred_username", "alice", "groups", List.of("staff")));
  private static final PreAuthentication IDENTIFY =
      exchange -> {
        exchange.identify(ALICE);
        return Verdict.proceed();
      };
  private static final AccessPolicy ALLOW = exchange -> Verdict.proceed();

  @TempDir private static Path directory;

  private final ServletApplication application = new ServletApplication();
  private ServletContainer.Running running;
  private TlsClient client;
  private int port;

  private void start(ServletContainer container, PreAuthentication stage, AccessPolicy policy)
      throws Exception {
    start(container, stage, policy, settings -> settings);
  }

  private void start(
      ServletContainer container,
      PreAuthentication stage,
      AccessPolicy policy,
      UnaryOperator<PreAuthenticationFilter.Builder> settings)
      throws Exception {
    port = DemoSetup.portOrFree(0);
    String url = "https://localhost:" + port + "/";
    PreAuthenticationFilter filter =
        settings
            .apply(
                PreAuthenticationFilter.builder()
                    .preAuthentication(stage)
                    .accessPolicy(policy)
                    .protect(
                        Application.builder("app")
                            .externalUrl(url)
                            .internalUrl(url)
                            .assignEveryone()
                            .passthroughBelow("/open", "GET")
                            .headerSignOn(Map.of("X-User", "preferred_username"))
                            .build()))
            .build();
    DemoCertificates certificates = DemoCertificates.in(directory);
    running =
        container.start(
            port,
            certificates,
            Map.of(
                "",
                context -> {
                  filter.register(context);
                  application.install(context);
                }));
    client = new TlsClient(certificates.trust(), port);
  }

  @AfterEach
  void stop() {
    application.close();
    running.close();
  }

  // ---- what a stage decides

  @ParameterizedTest
  @EnumSource
  void stageThatFails_refuses(ServletContainer container) throws Exception {
    List<PreAuthentication> broken =
        List.of(
            exchange -> {
              throw new IllegalStateException("secret");
            },
            exchange -> {
              throw new NoClassDefFoundError("secret");
            },
            exchange -> null,
            exchange -> Verdict.later(CompletableFuture.completedFuture(null)),
            exchange ->
                Verdict.later(CompletableFuture.failedFuture(new IllegalStateException("secret"))),
            exchange -> Verdict.proceed());
    for (PreAuthentication one : broken) {
      start(container, one, ALLOW);
      assertThat(client.get("/page", ""))
          .matches("(?s)HTTP/1\\.1 (500|401).*")
          .contains("\"code\":\"APX-")
          .doesNotContain("secret", "user ");
      assertThat(client.get("/.apprxy/x", ""))
          .matches("(?s)HTTP/1\\.1 (500|404).*")
          .doesNotContain("secret");
      running.close();
    }
    assertThat(application.calls).hasValue(0);
  }

  @ParameterizedTest
  @EnumSource
  void policyThatRefusesOrDemandsMore_isFollowed(ServletContainer container) throws Exception {
    Verdict stepUp =
        Verdict.stepUp(new StepUpRequirement(List.of("mfa"), null, null, "a second factor"));
    List<AccessPolicy> refusing =
        List.of(
            exchange -> {
              throw new GatewayException(ErrorCode.REFUSED_BY_POLICY, "no");
            },
            exchange -> stepUp,
            exchange -> Verdict.later(CompletableFuture.supplyAsync(() -> stepUp)),
            exchange -> Verdict.answer(Response.of(403)));
    for (AccessPolicy one : refusing) {
      start(container, IDENTIFY, one);
      assertThat(client.get("/page", "")).startsWith("HTTP/1.1 403");
      running.close();
    }
    assertThat(application.calls).hasValue(0);
  }

  @ParameterizedTest
  @EnumSource
  void stepUp_isAnsweredByTheStageThatAuthenticates(ServletContainer container) throws Exception {
    start(
        container,
        new PreAuthentication() {
          @Override
          public Verdict authenticate(Exchange exchange) {
            exchange.identify(ALICE);
            return Verdict.proceed();
          }

          @Override
          public Verdict stepUp(Exchange exchange, StepUpRequirement requirement) {
            return Verdict.later(
                CompletableFuture.supplyAsync(
                    () -> Verdict.answer(Response.of(401).with("X-More", requirement.reason()))));
          }
        },
        exchange ->
            Verdict.stepUp(new StepUpRequirement(List.of("mfa"), null, null, "a second factor")));
    assertThat(client.get("/page", ""))
        .startsWith("HTTP/1.1 401")
        .contains("X-More: a second factor");
  }

  @ParameterizedTest
  @EnumSource
  void stageThatAnswersLater_letsTheRequestGoOn_throughAllFilters(ServletContainer container)
      throws Exception {
    start(
        container,
        exchange ->
            Verdict.later(
                CompletableFuture.supplyAsync(
                    () -> {
                      exchange.addResponseHeader("Set-Cookie", "late=1");
                      exchange.identify(ALICE);
                      return Verdict.proceed();
                    })),
        exchange -> Verdict.later(CompletableFuture.supplyAsync(Verdict::proceed)));
    for (String path : List.of("/page", "/simple", "/async")) {
      assertThat(client.get(path, ""))
          .startsWith("HTTP/1.1 200")
          .contains("Set-Cookie: late=1", "user a-1", "marked yes", "dispatched as REQUEST");
    }
  }

  /** As long as the provider is slow, its callbacks hold none of the container's threads. */
  @ParameterizedTest
  @EnumSource
  void reservedPath_isAnsweredLater(ServletContainer container) throws Exception {
    CompletableFuture<Verdict> outcome = new CompletableFuture<>();
    CountDownLatch asked = new CountDownLatch(1);
    start(
        container,
        exchange -> {
          asked.countDown();
          return Verdict.later(outcome);
        },
        ALLOW);
    CompletableFuture<String> answer =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return client.get("/.apprxy/callback", "");
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            });
    assertThat(asked.await(20, TimeUnit.SECONDS)).isTrue();
    outcome.complete(Verdict.answer(Response.of(200, "text/plain", "at last")));
    assertThat(answer.get(20, TimeUnit.SECONDS)).startsWith("HTTP/1.1 200").contains("at last");
  }

  @ParameterizedTest
  @EnumSource
  void stageThatNeverAnswers_isNotWaitedForWithoutEnd(ServletContainer container) throws Exception {
    start(
        container,
        exchange -> Verdict.later(new CompletableFuture<>()),
        ALLOW,
        settings -> settings.timeout(Duration.ofSeconds(1)));
    assertThat(client.get("/page", "")).startsWith("HTTP/1.1 500").contains("APX-999");
    assertThat(client.get("/.apprxy/callback", "")).startsWith("HTTP/1.1 500");
    assertThat(application.calls).hasValue(0);
  }

  @ParameterizedTest
  @EnumSource
  void stage_readsTheBodyOfARequestThatIsItsOwn(ServletContainer container) throws Exception {
    start(
        container,
        exchange ->
            Verdict.later(
                exchange
                    .readBody(10)
                    .thenApply(
                        body ->
                            Verdict.answer(
                                Response.of(
                                    200,
                                    "text/plain",
                                    "read " + new String(body, StandardCharsets.UTF_8))))),
        ALLOW);
    assertThat(client.send("POST", "/.apprxy/logout", "Content-Length: 5\n", "hello"))
        .startsWith("HTTP/1.1 200")
        .contains("read hello");
    assertThat(client.send("POST", "/.apprxy/logout", "Content-Length: 11\n", "hello world"))
        .startsWith("HTTP/1.1 413")
        .contains("APX-104");
  }

  // ---- what the application sees

  @ParameterizedTest
  @EnumSource
  void headerSignOn_tellsTheApplication_whatNoClientCan(ServletContainer container)
      throws Exception {
    start(container, IDENTIFY, ALLOW, settings -> settings.signOn(new HeaderSignOn()));
    for (String path : List.of("/page", "/async", "/forward")) {
      assertThat(client.get(path, "X-User: mallory\nx_user: mallory\n"))
          .startsWith("HTTP/1.1 200")
          .containsIgnoringCase("header x-user: alice")
          .doesNotContain("mallory");
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatPassesThrough_hasNoIdentityHeader_whateverItsClientSends(ServletContainer container)
      throws Exception {
    start(container, IDENTIFY, ALLOW, settings -> settings.signOn(new HeaderSignOn()));
    assertThat(client.get("/open/page", "X-User: mallory\nx_user: mallory\nX.User: mallory\n"))
        .startsWith("HTTP/1.1 200")
        .contains("user null")
        .doesNotContainIgnoringCase("mallory", "x-user", "x_user");
  }

  /** It passes by its method: no framework behind the filter is to take it for another. */
  @ParameterizedTest
  @EnumSource
  void whatPassesThrough_hasNoOtherMethod_forFrameworks(ServletContainer container)
      throws Exception {
    start(container, IDENTIFY, ALLOW);
    assertThat(client.get("/open/page", "X-HTTP-Method-Override: DELETE\nX-Plain: 1\n"))
        .startsWith("HTTP/1.1 200")
        .containsIgnoringCase("header x-plain: 1")
        .doesNotContainIgnoringCase("override", "DELETE");
  }

  @ParameterizedTest
  @EnumSource
  void clientAddress_isThePeers_orWhatATrustedProxySays(ServletContainer container)
      throws Exception {
    PreAuthentication tell =
        exchange ->
            Verdict.answer(
                Response.of(200, "text/plain", exchange.clientAddress() + " " + exchange.url()));
    String forwarded = "X-Forwarded-For: 192.0.2.7\n";
    start(container, tell, ALLOW);
    assertThat(client.get("/page?x=1", forwarded))
        .contains("127.0.0.1 https://localhost:" + port + "/page?x=1");
    running.close();
    start(container, tell, ALLOW, settings -> settings.trustProxies("127.0.0.0/8"));
    assertThat(client.get("/page", forwarded))
        .contains("192.0.2.7 https://localhost:" + port + "/page");
    assertThat(client.get("/page", "X-Forwarded-For: unknown\n")).startsWith("HTTP/1.1 400");
  }

  /** It has no Host but an authority, which each container tells in its own way. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "JETTY") // which has it as another artifact
  void http2_isServedTheSame(ServletContainer container) throws Exception {
    start(container, IDENTIFY, ALLOW);
    HttpClient http2 = HttpClient.newBuilder().sslContext(client.trust()).build();
    HttpResponse<String> page =
        http2.send(
            HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/page?x=1")).build(),
            BodyHandlers.ofString());
    assertThat(page.version()).isEqualTo(HttpClient.Version.HTTP_2);
    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.body()).contains("user a-1");
  }

  // ---- what is open ends

  @ParameterizedTest
  @EnumSource
  void stream_endsWithTheSession_asOneThatIsCutOff(ServletContainer container) throws Exception {
    AtomicBoolean stands = new AtomicBoolean(true);
    start(
        container,
        exchange -> {
          exchange.identify(ALICE, stands::get);
          return Verdict.proceed();
        },
        ALLOW);
    assertIsCutOff(container, "/stream", stands);
    assertIsCutOff(container, "/sse", stands);
  }

  @ParameterizedTest
  @EnumSource
  void stream_ends_whenThePolicyChangesItsMind(ServletContainer container) throws Exception {
    AtomicBoolean allowed = new AtomicBoolean(true);
    start(
        container,
        IDENTIFY,
        exchange -> {
          if (!allowed.get()) {
            throw new GatewayException(ErrorCode.REFUSED_BY_POLICY, "not any more");
          }
          return Verdict.proceed();
        });
    assertIsCutOff(container, "/stream", allowed);
    assertIsCutOff(container, "/sse", allowed);
  }

  @ParameterizedTest
  @EnumSource
  void sessionThatEndsWhileTheStagesDecide_isNotServed(ServletContainer container)
      throws Exception {
    start(
        container,
        exchange -> {
          exchange.identify(ALICE, () -> false);
          return Verdict.proceed();
        },
        ALLOW);
    assertThat(client.get("/page", "")).startsWith("HTTP/1.1 401").contains("APX-209");
    assertThat(application.calls).hasValue(0);
  }

  /** Undertow ends what has no known length as if it were whole, whatever is thrown. */
  private void assertIsCutOff(ServletContainer container, String path, AtomicBoolean mayGoOn)
      throws Exception {
    mayGoOn.set(true);
    try (Socket socket = client.connect()) {
      String request =
          "GET " + path + " HTTP/1.1\r\nHost: localhost:" + port + "\r\nConnection: close\r\n\r\n";
      socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
      BufferedReader answer =
          new BufferedReader(
              new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
      String line = answer.readLine();
      assertThat(line).startsWith("HTTP/1.1 200");
      while (!line.contains("tick")) {
        line = answer.readLine();
      }
      mayGoOn.set(false);
      String end = lastLine(answer);
      if (container != ServletContainer.UNDERTOW) {
        assertThat(end).as("the end of " + path).isNotEqualTo("0");
      }
    }
    while (application.streaming.get() > 0) {
      Thread.onSpinWait(); // the test's own time limit ends it
    }
  }

  /** The last line before the connection is closed; a whole chunked body ends with 0. */
  private static String lastLine(BufferedReader answer) {
    String last = "";
    try {
      for (String line = answer.readLine(); line != null; line = answer.readLine()) {
        last = line.isEmpty() ? last : line;
      }
    } catch (SocketTimeoutException e) {
      throw new AssertionError("the connection is not closed, after " + last, e);
    } catch (IOException e) {
      return "broken: " + e.getMessage();
    }
    return last;
  }
}
