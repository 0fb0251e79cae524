package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** What holds for anything that the other side of the tunnel can send. */
class TunnelFuzzTest {
  private static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .connectorGroup("corp")
          .assignEveryone()
          .build();
  private static final TestClock CLOCK = new TestClock();
  private static final ECKey KEY = newKey();
  private static final Assertions TRUSTING =
      new Assertions(new JWKSet(KEY.toPublicJWK()).toString(), CLOCK);

  @FuzzTest
  void configuration(byte[] input) {
    Configuration configuration;
    try {
      configuration = Configuration.fromJson(new String(input, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      return;
    }
    assertThat(Configuration.fromJson(configuration.toJson())).isEqualTo(configuration);
  }

  @FuzzTest
  void keysOfAConfiguration(byte[] input) {
    try {
      new Assertions(new String(input, StandardCharsets.UTF_8), CLOCK);
    } catch (IllegalArgumentException e) {
      assertThat(e).hasMessage("no valid key set");
    }
  }

  /** Nobody but the gateway can make one. */
  @FuzzTest
  void assertion_thatIsNotSigned(byte[] input) {
    try {
      TRUSTING.verify(new String(input, StandardCharsets.ISO_8859_1), WIKI);
      throw new AssertionError("believed");
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.ASSERTION_REFUSED);
    }
  }

  /** A gateway that was broken into signs what it likes. */
  @FuzzTest
  void claims_thatAreSigned(byte[] input) throws JOSEException {
    JWSObject signed =
        new JWSObject(
            new JWSHeader.Builder(JWSAlgorithm.ES256)
                .keyID(KEY.getKeyID())
                .type(Assertions.OF_USER)
                .build(),
            new Payload(input));
    signed.sign(new ECDSASigner(KEY));
    try {
      Identity identity = TRUSTING.verify(signed.serialize(), WIKI);
      assertThat(identity).isNotNull();
      assertThat(identity.subject()).isNotEmpty();
      assertThat(identity.sessionId()).isNotEmpty();
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.ASSERTION_REFUSED);
    }
  }

  @FuzzTest
  void origin_thatIsAllowed(byte[] input) {
    String text = new String(input, StandardCharsets.ISO_8859_1);
    OriginAllowList allowed = new OriginAllowList();
    try {
      allowed.add(text);
    } catch (IllegalArgumentException e) {
      return;
    }
    assertThat(allowed.allows(URI.create(text))).isTrue();
    URI other =
        URI.create("http://x" + URI.create(text).getHost().replaceAll("[\\[\\]:]", "") + ":1");
    assertThat(other.getHost() == null || !allowed.allows(other)).isTrue();
  }

  private static ECKey newKey() {
    try {
      return new ECKeyGenerator(Curve.P_256).keyID("known").generate();
    } catch (JOSEException e) {
      throw new IllegalStateException(e);
    }
  }
}
