package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import java.io.InputStream;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A device is compliant if it has a certificate of its authority. */
class DeviceCertificatesTest {
  private static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .assignEveryone()
          .build();

  @Test
  void certificateOfTheAuthority_isOfACompliantDevice() throws Exception {
    assertThat(authorize("2030-01-01T00:00:00Z", "device")).isEqualTo(Verdict.proceed());
    assertThat(authorize("2030-01-01T00:00:00Z", "device", "device-authority"))
        .isEqualTo(Verdict.proceed());
  }

  /** One of another authority of the same name, for servers, of a device's own making, or none. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "device-forged",
        "device-forged device-authority",
        "device-server",
        "device-below device",
        "device-below device device-authority",
        "device-authority",
        ""
      })
  void anyOtherCertificate_isNone(String chain) {
    assertThatThrownBy(
            () ->
                authorize(
                    "2030-01-01T00:00:00Z", chain.isEmpty() ? new String[0] : chain.split(" ")))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.DEVICE_NOT_COMPLIANT));
  }

  @ParameterizedTest
  @ValueSource(strings = {"2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"})
  void certificateOfAnotherTime_isNone(String now) {
    assertThatThrownBy(() -> authorize(now, "device-brief"))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.DEVICE_NOT_COMPLIANT));
  }

  private static Verdict authorize(String now, String... chain) throws Exception {
    ConditionalAccess access =
        ConditionalAccess.builder()
            .policies(
                PolicySet.of(
                    Policy.builder("p")
                        .includeAllUsers()
                        .includeAllApplications()
                        .requireCompliantDevice()
                        .build()))
            .deviceCertificates(certificate("device-authority"))
            .clock(Clock.fixed(Instant.parse(now), ZoneOffset.UTC))
            .signInLog(event -> {})
            .build();
    TestExchange exchange =
        new TestExchange("wiki.example", "GET", "/", Map.of(), Map.of(), WIKI)
            .withCertificates(
                Arrays.stream(chain)
                    .map(DeviceCertificatesTest::certificate)
                    .toArray(X509Certificate[]::new));
    exchange.identify(new Identity("https://issuer.test", "1", "session", Instant.EPOCH, Map.of()));
    return access.authorize(exchange);
  }

  private static X509Certificate certificate(String name) {
    try (InputStream pem = DeviceCertificatesTest.class.getResourceAsStream(name + ".pem")) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(pem);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
