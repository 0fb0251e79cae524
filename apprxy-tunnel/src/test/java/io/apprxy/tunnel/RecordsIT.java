package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How much data crosses the tunnel in one record of TLS, each of which costs a system call. */
@Timeout(60)
class RecordsIT {
  private static final int BODY = 8 * 1024 * 1024;

  /** A record of nothing but an ACK or a WINDOW_UPDATE is as small, or a piece that did not fit. */
  private static final int SMALL = 100;

  @Test
  void bulkData_fillsRecords_andLeavesNoPiecesOver() throws Exception {
    ByteBuffer body = ByteBuffer.allocateDirect(BODY);
    Undertow origin =
        Chain.undertow(exchange -> exchange.getResponseSender().send(body.duplicate()));
    try (Chain chain = new Chain(Chain.portOf(origin), application -> application);
        FaultyRelay relay = new FaultyRelay(chain.tunnel.port());
        Connector connector =
            chain.connector(Chain.portOf(origin), relay.port()).connections(1).build().start()) {
      assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
      Records fromConnector = new Records();
      relay.observe(
          (direction, bytes) -> {
            if (direction == FaultyRelay.Direction.TO_TARGET) {
              fromConnector.pass(bytes);
            }
          });
      byte[] received =
          chain.client.send(chain.request("/").build(), BodyHandlers.ofByteArray()).body();
      assertThat(received).hasSize(BODY);
      long small = fromConnector.lengths.stream().filter(length -> length < SMALL).count();
      long all = fromConnector.lengths.size();
      assertThat(small).as("small records of %d", all).isLessThan(all / 4);
    } finally {
      origin.stop();
    }
  }

  /** Follows the headers of records (RFC 8446 §5.1), from a boundary of two on. */
  private static final class Records {
    final List<Integer> lengths = new CopyOnWriteArrayList<>();
    private final ByteBuffer header = ByteBuffer.allocate(5);
    private int left;

    void pass(ByteBuffer bytes) {
      while (bytes.hasRemaining()) {
        if (left > 0) {
          int skipped = Math.min(left, bytes.remaining());
          bytes.position(bytes.position() + skipped);
          left -= skipped;
        } else {
          header.put(bytes.get());
          if (!header.hasRemaining()) {
            left = header.getShort(3);
            lengths.add(left);
            header.clear();
          }
        }
      }
    }
  }
}
