package io.apprxy.auth.oidc;

import static io.apprxy.ErrorCode.ACCESS_TOKEN_REFUSED;
import static io.apprxy.ErrorCode.CREDENTIALS_AMBIGUOUS;
import static io.apprxy.ErrorCode.PROVIDER_UNAVAILABLE;
import static io.apprxy.ErrorCode.SCOPE_MISSING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.util.Base64URL;
import io.apprxy.Application;
import io.apprxy.BearerTokens;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.oidc.ApiClient.Outcome;
import io.apprxy.auth.session.Sessions;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/** What of a client's token is believed: RFC 6750, 9068, 8725, 8705 and 9449. */
class AccessTokensTest extends OidcTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final JOSEObjectType AT_JWT = new JOSEObjectType("at+jwt");

  static final Application API =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .assignEveryone()
          .bearerTokens(
              BearerTokens.forAudiences("api://wiki", "https://wiki.example")
                  .scopes("read")
                  .roles("Wiki.Read.All")
                  .build())
          .build();

  private ApiClient client;

  @BeforeEach
  void startClient() {
    client = new ApiClient(gateway, API);
  }

  private Map<String, Object> claims() {
    long now = clock.instant().getEpochSecond();
    Map<String, Object> claims = new LinkedHashMap<>();
    claims.put("iss", provider.issuer());
    claims.put("sub", "4711");
    claims.put("aud", List.of("api://other", "api://wiki"));
    claims.put("exp", now + 300);
    claims.put("iat", now);
    claims.put("jti", "1");
    claims.put("client_id", "mobile app");
    claims.put("scope", "read write");
    claims.put("preferred_username", "ada");
    claims.put("groups", List.of("mathematicians"));
    return claims;
  }

  private static String sign(JWSHeader header, JWSSigner signer, String payload) {
    try {
      JWSObject token = new JWSObject(header, new Payload(payload));
      token.sign(signer);
      return token.serialize();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static JWSSigner rsa() {
    try {
      return new RSASSASigner(TestProvider.RSA);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static JWSHeader.Builder header() {
    return new JWSHeader.Builder(JWSAlgorithm.RS256).type(AT_JWT).keyID("rsa");
  }

  private String token(Consumer<Map<String, Object>> bend) {
    return token(header().build(), bend);
  }

  private String token(JWSHeader header, Consumer<Map<String, Object>> bend) {
    Map<String, Object> claims = claims();
    bend.accept(claims);
    return sign(header, rsa(), JSON.writeValueAsString(claims));
  }

  private String token() {
    return token(claims -> {});
  }

  private static void assertRefused(Outcome outcome) {
    assertThat(outcome.error()).isEqualTo(ACCESS_TOKEN_REFUSED);
    assertThat(outcome.exchange().identity()).isNull();
    assertThat(outcome.challenges())
        .singleElement()
        .asString()
        .contains("error=\"invalid_token\"")
        .contains(
            "resource_metadata=\"https://wiki.example/.well-known/oauth-protected-resource\"");
  }

  // ---- groups that it has no room for

  /** A policy that blocks a group could not be held against a user without groups. */
  @Test
  void tokenThatLeavesGroupsOut_isRefused_whereNobodyTellsThem() {
    for (Consumer<Map<String, Object>> overage :
        List.<Consumer<Map<String, Object>>>of(
            claims -> claims.put("_claim_names", Map.of("groups", "src1")),
            claims -> claims.put("hasgroups", true))) {
      Outcome outcome =
          client.bearer(
              token(
                  claims -> {
                    claims.remove("groups");
                    overage.accept(claims);
                  }));

      assertThat(outcome.error()).isEqualTo(ErrorCode.GROUPS_UNKNOWN);
      assertThat(outcome.exchange().identity()).isNull();
    }
  }

  @Test
  void tokenThatLeavesGroupsOut_hasThoseThatTheSourceTells() {
    OidcPreAuthentication asking =
        OidcPreAuthentication.builder()
            .sessions(Sessions.builder().clock(clock).build())
            .provider(
                OidcProvider.builder("entra")
                    .issuer(provider.issuer())
                    .client(OidcClient.builder(TestProvider.CLIENT).build())
                    .groups(claims -> List.of("of " + claims.get("sub")))
                    .build())
            .build();

    Outcome outcome =
        new ApiClient(asking, API)
            .bearer(token(claims -> claims.put("_claim_names", Map.of("groups", "src1"))));

    assertThat(outcome.identity().groups()).containsExactly("of 4711");
    assertThat(outcome.identity().claims()).doesNotContainKey("_claim_names");
  }

  // ---- believed

  @Test
  void tokenForThisApplication_authenticates_itsUser() {
    Outcome outcome = client.bearer(token());

    assertThat(outcome.identity().subject()).isEqualTo("4711");
    assertThat(outcome.identity().issuer()).isEqualTo(provider.issuer());
    assertThat(outcome.identity().name()).isEqualTo("ada");
    assertThat(outcome.identity().groups()).containsExactly("mathematicians");
    assertThat(outcome.identity().claim("client_id")).isEqualTo("mobile app");
    assertThat(outcome.identity().authenticatedAt()).isEqualTo(clock.instant());
    assertThat(outcome.exchange().responseHeaders()).isEmpty();
  }

  @Test
  void tokenThatWasSeen_isBelieved_withoutTheProvider() {
    String token = token();
    client.bearer(token);
    provider.close();

    assertThat(client.bearer(token).identity()).isNotNull();
  }

  /** Nobody is told that a good token is bad: clients would throw it away. */
  @Test
  void tokenWhoseKeysCannotBeHad_isForLater() {
    provider.keys = null;

    Outcome outcome = client.bearer(token());

    assertThat(outcome.error()).isEqualTo(PROVIDER_UNAVAILABLE);
    assertThat(outcome.challenges()).isEmpty();
    assertThat(outcome.exchange().identity()).isNull();
  }

  @Test
  void tokensOfOtherAlgorithms_ofTheAllowList_areBelieved() throws Exception {
    JWSHeader ec = new JWSHeader.Builder(JWSAlgorithm.ES256).type(AT_JWT).keyID("ec").build();
    assertThat(
            client
                .bearer(
                    sign(ec, new ECDSASigner(TestProvider.EC), JSON.writeValueAsString(claims())))
                .identity())
        .isNotNull();
    provider.algorithm = JWSAlgorithm.EdDSA;
    assertThat(client.bearer(provider.sign(JSON.writeValueAsString(claims()))).identity())
        .isNotNull();
  }

  /** Keycloak's, and Entra ID's of version 1 and 2. */
  @Test
  void plainJwt_thatWasMadeForAnApi_isBelieved() {
    for (JWSHeader header :
        List.of(header().type(JOSEObjectType.JWT).build(), header().type(null).build())) {
      assertThat(client.bearer(token(header, claims -> claims.put("typ", "Bearer"))).identity())
          .isNotNull();
      assertThat(
              client
                  .bearer(
                      token(
                          header,
                          claims -> {
                            claims.keySet().removeAll(Set.of("client_id", "scope"));
                            claims.put("azp", "0000-1");
                            claims.put("azpacr", "0");
                            claims.put("scp", "read");
                            claims.put("ver", "2.0");
                          }))
                  .identity()
                  .claim("client_id"))
          .isEqualTo("0000-1");
      assertThat(
              client
                  .bearer(
                      token(
                          header,
                          claims -> {
                            claims.keySet().removeAll(Set.of("client_id", "scope"));
                            claims.put("appid", "0000-2");
                            claims.put("scp", "read");
                            claims.put("ver", "1.0");
                          }))
                  .identity()
                  .claim("client_id"))
          .isEqualTo("0000-2");
    }
  }

  @Test
  void serviceClient_isKnown_byItsIdentifier_andMayHaveARoleInsteadOfTheScope() {
    Outcome byRole =
        client.bearer(
            token(
                claims -> {
                  claims.remove("scope");
                  claims.put("idtyp", "app");
                  claims.put("sub", "service-principal");
                  claims.put("roles", List.of("Wiki.Read.All"));
                }));
    assertThat(byRole.identity().subject()).isEqualTo("service-principal");
    Outcome byScope =
        client.bearer(
            token(
                claims -> {
                  claims.remove("sub");
                  claims.put("client_id", "nightly");
                }));
    assertThat(byScope.identity().subject()).isEqualTo("nightly");
  }

  @Test
  void roleOfAUser_isNoScope_norIsAnotherRole() {
    assertThat(
            client
                .bearer(
                    token(
                        claims -> {
                          claims.remove("scope");
                          claims.put("roles", List.of("Wiki.Read.All"));
                        }))
                .error())
        .isEqualTo(SCOPE_MISSING);
    assertThat(
            client
                .bearer(
                    token(
                        claims -> {
                          claims.remove("scope");
                          claims.put("idtyp", "app");
                          claims.put("roles", List.of("Wiki.Other"));
                        }))
                .error())
        .isEqualTo(SCOPE_MISSING);
  }

  @Test
  void identity_stands_untilTheTokenExpires() {
    Outcome outcome = client.bearer(token());

    clock.advance(Duration.ofSeconds(359));
    assertThat(outcome.exchange().identityStands()).isTrue();
    clock.advance(Duration.ofSeconds(1));
    assertThat(outcome.exchange().identityStands()).isFalse();
  }

  @Test
  void tokenThatWasSeen_isRefused_onceItHasExpired() {
    String token = token();
    assertThat(client.bearer(token).identity()).isNotNull();
    clock.advance(Duration.ofSeconds(360));

    assertRefused(client.bearer(token));
  }

  // ---- not genuine

  @Test
  void unsignedToken_isRefused() {
    String none =
        Base64URL.encode("{\"alg\":\"none\",\"typ\":\"at+jwt\"}")
            + "."
            + Base64URL.encode(JSON.writeValueAsString(claims()))
            + ".";
    assertRefused(client.bearer(none));
    assertRefused(client.bearer(none + Base64URL.encode("x")));
    assertRefused(client.bearer(none.replace("none", "NONE")));
    String genuine = token();
    assertRefused(client.bearer(genuine.substring(0, genuine.lastIndexOf('.') + 1)));
  }

  /** The classic: the public key, which everybody has, as the secret of an HMAC. */
  @Test
  void publicKeyAsASecret_isRefused() throws Exception {
    for (byte[] secret :
        List.of(
            TestProvider.RSA.toPublicKey().getEncoded(),
            TestProvider.RSA.toPublicJWK().toJSONString().getBytes(StandardCharsets.UTF_8),
            ("-----BEGIN PUBLIC KEY-----\n"
                    + Base64.getMimeEncoder(64, new byte[] {10})
                        .encodeToString(TestProvider.RSA.toPublicKey().getEncoded())
                    + "\n-----END PUBLIC KEY-----\n")
                .getBytes(StandardCharsets.UTF_8))) {
      JWSHeader header =
          new JWSHeader.Builder(JWSAlgorithm.HS256).type(AT_JWT).keyID("rsa").build();
      assertRefused(
          client.bearer(sign(header, new MACSigner(secret), JSON.writeValueAsString(claims()))));
    }
  }

  @Test
  void algorithmOutsideTheAllowList_isRefused() {
    assertRefused(
        client.bearer(
            token(
                new JWSHeader.Builder(JWSAlgorithm.RS512).type(AT_JWT).keyID("rsa").build(),
                claims -> {})));
  }

  @Test
  void keyThatTheTokenBringsAlong_isIgnored() throws Exception {
    JWSSigner forger = new RSASSASigner(TestProvider.OTHER_RSA);
    String claims = JSON.writeValueAsString(claims());
    assertRefused(
        client.bearer(
            sign(header().jwk(TestProvider.OTHER_RSA.toPublicJWK()).build(), forger, claims)));
    int fetches = provider.keyFetches.get();
    for (JWSHeader header :
        List.of(
            header().jwkURL(URI.create(provider.issuer() + "/keys?forged")).build(),
            header().x509CertURL(URI.create(provider.issuer() + "/keys?forged")).build())) {
      assertRefused(client.bearer(sign(header, forger, claims)));
    }
    assertThat(provider.keyFetches).hasValue(fetches);
  }

  @Test
  void keyIdThatIsNone_isRefused_andTheKeysAreNotFetchedEachTime() throws Exception {
    assertThat(client.bearer(token()).identity()).isNotNull();
    for (String kid :
        List.of("../../etc/passwd", "' OR 1=1 --", "rsa\u0000", "x".repeat(4_000), "ed", "")) {
      Outcome outcome = client.bearer(token(header().keyID(kid).build(), claims -> {}));
      assertThat(outcome.error()).as(kid).isIn(ACCESS_TOKEN_REFUSED, PROVIDER_UNAVAILABLE);
      assertThat(outcome.exchange().identity()).isNull();
    }
    assertThat(provider.keyFetches.get()).isLessThanOrEqualTo(3);
    assertThat(client.bearer(token(claims -> claims.put("jti", "2"))).identity()).isNotNull();
  }

  @Test
  void criticalHeader_isRefused() {
    assertRefused(
        client.bearer(
            token(
                header().criticalParams(Set.of("exp")).customParam("exp", 1).build(),
                claims -> {})));
    assertRefused(
        client.bearer(
            token(
                header().criticalParams(Set.of("b64")).base64URLEncodePayload(true).build(),
                claims -> {})));
  }

  @Test
  void nestedAndEncryptedTokens_areRefused() {
    assertRefused(client.bearer(sign(header().contentType("JWT").build(), rsa(), token())));
    assertRefused(client.bearer(sign(header().build(), rsa(), token())));
    assertRefused(
        client.bearer(
            Base64URL.encode("{\"alg\":\"dir\",\"enc\":\"A128GCM\"}") + "..AAAA.AAAA.AAAA"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a",
        "a.b",
        "a.b.c",
        "eyJ.eyJ.x",
        "....",
        "eyJhbGciOiJSUzI1NiJ9.e30.",
        "eyJhbGciOiJSUzI1NiJ9.W10.AA",
        "eyJhbGciOiJSUzI1NiJ9.bnVsbA.AA",
        "opaque-token",
        "0",
        "~+/=="
      })
  void whatIsNoToken_isRefused(String token) {
    assertRefused(client.bearer(token));
  }

  @Test
  void changedToken_isRefused() {
    String[] parts = token().split("\\.");
    String changed =
        Base64URL.encode(new Base64URL(parts[1]).decodeToString().replace("4711", "4712"))
            .toString();
    assertRefused(client.bearer(parts[0] + "." + changed + "." + parts[2]));
  }

  // ---- genuine, and not for this

  @Test
  void wrongAudience_isRefused_alsoOnceItWasSeen() {
    String other = token(claims -> claims.put("aud", "api://other"));
    assertRefused(client.bearer(other));
    assertRefused(client.bearer(other));
    assertRefused(client.bearer(token(claims -> claims.remove("aud"))));
    assertRefused(client.bearer(token(claims -> claims.put("aud", List.of()))));
    assertRefused(client.bearer(token(claims -> claims.put("aud", "api://wiki/"))));
    assertRefused(client.bearer(token(claims -> claims.put("aud", "API://WIKI"))));
  }

  @Test
  void wrongIssuer_isRefused() {
    for (Object issuer :
        new Object[] {
          "https://evil.test",
          provider.issuer() + "/",
          provider.issuer().replace("127.0.0.1", "localhost"),
          "",
          7
        }) {
      assertRefused(client.bearer(token(claims -> claims.put("iss", issuer))));
    }
    assertRefused(client.bearer(token(claims -> claims.remove("iss"))));
  }

  @Test
  void idToken_isRefused_thoughItIsGenuine_andTheAudienceFits() {
    JWSHeader plain = header().type(JOSEObjectType.JWT).build();
    Consumer<Map<String, Object>> idToken =
        claims -> {
          claims.keySet().removeAll(Set.of("client_id", "scope", "jti"));
          claims.put("azp", "mobile app");
          claims.put("nonce", "n");
          claims.put("auth_time", 1);
        };
    assertRefused(client.bearer(token(plain, idToken)));
    assertRefused(client.bearer(token(plain, idToken.andThen(claims -> claims.remove("nonce")))));
    assertRefused(client.bearer(token(plain, idToken.andThen(c -> c.put("scope", "read")))));
    assertRefused(client.bearer(token(plain, claims -> claims.put("at_hash", "x"))));
    for (Object type : new Object[] {"ID", "Refresh", "Logout", "bearer", 1}) {
      assertRefused(client.bearer(token(plain, claims -> claims.put("typ", type))));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "apprxy-identity+jwt",
        "id_token+jwt",
        "JOSE"
      })
  void tokenOfAnotherType_isRefused(String type) {
    assertRefused(client.bearer(token(header().type(new JOSEObjectType(type)).build(), c -> {})));
  }

  @Test
  void tokenOutsideItsTime_isRefused_beyondTheSkew() {
    long now = clock.instant().getEpochSecond();
    assertThat(client.bearer(token(claims -> claims.put("exp", now - 59))).identity()).isNotNull();
    assertRefused(client.bearer(token(claims -> claims.put("exp", now - 60))));
    assertThat(client.bearer(token(claims -> claims.put("nbf", now + 60))).identity()).isNotNull();
    assertRefused(client.bearer(token(claims -> claims.put("nbf", now + 61))));
    assertRefused(client.bearer(token(claims -> claims.put("iat", now + 61))));
    assertRefused(client.bearer(token(claims -> claims.remove("exp"))));
    assertRefused(client.bearer(token(claims -> claims.remove("iat"))));
    for (Object time : new Object[] {"tomorrow", -1, 1e300, true}) {
      assertRefused(client.bearer(token(claims -> claims.put("exp", time))));
    }
  }

  @Test
  void tokenWithoutASubject_isRefused() {
    assertRefused(
        client.bearer(
            token(
                claims -> {
                  claims.remove("sub");
                  claims.remove("client_id");
                })));
    assertRefused(client.bearer(token(claims -> claims.put("sub", ""))));
    assertRefused(client.bearer(token(claims -> claims.put("sub", "x".repeat(256)))));
  }

  @Test
  void missingScope_isForbidden_andNamed() {
    for (Object scope : new Object[] {"write", "reader", "READ", ""}) {
      Outcome outcome = client.bearer(token(claims -> claims.put("scope", scope)));
      assertThat(outcome.error()).isEqualTo(SCOPE_MISSING);
      assertThat(outcome.challenges())
          .singleElement()
          .asString()
          .contains("error=\"insufficient_scope\"")
          .contains("scope=\"read\"");
    }
  }

  // ---- how it is presented

  @Test
  void scheme_isTakenInAnyCase_andOtherSchemesAreTheOriginsAffair() throws Exception {
    assertThat(
            client
                .send(client.get("/api").withHeader("Authorization", "bEARER " + token()))
                .identity())
        .isNotNull();
    browser.application = API;
    browser.signIn(provider, "/");
    TestExchange basic =
        client.request("GET", "/api", browser.cookies).withHeader("Authorization", "Basic YTpi");
    assertThat(client.send(basic).identity().name()).isEqualTo("ada");
  }

  @Test
  void severalCredentials_areRefused() {
    String token = token();
    for (List<String> credentials :
        List.of(
            List.of("Bearer " + token, "Bearer " + token),
            List.of("Bearer " + token, "Basic YTpi"),
            List.of("Basic YTpi", "bearer x"))) {
      TestExchange exchange = client.get("/api");
      credentials.forEach(one -> exchange.withHeader("Authorization", one));
      assertAmbiguous(client.send(exchange));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a,Bearer b",
        "Bearer \"a\"",
        "Bearer =",
        "Bearer\ta",
        "Bearer {a}",
        "DPoP",
        "Bearer token=\"a\""
      })
  void malformedCredentials_areRefused(String credentials) {
    assertAmbiguous(client.send(client.get("/api").withHeader("Authorization", credentials)));
  }

  /** A policy, too, looks for tokens: one that is seen by one of the two only would deceive it. */
  @ParameterizedTest
  @ValueSource(strings = {"Bearer a\u0085b", "bearer \u0085", "DPoP a\u2028b"})
  void lineEndsOfUnicode_hideNoToken(String credentials) {
    TestExchange exchange =
        new TestExchange(
            "app.test",
            "GET",
            "/api",
            Map.of("Authorization", credentials),
            Map.of(),
            client.get("/api").application());

    assertThatThrownBy(() -> PresentedToken.of(exchange))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refused -> assertThat(refused.code()).isEqualTo(CREDENTIALS_AMBIGUOUS));
  }

  @Test
  void oversizedToken_isRefused() {
    assertAmbiguous(client.bearer("x".repeat(PresentedToken.MAX_LENGTH)));
    assertAmbiguous(client.bearer(token(claims -> claims.put("pad", "x".repeat(20_000)))));
  }

  private static void assertAmbiguous(Outcome outcome) {
    assertThat(outcome.error()).isEqualTo(CREDENTIALS_AMBIGUOUS);
    assertThat(outcome.exchange().identity()).isNull();
    assertThat(outcome.challenges())
        .singleElement()
        .asString()
        .contains("error=\"invalid_request\"");
  }

  @Test
  void tokenInTheQuery_isNone() {
    for (String query : List.of("?access_token=", "?a=b&access_token=", "?a;access_token=")) {
      assertAmbiguous(client.send(client.get("/api" + query + token())));
      assertAmbiguous(
          client.send(
              client
                  .get("/api" + query + token())
                  .withHeader("Authorization", "Bearer " + token())));
    }
    assertAmbiguous(client.send(client.get("/api?access_token")));
  }

  @Test
  void badToken_isNotHelpedByASession_andAGoodOneDoesNotNeedIt() throws Exception {
    browser.application = API;
    browser.signIn(provider, "/");
    assertThat(client.send(client.request("GET", "/api", browser.cookies)).identity()).isNotNull();

    assertRefused(
        client.send(
            client
                .request("GET", "/api", browser.cookies)
                .withHeader("Authorization", "Bearer " + token(c -> c.put("aud", "api://other")))));
    Outcome both =
        client.send(
            client
                .request("GET", "/api", browser.cookies)
                .withHeader("Authorization", "Bearer " + token(c -> c.put("sub", "4712"))));
    assertThat(both.identity().subject()).isEqualTo("4712");
  }

  @Test
  void clientWithoutAToken_isTold_howToGetOne() {
    Outcome outcome = client.send(client.get("/api"));

    assertThat(outcome.response().status()).isEqualTo(401);
    assertThat(outcome.challenges())
        .containsExactly(
            "Bearer realm=\"apprxy\","
                + " resource_metadata=\"https://wiki.example/.well-known/oauth-protected-resource\"",
            "DPoP realm=\"apprxy\", algs=\"ES256 ES384 ES512 PS256 RS256 EdDSA\","
                + " resource_metadata=\"https://wiki.example/.well-known/oauth-protected-resource\"");
    assertThat(outcome.response().headers())
        .anyMatch(header -> header.value().startsWith("Session"));
  }

  @Test
  void applicationWithoutSettings_takesNoToken() {
    ApiClient other = new ApiClient(gateway, TestBrowser.WIKI);
    Outcome outcome = other.bearer(token());

    assertThat(outcome.response().status()).isEqualTo(401);
    assertThat(outcome.challenges()).isEmpty();
  }

  // ---- what clients are told

  @Test
  void metadata_namesTheProviders_andTheScopes() {
    Outcome outcome = client.send(client.get("/.well-known/oauth-protected-resource"));

    Map<?, ?> metadata = JSON.readValue(outcome.response().body(), Map.class);
    assertThat(metadata.get("resource")).isEqualTo("https://wiki.example");
    assertThat(metadata.get("authorization_servers")).isEqualTo(List.of(provider.issuer()));
    assertThat(metadata.get("scopes_supported")).isEqualTo(List.of("read"));
    assertThat(metadata.get("bearer_methods_supported")).isEqualTo(List.of("header"));
    Response put =
        client
            .send(client.request("PUT", "/.well-known/oauth-protected-resource", Map.of()))
            .response();
    assertThat(put.status()).isEqualTo(405);
  }

  @Test
  void stepUp_isAChallenge_ofRfc9470() {
    Outcome outcome =
        client.demand(
            client.get("/api").withHeader("Authorization", "Bearer " + token()),
            new StepUpRequirement(
                List.of("phr", "mfa"), null, Duration.ofMinutes(5), "a second \"factor\""));

    assertThat(outcome.challenges())
        .containsExactly(
            "Bearer realm=\"apprxy\","
                + " resource_metadata=\"https://wiki.example/.well-known/oauth-protected-resource\","
                + " error=\"insufficient_user_authentication\","
                + " error_description=\"a second ?factor?\", acr_values=\"phr mfa\","
                + " max_age=\"300\"");
    assertThat(outcome.error().status()).isEqualTo(401);
  }

  @Test
  void stepUp_toAnAuthenticationContext_isEntrasClaimsChallenge() {
    Outcome outcome =
        client.demand(
            client.get("/api").withHeader("Authorization", "Bearer " + token()),
            new StepUpRequirement(List.of(), "c1", null, "a compliant device"));

    String challenge = outcome.challenges().get(0);
    assertThat(challenge).contains("error=\"insufficient_claims\"");
    String claims = challenge.replaceFirst(".*claims=\"([^\"]*)\".*", "$1");
    assertThat(JSON.readTree(Base64.getDecoder().decode(claims)))
        .isEqualTo(
            JSON.readTree("{\"access_token\":{\"acrs\":{\"essential\":true,\"value\":\"c1\"}}}"));
  }

  @Test
  void stepUp_thatTheTokenMeets_isAnError_notALoop() {
    Outcome outcome =
        client.demand(
            client
                .get("/api")
                .withHeader("Authorization", "Bearer " + token(c -> c.put("acr", "mfa"))),
            new StepUpRequirement(List.of("mfa"), null, null, "a second factor"));
    assertThat(outcome.error()).isEqualTo(io.apprxy.ErrorCode.STEP_UP_FAILED);
  }
}
