package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.oauth2.sdk.pkce.CodeChallenge;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.sun.net.httpserver.HttpServer;
import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcClient;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.oidc.OidcProvider;
import io.apprxy.auth.policy.AuthenticationStrength;
import io.apprxy.auth.policy.ConditionalAccess;
import io.apprxy.auth.policy.Policy;
import io.apprxy.auth.policy.PolicySet;
import io.apprxy.auth.sso.HeaderSignOn;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A native client (RFC 8252) that gets its tokens by a browser, from {@code oidc-provider} of npm,
 * and of which a policy demands more by and by (RFC 9470).
 */
class NativeClientIT {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Pattern FORM = Pattern.compile("<form[^>]* action=\"([^\"]+)\"");
  private static final Pattern CODE = Pattern.compile("[?&]code=([^&]+)");

  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private final ConditionalAccess access = ConditionalAccess.builder().build();
  private SSLContext trust;
  private HttpClient http;
  private URI url;
  private String issuer;
  private URI done;

  @BeforeEach
  void start() throws Exception {
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    NodeProvider provider = opened(NodeProvider.start(url.toString(), "node", url));
    issuer = provider.issuer();
    trust = PemFiles.trust(List.of(provider.certificate(), certificates.ca()));
    http = HttpClient.newBuilder().sslContext(trust).build();
    done = startClient();
    DemoApplication origin = opened(DemoApplication.start(0));
    opened(
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .provider(
                        OidcProvider.builder("node")
                            .issuer(issuer)
                            .client(
                                OidcClient.builder("gateway-basic")
                                    .secret("secret-of-gateway-basic")
                                    .build())
                            .trust(trust)
                            .build())
                    .build())
            .accessPolicy(access)
            .signOn(new HeaderSignOn())
            .publish(
                Application.builder("api")
                    .externalUrl(url.toString())
                    .internalUrl(origin.url().resolve("/").toString())
                    .assignGroups("staff")
                    .headerSignOn(DemoApplication.IDENTITY_HEADERS)
                    .bearerTokens(BearerTokens.forAudiences(url.toString()).scopes("read").build())
                    .build())
            .build()
            .start());
  }

  private static Policy.Builder everybody(String name) {
    return Policy.builder(name).includeAllUsers().includeAllApplications();
  }

  private void demandTwoFactors() {
    access.publish(
        PolicySet.builder()
            .authenticationStrength(
                new AuthenticationStrength("two factors", List.of("urn:test:mfa"), List.of(), null))
            .policy(everybody("two").requireAuthenticationStrength("two factors").build())
            .build());
  }

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
  }

  @Test
  void client_isToldWhatIsMissing_getsIt_andIsLetIn() throws Exception {
    String token = token(Map.of(), "");
    assertThat(get(token).statusCode()).isEqualTo(200);

    demandTwoFactors();
    HttpResponse<String> refused = get(token);

    assertThat(refused.statusCode()).isEqualTo(401);
    assertThat(refused.body()).doesNotContain("Hello");
    String challenge = refused.headers().firstValue("WWW-Authenticate").orElseThrow();
    assertThat(challenge).contains("error=\"insufficient_user_authentication\"");
    String more =
        token(Map.of("acr_values", first("acr_values=\"([^\"]+)\"", challenge)), "123456");
    HttpResponse<String> page = get(more);
    assertThat(page.statusCode()).as(page.body()).isEqualTo(200);
    assertThat(page.body()).contains("Hello, alice", "staff");
    assertThat(get(token).statusCode()).as("the first token's").isEqualTo(401);
  }

  /** The user has no second factor: each attempt ends with the same words, whatever comes next. */
  @Test
  void client_whoseUserHasNoMore_isToldTheSameAgain() throws Exception {
    demandTwoFactors();

    for (int i = 0; i < 2; i++) {
      HttpResponse<String> refused = get(token(Map.of("acr_values", "urn:test:mfa"), "guess"));
      assertThat(refused.statusCode()).isEqualTo(401);
      assertThat(refused.headers().firstValue("WWW-Authenticate").orElseThrow())
          .contains("error=\"insufficient_user_authentication\"", "acr_values=\"urn:test:mfa\"");
    }
  }

  // ---- the client

  /** Where the browser leaves the code, on a port that the system gave. */
  private URI startClient() throws Exception {
    HttpServer client =
        HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
    client.createContext(
        "/done",
        exchange -> {
          exchange.sendResponseHeaders(204, -1);
          exchange.close();
        });
    client.start();
    running.push(() -> client.stop(0));
    return URI.create("http://127.0.0.1:" + client.getAddress().getPort() + "/done");
  }

  /** A token of alice, who signs in anew in a browser. */
  private String token(Map<String, String> more, String secondFactor) throws Exception {
    CodeVerifier verifier = new CodeVerifier();
    Map<String, String> asked = new HashMap<>(more);
    asked.putAll(
        Map.of(
            "client_id", "native",
            "response_type", "code",
            "scope", "openid read",
            "resource", url.toString(),
            "redirect_uri", done.toString(),
            "code_challenge_method", "S256",
            "code_challenge",
                CodeChallenge.compute(CodeChallengeMethod.S256, verifier).getValue()));
    DemoBrowser browser = new DemoBrowser(trust);
    HttpResponse<String> form =
        browser.open(URI.create(endpoint("authorization_endpoint") + "?" + encoded(asked)));
    HttpResponse<String> arrived =
        browser.post(
            form.uri().resolve(first(FORM.pattern(), form.body())),
            Map.of("username", "alice", "password", "wonderland", "code", secondFactor));
    assertThat(arrived.statusCode()).as(arrived.body()).isEqualTo(204);
    Map<String, String> spent =
        Map.of(
            "client_id", "native",
            "grant_type", "authorization_code",
            "code", first(CODE.pattern(), arrived.uri().toString()),
            "redirect_uri", done.toString(),
            "resource", url.toString(),
            "code_verifier", verifier.getValue());
    HttpResponse<String> tokens =
        http.send(
            HttpRequest.newBuilder(URI.create(endpoint("token_endpoint")))
                .timeout(Duration.ofSeconds(30))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(BodyPublishers.ofString(encoded(spent)))
                .build(),
            BodyHandlers.ofString());
    assertThat(tokens.statusCode()).as(tokens.body()).isEqualTo(200);
    return JSON.readTree(tokens.body()).get("access_token").asString();
  }

  private String endpoint(String name) throws Exception {
    HttpResponse<String> metadata =
        http.send(
            HttpRequest.newBuilder(URI.create(issuer + "/.well-known/openid-configuration"))
                .timeout(Duration.ofSeconds(30))
                .build(),
            BodyHandlers.ofString());
    JsonNode all = JSON.readTree(metadata.body());
    return all.get(name).asString();
  }

  private HttpResponse<String> get(String token) throws Exception {
    return http.send(
        HttpRequest.newBuilder(url)
            .timeout(Duration.ofSeconds(30))
            .header("Authorization", "Bearer " + token)
            .build(),
        BodyHandlers.ofString());
  }

  private static String encoded(Map<String, String> form) {
    return form.entrySet().stream()
        .map(one -> one.getKey() + "=" + URLEncoder.encode(one.getValue(), StandardCharsets.UTF_8))
        .collect(Collectors.joining("&"));
  }

  private static String first(String pattern, String text) {
    Matcher found = Pattern.compile(pattern).matcher(text);
    assertThat(found.find()).as("%s in %s", pattern, text).isTrue();
    return found.group(1);
  }

  private <T extends AutoCloseable> T opened(T server) {
    running.push(server);
    return server;
  }
}
