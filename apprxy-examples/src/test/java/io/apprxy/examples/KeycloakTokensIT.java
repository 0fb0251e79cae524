package io.apprxy.examples;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.servlet.PreAuthenticationFilter;
import io.apprxy.auth.sso.HeaderSignOn;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Date;
import java.util.Deque;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** API clients with tokens of a real provider, which they find by what the gateway tells them. */
@ExtendWith(Keycloak.Shared.class)
class KeycloakTokensIT {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Map<String, String> ALICE =
      Map.of(
          "grant_type", "password",
          "username", "alice",
          "password", "wonderland",
          "scope", "openid");

  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private URI url;
  private HttpClient http;

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
  }

  /** RFC 9728 §5: nothing is known to the client but the address of the API, and its own secret. */
  @Test
  void client_findsTheProvider_byTheChallenge_andIsLetIn(Keycloak keycloak) throws Exception {
    start(keycloak);
    HttpResponse<String> refused = get(null);
    assertThat(refused.statusCode()).isEqualTo(401);
    String challenge =
        refused.headers().allValues("WWW-Authenticate").stream()
            .filter(one -> one.startsWith("Bearer "))
            .findFirst()
            .orElseThrow();
    JsonNode resource =
        json(URI.create(challenge.replaceFirst(".*resource_metadata=\"([^\"]*)\".*", "$1")));
    assertThat(url.toString()).startsWith(resource.path("resource").asString());
    String issuer = resource.path("authorization_servers").path(0).asString();
    assertThat(issuer).isEqualTo(keycloak.issuer());
    String endpoint =
        json(URI.create(issuer + "/.well-known/openid-configuration"))
            .path("token_endpoint")
            .asString();

    JsonNode tokens = post(endpoint, ALICE);
    HttpResponse<String> page = get("Bearer " + tokens.path("access_token").asString());

    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.body()).contains("Alice");
    // The same client's ID token has the audience, too.
    assertThat(get("Bearer " + tokens.path("id_token").asString()).statusCode()).isEqualTo(401);
    assertThat(get("Bearer " + tokens.path("refresh_token").asString()).statusCode())
        .isEqualTo(401);
  }

  @Test
  void service_isNobodyWhoIsAssigned_unlessItIsNamed(Keycloak keycloak) throws Exception {
    start(keycloak);
    JsonNode tokens =
        post(
            keycloak.issuer() + "/protocol/openid-connect/token",
            Map.of("grant_type", "client_credentials"));

    HttpResponse<String> page = get("Bearer " + tokens.path("access_token").asString());

    assertThat(page.statusCode()).isEqualTo(403);
    assertThat(page.body()).contains("APX-301");
  }

  /** RFC 9449: stolen, it is of no use. */
  @Test
  void tokenThatIsBoundToAKey_countsWithAProofByThatKey_only(Keycloak keycloak) throws Exception {
    start(keycloak);
    ECKey key = new ECKeyGenerator(Curve.P_256).generate();
    String endpoint = keycloak.issuer() + "/protocol/openid-connect/token";
    JsonNode tokens =
        JSON.readTree(
            post(endpoint, ALICE, "DPoP", proof(key, "POST", URI.create(endpoint), null)).body());
    assertThat(tokens.path("token_type").asString()).isEqualTo("DPoP");
    String token = tokens.path("access_token").asString();

    assertThat(get("DPoP " + token, proof(key, "GET", url, token)).statusCode()).isEqualTo(200);
    assertThat(get("Bearer " + token).statusCode()).isEqualTo(401);
    assertThat(get("DPoP " + token).statusCode()).isEqualTo(401);
    ECKey another = new ECKeyGenerator(Curve.P_256).generate();
    assertThat(get("DPoP " + token, proof(another, "GET", url, token)).statusCode()).isEqualTo(401);
  }

  private static String proof(ECKey key, String method, URI target, @Nullable String token)
      throws Exception {
    JWTClaimsSet.Builder claims =
        new JWTClaimsSet.Builder()
            .jwtID(UUID.randomUUID().toString())
            .issueTime(new Date())
            .claim("htm", method)
            .claim("htu", target.toString());
    if (token != null) {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(token.getBytes(US_ASCII));
      claims.claim("ath", Base64URL.encode(digest).toString());
    }
    SignedJWT proof =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.ES256)
                .type(new JOSEObjectType("dpop+jwt"))
                .jwk(key.toPublicJWK())
                .build(),
            claims.build());
    proof.sign(new ECDSASigner(key));
    return proof.serialize();
  }

  @ParameterizedTest
  @EnumSource
  void servletApplication_takesTheSameTokens(ServletContainer container, Keycloak keycloak)
      throws Exception {
    DemoCertificates certificates = prepare(keycloak);
    PreAuthenticationFilter filter =
        PreAuthenticationFilter.builder()
            .preAuthentication(signIn(keycloak))
            .accessPolicy(new AssignmentPolicy())
            .userName("preferred_username")
            .protect(application(url.toString()))
            .build();
    ServletApplication servlets = new ServletApplication();
    opened(
        container.start(
            url.getPort(),
            certificates,
            Map.of(
                "",
                context -> {
                  filter.register(context);
                  servlets.install(context);
                })));
    assertThat(get(null).headers().allValues("WWW-Authenticate"))
        .anyMatch(challenge -> challenge.startsWith("Bearer "));
    assertThat(servlets.calls).hasValue(0);
    String endpoint = keycloak.issuer() + "/protocol/openid-connect/token";
    String token = post(endpoint, ALICE).path("access_token").asString();

    HttpResponse<String> page = get("Bearer " + token);

    assertThat(page.statusCode()).isEqualTo(200);
    assertThat(page.body()).contains("user alice", "staff true").doesNotContain(token);
    assertThat(get("Bearer " + token + "x").statusCode()).isEqualTo(401);
    assertThat(servlets.calls).hasValue(1);
  }

  private DemoCertificates prepare(Keycloak keycloak) throws Exception {
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    http =
        HttpClient.newBuilder()
            .sslContext(keycloak.trustBeside(certificates.caFile()))
            .connectTimeout(Duration.ofSeconds(30))
            .build();
    return certificates;
  }

  private static OidcPreAuthentication signIn(Keycloak keycloak) throws Exception {
    return OidcPreAuthentication.builder()
        .issuer(keycloak.issuer())
        .clientId("gateway-rs256")
        .clientSecret("secret-of-gateway-rs256")
        .trust(keycloak.trust())
        .build();
  }

  private Application application(String origin) {
    return Application.builder("demo")
        .externalUrl(url.toString())
        .internalUrl(origin)
        .assignGroups("staff")
        .headerSignOn(DemoApplication.IDENTITY_HEADERS)
        .bearerTokens(BearerTokens.forAudiences("api://demo").scopes("email").build())
        .build();
  }

  private void start(Keycloak keycloak) throws Exception {
    DemoCertificates certificates = prepare(keycloak);
    String origin = opened(DemoApplication.start(0)).url().resolve("/").toString();
    opened(
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(signIn(keycloak))
            .accessPolicy(new AssignmentPolicy())
            .signOn(new HeaderSignOn())
            .publish(application(origin))
            .build()
            .start());
  }

  private <T extends AutoCloseable> T opened(T server) {
    running.push(server);
    return server;
  }

  private HttpResponse<String> get(String authorization) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(30));
    if (authorization != null) {
      request.header("Authorization", authorization);
    }
    return http.send(request.build(), BodyHandlers.ofString());
  }

  private HttpResponse<String> get(String authorization, String proof) throws Exception {
    return http.send(
        HttpRequest.newBuilder(url)
            .timeout(Duration.ofSeconds(30))
            .header("Authorization", authorization)
            .header("DPoP", proof)
            .build(),
        BodyHandlers.ofString());
  }

  private JsonNode json(URI address) throws Exception {
    HttpResponse<String> answer =
        http.send(
            HttpRequest.newBuilder(address).timeout(Duration.ofSeconds(30)).build(),
            BodyHandlers.ofString());
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    return JSON.readTree(answer.body());
  }

  private JsonNode post(String endpoint, Map<String, String> form) throws Exception {
    return JSON.readTree(post(endpoint, form, "Accept", "application/json").body());
  }

  private HttpResponse<String> post(
      String endpoint, Map<String, String> form, String header, String value) throws Exception {
    Map<String, String> all = new java.util.HashMap<>(form);
    all.put("client_id", "api-client");
    all.put("client_secret", "secret-of-api-client");
    String body =
        all.entrySet().stream()
            .map(
                one ->
                    one.getKey() + "=" + URLEncoder.encode(one.getValue(), StandardCharsets.UTF_8))
            .collect(Collectors.joining("&"));
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(endpoint))
            .timeout(Duration.ofSeconds(30))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header(header, value)
            .POST(HttpRequest.BodyPublishers.ofString(body));
    HttpResponse<String> answer = http.send(request.build(), BodyHandlers.ofString());
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    return answer;
  }
}
