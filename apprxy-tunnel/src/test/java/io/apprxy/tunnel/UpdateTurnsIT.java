package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.tunnel.TunnelEvent.Type;
import io.apprxy.tunnel.UpdateException.Reason;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Turns to update, from the gateway to real connectors and back. */
class UpdateTurnsIT {
  private static final Set<Type> OF_UPDATES =
      Set.of(Type.UPDATE_STARTED, Type.UPDATED, Type.UPDATE_FAILED, Type.UPDATE_REFUSED);

  private final BlockingQueue<String> turns = new LinkedBlockingQueue<>();
  private final CountDownLatch first = new CountDownLatch(1);
  private final Chain chain = new Chain(1, UnaryOperator.identity());

  @AfterEach
  void close() {
    first.countDown();
    chain.close();
  }

  private void connect(String name, UpdateListener listener) throws InterruptedException {
    chain.connect(
        1,
        settings ->
            settings
                .name(name)
                .onUpdateTurn(
                    version -> {
                      turns.add(name + " to " + version);
                      listener.update(version);
                    }));
  }

  private TunnelEvent nextEvent() throws InterruptedException {
    TunnelEvent event;
    do {
      event = chain.tunnelEvents.poll(30, TimeUnit.SECONDS);
      assertThat(event).as("an event of an update").isNotNull();
    } while (!OF_UPDATES.contains(event.type()));
    return event;
  }

  private void waitThenRefuse(String version) throws UpdateException {
    try {
      assertThat(first.await(30, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    throw new UpdateException(Reason.SIGNATURE, "nobody signed " + version);
  }

  @Test
  void connectors_getTheTurn_oneAfterTheOther_andWhatBecomesOfItIsTold() throws Exception {
    connect("one", this::waitThenRefuse);
    connect("other", this::waitThenRefuse);

    chain.tunnel.recommendVersion("1.0.0");

    String begun = turns.poll(30, TimeUnit.SECONDS);
    assertThat(begun).isIn("one to 1.0.0", "other to 1.0.0");
    assertThat(nextEvent().type()).isEqualTo(Type.UPDATE_STARTED);
    assertThat(turns).as("turns while the first is at it").isEmpty();
    first.countDown();
    TunnelEvent refused = nextEvent();
    assertThat(refused.type()).isEqualTo(Type.UPDATE_REFUSED);
    assertThat(refused.group()).isEqualTo("default");
    assertThat(refused.detail())
        .isEqualTo(
            "connector %s of group default was not updated: SIGNATURE: nobody signed 1.0.0"
                .formatted(begun.replace(" to 1.0.0", "")));
    assertThat(turns.poll(30, TimeUnit.SECONDS)).isNotNull().isNotEqualTo(begun);
    assertThat(nextEvent().type()).isEqualTo(Type.UPDATE_STARTED);
    assertThat(nextEvent().type()).isEqualTo(Type.UPDATE_REFUSED);
    assertThat(turns).isEmpty();
  }

  @Test
  void listener_thatFails_isAFailedUpdate_andConnectorsServeOn() throws Exception {
    UpdateListener failing =
        version -> {
          throw new IllegalStateException("no such service");
        };
    connect("one", failing);
    connect("other", failing);

    chain.tunnel.recommendVersion("1.0.0");

    for (int i = 0; i < 2; i++) {
      assertThat(nextEvent().type()).isEqualTo(Type.UPDATE_STARTED);
      TunnelEvent failed = nextEvent();
      assertThat(failed.type()).isEqualTo(Type.UPDATE_FAILED);
      assertThat(failed.detail()).contains("no such service");
    }
    assertThat(chain.tunnel.connectors()).hasSize(2);
  }

  @Test
  void onlyConnector_getsItsTurn_whenAnotherIsThere() throws Exception {
    chain.tunnel.recommendVersion("1.0.0");
    connect("one", this::waitThenRefuse);
    assertThat(turns).isEmpty();

    chain.connect(1); // cannot update itself

    assertThat(turns.poll(30, TimeUnit.SECONDS)).isEqualTo("one to 1.0.0");
  }
}
