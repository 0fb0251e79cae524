package io.apprxy.tunnel;

import static io.apprxy.tunnel.RawHttp2.frame;
import static io.apprxy.tunnel.RawHttp2.integer;
import static io.apprxy.tunnel.RawHttp2.setting;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.SocketTimeoutException;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** What the protocol lets a peer do, and a peer must not be let do for long. */
enum Http2Attack {
  PING_FLOOD(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.PING, 0, 0, new byte[8]);
    }
  },
  UNASKED_PING_ACKS(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.PING, RawHttp2.ACK, 0, new byte[8]);
    }
  },
  SETTINGS_FLOOD(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.SETTINGS, 0, 0, setting(RawHttp2.MAX_CONCURRENT_STREAMS, 100));
    }
  },
  EMPTY_SETTINGS_FLOOD(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.SETTINGS, 0, 0);
    }
  },
  PRIORITY_FLOOD(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.PRIORITY, 0, stream, new byte[5]);
    }
  },
  UNKNOWN_FRAMES(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(0xcc, 0, 0, new byte[1]);
    }
  },
  EMPTY_DATA_FLOOD(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.DATA, 0, stream);
    }
  },
  HEADERS_WITHOUT_END(11, 1) {
    @Override
    byte[] begin(RawHttp2 peer, int stream) {
      return frame(RawHttp2.HEADERS, 0, peer.beginHeaders(stream), (byte) 0x88);
    }

    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.CONTINUATION, 0, peer.headersBegun());
    }
  },
  HUGE_HEADER_LIST(11, 1) {
    @Override
    byte[] begin(RawHttp2 peer, int stream) {
      return frame(RawHttp2.HEADERS, 0, peer.beginHeaders(stream));
    }

    @Override
    byte[] next(RawHttp2 peer, int stream) {
      ByteArrayOutputStream block = new ByteArrayOutputStream();
      for (int i = 0; i < 100; i++) {
        RawHttp2.header(block, "x-" + i, "v".repeat(100));
      }
      return frame(RawHttp2.CONTINUATION, 0, peer.headersBegun(), block.toByteArray());
    }
  },
  /** One entry of the table is said again and again (RFC 7541 §7.3). */
  HEADER_BOMB(1, 11) {
    @Override
    byte[] begin(RawHttp2 peer, int stream) {
      ByteArrayOutputStream block = new ByteArrayOutputStream();
      block.write(0x40); // literal with incremental indexing
      block.write(1);
      block.write('b');
      block.write(0x7f); // 127 + 3873 - 127
      block.write(0xa1);
      block.write(0x1e);
      block.writeBytes("v".repeat(4_000).getBytes(java.nio.charset.StandardCharsets.US_ASCII));
      return frame(RawHttp2.HEADERS, 0, peer.beginHeaders(stream), block.toByteArray());
    }

    @Override
    byte[] next(RawHttp2 peer, int stream) {
      byte[] block = new byte[1_000];
      java.util.Arrays.fill(block, (byte) 0xbe); // the newest entry of the dynamic table
      return frame(RawHttp2.CONTINUATION, 0, peer.headersBegun(), block);
    }
  },
  HUGE_HEADER_TABLE(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.SETTINGS, 0, 0, setting(RawHttp2.HEADER_TABLE_SIZE, Integer.MAX_VALUE));
    }
  },
  /** More than the window, on a stream that has ended: nobody reads it. */
  DATA_AFTER_THE_END(3) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.DATA, 0, stream, new byte[16_384]);
    }
  },
  WINDOW_BEYOND_THE_LARGEST(3) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.WINDOW_UPDATE, 0, 0, integer(Integer.MAX_VALUE));
    }
  },
  WINDOW_INCREMENT_OF_NOTHING(1, 11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.WINDOW_UPDATE, 0, 0, integer(0));
    }
  },
  DATA_OF_A_STREAM_THAT_NOBODY_OPENED(1) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.DATA, 0, 100_001, new byte[10]);
    }
  },
  PUSH(11, 1) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.PUSH_PROMISE, RawHttp2.END_HEADERS, stream, integer(2));
    }
  },
  RESETS_OF_STREAMS_THAT_HAVE_ENDED(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.RST_STREAM, 0, stream, integer(8));
    }
  },
  FRAME_BEYOND_THE_LARGEST(6) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      return frame(RawHttp2.PING, 0, 0, new byte[20_000]);
    }
  },
  /** CVE-2023-44487; of clients only. */
  RAPID_RESET(11) {
    @Override
    byte[] next(RawHttp2 peer, int stream) {
      int number = peer.nextStream();
      ByteArrayOutputStream both = new ByteArrayOutputStream();
      both.writeBytes(
          frame(
              RawHttp2.HEADERS,
              RawHttp2.END_HEADERS | RawHttp2.END_STREAM,
              number,
              peer.requestBlock("/attacked", Map.of())));
      both.writeBytes(frame(RawHttp2.RST_STREAM, 0, number, integer(8)));
      return both.toByteArray();
    }
  };

  /** The attacked end may have seen so much before it must have ended the connection. */
  private static final int ENOUGH = 48 * 1024 * 1024;

  /** The error codes (RFC 9113 §7) with which it may end. */
  private final Set<Integer> codes;

  Http2Attack(Integer... codes) {
    this.codes = Set.of(codes);
  }

  byte[] begin(RawHttp2 peer, int stream) {
    return new byte[0];
  }

  abstract byte[] next(RawHttp2 peer, int stream);

  /**
   * Goes on until the other end has closed the connection.
   *
   * @param stream the one that was asked on last
   * @throws IllegalStateException if the attack went through
   */
  void run(RawHttp2 peer, int stream) throws Exception {
    AtomicInteger code = new AtomicInteger(-1);
    CompletableFuture<Void> ended =
        CompletableFuture.runAsync(() -> drain(peer, code), task -> new Thread(task).start());
    long sent = 0;
    try {
      peer.send(begin(peer, stream));
      while (!ended.isDone() && sent < ENOUGH) {
        ByteArrayOutputStream some = new ByteArrayOutputStream();
        while (some.size() < 16_000) {
          some.writeBytes(next(peer, stream));
        }
        peer.send(some.toByteArray());
        sent += some.size();
      }
    } catch (IOException closed) {
      // as it should be; the other thread tells
    }
    try {
      ended.get(10, TimeUnit.SECONDS);
    } catch (java.util.concurrent.TimeoutException e) {
      throw new IllegalStateException(this + " went through, with " + sent + " bytes");
    }
    // None arrives if the kernel threw it away, since there were bytes that nobody read any more;
    // and 0 if it was a request of ours that failed first.
    if (code.get() > 0 && !codes.contains(code.get())) {
      throw new IllegalStateException(this + " was answered with error " + code);
    }
  }

  private static void drain(RawHttp2 peer, AtomicInteger code) {
    try {
      while (true) {
        RawHttp2.Frame frame = peer.next();
        if (frame.type() == RawHttp2.GOAWAY) {
          code.set(frame.payload().getInt(4));
        }
      }
    } catch (SocketTimeoutException e) {
      throw new UncheckedIOException(e);
    } catch (EOFException e) {
      // closed
    } catch (IOException e) {
      // reset, since what we sent was not read any more
    }
  }
}
