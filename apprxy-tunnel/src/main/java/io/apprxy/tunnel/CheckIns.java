package io.apprxy.tunnel;

import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.XnioExecutor;
import org.xnio.channels.StreamSinkChannel;

/**
 * The connector's end of a {@link ControlStream}: says at once how things are, then every few
 * seconds and whenever they change. What could not be sent yet is not queued: it is out of date.
 * Confined to the I/O thread of its connection.
 */
final class CheckIns {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");

  private final StreamSinkChannel channel;
  private final Supplier<CheckIn> current;
  private final XnioExecutor.Key timer;
  private ByteBuffer line = ByteBuffer.allocate(0);
  private boolean sending;
  private boolean changed;
  private boolean ended;

  private CheckIns(HttpServerExchange exchange, Supplier<CheckIn> current) {
    this.channel = exchange.getResponseChannel();
    this.current = current;
    this.timer =
        exchange
            .getIoThread()
            .executeAtInterval(
                this::send, Wire.CHECK_IN_INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Begins to answer a request for the control stream. */
  static CheckIns begin(HttpServerExchange exchange, Supplier<CheckIn> current) {
    exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "application/x-ndjson");
    CheckIns checkIns = new CheckIns(exchange, current);
    exchange.addExchangeCompleteListener(
        (completed, next) -> {
          checkIns.end();
          next.proceed();
        });
    checkIns.channel.getWriteSetter().set(sink -> checkIns.write());
    checkIns.send();
    return checkIns;
  }

  /** Says how things are now. */
  void send() {
    if (ended) {
      return;
    }
    changed = true;
    if (!sending) {
      changed = false;
      sending = true;
      line = ByteBuffer.wrap((current.get().toJson() + "\n").getBytes(StandardCharsets.UTF_8));
      write();
    }
  }

  private void write() {
    try {
      while (line.hasRemaining()) {
        if (channel.write(line) == 0) {
          channel.resumeWrites();
          return;
        }
      }
      if (!channel.flush()) {
        channel.resumeWrites();
        return;
      }
      channel.suspendWrites();
      sending = false;
      if (changed) {
        send();
      }
    } catch (IOException e) {
      LOG.debug("the control stream broke off", e);
      end();
      IoUtils.safeClose(channel);
    }
  }

  private void end() {
    ended = true;
    timer.remove();
  }
}
