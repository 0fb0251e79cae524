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
import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

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
  void endedSessions(byte[] input) {
    EndedSessions ended;
    try {
      ended = EndedSessionsJson.parse(new String(input, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      return;
    }
    assertThat(EndedSessionsJson.parse(EndedSessionsJson.text(ended))).isEqualTo(ended);
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
      TRUSTING.verify(new String(input, StandardCharsets.ISO_8859_1), WIKI, false);
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
      Identity identity = TRUSTING.verify(signed.serialize(), WIKI, false);
      assertThat(identity).isNotNull();
      assertThat(identity.subject()).isNotEmpty();
      assertThat(identity.sessionId()).isNotEmpty();
    } catch (GatewayException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.ASSERTION_REFUSED);
    }
  }

  @FuzzTest
  void checkIn(byte[] input) {
    CheckIn said;
    try {
      said = CheckIn.fromJson(new String(input, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      assertThat(e).hasMessage("a line of the control stream is no check-in");
      return;
    }
    byte[] line = said.toJson().getBytes(StandardCharsets.UTF_8);
    assertThat(line).hasSizeLessThanOrEqualTo(CheckIn.MAX_LENGTH).doesNotContain('\n');
    assertThat(CheckIn.fromJson(new String(line, StandardCharsets.UTF_8))).isEqualTo(said);
    assertThat(said.update().detail()).hasSizeLessThanOrEqualTo(300);
    assertIsOneLine(said.update().detail());
    assertIsOneLine(said.toString());
  }

  /** The first byte says where what arrives is torn apart. */
  @FuzzTest
  void controlStream_isTheSame_howeverItArrives(byte[] input) {
    List<CheckIn> atOnce = new ArrayList<>();
    String verdict = control(input, Math.max(1, input.length), atOnce);
    List<CheckIn> torn = new ArrayList<>();
    int step = 1 + (input.length == 0 ? 0 : input[0] & 31);

    assertThat(control(input, step, torn)).isEqualTo(verdict);
    assertThat(torn).isEqualTo(atOnce).hasSizeLessThanOrEqualTo(100);
    if (verdict.isEmpty()) {
      String[] lines = new String(input, StandardCharsets.ISO_8859_1).split("\n", -1);
      assertThat(lines).hasSize(atOnce.size() + 1); // the last one has not ended
      assertThat(lines[atOnce.size()]).hasSizeLessThanOrEqualTo(CheckIn.MAX_LENGTH);
    }
  }

  private static String control(byte[] input, int step, List<CheckIn> said) {
    ControlStream stream =
        new ControlStream(
            new ControlStream.Reader() {
              @Override
              public void checkedIn(CheckIn checkIn) {
                said.add(checkIn);
              }

              @Override
              public void ended(Exception cause) {
                throw new AssertionError("whoever reads the bytes ends it", cause);
              }
            });
    try {
      for (int i = 0; i < input.length; i += step) {
        stream.take(ByteBuffer.wrap(input, i, Math.min(step, input.length - i)));
      }
      return "";
    } catch (IllegalArgumentException e) {
      return e.getMessage();
    }
  }

  @FuzzTest
  void refusal(byte[] input) {
    String json = new String(input, StandardCharsets.UTF_8);
    Refusal said;
    try {
      said = Refusal.fromJson(json);
    } catch (IllegalArgumentException e) {
      return;
    }
    assertThat(Refusal.fromJson(said.toJson())).isEqualTo(said);
    assertThat(Refusal.fromProblem(said.toProblem(400))).isEqualTo(said);
    assertThat(said.toString()).hasSizeLessThanOrEqualTo(3 * 500 + 2);
    assertIsOneLine(said.toString());
  }

  @FuzzTest
  void problem(byte[] input) {
    String json = new String(input, StandardCharsets.UTF_8);
    try {
      assertIsOneLine(Refusal.fromProblem(json).toString());
    } catch (IllegalArgumentException e) {
      assertThat(e).isNotNull();
    }
  }

  @FuzzTest
  void turnToUpdate(byte[] input) {
    UpdateTurns.Order order;
    try {
      order = UpdateTurns.Order.fromJson(new String(input, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      return;
    }
    assertThat(UpdateTurns.Order.fromJson(order.toJson())).isEqualTo(order);
  }

  /** Of a log, of which the other end shall not write a line of its own. */
  private static void assertIsOneLine(String text) {
    assertThat(text.codePoints())
        .noneMatch(
            point ->
                switch (Character.getType(point)) {
                  case Character.CONTROL,
                      Character.FORMAT,
                      Character.SURROGATE,
                      Character.LINE_SEPARATOR,
                      Character.PARAGRAPH_SEPARATOR ->
                      true;
                  default -> false;
                });
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
