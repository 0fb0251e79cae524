package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AuthorityTest {
  private static final Duration DAY = Duration.ofDays(1);
  private static final Duration QUARTER = Duration.ofMinutes(15);

  private final TestClock clock = new TestClock();
  private final AuthorityStore store = AuthorityStore.inMemory();
  private final Authority authority = authority(store);

  // ---- tokens

  @Test
  void token_admitsAConnectorToItsGroup() {
    Authority.Certified admitted = authority.enrol(token(), request());

    ConnectorCertificate read = authority.read(admitted.certificate());
    assertThat(read.id()).isEqualTo(admitted.id());
    assertThat(read.group()).isEqualTo("corp");
    assertThat(read.notBefore()).isBefore(clock.instant());
    assertThat(read.notAfter()).isEqualTo(clock.instant().plus(DAY));
  }

  @Test
  void token_isNoWhereInTheStore() {
    String token = token();

    for (String name : store.names(AuthorityStore.Kind.TOKEN)) {
      assertThat(name + store.get(AuthorityStore.Kind.TOKEN, name)).doesNotContain(token);
    }
  }

  @Test
  void token_thatWasUsed_isRefused() {
    String token = token();
    authority.enrol(token, request());

    assertRefused(ErrorCode.ENROLMENT_TOKEN_REFUSED, () -> authority.enrol(token, request()));
  }

  @Test
  void token_isGoodUntilItsTimeIsOver() {
    String early = token();
    String late = token();

    clock.advance(QUARTER.minusSeconds(1));
    authority.enrol(early, request());
    clock.advance(Duration.ofSeconds(1));
    assertRefused(ErrorCode.ENROLMENT_TOKEN_REFUSED, () -> authority.enrol(late, request()));
  }

  @Test
  void token_ofNobody_isRefused() {
    for (String token : List.of("", "apxe-", "a", token() + "x", "../key", "x".repeat(100_000))) {
      assertRefused(ErrorCode.ENROLMENT_TOKEN_REFUSED, () -> authority.enrol(token, request()));
    }
  }

  @Test
  void token_staysGood_whenTheRequestIsRefused() {
    String token = token();

    assertRefused(
        ErrorCode.CERTIFICATE_REQUEST_REFUSED, () -> authority.enrol(token, "no request"));
    authority.enrol(token, request());
  }

  @Test
  void token_thatManyUseAtOnce_admitsOne() throws Exception {
    String token = token();
    int many = 16;
    CountDownLatch start = new CountDownLatch(1);
    ExecutorService threads = Executors.newFixedThreadPool(many);
    List<Future<Boolean>> admitted = new ArrayList<>();
    for (int i = 0; i < many; i++) {
      String request = request();
      Callable<Boolean> attempt =
          () -> {
            start.await();
            try {
              authority.enrol(token, request);
              return true;
            } catch (GatewayException refused) {
              return false;
            }
          };
      admitted.add(threads.submit(attempt));
    }
    start.countDown();

    int count = 0;
    for (Future<Boolean> one : admitted) {
      count += one.get() ? 1 : 0;
    }
    threads.shutdown();
    assertThat(count).isEqualTo(1);
    assertThat(store.names(AuthorityStore.Kind.CERTIFICATE)).hasSize(1);
  }

  @Test
  void tokens_areBounded_untilSomeExpire() {
    for (int i = 0; i < 1_000; i++) {
      token();
    }

    assertThatThrownBy(this::token).isInstanceOf(IllegalStateException.class);
    clock.advance(QUARTER);
    token();
  }

  @Test
  void token_forAGroupThatIsNotThere_isNotMade() {
    assertThatThrownBy(() -> authority.createToken("other", QUARTER))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("other");
  }

  // ---- requests

  @Test
  void request_isCertifiedOnce_whateverTokenItComesWith() {
    String request = request();
    authority.enrol(token(), request);
    String unused = token();

    assertRefused(ErrorCode.KEY_USED, () -> authority.enrol(unused, request));
    authority.enrol(unused, request());
  }

  // ---- renewal

  @Test
  void renewal_keepsIdAndGroup_andBothCertificatesAreValid() {
    Authority.Certified first = authority.enrol(token(), request());
    clock.advance(Duration.ofHours(12));
    Authority.Certified second = authority.renew(authority.read(first.certificate()), request());

    assertThat(second.id()).isEqualTo(first.id());
    assertThat(second.group()).isEqualTo(first.group());
    authority.read(first.certificate());
    clock.advance(Duration.ofHours(12));
    assertRefused(ErrorCode.CERTIFICATE_EXPIRED, () -> authority.read(first.certificate()));
    authority.read(second.certificate());
  }

  @Test
  void renewal_ofAKeyThatWasCertified_isRefused() {
    String request = request();
    ConnectorCertificate present = authority.read(authority.enrol(token(), request).certificate());
    assertRefused(ErrorCode.KEY_USED, () -> authority.renew(present, request));

    String renewal = request();
    authority.renew(present, renewal);
    assertRefused(ErrorCode.KEY_USED, () -> authority.renew(present, renewal));
  }

  // ---- revocation

  @Test
  void revoked_isRefused_alsoItsRenewal_andNobodyElse() {
    Authority.Certified revoked = authority.enrol(token(), request());
    Authority.Certified other = authority.enrol(token(), request());
    ConnectorCertificate before = authority.read(revoked.certificate());

    assertThat(authority.revoke(revoked.id())).isTrue();

    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> authority.read(revoked.certificate()));
    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> authority.check(before));
    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> authority.renew(before, request()));
    authority.read(other.certificate());
  }

  @Test
  void revocation_lastsUntilTheLastCertificateHasExpired_throughRestarts() {
    Authority.Certified first = authority.enrol(token(), request());
    clock.advance(Duration.ofHours(20));
    Authority.Certified renewed = authority.renew(authority.read(first.certificate()), request());
    authority.revoke(first.id());

    clock.advance(Duration.ofHours(20));
    Authority restarted = authority(store);
    restarted.forgetOld();
    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> restarted.read(renewed.certificate()));

    clock.advance(Duration.ofHours(5));
    restarted.forgetOld();
    assertThat(store.names(AuthorityStore.Kind.REVOCATION)).isEmpty();
    assertThat(store.names(AuthorityStore.Kind.CERTIFICATE)).isEmpty();
    assertRefused(ErrorCode.CERTIFICATE_EXPIRED, () -> restarted.read(renewed.certificate()));
  }

  /** For which the certificate is valid still; by a renewal it would be for ever. */
  @Test
  void revocation_isNotForgotten_beforeItIsOfNoUseToAGatewayWhoseClockIsBehind() {
    TestClock behind = new TestClock();
    Authority other = new Authority(store, Set.of("corp"), DAY, behind);
    Authority.Certified connector = other.enrol(other.createToken("corp", QUARTER), request());
    other.revoke(connector.id());
    behind.advance(DAY.minusMinutes(2));
    clock.advance(DAY.plusSeconds(1));

    authority.forgetOld();

    other.refresh();
    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> other.read(connector.certificate()));
    ConnectorCertificate known = ConnectorCertificate.of(connector.certificate());
    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> other.renew(known, request()));
  }

  @Test
  void revocation_ofSomebodyUnknown_saysSo() {
    assertThat(authority.revoke("nobody")).isFalse();
  }

  /** Gateways look each second; what one of them read before must not undo it. */
  @Test
  void revocation_isNotUndone_byWhoReadTheStoreBefore() throws Exception {
    CountDownLatch read = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    AuthorityStore slow = new SlowStore(store, read, goOn);
    Authority shared = authority(slow);
    Authority.Certified connector = shared.enrol(shared.createToken("corp", QUARTER), request());
    ((SlowStore) slow).stopAfterReading = true;
    Thread reader = new Thread(shared::refresh);
    reader.start();
    read.await();
    Thread revoking = new Thread(() -> shared.revoke(connector.id()));
    revoking.start();
    while (store.names(AuthorityStore.Kind.REVOCATION).isEmpty()) {
      Thread.onSpinWait();
    }
    goOn.countDown();
    revoking.join();
    reader.join();

    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> shared.read(connector.certificate()));
  }

  // ---- keys

  @Test
  void rotation_signsWithTheNewKey_andTrustsTheOldOneUntilItsLastCertificateHasExpired() {
    Authority.Certified old = authority.enrol(token(), request());
    authority.rotateKey();
    clock.advance(Authority.HANDOVER.plusMillis(1));
    Authority.Certified young = authority.enrol(token(), request());

    assertThat(young.issuer()).isNotEqualTo(old.issuer());
    authority.read(old.certificate());
    authority.read(young.certificate());

    clock.advance(Duration.ofHours(23));
    authority.forgetOld();
    assertThat(authority.issuers()).containsExactly(old.issuer(), young.issuer());
    authority.read(old.certificate());

    clock.advance(Duration.ofHours(2));
    authority.forgetOld();
    assertThat(authority.issuers()).containsExactly(young.issuer());
  }

  @Test
  void rotatedKey_waits_untilAllWhoShareTheStoreKnowIt() {
    Authority.Certified before = authority.enrol(token(), request());
    authority.rotateKey();

    assertThat(authority.enrol(token(), request()).issuer()).isEqualTo(before.issuer());
  }

  @Test
  void certificateOfAnotherAuthority_isRefused() {
    Authority other = authority(AuthorityStore.inMemory());
    X509Certificate foreign =
        other.enrol(other.createToken("corp", QUARTER), request()).certificate();

    assertRefused(ErrorCode.CERTIFICATE_REQUIRED, () -> authority.read(foreign));
    assertThatThrownBy(
            () ->
                new ConnectorTrust(authority)
                    .checkClientTrusted(new X509Certificate[] {foreign}, "EC"))
        .isInstanceOf(CertificateException.class);
  }

  /** What a connector signs with its own certificate is nobody's. */
  @Test
  void certificateThatAConnectorSigned_isRefused() throws Exception {
    ConnectorIdentity.Request connector = ConnectorIdentity.Request.create();
    Authority.Certified admitted = authority.enrol(token(), connector.pem());
    AuthorityKey abused =
        new AuthorityKey("0000000000000", admitted.certificate(), connector.pair().getPrivate());
    X509Certificate forged =
        abused.certify(
            AuthorityKey.newKeyPair().getPublic(), "corp", "forged", clock.instant(), DAY);

    assertRefused(ErrorCode.CERTIFICATE_REQUIRED, () -> authority.read(forged));
    assertThatThrownBy(
            () ->
                new ConnectorTrust(authority)
                    .checkClientTrusted(
                        new X509Certificate[] {forged, admitted.certificate(), admitted.issuer()},
                        "EC"))
        .isInstanceOf(CertificateException.class);
  }

  /** Nor is a certificate by somebody who took the authority's name. */
  @Test
  void certificateOfSomebodyOfTheSameName_isRefused() throws Exception {
    X509Certificate real = authority.issuers().get(0);
    AuthorityKey namesake =
        new AuthorityKey("0000000000000", real, AuthorityKey.newKeyPair().getPrivate());
    X509Certificate forged =
        namesake.certify(
            AuthorityKey.newKeyPair().getPublic(), "corp", "forged", clock.instant(), DAY);

    assertRefused(ErrorCode.CERTIFICATE_REQUIRED, () -> authority.read(forged));
  }

  @Test
  void authoritysOwnCertificate_isNoConnector() {
    assertRefused(ErrorCode.CERTIFICATE_REQUIRED, () -> authority.read(authority.issuers().get(0)));
  }

  @Test
  void connectorOfAGroupThatWasRemoved_isRefused() {
    Authority.Certified admitted = authority.enrol(token(), request());
    Authority without = new Authority(store, Set.of("other"), DAY, clock);

    assertRefused(ErrorCode.GROUP_UNKNOWN, () -> without.read(admitted.certificate()));
  }

  // ---- several gateways, restarts

  @Test
  void authorities_thatShareADirectory_takeUpWhatTheOthersDo(@TempDir Path directory) {
    Authority one = authority(AuthorityStore.in(directory.resolve("state")));
    Authority other = authority(AuthorityStore.in(directory.resolve("state")));

    String token = one.createToken("corp", QUARTER);
    Authority.Certified admitted = other.enrol(token, request());
    assertRefused(ErrorCode.ENROLMENT_TOKEN_REFUSED, () -> one.enrol(token, request()));
    ConnectorCertificate read = one.read(admitted.certificate());

    assertThat(one.refresh()).isFalse();
    other.revoke(admitted.id());
    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> one.renew(read, request()));
    assertThat(one.refresh()).isTrue();
    assertRefused(ErrorCode.CONNECTOR_REVOKED, () -> one.check(read));

    other.rotateKey();
    clock.advance(Authority.HANDOVER.plusMillis(1));
    Authority.Certified young = other.enrol(other.createToken("corp", QUARTER), request());
    one.refresh();
    one.read(young.certificate());
  }

  @Test
  void restartedAuthority_knowsItsConnectorsTokensAndRequests(@TempDir Path directory) {
    Authority before = authority(AuthorityStore.in(directory.resolve("state")));
    String request = request();
    Authority.Certified admitted = before.enrol(before.createToken("corp", QUARTER), request);
    String unused = before.createToken("corp", QUARTER);

    Authority after = authority(AuthorityStore.in(directory.resolve("state")));

    assertThat(after.read(admitted.certificate()).id()).isEqualTo(admitted.id());
    assertRefused(ErrorCode.KEY_USED, () -> after.enrol(unused, request));
    after.enrol(unused, request());
  }

  @Test
  void secrets_areInNoText() {
    assertThat(AuthorityKey.create(clock.instant()).toString()).doesNotContain("PRIVATE", "java");
  }

  // ---- parts

  /** Reads what is revoked, once, and holds it back for a while. */
  private static final class SlowStore implements AuthorityStore {
    private final AuthorityStore store;
    private final CountDownLatch read;
    private final CountDownLatch goOn;
    volatile boolean stopAfterReading;

    SlowStore(AuthorityStore store, CountDownLatch read, CountDownLatch goOn) {
      this.store = store;
      this.read = read;
      this.goOn = goOn;
    }

    @Override
    public String get(Kind kind, String name) {
      return store.get(kind, name);
    }

    @Override
    public boolean add(Kind kind, String name, String text) {
      return store.add(kind, name, text);
    }

    @Override
    public boolean remove(Kind kind, String name) {
      return store.remove(kind, name);
    }

    @Override
    public Set<String> names(Kind kind) {
      Set<String> names = store.names(kind);
      if (kind == Kind.REVOCATION && stopAfterReading) {
        stopAfterReading = false;
        read.countDown();
        try {
          goOn.await();
        } catch (InterruptedException e) {
          throw new IllegalStateException(e);
        }
      }
      return names;
    }
  }

  private Authority authority(AuthorityStore with) {
    return new Authority(with, Set.of("corp", "lab"), DAY, clock);
  }

  private String token() {
    return authority.createToken("corp", QUARTER);
  }

  private static String request() {
    return ConnectorIdentity.Request.create().pem();
  }

  private static void assertRefused(ErrorCode code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            GatewayException.class, refused -> assertThat(refused.code()).isEqualTo(code));
  }
}
