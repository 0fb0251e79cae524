package io.apprxy.tunnel;

import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.ClientExchange;
import io.undertow.client.ClientRequest;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.xnio.channels.StreamSourceChannel;

/**
 * What a connector says beside its answers: the body of one response that does not end, a {@link
 * CheckIn} on each line. A line that is none ends it, and so does a flood of lines. Confined to the
 * I/O thread of its connection.
 */
final class ControlStream {
  /** Many times what a connector sends: one each 5 seconds, and one for each change. */
  private static final int MAX_PER_PERIOD = 100;

  private static final Duration PERIOD = Duration.ofSeconds(10);

  private final Reader reader;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private long periodBegan = System.nanoTime();
  private int inPeriod;
  private boolean begun;
  private boolean ended;

  /** Called on the I/O thread of the connection. */
  interface Reader {
    void checkedIn(CheckIn checkIn);

    /** There will be no further check-in. Called once. */
    void ended(Exception cause);
  }

  ControlStream(Reader reader) {
    this.reader = reader;
  }

  /** Asks for the stream; the first check-in must arrive in time. */
  static void open(ClientConnection connection, Reader reader) {
    ControlStream stream = new ControlStream(reader);
    ClientRequest request = new ClientRequest().setMethod(Methods.GET).setPath(Wire.CONTROL_PATH);
    request.getRequestHeaders().put(Headers.HOST, "connector");
    connection.sendRequest(request, stream.onSent());
    connection
        .getIoThread()
        .executeAfter(stream::requireBegun, Wire.CALL_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void requireBegun() {
    if (!begun) {
      end(new IOException("no check-in in " + Wire.CALL_TIMEOUT));
    }
  }

  private ClientCallback<ClientExchange> onSent() {
    return new ClientCallback<>() {
      @Override
      public void completed(ClientExchange sent) {
        sent.setResponseListener(onAnswered());
      }

      @Override
      public void failed(IOException e) {
        end(e);
      }
    };
  }

  private ClientCallback<ClientExchange> onAnswered() {
    return new ClientCallback<>() {
      @Override
      public void completed(ClientExchange answered) {
        int status = answered.getResponse().getResponseCode();
        if (status != 200) {
          end(new IOException("the control stream was answered with " + status));
          return;
        }
        StreamSourceChannel source = answered.getResponseChannel();
        source.getReadSetter().set(ControlStream.this::read);
        source.resumeReads();
      }

      @Override
      public void failed(IOException e) {
        end(e);
      }
    };
  }

  private void read(StreamSourceChannel source) {
    ByteBuffer some = ByteBuffer.allocate(1024);
    try {
      for (int count = source.read(some); count != 0 && !ended; count = source.read(some)) {
        if (count < 0) {
          throw new EOFException("the connector ended its control stream");
        }
        take(some.flip());
        some.clear();
      }
    } catch (IOException | IllegalArgumentException e) {
      source.suspendReads();
      end(e);
    }
  }

  /**
   * The bytes of check-ins, cut anywhere.
   *
   * @throws IllegalArgumentException if there is one that is none, or too many
   */
  void take(ByteBuffer bytes) {
    while (bytes.hasRemaining()) {
      byte next = bytes.get();
      if (next == '\n') {
        String text = line.toString(StandardCharsets.UTF_8);
        line.reset();
        checkedIn(CheckIn.fromJson(text));
      } else if (line.size() == CheckIn.MAX_LENGTH) {
        throw new IllegalArgumentException("a check-in is too long");
      } else {
        line.write(next);
      }
    }
  }

  private void checkedIn(CheckIn checkIn) {
    long now = System.nanoTime();
    if (now - periodBegan > PERIOD.toNanos()) {
      periodBegan = now;
      inPeriod = 0;
    }
    inPeriod++;
    if (inPeriod > MAX_PER_PERIOD) {
      throw new IllegalArgumentException("too many check-ins");
    }
    begun = true;
    if (!ended) {
      reader.checkedIn(checkIn);
    }
  }

  private void end(Exception cause) {
    if (!ended) {
      ended = true;
      reader.ended(cause);
    }
  }
}
