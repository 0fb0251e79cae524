package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.EndedSessions;
import io.apprxy.Identity;
import io.apprxy.OriginRequest;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import io.undertow.Undertow;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Connectors are told which sessions ended, however their connections do. */
@Timeout(60)
class EndedSessionsIT {
  private static final EndedSessions ALICES =
      new EndedSessions(
          Set.of(EndedSessions.mark("user", Chain.ALICE.issuer(), Chain.ALICE.subject())));

  private final List<AutoCloseable> parts = new ArrayList<>();
  private Chain chain;

  /** A sign-on that keeps something for the users that it has seen. */
  private static final class Keeping implements SignOn {
    final BlockingQueue<EndedSessions> told = new LinkedBlockingQueue<>();
    volatile Identity seen = Chain.ALICE;

    @Override
    public Verdict signOn(OriginRequest request, Identity identity, Application application) {
      seen = identity;
      return Verdict.proceed();
    }

    @Override
    public void forget(EndedSessions ended) {
      told.add(ended);
    }

    EndedSessions next() throws InterruptedException {
      EndedSessions next = told.poll(30, TimeUnit.SECONDS);
      assertThat(next).as("told within half a minute").isNotNull();
      return next;
    }
  }

  @BeforeEach
  void start() {
    Undertow origin = Chain.undertow(exchange -> exchange.getResponseSender().send("served"));
    parts.add(origin::stop);
    chain = new Chain(Chain.portOf(origin), application -> application);
    parts.add(chain);
  }

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @Test
  void everyConnector_isTold_andKnowsWhoIsMeant() throws Exception {
    Keeping one = new Keeping();
    Keeping other = new Keeping();
    chain.connect(chain.originPort, connector -> connector.signOn(one));
    chain.connect(chain.originPort, connector -> connector.signOn(other));
    assertThat(one.next()).isEqualTo(EndedSessions.all());
    assertThat(other.next()).isEqualTo(EndedSessions.all());
    for (int i = 0; i < 10; i++) {
      assertThat(chain.get("/").statusCode()).isEqualTo(200);
    }

    chain.tunnel.forget(ALICES);

    for (Keeping connector : List.of(one, other)) {
      EndedSessions told = connector.next();
      assertThat(told).isEqualTo(ALICES).accepts(connector.seen);
      assertThat(connector.seen).isEqualTo(Chain.ALICE);
    }
    assertThat(chain.get("/").body()).as("requests go on").isEqualTo("served");
  }

  @Test
  void connectorThatWasAway_isToldWhatEndedMeanwhile() throws Exception {
    Keeping keeping = new Keeping();
    FaultyRelay relay = new FaultyRelay(chain.tunnel.port());
    parts.add(relay);
    Connector connector =
        chain.connector(chain.originPort, relay.port()).signOn(keeping).build().start();
    parts.add(connector);
    assertThat(keeping.next()).isEqualTo(EndedSessions.all());
    assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
    relay.refuse(true);
    relay.cut();
    TunnelEvent event = chain.tunnelEvents.take();
    while (event.type() != TunnelEvent.Type.DOWN) {
      event = chain.tunnelEvents.take();
    }

    chain.tunnel.forget(ALICES);
    relay.refuse(false);

    assertThat(keeping.next()).isEqualTo(ALICES);
  }
}
