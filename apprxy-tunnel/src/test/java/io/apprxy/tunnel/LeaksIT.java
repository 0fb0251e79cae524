package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.management.ObjectName;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A hundred times connected, served and disconnected: no thread, file or buffer is left; nor is any
 * object of requests, on connections that stay.
 */
@Timeout(120)
class LeaksIT {
  private static final int WARM_UP = 10;
  private static final int CYCLES = 100;
  private static final int REQUESTS = 1_000;
  private static final Pattern OF_INTEREST =
      Pattern.compile(
          "(\\d+) +\\d+ +((?!io\\.undertow\\.util)(?:io\\.apprxy|io\\.undertow|org\\.xnio)\\.\\S+)");
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

  /** On connections that stay, for months: of each request something small would be enough. */
  @Test
  void requests_leaveNothing_atGatewayAndConnector() throws Exception {
    try (Chain chain = new Chain(originPort, application -> application)) {
      chain.connect(originPort);
      Map<String, Long> before = serveAllKinds(chain);
      Map<String, Long> after = serveAllKinds(chain);
      long end = System.nanoTime() + PATIENCE.toNanos();
      while (!grown(before, after).isEmpty() && System.nanoTime() < end) {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(200)); // what is ending ends later
        chain.events.clear();
        after = liveInstances();
      }
      assertThat(grown(before, after)).isEmpty();
    }
  }

  private static Map<String, Long> serveAllKinds(Chain chain) throws Exception {
    for (int i = 0; i < REQUESTS; i++) {
      for (String method : List.of("GET", "HEAD", "POST")) {
        BodyPublisher body =
            method.equals("POST") ? BodyPublishers.ofString("a body") : BodyPublishers.noBody();
        HttpResponse<String> answer =
            chain.client.send(
                chain.request("/").method(method, body).build(), BodyHandlers.ofString());
        assertThat(answer.statusCode()).isEqualTo(200);
      }
    }
    chain.events.clear();
    return liveInstances();
  }

  /** The classes of which one more has been kept for each request of a kind. */
  private static Map<String, Long> grown(Map<String, Long> before, Map<String, Long> after) {
    Map<String, Long> grown = new TreeMap<>(after);
    grown.replaceAll((type, count) -> count - before.getOrDefault(type, 0L));

    grown.values().removeIf(more -> more < REQUESTS * 9 / 10);
    return grown;
  }

  /** How many objects there are of each class of this library, and of Undertow and XNIO. */
  private static Map<String, Long> liveInstances() throws Exception {
    String histogram =
        (String)
            ManagementFactory.getPlatformMBeanServer()
                .invoke(
                    new ObjectName("com.sun.management:type=DiagnosticCommand"),
                    "gcClassHistogram",
                    new Object[] {null},
                    new String[] {String[].class.getName()});
    Map<String, Long> instances = new TreeMap<>();
    OF_INTEREST
        .matcher(histogram)
        .results()
        .forEach(line -> instances.merge(line.group(2), Long.valueOf(line.group(1)), Long::sum));
    assertThat(instances).containsKey("io.apprxy.tunnel.TunnelConnection");
    return instances;
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
