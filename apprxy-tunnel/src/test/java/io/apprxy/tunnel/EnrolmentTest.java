package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A connector's enrolment with a real authority, without the sockets between them. */
class EnrolmentTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String ENROL = io.apprxy.tunnel.Wire.ENROL_PATH;
  private static final URI FIRST = URI.create("https://first.test");
  private static final URI SECOND = URI.create("https://second.test");
  private static final URI ADVERTISED = URI.create("https://advertised.test");

  @TempDir private Path directory;

  private final TestClock clock = new TestClock();
  private final Authority authority =
      new Authority(AuthorityStore.inMemory(), Set.of("corp"), Duration.ofDays(1), clock);
  private final Wire wire = new Wire();
  private final BlockingQueue<String> troubles = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> changes = new LinkedBlockingQueue<>();
  private final List<Enrolment> started = new ArrayList<>();

  @AfterEach
  void close() {
    started.forEach(Enrolment::close);
  }

  @Test
  void connector_withAToken_getsAnIdentity_andKeepsIt() throws Exception {
    Enrolment enrolment = start(this::token);
    String id = change();

    assertThat(enrolment.isEnrolled()).isTrue();
    assertThat(ConnectorIdentity.load(file()).certificate().id()).isEqualTo(id);
    assertThat(wire.presented).containsExactly((ConnectorCertificate) null);
  }

  @Test
  void restartedConnector_needsNoToken() throws Exception {
    start(this::token);
    change();
    started.remove(0).close();

    assertThat(enrolment(() -> null).isEnrolled()).isTrue();
  }

  @Test
  void connector_withoutAToken_saysWhatItNeeds_andTakesOneThatComesLater() throws Exception {
    BlockingQueue<String> supplied = new LinkedBlockingQueue<>();
    start(supplied::poll);

    assertThat(trouble()).contains("no identity", "create a token", "enrolmentToken(");
    supplied.add("\n " + token() + "\n");
    change();
  }

  @Test
  void tokenThatIsRefused_isTold_andTheNextOneIsTried() throws Exception {
    BlockingQueue<String> supplied = new LinkedBlockingQueue<>(List.of("apxe-wrong", token()));
    start(supplied::poll);

    assertThat(trouble())
        .contains(ErrorCode.ENROLMENT_TOKEN_REFUSED.code())
        .doesNotContain("apxe-wrong");
    change();
  }

  @Test
  void identity_isRenewedFromHalfOfItsLifeOn_withAnotherKey() throws Exception {
    BlockingQueue<String> supplied = new LinkedBlockingQueue<>(List.of(token()));
    Enrolment enrolment = start(supplied::poll);
    String id = change();
    ConnectorIdentity first = ConnectorIdentity.load(file());
    SSLContext before = enrolment.tls();

    clock.advance(Duration.ofHours(15));
    assertThat(change()).isEqualTo(id);

    ConnectorIdentity second = ConnectorIdentity.load(file());
    assertThat(second.key()).isNotEqualTo(first.key());
    assertThat(second.certificate().notAfter()).isEqualTo(clock.instant().plus(Duration.ofDays(1)));
    assertThat(enrolment.tls()).isNotSameAs(before);
  }

  /** Half of its life would come after its end, by the clock that is right again. */
  @Test
  void identity_thatWasTakenWhileTheClockWasAhead_isRenewedWhenItIsSetBack() throws Exception {
    clock.advance(Duration.ofDays(2));
    TestClock own = new TestClock();
    own.advance(Duration.ofDays(12));
    wire.identity = () -> load().certificate();
    track(enrolment(this::token, own)).start();
    change();
    own.advance(Duration.ofDays(-10));
    change();

    own.advance(Duration.ofHours(15));
    clock.advance(Duration.ofHours(15));
    change();
  }

  @Test
  void renewal_thatFails_isTriedAgain() throws Exception {
    start(this::token);
    change();

    wire.broken.add("the network is gone");
    clock.advance(Duration.ofHours(15));
    assertThat(trouble()).isEqualTo("the network is gone");
    change();
  }

  @Test
  void gatewayThatIsOutOfOrder_isPassedOver() throws Exception {
    wire.outOfOrder = Set.of(FIRST);
    start(this::token);
    change();
  }

  /** A gateway that was broken into advertises whom it likes. */
  @Test
  void gatewayThatIsAdvertisedOnly_renews_andIsShownNoToken() throws Exception {
    wire.outOfOrder = Set.of(FIRST, SECOND);
    start(this::token);
    trouble();
    assertThat(wire.shownToStrangers).isFalse();

    wire.outOfOrder = Set.of();
    String id = change();
    wire.outOfOrder = Set.of(FIRST, SECOND);
    clock.advance(Duration.ofHours(15));
    assertThat(change()).isEqualTo(id);
  }

  @Test
  void connectorThatWasOffTooLong_saysSinceWhen_andWhatToDo_andEnrolsAgainWithAToken()
      throws Exception {
    start(this::token);
    String id = change();
    started.remove(0).close();
    String expired = ConnectorIdentity.load(file()).certificate().notAfter().toString();
    clock.advance(Duration.ofDays(3));

    BlockingQueue<String> supplied = new LinkedBlockingQueue<>();
    start(supplied::poll);
    assertThat(trouble()).contains(id, "expired at " + expired, "create a token");
    supplied.add(token());
    assertThat(change()).isNotEqualTo(id);
  }

  /** The clock of its own machine does not decide. */
  @Test
  void connectorWhoseClockIsAhead_isRenewed() throws Exception {
    start(this::token);
    String id = change();
    started.remove(0).close();
    TestClock ahead = new TestClock();
    ahead.advance(Duration.ofDays(300));

    Enrolment enrolment = track(enrolment(() -> null, ahead));
    wire.identity = () -> load().certificate();
    enrolment.start();

    assertThat(change()).isEqualTo(id);
  }

  @Test
  void connectorThatWasRevoked_staysSo_thoughThereIsAToken() throws Exception {
    start(this::token);
    String id = change();
    authority.revoke(id);
    clock.advance(Duration.ofHours(15));

    assertThat(trouble()).contains(ErrorCode.CONNECTOR_REVOKED.code(), "identity file");
    assertThat(trouble()).contains(ErrorCode.CONNECTOR_REVOKED.code());
    assertThat(ConnectorIdentity.load(file()).certificate().id()).isEqualTo(id);
  }

  @Test
  void connectorWhoseAuthorityIsUnknown_enrolsAgain() throws Exception {
    Enrolment enrolment = start(this::token);
    String id = change();

    enrolment.refused(enrolment.tls(), ErrorCode.CERTIFICATE_REQUIRED.code());
    assertThat(change()).isNotEqualTo(id);
  }

  @Test
  void refusalOfAnOlderIdentity_isIgnored() throws Exception {
    Enrolment enrolment = start(this::token);
    change();
    SSLContext older = enrolment.tls();
    clock.advance(Duration.ofHours(15));
    String id = change();

    enrolment.refused(older, ErrorCode.CERTIFICATE_EXPIRED.code());
    clock.advance(Duration.ofHours(15));
    assertThat(change()).isEqualTo(id);
  }

  @Test
  void closing_endsTheThread_thoughAGatewayDoesNotAnswer() throws Exception {
    wire.silent = true;
    Enrolment enrolment = start(this::token);
    Thread thread = wire.asking.poll(30, TimeUnit.SECONDS);
    enrolment.close();

    thread.join(Duration.ofSeconds(30).toMillis());
    assertThat(thread.isAlive()).isFalse();
    assertThat(wire.asking).as("further gateways that were asked").isEmpty();
    assertThat(troubles).isEmpty();
  }

  @Test
  void fileThatOthersMayRead_isRefused() throws Exception {
    start(this::token);
    change();
    Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-r--r--"));

    assertThatThrownBy(() -> enrolment(() -> null))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContainingAll(file().toString(), "chmod 600");
  }

  // ---- parts

  private Path file() {
    return directory.resolve("identity.pem");
  }

  private String token() {
    return authority.createToken("corp", Duration.ofMinutes(15));
  }

  private Enrolment start(Supplier<String> tokens) {
    Enrolment enrolment = track(enrolment(tokens));
    wire.identity = () -> enrolment.isEnrolled() ? load().certificate() : null;
    enrolment.start();
    return enrolment;
  }

  private Enrolment track(Enrolment enrolment) {
    started.add(enrolment);
    return enrolment;
  }

  private Enrolment enrolment(Supplier<String> tokens) {
    return enrolment(tokens, clock);
  }

  private Enrolment enrolment(Supplier<String> tokens, TestClock with) {
    return new Enrolment(
        null,
        file(),
        tokens,
        wire,
        new Enrolment.Listener() {
          @Override
          public void identityChanged() {
            changes.add(load().certificate().id());
          }

          @Override
          public void trouble(String what) {
            troubles.add(what);
          }
        },
        with);
  }

  private ConnectorIdentity load() {
    try {
      return ConnectorIdentity.load(file());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String change() throws InterruptedException {
    return java.util.Objects.requireNonNull(changes.poll(30, TimeUnit.SECONDS), "no change");
  }

  private String trouble() throws InterruptedException {
    return java.util.Objects.requireNonNull(troubles.poll(30, TimeUnit.SECONDS), "no trouble");
  }

  /** Two gateways with one authority. */
  private final class Wire implements Enrolment.Gateways {
    final BlockingQueue<String> broken = new LinkedBlockingQueue<>();
    final List<ConnectorCertificate> presented = new ArrayList<>();
    volatile Set<URI> outOfOrder = Set.of();
    volatile boolean shownToStrangers;
    volatile boolean silent;
    final BlockingQueue<Thread> asking = new LinkedBlockingQueue<>();
    volatile Supplier<ConnectorCertificate> identity;

    @Override
    public Collection<URI> given() {
      return List.of(FIRST, SECOND);
    }

    @Override
    public Collection<URI> known() {
      return List.of(FIRST, SECOND, ADVERTISED);
    }

    @Override
    public CompletableFuture<Call.Answer> post(
        URI gateway, SSLContext tls, String path, String json) {
      if (silent) {
        asking.add(Thread.currentThread());
        return new CompletableFuture<>();
      }
      if (!broken.isEmpty()) {
        boolean last = gateway.equals(path.equals(ENROL) ? SECOND : ADVERTISED);
        String why = last ? broken.remove() : broken.peek();
        return CompletableFuture.failedFuture(new IOException(why));
      }
      if (path.equals(ENROL) && gateway.equals(ADVERTISED)) {
        shownToStrangers = true;
      }
      if (outOfOrder.contains(gateway)) {
        return CompletableFuture.completedFuture(new Call.Answer(503, "<html>"));
      }
      JsonNode body = JSON.readTree(json);
      try {
        return CompletableFuture.completedFuture(new Call.Answer(200, chain(path, body)));
      } catch (GatewayException e) {
        String problem = Refusal.of(e).toProblem(e.code().status());
        return CompletableFuture.completedFuture(new Call.Answer(e.code().status(), problem));
      }
    }

    private String chain(String path, JsonNode body) {
      Authority.Certified certified;
      if (path.equals(ENROL)) {
        presented.add(null);
        certified = authority.enrol(body.path("token").asString(), body.path("csr").asString());
      } else {
        ConnectorCertificate present = identity.get();
        presented.add(present);
        authority.check(present);
        certified = authority.renew(present, body.path("csr").asString());
      }
      return ConnectorIdentity.pem(certified.certificate(), certified.issuer());
    }
  }
}
