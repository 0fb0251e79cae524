package io.apprxy.auth.servlet;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.BasicAuthentication;
import io.apprxy.Exchange;
import io.apprxy.OriginToken;
import io.apprxy.PreAuthentication;
import io.apprxy.Verdict;
import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is found out when a filter is built, and not by the first user. */
class FilterSettingsTest {
  @Test
  void filterWithoutAStage_isRefused() {
    assertThatThrownBy(() -> PreAuthenticationFilter.builder().build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("preAuthentication, accessPolicy and an application");
    assertThatThrownBy(() -> filter().preAuthentication(exchange -> Verdict.proceed()).build())
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> VerifiedIdentityFilter.builder().build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("verifier");
  }

  @Test
  void signedAssertion_whichNobodyWouldSign_isRefused() {
    assertThatThrownBy(() -> complete(app -> app.signedAssertion()).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("application app wants a signed assertion");
  }

  /** Nothing would set them, or remove what a user sends in their place. */
  @Test
  void ticketsPasswordsAndTokens_whichAnApplicationHasNoUseFor_areRefused() {
    List<UnaryOperator<Application.Builder>> settings =
        List.of(
            app -> app.kerberosSignOn("HTTP/app.corp.test"),
            app -> app.basicSignOn(BasicAuthentication.shared()),
            app -> app.tokenSignOn(OriginToken.usersOwn()));
    for (UnaryOperator<Application.Builder> one : settings) {
      assertThatThrownBy(() -> complete(one).build())
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("application app wants a ticket, password or token");
    }
    assertThatThrownBy(
            () ->
                complete(app -> app.legacyAuthentication(Application.LegacyAuthentication.REMOVE))
                    .build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("application app removes what an origin offers");
  }

  @ParameterizedTest
  @EnumSource(names = {"REQUIRED", "IDENTITY"})
  void certificate_whichNobodyWouldVerify_isRefused(Application.ClientCertificate demanded) {
    assertThatThrownBy(() -> complete(app -> app.clientCertificate(demanded)).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("application app takes nobody without a certificate");
  }

  @Test
  void twoApplicationsOfOneUrl_areRefused() {
    assertThatThrownBy(() -> complete(app -> app).protect(application("other", app -> app)).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("same externalUrl");
  }

  @Test
  void applicationThatNobodyCouldSignInTo_isRefused() {
    PreAuthentication picky =
        new PreAuthentication() {
          @Override
          public Verdict authenticate(Exchange exchange) {
            return Verdict.proceed();
          }

          @Override
          public void check(Application application) {
            throw new IllegalArgumentException("no provider for " + application.id());
          }
        };
    assertThatThrownBy(() -> complete(app -> app).preAuthentication(picky).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no provider for app");
  }

  @Test
  void badValues_areRefusedAtOnce() {
    assertThatThrownBy(() -> filter().timeout(Duration.ofMillis(999)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> filter().timeout(Duration.ofMinutes(6)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> filter().userName(" ")).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> complete(app -> app).trustProxies("proxy.example").build())
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> VerifiedIdentityFilter.builder().header("X Identity"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private static PreAuthenticationFilter.Builder filter() {
    return PreAuthenticationFilter.builder();
  }

  private static PreAuthenticationFilter.Builder complete(
      UnaryOperator<Application.Builder> settings) {
    return filter()
        .preAuthentication(exchange -> Verdict.proceed())
        .accessPolicy(exchange -> Verdict.proceed())
        .protect(application("app", settings));
  }

  private static Application application(String id, UnaryOperator<Application.Builder> settings) {
    return settings
        .apply(
            Application.builder(id)
                .externalUrl("https://app.example/")
                .internalUrl("https://app.example/")
                .assignEveryone())
        .build();
  }
}
