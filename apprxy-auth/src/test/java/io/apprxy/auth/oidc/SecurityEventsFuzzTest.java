package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.BugDetectors;
import com.code_intelligence.jazzer.junit.FuzzTest;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jose.util.JSONObjectUtils;
import io.apprxy.Response;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import io.apprxy.auth.session.SessionsOf;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** What holds for anything that is sent as a logout token, or as a security event. */
class SecurityEventsFuzzTest {
  private static final Instant NOW = Instant.ofEpochSecond(1_700_000_000);
  private static final String ISSUER = "https://idp.test";
  private static final String AUDIENCE = "https://gateway.test";
  private static final Duration MAX_AGE = Duration.ofHours(1);
  private static final Set<JOSEObjectType> TYPES = Set.of(new JOSEObjectType("secevent+jwt"));
  private static final ECKey KEY = key();

  private static final SecurityEventTokens TOKENS =
      new SecurityEventTokens(
          ISSUER,
          Set.of(JWSAlgorithm.ES256),
          new ImmutableJWKSet<>(new JWKSet(KEY.toPublicJWK())),
          Clock.fixed(NOW, ZoneOffset.UTC),
          Duration.ZERO,
          MAX_AGE);

  private static final OidcPreAuthentication GATEWAY =
      OidcPreAuthentication.builder()
          .provider(
              OidcProvider.builder("idp")
                  .issuer("http://127.0.0.1:1")
                  .client(OidcClient.builder("client").build())
                  .build())
          .build();

  private static ECKey key() {
    try {
      return new ECKeyGenerator(Curve.P_256).keyID("k").generate();
    } catch (JOSEException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String signed(byte[] payload) throws JOSEException {
    JWSObject token =
        new JWSObject(
            new JWSHeader.Builder(JWSAlgorithm.ES256)
                .type(new JOSEObjectType("secevent+jwt"))
                .keyID("k")
                .build(),
            new Payload(payload));
    token.sign(new ECDSASigner(KEY));
    return token.serialize();
  }

  /** Nobody guesses a signature: it is refused, whatever it is, and by no other error. */
  @FuzzTest
  void event_thatNobodySigned_isRefused(byte[] input) {
    String text = new String(input, StandardCharsets.ISO_8859_1);
    assertRefused(text);
    StringBuilder encoded = new StringBuilder();
    for (String part : text.split("\\.", 3)) {
      encoded.append(encoded.isEmpty() ? "" : ".").append(Base64URL.encode(part));
    }
    assertRefused(encoded.toString());
  }

  private static void assertRefused(String text) {
    try {
      TOKENS.verify(SecurityEventTokens.parse(text), TYPES, Set.of(AUDIENCE));
    } catch (Refusal e) {
      assertThat(e.reason()).matches("[\\x20-\\x7e]{1,200}");
      return;
    }
    throw new AssertionError("a token that nobody signed was taken");
  }

  /** An issuer that is out of its mind gets no further than its own words. */
  @FuzzTest
  void event_thatItsIssuerSigned_isOneForUs_andInTime_orRefused(byte[] input) throws Exception {
    SecurityEventTokens.Token event;
    try {
      event = TOKENS.verify(SecurityEventTokens.parse(signed(input)), TYPES, Set.of(AUDIENCE));
    } catch (Refusal e) {
      assertThat(e.reason()).matches("[\\x20-\\x7e]{1,200}");
      return;
    }
    assertThat(event.claims().getIssuer()).isEqualTo(ISSUER);
    assertThat(event.claims().getAudience()).contains(AUDIENCE);
    assertThat(event.id()).hasSizeBetween(1, 512);
    assertThat(event.issuedAt()).isBetween(NOW.minus(MAX_AGE), NOW);
    assertThat(event.remembered()).isBetween(NOW, NOW.plus(MAX_AGE));
    assertThat(event.events()).isNotEmpty();
  }

  @FuzzTest
  void subject_isOfUsersWhomTheTransmitterMaySpeakOf_orRefused(byte[] input) {
    Object subject;
    try {
      subject = JSONObjectUtils.parse(new String(input, StandardCharsets.UTF_8));
    } catch (ParseException e) {
      subject = new String(input, StandardCharsets.UTF_8);
    }
    for (EventSubject.Aspect aspect : EventSubject.Aspect.values()) {
      Collection<SessionsOf> whose;
      try {
        whose = new EventSubject(Set.of(ISSUER)).of(subject, aspect);
      } catch (Refusal e) {
        assertThat(e.code()).isIn("invalid_request", "access_denied");
        continue;
      }
      assertThat(whose).isNotEmpty().hasSizeLessThan(100);
      assertThat(whose)
          .extracting(Object::toString)
          .allMatch(one -> one.split(", ", -1)[1].equals("issuer " + ISSUER));
    }
  }

  /** The provider is not there: whatever is said in its name cannot be found out. */
  @FuzzTest
  void logout_thatNobodySigned_isNotDone(byte[] input) throws Exception {
    // The gateway looks for its provider, which nothing in a request can change.
    var unused = BugDetectors.allowNetworkConnections((host, port) -> port == 1);
    TestExchange exchange =
        new TestExchange(
                "app.test",
                "POST",
                "/.apprxy/backchannel-logout",
                Map.of("Content-Type", "application/x-www-form-urlencoded"),
                Map.of(),
                TestBrowser.WIKI)
            .withBody(new String(input, StandardCharsets.UTF_8));
    Verdict verdict = GATEWAY.authenticate(exchange);
    while (verdict instanceof Verdict.Later later) {
      verdict = later.outcome().toCompletableFuture().get(30, TimeUnit.SECONDS);
    }
    assertThat(verdict).isInstanceOf(Verdict.Answer.class);
    Response response = ((Verdict.Answer) verdict).response();
    assertThat(response.status()).isEqualTo(400);
    assertThat(List.of("invalid_request", "invalid_issuer", "temporarily_unavailable"))
        .anyMatch(code -> new String(response.body(), StandardCharsets.UTF_8).contains(code));
  }
}
