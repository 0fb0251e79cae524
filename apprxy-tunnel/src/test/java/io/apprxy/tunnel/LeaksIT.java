package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A hundred times connected, served and disconnected: no thread, file or buffer is left. */
@Timeout(120)
class LeaksIT {
  private static final int WARM_UP = 10;
  private static final int CYCLES = 100;
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final Undertow origin =
      Chain.undertow(exchange -> exchange.getResponseSender().send("served"));
  private final int originPort = Chain.portOf(origin);

  @AfterEach
  void stop() {
    origin.stop();
  }

  @Test
  void connectors_thatComeAndGo_leaveNothing() throws Exception {
    try (Chain chain = new Chain(originPort, application -> application)) {
      assertLeavesNothing("Connectors", () -> serveOnce(chain));
    }
  }

  @Test
  void gatewaysAndTunnelServers_thatComeAndGo_leaveNothing() throws Exception {
    assertLeavesNothing(
        "Gateways, tunnel servers and connectors",
        () -> {
          try (Chain chain = new Chain(originPort, application -> application)) {
            serveOnce(chain);
          }
        });
  }

  private void serveOnce(Chain chain) throws Exception {
    try (Connector connector = chain.connector(originPort, chain.tunnel.port()).build().start()) {
      assertThat(connector.awaitConnected(PATIENCE)).isTrue();
      assertThat(chain.tunnel.awaitConnector("default", PATIENCE)).isTrue();
      assertThat(chain.get("/").body()).isEqualTo("served");
    }
  }

  private interface Cycle {
    void run() throws Exception;
  }

  private static void assertLeavesNothing(String what, Cycle cycle) throws Exception {
    for (int i = 0; i < WARM_UP; i++) {
      cycle.run();
    }
    Held before = Held.now();
    for (int i = 0; i < CYCLES; i++) {
      cycle.run();
    }
    Held after = Held.now();
    while (after.isMoreThan(before) && !Thread.currentThread().isInterrupted()) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(200)); // what is closing ends later
      after = Held.now();
    }
    System.out.printf(
        Locale.ROOT, "%s, %d times: %s before, %s after%n", what, CYCLES, before, after);
    assertThat(after.isMoreThan(before)).as("%s before, %s after", before, after).isFalse();
  }

  /** What this process holds, once what is garbage is collected. */
  private record Held(int threads, long files, long sockets, long directBytes) {
    /** One more or less is kept by clients and their pools; a leak would show a hundred times. */
    private static final int LITTLE = 20;

    private static final long LITTLE_MEMORY = 2 * 1024 * 1024;

    static Held now() throws IOException {
      System.gc();
      List<String> open;
      try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
        open = files.map(Held::target).toList();
      }
      return new Held(
          ManagementFactory.getThreadMXBean().getThreadCount(),
          open.size(),
          open.stream().filter(target -> target.startsWith("socket:")).count(),
          ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
              .filter(pool -> pool.getName().equals("direct"))
              .mapToLong(BufferPoolMXBean::getMemoryUsed)
              .sum());
    }

    private static String target(Path file) {
      try {
        return Files.readSymbolicLink(file).toString();
      } catch (IOException e) {
        return "closed meanwhile";
      }
    }

    boolean isMoreThan(Held other) {
      return threads > other.threads + LITTLE
          || files > other.files + LITTLE
          || sockets > other.sockets + LITTLE
          || directBytes > other.directBytes + LITTLE_MEMORY;
    }
  }
}
