package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.OriginToken;
import io.apprxy.auth.oidc.OidcClient;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.oidc.OidcProvider;
import io.apprxy.auth.sso.HeaderSignOn;
import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** An origin that gets access tokens of Keycloak's, by token exchange (RFC 8693) or as they are. */
@Timeout(300)
@ExtendWith(Keycloak.Shared.class)
class OriginTokensIT {
  private static final String CLIENT = "gateway-exchange";
  private static final Pattern FORM = Pattern.compile("<form[^>]+action=\"([^\"]+)\"");

  @TempDir private Path directory;
  private final List<String> tokens = new CopyOnWriteArrayList<>();
  private final AtomicInteger refusing = new AtomicInteger();
  private SignOnChain chain;

  @BeforeEach
  void prepare() throws Exception {
    chain = new SignOnChain(directory);
  }

  @AfterEach
  void stop() {
    chain.close();
  }

  @Test
  void origin_getsATokenOfTheUser_thatIsForItAlone(Keycloak keycloak) throws Exception {
    start(keycloak, OriginToken.exchangedFor("backend"));
    DemoBrowser browser = browser(keycloak);

    assertThat(signIn(browser, "alice", "wonderland").body())
        .isEqualTo("alice for [backend] by gateway-exchange");
    assertThat(browser.open(chain.url).statusCode()).isEqualTo(200);
    assertThat(tokens).hasSize(2);
    assertThat(tokens.get(0)).as("one token for both").isEqualTo(tokens.get(1));

    assertThat(signIn(browser(keycloak), "bob", "builder").body())
        .isEqualTo("bob for [backend] by gateway-exchange");
  }

  @Test
  void origin_getsTheUsersOwnToken(Keycloak keycloak) throws Exception {
    start(keycloak, OriginToken.usersOwn());

    assertThat(signIn(browser(keycloak), "alice", "wonderland").body())
        .startsWith("alice for [")
        .contains("api-client")
        .endsWith(" by gateway-exchange");
  }

  @Test
  void tokenThatTheOriginRefuses_isTheOperatorsConcern_andTheNextOneIsAnother(Keycloak keycloak)
      throws Exception {
    start(keycloak, OriginToken.exchangedFor("backend"));
    DemoBrowser browser = browser(keycloak);
    refusing.set(1);

    HttpResponse<String> refused = signIn(browser, "alice", "wonderland");
    assertThat(refused.statusCode()).isEqualTo(502);
    assertThat(refused.body()).contains("APX-620");
    assertThat(refused.headers().firstValue("WWW-Authenticate")).isEmpty();

    assertThat(browser.open(chain.url).body()).isEqualTo("alice for [backend] by gateway-exchange");
    assertThat(tokens.get(1)).isNotEqualTo(tokens.get(0));
  }

  @Test
  void audienceThatTheProviderDoesNotKnow_isRefused(Keycloak keycloak) throws Exception {
    start(keycloak, OriginToken.exchangedFor("nobody"));

    HttpResponse<String> page = signIn(browser(keycloak), "alice", "wonderland");

    assertThat(page.statusCode()).isEqualTo(403);
    assertThat(page.body()).contains("APX-613");
    assertThat(tokens).isEmpty();
  }

  private void start(Keycloak keycloak, OriginToken token) throws Exception {
    Undertow origin =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setHandler(exchange -> exchange.dispatch(() -> answer(keycloak, exchange)))
            .build();
    origin.start();
    chain.opened(origin::stop);
    int port = ((InetSocketAddress) origin.getListenerInfo().get(0).getAddress()).getPort();
    chain.start(
        "http://127.0.0.1:" + port + "/",
        new HeaderSignOn(),
        OidcPreAuthentication.builder()
            .provider(
                OidcProvider.builder("keycloak")
                    .issuer(keycloak.issuer())
                    .trust(keycloak.trust())
                    .client(
                        OidcClient.builder(CLIENT)
                            .secret("secret-of-" + CLIENT)
                            .refreshSessions()
                            .build())
                    .build())
            .build(),
        application -> application.tokenSignOn(token));
  }

  /** As an API does: it verifies the token by the provider's keys. */
  private void answer(Keycloak keycloak, HttpServerExchange exchange) {
    try {
      HeaderValues credentials = exchange.getRequestHeaders().get(Headers.AUTHORIZATION);
      assertThat(credentials).hasSize(1);
      assertThat(credentials.getFirst()).startsWith("Bearer ");
      String token = credentials.getFirst().substring("Bearer ".length());
      tokens.add(token);
      if (refusing.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        exchange
            .getResponseHeaders()
            .put(Headers.WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
        exchange.setStatusCode(401).getResponseSender().send("no");
        return;
      }
      SignedJWT jwt = SignedJWT.parse(token);
      assertThat(
              jwt.verify(
                  new RSASSAVerifier(
                      keys(keycloak).getKeyByKeyId(jwt.getHeader().getKeyID()).toRSAKey())))
          .isTrue();
      JWTClaimsSet claims = jwt.getJWTClaimsSet();
      exchange
          .getResponseSender()
          .send(
              claims.getStringClaim("preferred_username")
                  + " for "
                  + claims.getAudience()
                  + " by "
                  + claims.getStringClaim("azp"));
    } catch (Exception | AssertionError e) {
      exchange.setStatusCode(500).getResponseSender().send(e.toString());
    }
  }

  private static JWKSet keys(Keycloak keycloak) throws Exception {
    return JWKSet.parse(
        HttpClient.newBuilder()
            .sslContext(keycloak.trust())
            .build()
            .send(
                HttpRequest.newBuilder(
                        URI.create(keycloak.issuer() + "/protocol/openid-connect/certs"))
                    .build(),
                BodyHandlers.ofString())
            .body());
  }

  private DemoBrowser browser(Keycloak keycloak) throws Exception {
    return new DemoBrowser(keycloak.trustBeside(chain.certificates.caFile()));
  }

  private HttpResponse<String> signIn(DemoBrowser browser, String user, String password)
      throws Exception {
    HttpResponse<String> asked = browser.open(chain.url);
    Matcher form = FORM.matcher(asked.body());
    assertThat(form.find()).as("a form at %s: %s", asked, asked.body()).isTrue();
    return browser.post(
        asked.uri().resolve(form.group(1).replace("&amp;", "&")),
        Map.of("username", user, "password", password, "credentialId", ""));
  }
}
