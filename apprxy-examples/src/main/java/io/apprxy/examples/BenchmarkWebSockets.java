package io.apprxy.examples;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/** Sends messages over WebSockets to an echo, each when the one before has come back. */
final class BenchmarkWebSockets {
  private static final String MESSAGE = "0123456789".repeat(12);
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(30);

  private BenchmarkWebSockets() {}

  /** The time that each message took, in nanoseconds, sorted. */
  static long[] load(
      SSLContext trust, URI url, @Nullable String cookie, int connections, int seconds)
      throws Exception {
    HttpClient client = HttpClient.newBuilder().sslContext(trust).build();
    List<Echoes> all = new ArrayList<>();
    for (int i = 0; i < connections; i++) {
      Echoes echoes = new Echoes();
      WebSocket.Builder builder = client.newWebSocketBuilder().connectTimeout(CONNECT_TIMEOUT);
      if (cookie != null) {
        builder.header("Cookie", cookie);
      }
      builder.buildAsync(url, echoes).get(CONNECT_TIMEOUT.toSeconds() + 1, TimeUnit.SECONDS);
      all.add(echoes);
    }
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    all.forEach(echoes -> echoes.begin(end));
    LongStream took = LongStream.empty();
    for (Echoes echoes : all) {
      List<Long> one = echoes.done.get(seconds + CONNECT_TIMEOUT.toSeconds(), TimeUnit.SECONDS);
      took = LongStream.concat(took, one.stream().mapToLong(Long::longValue));
    }
    return took.sorted().toArray();
  }

  /** One connection. Its listener is called by one thread at a time. */
  private static final class Echoes implements WebSocket.Listener {
    private final CompletableFuture<List<Long>> done = new CompletableFuture<>();
    private final List<Long> took = new ArrayList<>();
    private final StringBuilder received = new StringBuilder();
    private @Nullable WebSocket socket;
    private long end;
    private long sent;

    @Override
    public void onOpen(WebSocket opened) {
      socket = opened;
    }

    void begin(long until) {
      end = until;
      WebSocket opened = socket;
      if (opened == null) {
        throw new IllegalStateException("not open");
      }
      send(opened);
      opened.request(1);
    }

    private void send(WebSocket to) {
      sent = System.nanoTime();
      var unused =
          to.sendText(MESSAGE, true)
              .whenComplete(
                  (sentIt, failed) -> {
                    if (failed != null) {
                      done.completeExceptionally(failed);
                    }
                  });
    }

    @Override
    public @Nullable CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
      received.append(data);
      if (last) {
        long now = System.nanoTime();
        if (!MESSAGE.contentEquals(received)) {
          done.completeExceptionally(new IllegalStateException("an echo was another message"));
        }
        received.setLength(0);
        took.add(now - sent);
        if (now < end) {
          send(from);
        } else {
          from.abort();
          done.complete(took);
        }
      }
      from.request(1);
      return null;
    }

    @Override
    public @Nullable CompletionStage<?> onClose(WebSocket from, int status, String reason) {
      done.completeExceptionally(new IllegalStateException("closed with " + status));
      return null;
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
      done.completeExceptionally(error);
    }
  }
}
