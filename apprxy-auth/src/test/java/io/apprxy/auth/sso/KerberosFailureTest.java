package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.sso.KerberosFailure.Step;
import java.net.SocketTimeoutException;
import java.security.PrivilegedActionException;
import javax.security.auth.login.LoginException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The texts of the JDK: those of logins; the others come from a domain, in an integration test. */
class KerberosFailureTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Unable to obtain password from user | KERBEROS_KEYTAB",
        "Pre-authentication information was invalid (24) | KERBEROS_KEYTAB",
        "Client not found in Kerberos database (6) | KERBEROS_KEYTAB",
        "Clients credentials have been revoked (18) | KERBEROS_KEYTAB",
        "Checksum failed | SIGN_ON_FAILED",
        "Clock skew too great (37) | KERBEROS_CLOCK_SKEW",
        "KDC has no support for encryption type (14) | KERBEROS_ENCRYPTION_TYPE",
        "Cannot locate KDC | KDC_UNREACHABLE",
        "Connection refused | KDC_UNREACHABLE",
        "Receive timed out | KDC_UNREACHABLE",
        "Client's entry in database has expired (1) | KERBEROS_KEYTAB",
        "the account's ticket is not forwardable | KERBEROS_NOT_FORWARDABLE",
        "something new (99) | SIGN_ON_FAILED"
      })
  void loginThatFails_hasACode(String text, ErrorCode code) {
    assertThat(KerberosFailure.of(new LoginException(text), Step.LOGIN).code()).isEqualTo(code);
  }

  /** The texts of JDK 17 and 25. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "Cannot locate KDC",
        "No service creds",
        "Fail to create credential. (63) - No service creds"
      })
  void realmThatNobodyKnows_isTheUsersOrTheServices(String text) {
    Exception failed = new Exception(text);
    assertThat(KerberosFailure.of(failed, Step.IMPERSONATION).code())
        .isEqualTo(ErrorCode.KERBEROS_USER_UNKNOWN);
    assertThat(KerberosFailure.of(failed, Step.TICKET).code())
        .isEqualTo(ErrorCode.KERBEROS_SERVICE_UNKNOWN);
  }

  @Test
  void reason_isFoundAmongTheCauses() {
    Exception failed =
        new PrivilegedActionException(
            new IllegalStateException("no reason", new SocketTimeoutException("Read timed out")));

    GatewayException failure = KerberosFailure.of(failed, Step.IMPERSONATION);

    assertThat(failure.code()).isEqualTo(ErrorCode.KDC_UNREACHABLE);
    assertThat(failure).hasMessageContaining("S4U2Self").hasMessageContaining("Read timed out");
  }

  @Test
  void causesThatGoRoundInCircles_endSomewhere() {
    Exception one = new Exception("one");
    Exception two = new Exception("two", one);
    one.initCause(two);

    assertThat(KerberosFailure.of(one, Step.TICKET).code()).isEqualTo(ErrorCode.SIGN_ON_FAILED);
  }
}
