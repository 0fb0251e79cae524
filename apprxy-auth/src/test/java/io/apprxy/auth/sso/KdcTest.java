package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.sso.KerberosFailure.Step;
import java.net.ConnectException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import javax.security.auth.login.LoginException;
import org.junit.jupiter.api.Test;

/** Whether domain controllers are asked. */
class KdcTest {
  private final AtomicLong nanos = new AtomicLong();
  private final Kdc kdc = new Kdc(nanos::get);
  private final AtomicInteger asked = new AtomicInteger();

  private void fails() {
    assertThatThrownBy(
            () ->
                kdc.ask(
                    Step.TICKET,
                    () -> {
                      asked.incrementAndGet();
                      throw new ConnectException("Connection refused");
                    }))
        .isInstanceOfSatisfying(
            GatewayException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.KDC_UNREACHABLE));
  }

  private String answers() {
    return kdc.ask(
        Step.TICKET,
        () -> {
          asked.incrementAndGet();
          return "ticket";
        });
  }

  @Test
  void thoseWhoDoNotAnswer_areAskedNoMoreForAWhile() {
    for (int i = 0; i < 10; i++) {
      fails();
    }
    assertThat(asked).hasValue(3);
    assertThatThrownBy(this::answers).hasMessageContaining("not asked any more");
  }

  @Test
  void oneTries_onceInAWhile() {
    for (int i = 0; i < 3; i++) {
      fails();
    }
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(10));

    fails();
    fails();

    assertThat(asked).hasValue(4);
  }

  @Test
  void answer_letsEverybodyAskAgain() {
    for (int i = 0; i < 3; i++) {
      fails();
    }
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(10));

    assertThat(answers()).isEqualTo("ticket");
    assertThat(answers()).isEqualTo("ticket");
  }

  @Test
  void refusal_isAnAnswer() {
    for (int i = 0; i < 10; i++) {
      assertThatThrownBy(
              () ->
                  kdc.ask(
                      Step.LOGIN,
                      () -> {
                        asked.incrementAndGet();
                        throw new LoginException("Clock skew too great (37)");
                      }))
          .isInstanceOfSatisfying(
              GatewayException.class,
              e -> assertThat(e.code()).isEqualTo(ErrorCode.KERBEROS_CLOCK_SKEW));
    }
    assertThat(asked).hasValue(10);
  }

  /** Whoever came after it would wait as long, and take another thread. */
  @Test
  void questionThatIsOpenForLong_isEnoughToKnow() {
    kdc.ask(
        Step.LOGIN,
        () -> {
          kdc.check();
          nanos.addAndGet(TimeUnit.SECONDS.toNanos(5));
          assertThatThrownBy(kdc::check).hasMessageContaining("do not answer");
          return "at last";
        });

    kdc.check();
  }

  @Test
  void oneTries_andNobodyElseMeanwhile() {
    for (int i = 0; i < 3; i++) {
      fails();
    }
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(10));

    kdc.ask(
        Step.LOGIN,
        () -> {
          assertThatThrownBy(kdc::check).hasMessageContaining("do not answer");
          return "there";
        });

    kdc.check();
  }
}
