package io.apprxy.tunnel;

import io.undertow.protocols.http2.Http2Channel;
import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Notices within 10 seconds that a peer is dead, whatever is under way. Anything that arrives is a
 * sign of life, so that bulk data, behind which a PING and its answer may wait, is no reason to
 * give a peer up; a PING (RFC 9113 §6.7) asks for one when nothing arrives. Time is counted in
 * turns of the I/O thread: a process that was paused gives its peers a chance to be heard. Confined
 * to the I/O thread of its connection.
 */
final class Heartbeat {
  private static final Duration TURN = Duration.ofSeconds(1);

  /** Turns of silence after which a PING asks for a sign of life, and again at each later turn. */
  private static final int ASK = 3;

  /** Turns of silence after which a peer is dead: at most 9 seconds. */
  private static final int DEAD = 8;

  /** After a doubt, such as a pause of this process: turns until a peer has to be heard. */
  private static final int DOUBT = 3;

  private long heard;
  private int silent;

  /** What is to be done at the end of a turn. */
  enum Step {
    NOTHING,
    ASK,
    GIVE_UP
  }

  /**
   * Watches a connection, from its I/O thread.
   *
   * @param arrived counts what has arrived: frames, or bytes
   * @param dead called once
   */
  static Heartbeat of(Http2Channel channel, LongSupplier arrived, Runnable dead) {
    Heartbeat heartbeat = new Heartbeat();
    heartbeat.turn(channel, arrived, dead);
    return heartbeat;
  }

  private void turn(Http2Channel channel, LongSupplier arrived, Runnable dead) {
    if (!channel.isOpen()) {
      return;
    }
    Step step = step(arrived.getAsLong());
    if (step == Step.GIVE_UP) {
      dead.run();
      return;
    }
    if (step == Step.ASK) {
      channel.sendPing(new byte[8]);
    }
    try {
      channel
          .getIoThread()
          .executeAfter(() -> turn(channel, arrived, dead), TURN.toMillis(), TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      // the process is closing, and its connections with it
    }
  }

  /** One turn has gone by. */
  Step step(long arrived) {
    if (arrived != heard) {
      heard = arrived;
      silent = 0;
      return Step.NOTHING;
    }
    silent++;
    if (silent >= DEAD) {
      return Step.GIVE_UP;
    }
    return silent >= ASK ? Step.ASK : Step.NOTHING;
  }

  /** Something happened that the peer may not have survived: it has to be heard soon. */
  void doubt() {
    silent = Math.max(silent, DEAD - DOUBT);
  }
}
