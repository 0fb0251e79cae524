package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application.ExternalAuthentication;
import io.apprxy.ClaimsTransformation.Regex;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ApplicationTest {
  private static Application.Builder wiki() {
    return Application.builder("wiki")
        .externalUrl("https://wiki.example.com/")
        .internalUrl("http://wiki.corp.test:8080/")
        .assignUsers("alice");
  }

  @Test
  void defaults_areSafe() {
    Application application = wiki().build();

    assertThat(application.externalAuthentication())
        .isEqualTo(ExternalAuthentication.PRE_AUTHENTICATION);
    assertThat(application.connectorGroups()).isEmpty();
    assertThat(application.originInstances()).isEmpty();
    assertThat(application.loadBalancing()).isEqualTo(LoadBalancing.defaults());
    assertThat(application.assignments().everyone()).isFalse();
    assertThat(application.singleSignOn().headers()).isEmpty();
    assertThat(application.singleSignOn().signedAssertion()).isNull();
    assertThat(application.applicationServerTimeout()).isEqualTo(Duration.ofSeconds(85));
    assertThat(application.backendCertificateValidation()).isTrue();
    assertThat(application.httpOnlyCookie()).isTrue();
    assertThat(application.secureCookie()).isTrue();
    assertThat(application.persistentCookie()).isFalse();
    assertThat(application.translateHostHeader()).isTrue();
    assertThat(application.stateSession()).isTrue();
    assertThat(application.alternateUrl()).isNull();
    assertThat(application.useAlternateUrlForTranslationAndRedirect()).isFalse();
    assertThat(application.translateLinksInBody()).isFalse();
    assertThat(application.continuousAccessEvaluation()).isFalse();
    assertThat(application.segments()).isEmpty();
    assertThat(application.customDomainCertificate()).isNull();
    assertThat(application.identityProviders()).isEmpty();
  }

  @Test
  void identityProviders_haveNames_andNoneTwice() {
    assertThat(wiki().identityProviders("staff", "guests").build().identityProviders())
        .containsExactly("staff", "guests");
    assertRefused("identityProviders", builder -> builder.identityProviders("staff", "staff"));
    assertRefused("identityProviders", builder -> builder.identityProviders(" "));
  }

  @Test
  void identityProviders_ofAPassthroughApplication_areRefused() {
    assertThatThrownBy(
            () ->
                Application.builder("wiki")
                    .externalUrl("https://wiki.example.com/")
                    .internalUrl("http://wiki.corp.test:8080/")
                    .passthrough()
                    .identityProviders("staff")
                    .build())
        .hasMessageContaining("identityProviders would have no effect");
  }

  private static void assertRefused(String setting, UnaryOperator<Application.Builder> change) {
    assertThatThrownBy(() -> change.apply(wiki()).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("application wiki: " + setting);
  }

  @Test
  void authenticationContext_isNamed_byOneOfEntras_aPath_andMethods() {
    assertThat(
            wiki()
                .requireAuthenticationContext("c1", "/admin", "PUT")
                .build()
                .authenticationContexts())
        .containsExactly(new Application.AuthenticationContext("c1", "/admin", List.of("PUT")));
    for (String id : List.of("c0", "c100", "C1", "c1 ", "")) {
      assertThatThrownBy(() -> wiki().requireAuthenticationContext(id, "/"))
          .hasMessageContaining("must be c1 to c99: " + id);
    }
    assertThatThrownBy(() -> wiki().requireAuthenticationContext("c1", "admin"))
        .hasMessageContaining("must begin with a slash: admin");
    assertThatThrownBy(() -> wiki().requireAuthenticationContext("c1", "/", "PUT DELETE"))
        .hasMessageContaining("must be a token: PUT DELETE");
  }

  @Test
  void authenticationContext_ofAll_isReadFromJson_withoutMethods() {
    String json =
        """
        {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki/",
         "assignments": {"everyone": true},
         "authenticationContexts": [{"id": "c1", "path": "/admin"}]}
        """;

    assertThat(Application.fromJson(json).authenticationContexts())
        .containsExactly(new Application.AuthenticationContext("c1", "/admin", List.of()));
  }

  @Test
  void passthroughPath_opensOnePath_toItsMethods() {
    Application application = wiki().passthroughPath("/health", "GET").build();

    assertThat(application.passesThrough("GET", "/health")).isTrue();
    for (String path :
        List.of("/", "/Health", "/health/", "/health/x", "/healthy", "/x/health", "/health%23")) {
      assertThat(application.passesThrough("GET", path)).as(path).isFalse();
    }
    for (String method : List.of("HEAD", "POST", "get", "GET ", "")) {
      assertThat(application.passesThrough(method, "/health")).as(method).isFalse();
    }
  }

  @Test
  void passthroughBelow_opensWhatIsBelow_atTheEndOfASegment() {
    Application application = wiki().passthroughBelow("/hooks", "POST").build();

    for (String path : List.of("/hooks", "/hooks/", "/hooks/a/b")) {
      assertThat(application.passesThrough("POST", path)).as(path).isTrue();
    }
    for (String path : List.of("/hook", "/hooks-a", "/hooksa", "/Hooks/a", "/a/hooks/b")) {
      assertThat(application.passesThrough("POST", path)).as(path).isFalse();
    }
    assertThat(wiki().passthroughBelow("/hooks/", "POST").build().passesThrough("POST", "/hooks"))
        .isFalse();
  }

  @Test
  void passthroughApplication_passesAllThrough_butReservedPaths() {
    Application application =
        Application.builder("wiki")
            .externalUrl("https://a.test/")
            .internalUrl("http://b.test/")
            .passthrough()
            .build();

    assertThat(application.passesThrough("PUT", "/any")).isTrue();
    assertThat(application.passesThrough("GET", "/.apprxy/user")).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "health",
        "/a/../b",
        "/a;b",
        "/a%2fb",
        "/a//b",
        "/a#b",
        "/a?b",
        "/%61",
        "/%c3%a4",
        "/a b",
        "/*\\",
        "/.apprxy/health"
      })
  void passthroughPath_thatNoRequestCouldHave_isRefused(String path) {
    assertThatThrownBy(() -> wiki().passthroughPath(path, "GET"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("a passthrough path must");
  }

  @Test
  void passthroughPath_namesItsMethods_andIsWithinTheApplication_butNotAllOfIt() {
    assertThatThrownBy(() -> wiki().passthroughPath("/health"))
        .hasMessageContaining("must name its methods: /health");
    assertThatThrownBy(() -> wiki().passthroughPath("/health", "GET,POST"))
        .hasMessageContaining("must be a token: GET,POST");
    assertRefused("passthroughPaths", builder -> builder.passthroughBelow("/", "GET"));
    assertRefused(
        "passthroughPaths",
        builder -> builder.externalUrl("https://a.test/wiki/").passthroughPath("/other", "GET"));
    assertRefused(
        "passthroughPaths",
        builder -> builder.externalUrl("https://a.test/wiki/").passthroughBelow("/wiki/", "GET"));
    assertThat(wiki().passthroughPath("/", "GET").build().passesThrough("GET", "/")).isTrue();
  }

  @Test
  void passthroughPath_isReadFromJson_asOnePath_unlessItSaysMore() {
    String json =
        """
        {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki/",
         "assignments": {"everyone": true},
         "passthroughPaths": [{"path": "/health", "methods": ["GET"]}]}
        """;

    assertThat(Application.fromJson(json).passthroughPaths())
        .containsExactly(new Application.PassthroughPath("/health", false, List.of("GET")));
  }

  @Test
  void bearerTokens_nameTheirAudience_andAreNotForwardedUnlessToldTo() {
    assertThat(wiki().build().bearerTokens()).isNull();
    BearerTokens tokens = BearerTokens.forAudiences("api://wiki").build();
    assertThat(tokens.scopes()).isEmpty();
    assertThat(tokens.roles()).isEmpty();
    assertThat(tokens.forward()).isFalse();
    for (BearerTokens.Builder bad :
        List.of(
            BearerTokens.forAudiences(),
            BearerTokens.forAudiences(" "),
            BearerTokens.forAudiences("a").scopes("a b"),
            BearerTokens.forAudiences("a").scopes("a\"b"),
            BearerTokens.forAudiences("a").roles(""))) {
      assertThatThrownBy(bad::build)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("of bearer tokens must");
    }
    assertThatThrownBy(
            () ->
                Application.builder("wiki")
                    .externalUrl("https://a.test/")
                    .internalUrl("http://b.test/")
                    .passthrough()
                    .bearerTokens(tokens)
                    .build())
        .hasMessageContaining("bearerTokens would have no effect");
  }

  @Test
  void bearerTokens_areReadFromJson_byTheirAudienceAlone() {
    String json =
        """
        {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki/",
         "assignments": {"everyone": true}, "bearerTokens": {"audiences": ["api://wiki"]}}
        """;

    assertThat(Application.fromJson(json).bearerTokens())
        .isEqualTo(BearerTokens.forAudiences("api://wiki").build());
    assertThatThrownBy(
            () -> Application.fromJson(json.replace("\"audiences\": [\"api://wiki\"]", "")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void resource_isNamed_byTheExternalUrl_andDescribedAtAPathOfItsOwn() {
    assertThat(wiki().build().resource()).isEqualTo("https://wiki.example.com");
    assertThat(wiki().build().resourceMetadataPath())
        .isEqualTo("/.well-known/oauth-protected-resource");
    Application below = wiki().externalUrl("https://a.test/apps/wiki/").build();
    assertThat(below.resource()).isEqualTo("https://a.test/apps/wiki");
    assertThat(below.resourceMetadataPath())
        .isEqualTo("/.well-known/oauth-protected-resource/apps/wiki");
  }

  @Test
  void clientCertificate_isNotAskedFor_unlessTheApplicationSaysSo_andNeedsTls() {
    assertThat(wiki().build().clientCertificate()).isEqualTo(Application.ClientCertificate.NONE);
    assertRefused(
        "clientCertificate",
        builder ->
            builder
                .externalUrl("http://wiki.example.com/")
                .clientCertificate(Application.ClientCertificate.REQUIRED));
    assertRefused(
        "clientCertificate",
        builder ->
            builder
                .bearerTokens(BearerTokens.forAudiences("a").build())
                .clientCertificate(Application.ClientCertificate.IDENTITY));
  }

  @Test
  void settingWithoutEffect_isRefused_neverIgnored() {
    assertRefused("alternateUrl", builder -> builder.alternateUrl("https://other.test/"));
    assertRefused(
        "useAlternateUrlForTranslationAndRedirect",
        builder -> builder.useAlternateUrlForTranslationAndRedirect(true));
    assertRefused(
        "backendCertificateValidation", builder -> builder.backendCertificateValidation(false));
    assertRefused("httpOnlyCookie", builder -> builder.httpOnlyCookie(false));
    assertRefused("secureCookie", builder -> builder.secureCookie(false));
    assertRefused("translateLinksInBody", builder -> builder.translateLinksInBody(true));
    assertRefused("stateSession", builder -> builder.stateSession(false));
    assertRefused(
        "continuousAccessEvaluation", builder -> builder.continuousAccessEvaluation(true));
    assertRefused("segments", builder -> builder.segments(List.of(URI.create("https://s.test/"))));
    assertRefused("customDomainCertificate", builder -> builder.customDomainCertificate("pem"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "wiki.example.com/",
        "//wiki.example.com/",
        "ftp://wiki.example.com/",
        "HTTPS://wiki.example.com/",
        "https://",
        "https:/x/",
        "https://user@wiki.example.com/",
        "https://*.example.com/",
        "https://wiki.example.com",
        "https://wiki.example.com/wiki",
        "https://wiki.example.com/?x",
        "https://wiki.example.com/#x",
        "javascript:alert(1)",
        "https://under_score/"
      })
  void url_thatNamesNoPlace_isRefused(String url) {
    assertThatThrownBy(() -> wiki().externalUrl(url).build())
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> wiki().internalUrl(url).build())
        .isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "a b", "-a", ".a", "a/b", "a\n", "\u00e9", "a\u0000", "../x"})
  void id_thatCouldNotBeATag_isRefused(String id) {
    assertThatThrownBy(
            () ->
                Application.builder(id)
                    .externalUrl("https://a.test/")
                    .internalUrl("http://b.test/")
                    .assignEveryone()
                    .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("id must be");
  }

  @Test
  void applicationForNobody_isRefused() {
    assertThatThrownBy(
            () ->
                Application.builder("wiki")
                    .externalUrl("https://a.test/")
                    .internalUrl("http://b.test/")
                    .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("assignments name nobody");
  }

  @Test
  void passthrough_withSettingsThatNeedAnIdentity_isRefused() {
    assertRefused("externalAuthentication", Application.Builder::passthrough);
    assertThatThrownBy(
            () ->
                Application.builder("wiki")
                    .externalUrl("https://a.test/")
                    .internalUrl("http://b.test/")
                    .passthrough()
                    .headerSignOn(Map.of("X-User", "sub"))
                    .build())
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void timeout_isLongerThanZero() {
    assertRefused(
        "applicationServerTimeout", builder -> builder.applicationServerTimeout(Duration.ZERO));
    assertRefused(
        "applicationServerTimeout",
        builder -> builder.applicationServerTimeout(Duration.ofSeconds(-1)));
  }

  @Test
  void idleAndStallTimeout_areLongerThanZero_andAtMost20Days() {
    assertRefused("idleTimeout", builder -> builder.idleTimeout(Duration.ZERO));
    assertRefused("idleTimeout", builder -> builder.idleTimeout(Duration.ofDays(20).plusNanos(1)));
    assertRefused("stallTimeout", builder -> builder.stallTimeout(Duration.ofSeconds(-1)));
    assertRefused("stallTimeout", builder -> builder.stallTimeout(Duration.ofDays(21)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"h2c", "H2C", "h2", "HTTP/2.0", "TLS/1.0", "tls", "", "a b", "a,b", "a/"})
  void upgradeProtocol_thatIsNone_orWouldHideRequests_isRefused(String protocol) {
    assertRefused("upgradeProtocols", builder -> builder.upgradeProtocols(protocol));
  }

  @Test
  void missingUrl_isNamed() {
    assertThatThrownBy(() -> Application.builder("wiki").build())
        .isInstanceOf(NullPointerException.class)
        .hasMessage("externalUrl");
  }

  // ---- JSON

  @Test
  void json_carriesEverything() {
    Application application =
        wiki()
            .connectorGroup("hq")
            .assignGroups("staff", "gr\u00fc\u00df\"e")
            .headerSignOn(Map.of("X-User", "preferred_username", "X-Mail", "email"))
            .headerSignOn(everyTransformation())
            .headerSignOn(HeaderMapping.constant("X-Realm", "corp").require())
            .headerSignOn(HeaderMapping.of("X-Groups", "groups").joinedBy("; "))
            .headerSignOn(HeaderMapping.of("X-Group", "groups").inSeveralHeaders())
            .signedAssertion(
                Application.SignedAssertion.defaults()
                    .inHeader("X-Who")
                    .forAudience("https://wiki")
                    .withClaims("email"))
            .kerberosSignOn(
                Application.KerberosDelegation.to("HTTP/wiki.corp.test@CORP.TEST")
                    .as(Application.LoginIdentity.ON_PREMISES_SAM_ACCOUNT_NAME)
                    .fromClaim("account")
                    .in(Application.TokenForm.KERBEROS))
            .applicationServerTimeout(Duration.ofMillis(1_500))
            .persistentCookie(true)
            .translateHostHeader(false)
            .originProtocol(Application.OriginProtocol.HTTP_2)
            .upgradeProtocols("websocket", "SPDY/3.1")
            .idleTimeout(Duration.ofHours(8))
            .stallTimeout(Duration.ofSeconds(5))
            .requireAuthenticationContext("c1", "/admin")
            .requireAuthenticationContext("c99", "/pages", "PUT", "DELETE")
            .identityProviders("staff", "guests")
            .build();

    assertThat(Application.fromJson(application.toJson())).isEqualTo(application);
  }

  private static HeaderMapping everyTransformation() {
    ClaimSource other = ClaimSource.claim("other");
    ClaimSource constant = ClaimSource.constant("constant");
    return HeaderMapping.of("X-Everything", "claim")
        .transform(
            new ClaimsTransformation.ExtractMailPrefix(),
            new ClaimsTransformation.Join("@", constant),
            new ClaimsTransformation.ToLowercase(),
            new ClaimsTransformation.ToUppercase(),
            new ClaimsTransformation.Contains("a", other, constant),
            new ClaimsTransformation.EndWith("b", other, null),
            new ClaimsTransformation.StartWith("c", constant, other),
            new ClaimsTransformation.ExtractAfter("d"),
            new ClaimsTransformation.ExtractBefore("e"),
            new ClaimsTransformation.ExtractBetween("f", "g"),
            new ClaimsTransformation.ExtractAlpha(ClaimsTransformation.Part.PREFIX),
            new ClaimsTransformation.ExtractNumeric(ClaimsTransformation.Part.SUFFIX),
            new ClaimsTransformation.IfEmpty(other),
            new ClaimsTransformation.IfNotEmpty(constant),
            new ClaimsTransformation.Substring(1, null),
            new ClaimsTransformation.Substring(0, 7),
            new ClaimsTransformation.RegexReplace(Regex.of("(h)+"), "$1"),
            new ClaimsTransformation.Filter(Regex.of("i|j")));
  }

  @Test
  void jsonOfHeaders_canNameClaimsOnly() {
    Application application =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"everyone": true}, "singleSignOn": {"headers": {"X-User": "email", "X-Id": "sub"}}}
            """);

    assertThat(application.singleSignOn().headers())
        .containsExactly(HeaderMapping.of("X-User", "email"), HeaderMapping.of("X-Id", "sub"));
  }

  @Test
  void shortJsonOfAHeader_takesTheDefaults() {
    Application application =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"everyone": true}, "singleSignOn": {"headers": [
               {"header": "X-User", "source": {"claim": "email"}, "transformations": [
                 {"function": "ExtractMailPrefix"}, {"function": "Join", "separator": "@", "with": {"constant": "corp.test"}}]},
               {"header": "X-Group", "source": {"claim": "groups"}, "separator": null, "required": true}]}}
            """);

    assertThat(application.singleSignOn().headers())
        .containsExactly(
            HeaderMapping.of("X-User", "email")
                .transform(
                    new ClaimsTransformation.ExtractMailPrefix(),
                    new ClaimsTransformation.Join("@", ClaimSource.constant("corp.test"))),
            HeaderMapping.of("X-Group", "groups").inSeveralHeaders().require());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[{\"header\": \"X-User\"}]",
        "[{\"header\": \"X-User\", \"source\": {}}]",
        "[{\"header\": \"X-User\", \"source\": {\"claim\": \"a\"}, \"transformations\": [{\"function\": \"Unknown\"}]}]",
        "[{\"header\": \"X-User\", \"source\": {\"claim\": \"a\"}, \"transformations\": [{}]}]",
        "[{\"header\": \"X-User\", \"source\": {\"claim\": \"a\"}, \"transformations\": [{\"function\": \"ExtractAfter\"}]}]",
        "[{\"header\": \"X-User\", \"source\": {\"claim\": \"a\"}, \"transformations\": [{\"function\": \"Filter\", \"pattern\": \"(\"}]}]",
        "[{\"header\": \"X-User\", \"source\": {\"claim\": \"a\"}, \"transformations\": [{\"function\": \"ToLowercase\", \"more\": 1}]}]",
        "[null]",
        "[\"X-User\"]",
        "{\"X-User\": null}",
        "{\"Host\": \"email\"}",
        "7",
      })
  void jsonOfHeaders_thatIsNone_isRefused(String headers) {
    assertThatThrownBy(
            () ->
                Application.fromJson(
                    "{\"id\": \"wiki\", \"externalUrl\": \"https://wiki.example.com/\","
                        + " \"internalUrl\": \"http://wiki.corp.test:8080/\","
                        + " \"assignments\": {\"everyone\": true}, \"singleSignOn\": {\"headers\": "
                        + headers
                        + "}}"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("no valid application");
  }

  @Test
  void authorization_hasOneOrigin() {
    BasicAuthentication basic = BasicAuthentication.shared();
    List<UnaryOperator<Application.Builder>> others =
        List.of(
            builder -> builder.kerberosSignOn("HTTP/wiki.corp.test"),
            builder -> builder.tokenSignOn(OriginToken.usersOwn()),
            builder ->
                builder.signedAssertion(
                    Application.SignedAssertion.defaults().inHeader("authorization")));
    for (UnaryOperator<Application.Builder> other : others) {
      assertThatThrownBy(() -> other.apply(wiki().basicSignOn(basic)).build())
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("exclude each other");
    }
    assertRefused(
        "bearerTokens",
        builder ->
            builder
                .basicSignOn(basic)
                .bearerTokens(BearerTokens.forAudiences("api://wiki").forward().build()));
    assertThatThrownBy(() -> Application.SignedAssertion.defaults().inHeader("Cookie"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void json_carriesPasswordsTokensAndLegacyAuthentication() {
    Application basic =
        wiki()
            .basicSignOn(BasicAuthentication.ofEachUser("sub"))
            .legacyAuthentication(Application.LegacyAuthentication.REMOVE)
            .build();
    Application token =
        wiki()
            .tokenSignOn(
                OriginToken.exchangedFor(URI.create("https://api.corp/")).withScopes("read"))
            .build();

    assertThat(Application.fromJson(basic.toJson())).isEqualTo(basic);
    assertThat(Application.fromJson(token.toJson())).isEqualTo(token);
    Application brief =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"everyone": true}, "singleSignOn": {"token": {"grant": "TOKEN_EXCHANGE", "audience": "backend"}}}
            """);
    assertThat(brief.singleSignOn().token()).isEqualTo(OriginToken.exchangedFor("backend"));
    Application shared =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"everyone": true}, "singleSignOn": {"basic": {"accounts": "SHARED"}}}
            """);
    assertThat(shared.singleSignOn().basic()).isEqualTo(BasicAuthentication.shared());
    for (String unclear :
        List.of(
            "{}",
            "{\"claim\": null}",
            "{\"accounts\": \"OF_EACH_USER\"}",
            "{\"claim\": \"sub\"}")) {
      assertThatThrownBy(
              () ->
                  Application.fromJson(
                      wiki().build().toJson().replace("\"basic\":null", "\"basic\":" + unclear)))
          .as(unclear)
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void tokenForTheOrigin_saysWhatItIsFor_andNothingWithoutEffect() {
    assertThatThrownBy(
            () -> new OriginToken(OriginToken.Grant.TOKEN_EXCHANGE, null, null, List.of()))
        .hasMessageContaining("must say what it is to be for");
    assertThatThrownBy(() -> OriginToken.onBehalfOf())
        .hasMessageContaining("must say what it is to be for");
    assertThatThrownBy(() -> OriginToken.usersOwn().withScopes("read"))
        .hasMessageContaining("no effect");
    assertThatThrownBy(() -> OriginToken.exchangedFor("backend").withScopes("a b"))
        .hasMessageContaining("scopes must be visible ASCII");
    assertThatThrownBy(() -> OriginToken.exchangedFor(URI.create("/relative")))
        .hasMessageContaining("absolute");
    assertThatThrownBy(() -> OriginToken.exchangedFor(" ")).hasMessageContaining("blank");
  }

  @ParameterizedTest
  @ValueSource(strings = {"X-User", "x_user", "X.USER"})
  void headersThatAreTheSameToAnOrigin_areRefused(String second) {
    assertThatThrownBy(
            () ->
                wiki()
                    .headerSignOn(HeaderMapping.of("X-User", "email"))
                    .headerSignOn(HeaderMapping.of(second, "sub"))
                    .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(second);
    assertThatThrownBy(
            () ->
                wiki()
                    .headerSignOn(HeaderMapping.of("X-User", "email"))
                    .signedAssertion(Application.SignedAssertion.defaults().inHeader(second))
                    .build())
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void shortJsonOfASignedAssertion_takesTheDefaults() {
    Application application =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"everyone": true}, "singleSignOn": {"signedAssertion": {"audience": "https://wiki"}}}
            """);

    assertThat(application.singleSignOn().signedAssertion())
        .isEqualTo(Application.SignedAssertion.defaults().forAudience("https://wiki"));
    assertThat(application.singleSignOn().headerNames()).containsExactly("X-Apprxy-Assertion");
  }

  @Test
  void shortJsonOfKerberos_takesTheDefaults() {
    Application application =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"everyone": true}, "singleSignOn": {"kerberos": {"servicePrincipalName": "HTTP/wiki.corp.test"}}}
            """);

    assertThat(application.singleSignOn().kerberos())
        .isEqualTo(Application.KerberosDelegation.to("HTTP/wiki.corp.test"));
    assertThat(application.singleSignOn().kerberos().loginClaim()).isEqualTo("upn");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "wiki.corp.test", "HTTP/", "HTTP/wiki corp", "HTTP/a@b@c", "HTTP/a\n"})
  void nameThatIsNoService_isRefused(String name) {
    assertThatThrownBy(() -> Application.KerberosDelegation.to(name))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("servicePrincipalName must be service/host");
  }

  @Test
  void signedAssertionOfNobody_isRefused() {
    assertRefused(
        "externalAuthentication",
        builder ->
            Application.builder("wiki")
                .externalUrl("https://wiki.example.com/")
                .internalUrl("http://wiki.corp.test:8080/")
                .passthrough()
                .signedAssertion());
    assertThatThrownBy(() -> Application.SignedAssertion.defaults().inHeader("X Who"))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Application.SignedAssertion.defaults().forAudience(" "))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void shortJson_takesTheDefaults() {
    Application application =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"users": ["alice"], "groups": [], "everyone": false}}
            """);

    assertThat(application).isEqualTo(wiki().build());
  }

  @Test
  void partOfASetting_takesTheDefaultsOfTheRest() {
    Application application =
        Application.fromJson(
            """
            {"id": "wiki", "externalUrl": "https://wiki.example.com/", "internalUrl": "http://wiki.corp.test:8080/",
             "assignments": {"users": ["alice"]}}
            """);

    assertThat(application).isEqualTo(wiki().build());
  }

  /** The least that the refused ones below deviate from. */
  @Test
  void leastJson_isAnApplication() {
    assertThat(
            Application.fromJson(
                    "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true}}")
                .assignments()
                .everyone())
        .isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{}",
        "{\"id\":\"a\"}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\"}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":null}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"users\":null,\"everyone\":true}}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":null}}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true},\"unknown\":1}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true,\"x\":1}}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true},\"httpOnlyCookie\":null}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true},\"httpOnlyCookie\":false}",
        "{\"id\":\"a\",\"externalUrl\":\"not a url\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true}}",
        "{\"id\":\"a\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true}} trailing",
        "{\"id\":\"a\",\"id\":\"b\",\"externalUrl\":\"https://a.test/\",\"internalUrl\":\"http://b.test/\",\"assignments\":{\"everyone\":true}}"
      })
  void json_thatIsNoApplication_isRefused(String json) {
    assertThatThrownBy(() -> Application.fromJson(json))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void refusal_saysSettingAndRule() {
    assertThatThrownBy(
            () ->
                Application.fromJson(
                    wiki()
                        .build()
                        .toJson()
                        .replace("\"secureCookie\":true", "\"secureCookie\":false")))
        .hasMessageContaining("application wiki: secureCookie = false has no effect");
  }
}
