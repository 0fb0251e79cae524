package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import io.apprxy.Application;
import io.apprxy.Application.SignedAssertion;
import io.apprxy.Identity;
import io.apprxy.auth.servlet.VerifiedIdentityFilter;
import io.apprxy.auth.sso.AssertionKeys;
import io.apprxy.auth.sso.AssertionVerifier;
import io.apprxy.auth.sso.SignedAssertions;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@link VerifiedIdentityFilter} in every container. */
@Timeout(120)
class VerifiedIdentityIT {
  private static final String ISSUER = "https://gateway.example.com";
  private static final Identity ALICE =
      new Identity(
          "https://idp.test",
          "a-1",
          "session-1",
          Instant.EPOCH,
          Map.of("preferred_username", "alice", "groups", List.of("staff")));

  @TempDir private static Path directory;

  private final AssertionKeys keys = AssertionKeys.generate();
  private final SignedAssertions signer =
      SignedAssertions.builder().issuer(ISSUER).keys(keys).build();
  private final ServletApplication application = new ServletApplication();
  private HttpServer gateway;
  private ServletContainer.Running running;
  private TlsClient client;

  private void start(ServletContainer container) throws Exception {
    start(container, SignedAssertion.defaults().header());
  }

  private void start(ServletContainer container, String header) throws Exception {
    gateway = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    gateway.createContext(
        "/.apprxy/jwks.json",
        exchange -> {
          byte[] body = signer.publicKeys().getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    gateway.start();
    VerifiedIdentityFilter filter =
        VerifiedIdentityFilter.builder()
            .verifier(
                AssertionVerifier.builder()
                    .keys(
                        "http://127.0.0.1:" + gateway.getAddress().getPort() + "/.apprxy/jwks.json")
                    .issuer(ISSUER)
                    .audience("wiki")
                    .build())
            .userName("preferred_username")
            .header(header)
            .build();
    int port = DemoSetup.portOrFree(0);
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
    gateway.stop(0);
  }

  @ParameterizedTest
  @EnumSource
  void whoTheGatewayVouchesFor_isTheUser(ServletContainer container) throws Exception {
    start(container);
    String answer = client.get("/page", assertion() + "X-User: mallory\nRemote-User: mallory\n");
    assertThat(answer)
        .startsWith("HTTP/1.1 200")
        .contains("user alice", "staff true admin false", "auth apprxy")
        .contains("principal IdentityPrincipal[Identity[a-1 of https://idp.test")
        .contains("identity Identity[a-1 of https://idp.test");
  }

  @ParameterizedTest
  @EnumSource
  void assertionInAuthorization_isABearerToken(ServletContainer container) throws Exception {
    start(container, "Authorization");
    String good = signer.sign(ALICE, wiki("wiki"));

    assertThat(client.get("/page", "Authorization: bearer " + good + "\n"))
        .startsWith("HTTP/1.1 200")
        .contains("user alice");
    for (String headers :
        List.of(
            "Authorization: " + good + "\n",
            "Authorization: Basic " + good + "\n",
            "Authorization: Bearer\n",
            "X-Apprxy-Assertion: " + good + "\n")) {
      assertThat(client.get("/page", headers)).as(headers).startsWith("HTTP/1.1 403");
    }
  }

  @ParameterizedTest
  @EnumSource
  void identity_staysWithForwardsIncludesAndAsynchronousAnswers(ServletContainer container)
      throws Exception {
    start(container);
    for (String path :
        List.of(
            "/forward", "/include", "/async", "/async-dispatch", "/async-elsewhere", "/simple")) {
      assertThat(client.get(path, assertion()))
          .as(path)
          .startsWith("HTTP/1.1 200")
          .contains("user alice", "staff true")
          .doesNotContain("user null");
    }
    assertThat(client.get("/missing", assertion()))
        .startsWith("HTTP/1.1 404")
        .contains("error page", "user alice");
  }

  @ParameterizedTest
  @EnumSource
  void whatTheGatewayDidNotSign_isRefused_beforeTheApplicationSeesIt(ServletContainer container)
      throws Exception {
    start(container);
    SignedAssertions stranger = SignedAssertions.builder().issuer(ISSUER).build();
    SignedAssertions late =
        SignedAssertions.builder()
            .issuer(ISSUER)
            .keys(keys)
            .clock(Clock.fixed(Instant.now().minus(Duration.ofMinutes(2)), ZoneOffset.UTC))
            .build();
    String good = signer.sign(ALICE, wiki("wiki"));
    List<String> refused =
        List.of(
            "",
            "X-User: alice\nAuthorization: Bearer " + good + "\n",
            "X-Apprxy-Assertion: \n",
            "X-Apprxy-Assertion: alice\n",
            "X_Apprxy_Assertion: " + good + "\n",
            "X-Apprxy-Assertion: " + good + "\nX-Apprxy-Assertion: " + good + "\n",
            "X-Apprxy-Assertion: " + good + ", " + good + "\n",
            "X-Apprxy-Assertion: " + good.substring(0, good.lastIndexOf('.') + 1) + "\n",
            "X-Apprxy-Assertion: " + signer.sign(ALICE, wiki("other")) + "\n",
            "X-Apprxy-Assertion: " + stranger.sign(ALICE, wiki("wiki")) + "\n",
            "X-Apprxy-Assertion: " + late.sign(ALICE, wiki("wiki")) + "\n");
    for (String headers : refused) {
      for (String path : List.of("/page", "/async", "/forward", "/error-page", "/missing")) {
        assertThat(client.get(path, headers + "Accept: application/json\n"))
            .as(path + " with " + headers)
            .startsWith("HTTP/1.1 403")
            .contains("APX-505");
      }
    }
    assertThat(application.calls).hasValue(0);
    assertThat(client.get("/page", "X-Apprxy-Assertion: " + good + "\n"))
        .startsWith("HTTP/1.1 200");
  }

  /** A name that other users could choose for themselves is nobody's. */
  @ParameterizedTest
  @EnumSource
  void userWithoutTheClaimOfTheName_isRefused(ServletContainer container) throws Exception {
    start(container);
    for (Object name : List.of(List.of("alice", "root"), " ", Map.of())) {
      Identity odd =
          new Identity(
              "https://idp.test",
              "b-" + name,
              "session " + name,
              Instant.EPOCH,
              name.equals(Map.of()) ? Map.of() : Map.of("preferred_username", name));
      String headers = "X-Apprxy-Assertion: " + signer.sign(odd, wiki("wiki")) + "\n";
      assertThat(client.get("/page", headers)).startsWith("HTTP/1.1 502").contains("APX-606");
    }
    assertThat(application.calls).hasValue(0);
  }

  /** What the container refuses before it asks any filter. */
  @ParameterizedTest
  @EnumSource
  void requestThatTheContainerRefuses_showsNothingOfTheApplication(ServletContainer container)
      throws Exception {
    start(container);
    for (String target : List.of("/%", "/a%00b", "/%zz", "/\\..\\x", "/a/../../b")) {
      assertThat(client.get(target, ""))
          .as(target)
          .startsWith("HTTP/1.1 4")
          .doesNotContain("user null");
    }
    assertThat(application.calls).hasValue(0);
  }

  @ParameterizedTest
  @EnumSource
  void gatewayWhoseKeysCannotBeHad_isToldApart(ServletContainer container) throws Exception {
    start(container);
    gateway.stop(0);
    assertThat(client.get("/page", assertion())).startsWith("HTTP/1.1 503").contains("APX-506");
    assertThat(application.calls).hasValue(0);
  }

  private String assertion() {
    return "X-Apprxy-Assertion: " + signer.sign(ALICE, wiki("wiki")) + "\n";
  }

  private static Application wiki(String audience) {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example.com/")
        .internalUrl("http://wiki.corp/")
        .assignEveryone()
        .signedAssertion(SignedAssertion.defaults().forAudience(audience))
        .build();
  }
}
