package io.apprxy.auth.oidc;

import static com.github.tomakehurst.wiremock.client.WireMock.aResponse;
import static com.github.tomakehurst.wiremock.client.WireMock.containing;
import static com.github.tomakehurst.wiremock.client.WireMock.equalTo;
import static com.github.tomakehurst.wiremock.client.WireMock.get;
import static com.github.tomakehurst.wiremock.client.WireMock.okJson;
import static com.github.tomakehurst.wiremock.client.WireMock.post;
import static com.github.tomakehurst.wiremock.client.WireMock.postRequestedFor;
import static com.github.tomakehurst.wiremock.client.WireMock.urlEqualTo;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.tomakehurst.wiremock.WireMockServer;
import com.github.tomakehurst.wiremock.client.ResponseDefinitionBuilder;
import com.github.tomakehurst.wiremock.core.WireMockConfiguration;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.ErrorCode;
import io.apprxy.Identity;
import io.apprxy.auth.TestClock;
import io.apprxy.auth.oidc.TestBrowser.Page;
import io.apprxy.auth.session.Sessions;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/**
 * What is particular about Entra ID: metadata and tokens have the shapes that it serves, with the
 * addresses of a server here, and are signed by a key of the test.
 */
class EntraTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String CLIENT = "6cb04018-a3f5-46a7-b995-940c78f5aef3";
  private static final String TENANT = "11111111-2222-3333-4444-555555555555";
  private static final String OTHER = "99999999-2222-3333-4444-555555555555";
  private static final String USER = "00000000-0000-0000-66f3-3332eca7ea81";
  private static final String GRAPH_PATH = "/v1.0/users/" + USER + "/getMemberObjects";

  private final WireMockServer microsoft =
      new WireMockServer(WireMockConfiguration.options().bindAddress("127.0.0.1").dynamicPort());
  private final TestClock clock = new TestClock();
  private String base;

  @BeforeEach
  void start() throws Exception {
    microsoft.start();
    base = "http://127.0.0.1:" + microsoft.port();
    String metadata =
        recorded("openid-configuration").replace("https://login.microsoftonline.com", base);
    microsoft.stubFor(
        get("/organizations/v2.0/.well-known/openid-configuration").willReturn(okJson(metadata)));
    microsoft.stubFor(
        get("/organizations/discovery/v2.0/keys")
            .willReturn(okJson(new JWKSet(TestProvider.RSA).toString(true))));
  }

  @AfterEach
  void stop() {
    microsoft.stop();
  }

  private TestBrowser browser(UnaryOperator<OidcProvider.Builder> settings) {
    OidcProvider.Builder provider =
        OidcProvider.builder("entra")
            .issuer(base + "/{tenantid}/v2.0")
            .tenants(TENANT)
            .client(OidcClient.builder(CLIENT).secret("secret").build());
    return new TestBrowser(
        OidcPreAuthentication.builder()
            .provider(settings.apply(provider).build())
            .sessions(Sessions.builder().clock(clock).build())
            .build());
  }

  // ---- issuers

  @Test
  void userOfATenantThatIsAllowed_signsIn_asOfThatTenant() throws Exception {
    TestBrowser browser = browser(provider -> provider);

    signIn(browser, claims -> {});

    Identity identity = browser.open("/").identity();
    assertThat(identity.issuer()).isEqualTo(base + "/" + TENANT + "/v2.0");
    assertThat(identity.claim("tid")).isEqualTo(TENANT);
    assertThat(identity.claim("oid")).isEqualTo(USER);
  }

  /** It is told by the name that the user's own tenant has for the issuer. */
  @Test
  void logoutOfAUserOfATenant_endsTheirSession_andNoOtherTenantCan() throws Exception {
    TestBrowser browser = browser(provider -> provider);
    signIn(browser, claims -> {});
    Identity identity = browser.open("/").identity();
    clock.advance(Duration.ofSeconds(1));

    assertThat(logOut(browser, OTHER, identity.subject())).isEqualTo(400);
    assertThat(browser.open("/").reachedApplication()).isTrue();
    assertThat(logOut(browser, TENANT, identity.subject())).isEqualTo(200);
    assertThat(browser.open("/").reachedApplication()).isFalse();
  }

  private int logOut(TestBrowser browser, String tenant, String subject) throws Exception {
    long now = clock.instant().getEpochSecond();
    JWSObject token =
        new JWSObject(
            new JWSHeader.Builder(JWSAlgorithm.RS256)
                .keyID("rsa")
                .type(new JOSEObjectType("logout+jwt"))
                .build(),
            new Payload(
                JSON.writeValueAsString(
                    Map.of(
                        "iss", base + "/" + tenant + "/v2.0",
                        "sub", subject,
                        "aud", CLIENT,
                        "iat", now,
                        "exp", now + 60,
                        "jti", tenant,
                        "events",
                            Map.of(
                                "http://schemas.openid.net/event/backchannel-logout", Map.of())))));
    token.sign(new RSASSASigner(TestProvider.RSA));
    return browser
        .post(
            "/.apprxy/backchannel-logout",
            Map.of("Content-Type", "application/x-www-form-urlencoded"),
            "logout_token=" + token.serialize())
        .response()
        .status();
  }

  @ParameterizedTest
  @CsvSource({
    OTHER + ", " + OTHER, // a tenant that is not allowed: anybody can have one
    TENANT + ", " + OTHER, // says to be of one, and is of the other
    OTHER + ", " + TENANT,
    "{tenantid}, " + TENANT,
    "{tenantid}, {tenantid}",
    TENANT + ", ",
    "organizations, organizations",
  })
  void tokenOfAnotherTenant_isRefused(String issuerTenant, String tid) {
    TestBrowser browser = browser(provider -> provider);

    OidcTest.assertRefused(
        () ->
            signIn(
                browser,
                claims -> {
                  claims.put("iss", base + "/" + issuerTenant + "/v2.0");
                  if (tid == null) {
                    claims.remove("tid");
                  } else {
                    claims.put("tid", tid);
                  }
                }),
        ErrorCode.PROVIDER_INVALID);
  }

  /** Version 1: another issuer than its metadata's address, and a slash at the end. */
  @Test
  void tokenOfVersion1_signsIn_byTheMetadataThatNamesItsIssuer() throws Exception {
    String v1 = base + "/sts/" + TENANT + "/";
    microsoft.stubFor(
        get("/" + TENANT + "/.well-known/openid-configuration")
            .willReturn(
                okJson(
                    recorded("openid-configuration")
                        .replace("https://login.microsoftonline.com/{tenantid}/v2.0", v1)
                        .replace("https://login.microsoftonline.com", base))));
    TestBrowser browser =
        new TestBrowser(
            OidcPreAuthentication.builder()
                .provider(
                    OidcProvider.builder("entra")
                        .issuer(v1)
                        .metadata(base + "/" + TENANT + "/.well-known/openid-configuration")
                        .client(OidcClient.builder(CLIENT).secret("secret").build())
                        .build())
                .sessions(Sessions.builder().clock(clock).build())
                .build());

    signIn(
        browser,
        claims -> {
          claims.put("ver", "1.0");
          claims.put("iss", v1);
          claims.put("upn", "abeli@contoso.com");
        });

    assertThat(browser.open("/").identity().issuer()).isEqualTo(v1);
    OidcTest.assertRefused(
        () -> signIn(browser(provider -> provider), claims -> claims.put("iss", v1)),
        ErrorCode.PROVIDER_INVALID);
  }

  @Test
  void metadataOfAnotherIssuer_isRefused() throws Exception {
    microsoft.stubFor(
        get("/organizations/v2.0/.well-known/openid-configuration")
            .willReturn(okJson(recorded("openid-configuration"))));

    OidcTest.assertRefused(
        () -> browser(provider -> provider).open("/"), ErrorCode.PROVIDER_INVALID);
  }

  @Test
  void issuerForManyTenants_needsThoseThatAreAllowed() {
    OidcProvider.Builder provider =
        OidcProvider.builder("entra")
            .issuer("https://login.microsoftonline.com/{tenantid}/v2.0")
            .client(OidcClient.builder(CLIENT).build());

    assertThatThrownBy(provider::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("tenants are missing");
    assertThatThrownBy(
            () -> provider.issuer("https://login.microsoftonline.com/x/v2.0").tenants("a").build())
        .hasMessageContaining("tenants have no place in the issuer");
  }

  // ---- claims

  @Test
  void claimsThatPoliciesAskFor_reachThem() throws Exception {
    TestBrowser browser = browser(provider -> provider);
    signIn(browser, claims -> {});

    Identity identity = browser.open("/").identity();
    assertThat(identity.values("acrs")).containsExactly("p1", "c1");
    assertThat(identity.values("amr")).containsExactly("pwd", "mfa");
    assertThat(identity.values("xms_cc")).containsExactly("cp1");
    assertThat(((Number) identity.claim("acct")).intValue()).as("a guest").isEqualTo(1);
    assertThat(identity.claim("idp"))
        .isEqualTo("https://sts.windows.net/9122040d-6c67-4c5b-b112-36a304b66dad/");
    assertThat(identity.claim("sid")).as("what a logout names").isNotNull();
  }

  // ---- the gateway proves itself

  @Test
  void assertion_isForTheTokenEndpoint_andNamesTheCertificate() {
    assertThat(Entra.isIssuer("https://login.microsoftonline.com/x/v2.0")).isTrue();
    assertThat(Entra.isIssuer("https://login.microsoftonline.com/{tenantid}/v2.0")).isTrue();
    assertThat(Entra.isIssuer("https://sts.windows.net/x/")).isTrue();
    assertThat(Entra.isIssuer("https://contoso.ciamlogin.com/x/v2.0")).isTrue();
    assertThat(Entra.isIssuer("https://login.microsoftonline.com.evil.test/x/v2.0")).isFalse();
    assertThat(Entra.isIssuer("https://evil.test/login.microsoftonline.com/v2.0")).isFalse();
  }

  // ---- groups overage

  private GraphGroups.Builder graph() {
    return GraphGroups.builder("graph-client", "graph-secret").cloud(base, base).clock(clock);
  }

  private void graphToken() {
    microsoft.stubFor(
        post("/" + TENANT + "/oauth2/v2.0/token")
            .withRequestBody(containing("grant_type=client_credentials"))
            .withRequestBody(containing("client_secret=graph-secret"))
            .willReturn(
                okJson(
                    "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"ext_expires_in\":3599,"
                        + "\"access_token\":\"graph-token\"}")));
  }

  private void graphGroups(ResponseDefinitionBuilder answer) {
    microsoft.stubFor(
        post(GRAPH_PATH)
            .withHeader("Authorization", equalTo("Bearer graph-token"))
            .willReturn(answer));
  }

  private static String members(String... groups) {
    return JSON.writeValueAsString(
        Map.of(
            "@odata.context",
            "https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)",
            "value",
            groups));
  }

  /** As Entra writes it: the endpoint is of the retired Azure AD Graph, and not followed. */
  private void overage(Map<String, Object> claims) {
    claims.put("_claim_names", Map.of("groups", "src1"));
    claims.put(
        "_claim_sources",
        Map.of("src1", Map.of("endpoint", base + "/retired/users/" + USER + "/getMemberObjects")));
  }

  @Test
  void groupsThatTheTokenLeavesOut_comeFromGraph() throws Exception {
    graphToken();
    graphGroups(okJson(members("g1", "g2")));
    TestBrowser browser = browser(provider -> provider.groups(graph().build()));

    signIn(browser, this::overage);

    Identity identity = browser.open("/").identity();
    assertThat(identity.groups()).containsExactly("g1", "g2");
    assertThat(identity.claims()).doesNotContainKeys("_claim_names", "_claim_sources");
    microsoft.verify(
        0, postRequestedFor(urlEqualTo("/retired/users/" + USER + "/getMemberObjects")));
  }

  @Test
  void hasgroups_saysTheSame() throws Exception {
    graphToken();
    graphGroups(okJson(members("g1")));
    TestBrowser browser = browser(provider -> provider.groups(graph().build()));

    signIn(browser, claims -> claims.put("hasgroups", "true"));

    assertThat(browser.open("/").identity().groups()).containsExactly("g1");
  }

  @Test
  void thousandsOfGroups_fitASession_ifOnlyThoseThatMatterAreKept() throws Exception {
    graphToken();
    String[] all = new String[5_000];
    for (int i = 0; i < all.length; i++) {
      all[i] = new UUID(0, i).toString();
    }
    graphGroups(okJson(members(all)));
    TestBrowser browser =
        browser(provider -> provider.groups(graph().only(all[17], "another").build()));

    signIn(browser, this::overage);

    assertThat(browser.open("/").identity().groups()).containsExactly(all[17]);
  }

  @Test
  void tokenForGraph_isUsedAgain_untilItEnds() throws Exception {
    graphToken();
    graphGroups(okJson(members("g1")));
    GraphGroups source = graph().build();
    Map<String, Object> claims = Map.of("oid", USER, "tid", TENANT);
    source.groupsOf(claims);
    source.groupsOf(claims);
    microsoft.verify(1, postRequestedFor(urlEqualTo("/" + TENANT + "/oauth2/v2.0/token")));

    clock.advance(java.time.Duration.ofHours(1));
    source.groupsOf(claims);
    microsoft.verify(2, postRequestedFor(urlEqualTo("/" + TENANT + "/oauth2/v2.0/token")));
  }

  /** A policy that blocks a group could not be held against a user without groups. */
  @Test
  void groupsThatNobodyCanTell_signNobodyIn() {
    OidcTest.assertRefused(
        () -> signIn(browser(provider -> provider), this::overage), ErrorCode.GROUPS_UNKNOWN);
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 404})
  void graphThatRefuses_signsNobodyIn(int status) {
    graphToken();
    graphGroups(aResponse().withStatus(status));

    OidcTest.assertRefused(
        () -> signIn(browser(provider -> provider.groups(graph().build())), this::overage),
        ErrorCode.GROUPS_UNKNOWN);
  }

  @Test
  void graphThatIsDown_signsNobodyIn() {
    graphToken();
    graphGroups(aResponse().withStatus(503));

    OidcTest.assertRefused(
        () -> signIn(browser(provider -> provider.groups(graph().build())), this::overage),
        ErrorCode.PROVIDER_UNAVAILABLE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "{}", "[]", "{\"value\":1}", "{\"value\":[],\"@odata.nextLink\":\"x\"}"})
  void answerThatIsNotTheWholeList_signsNobodyIn(String answer) {
    graphToken();
    graphGroups(okJson(answer));

    OidcTest.assertRefused(
        () -> signIn(browser(provider -> provider.groups(graph().build())), this::overage),
        ErrorCode.GROUPS_UNKNOWN);
  }

  @ParameterizedTest
  @ValueSource(strings = {"../me", "a b", "", "me/x"})
  void userIdThatIsNone_isNotPutIntoAnAddress(String id) {
    assertThatThrownBy(() -> graph().build().groupsOf(Map.of("oid", id, "tid", TENANT)))
        .hasMessageContaining("the token has no oid");
  }

  // ---- the way there

  private Page signIn(TestBrowser browser, Consumer<Map<String, Object>> change) throws Exception {
    Page start = browser.open("/");
    Map<String, List<String>> asked = URLUtils.parseParameters(start.location().getRawQuery());
    long now = clock.instant().getEpochSecond();
    Map<String, Object> claims =
        JSON.readValue(recorded("id-token-v2"), new TypeReference<Map<String, Object>>() {});
    claims.put("iss", base + "/" + TENANT + "/v2.0");
    claims.put("iat", now);
    claims.put("nbf", now);
    claims.put("exp", now + 3_900);
    claims.put("nonce", asked.get("nonce").get(0));
    change.accept(claims);
    JWSObject token =
        new JWSObject(
            new JWSHeader.Builder(JWSAlgorithm.RS256).keyID("rsa").build(),
            new Payload(JSON.writeValueAsString(claims)));
    token.sign(new RSASSASigner(TestProvider.RSA));
    microsoft.stubFor(
        post("/organizations/oauth2/v2.0/token")
            .willReturn(
                okJson(
                    JSON.writeValueAsString(
                        Map.of(
                            "token_type",
                            "Bearer",
                            "expires_in",
                            3_599,
                            "access_token",
                            "opaque",
                            "id_token",
                            token.serialize())))));
    return browser.open(
        "/.apprxy/callback/entra?code=c&session_state=x&state=" + asked.get("state").get(0));
  }

  private static String recorded(String name) throws IOException {
    try (InputStream in = EntraTest.class.getResourceAsStream("/entra/" + name + ".json")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
