package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.ErrorCode;
import io.undertow.Undertow;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Clocks that jump, in a whole chain with certificates that live for a day. Whatever a clock says,
 * nothing reaches the origin that both sides do not take for valid.
 */
@Timeout(90)
class ClockIT {
  private static final Duration HALF_A_LIFE = Duration.ofHours(15);
  private static final Duration MORE_THAN_A_LIFE = Duration.ofHours(25);
  private static final Duration HOURS = Duration.ofHours(2);

  private final AtomicInteger served = new AtomicInteger();
  private final Undertow origin =
      Chain.undertow(
          exchange -> {
            served.incrementAndGet();
            exchange.getResponseSender().send("served");
          });
  private final TestClock ofGateway = new TestClock();
  private final TestClock ofConnector = new TestClock();
  private final BlockingQueue<TunnelEvent> events = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> tokens = new LinkedBlockingQueue<>();
  private final Chain chain =
      new Chain(
          Chain.portOf(origin),
          application -> application,
          tunnel -> tunnel.clock(ofGateway).listener(events::add),
          connector -> connector.clock(ofConnector));
  private String id = "";

  @AfterEach
  void close() {
    chain.close();
    origin.stop();
  }

  private void connect() throws Exception {
    tokens.add(chain.tunnel.createEnrolmentToken("default"));
    chain.connect(chain.originPort, connector -> connector.enrolmentToken(tokens::poll));
    id = chain.tunnel.connectors().get(0).id();
    assertServed();
  }

  private void jump(Duration time) {
    ofGateway.advance(time);
    ofConnector.advance(time);
  }

  // ---- both

  @Test
  void clocks_thatJumpBeyondHalfOfALife_haveTheCertificateRenewed_andNothingElseHappens()
      throws Exception {
    connect();
    jump(HALF_A_LIFE);
    assertServed();
    awaitRenewals(1);
    assertServed();
    assertThat(chain.tunnel.connectors()).allMatch(connector -> connector.id().equals(id));
    assertThat(happened(TunnelEvent.Type.REFUSED)).isEmpty();
  }

  @Test
  void clocks_thatJumpBeyondTheEnd_haveTheConnectorRefused_untilItHasANewToken() throws Exception {
    connect();
    jump(MORE_THAN_A_LIFE);
    until(() -> chain.tunnel.connectors().isEmpty());
    until(() -> isRefused(ErrorCode.CERTIFICATE_EXPIRED));
    assertRefused(ErrorCode.NO_CONNECTOR);

    tokens.add(chain.tunnel.createEnrolmentToken("default"));
    until(() -> chain.get("/").statusCode() == 200);
    assertThat(chain.tunnel.connectors()).noneMatch(connector -> connector.id().equals(id));
  }

  /** What was certified by a clock that was ahead is valid later only. */
  @Test
  void clocks_thatAreSetBack_haveTheConnectorRefused_untilItsCertificateIsValid_orItHasAToken()
      throws Exception {
    jump(MORE_THAN_A_LIFE);
    connect();
    jump(MORE_THAN_A_LIFE.negated());
    until(() -> isRefused(ErrorCode.CERTIFICATE_EXPIRED));
    until(() -> chain.tunnel.connectors().isEmpty());
    assertRefused(ErrorCode.NO_CONNECTOR);

    tokens.add(chain.tunnel.createEnrolmentToken("default"));
    until(() -> chain.get("/").statusCode() == 200);
  }

  // ---- one of them

  @Test
  void clockOfTheGateway_thatIsAhead_hasRequestsRefused_untilItIsSetBack() throws Exception {
    connect();
    ofGateway.advance(HOURS);
    assertRefused(ErrorCode.ASSERTION_REFUSED);
    ofGateway.advance(HOURS.negated());
    assertServed(); // and not hours later, when what was signed is not from the future any more
  }

  @Test
  void clockOfTheGateway_thatIsBehind_hasRequestsRefused_untilItIsRight() throws Exception {
    connect();
    ofGateway.advance(HOURS.negated());
    until(() -> isRefused(ErrorCode.CERTIFICATE_EXPIRED));
    assertThat(chain.get("/").statusCode()).isGreaterThanOrEqualTo(500);
    ofGateway.advance(HOURS);
    until(() -> chain.get("/").statusCode() == 200);
    assertThat(chain.tunnel.connectors()).allMatch(connector -> connector.id().equals(id));
  }

  /** It renews too early, and again when it is right, as else it would renew too late. */
  @Test
  void clockOfTheConnector_thatIsAhead_hasRequestsRefused_andTheCertificateRenewedInTime()
      throws Exception {
    connect();
    ofConnector.advance(MORE_THAN_A_LIFE);
    assertRefused(ErrorCode.ASSERTION_REFUSED);
    awaitRenewals(1);
    assertRefused(ErrorCode.ASSERTION_REFUSED);

    ofConnector.advance(MORE_THAN_A_LIFE.negated());
    assertServed();
    awaitRenewals(2);
    jump(HALF_A_LIFE);
    awaitRenewals(3);
    assertServed();
  }

  @Test
  void clockOfTheConnector_thatIsBehind_hasRequestsRefused_untilItIsRight() throws Exception {
    connect();
    ofConnector.advance(HOURS.negated());
    assertRefused(ErrorCode.ASSERTION_REFUSED);
    ofConnector.advance(HOURS);
    assertServed();
  }

  // ----

  private void assertServed() throws Exception {
    HttpResponse<String> answer = chain.get("/");
    assertThat(answer.body()).isEqualTo("served");
  }

  private void assertRefused(ErrorCode code) throws Exception {
    int before = served.get();
    assertThat(chain.get("/").body()).contains(code.code(), code.remedy());
    assertThat(served).hasValue(before);
  }

  private List<TunnelEvent> happened(TunnelEvent.Type type) {
    return events.stream().filter(event -> event.type() == type).toList();
  }

  private boolean isRefused(ErrorCode code) {
    return happened(TunnelEvent.Type.REFUSED).stream()
        .anyMatch(event -> event.detail().contains(code.code()));
  }

  private void awaitRenewals(int count) throws Exception {
    until(() -> happened(TunnelEvent.Type.RENEWED).size() >= count);
  }

  private static void until(Callable<Boolean> condition) throws Exception {
    while (!condition.call()) { // the test's own timeout ends it
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
    }
  }
}
