package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.Undertow;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What networks do to packets, between a gateway and a connector on two hosts: network namespaces,
 * and a cable from one to the other.
 */
@Timeout(120)
@ExtendWith(OwnNetwork.class)
class NetworkIT {
  private static final Duration DEAD_PEER = Duration.ofSeconds(10);

  @Test
  void networkThatDropsEverything_isNoticedByBothSides_failsNoIdempotentRequest_andIsRecoveredFrom()
      throws Exception {
    try (Hosts hosts = new Hosts()) {
      hosts.chain.connect(hosts.chain.originPort); // a connector that is near
      try (Load load = new Load(hosts.chain, 8)) {
        hosts.awaitServedBy("near");
        hosts.awaitServedBy(FarHost.NAME);

        long begin = System.nanoTime();
        hosts.far.drop(100);
        until(() -> !hosts.gatewayKnowsFar());
        Duration byGateway = Duration.ofNanos(System.nanoTime() - begin);
        until(() -> !hosts.far.isConnected());
        Duration byConnector = Duration.ofNanos(hosts.far.changedAt() - begin);
        load.await(100);
        System.out.printf(
            Locale.ROOT,
            "Every packet dropped: noticed by the gateway after %.1f s, by the connector after %.1f s%n",
            byGateway.toMillis() / 1e3,
            byConnector.toMillis() / 1e3);
        load.assertNoFailure("Every packet dropped between the gateway and one of two connectors");
        assertThat(byGateway).isLessThan(DEAD_PEER);
        assertThat(byConnector).isLessThan(DEAD_PEER);
        assertThat(hosts.far.dropped()).isPositive();

        hosts.far.dropNoMore();
        hosts.awaitServedBy(FarHost.NAME);
        load.await(100);
        load.assertNoFailure("And after packets arrived again");
      }
    }
  }

  /**
   * A quarter of a megabyte a second. It takes longer than a peer may be silent; but each way there
   * is something all the time.
   */
  @Test
  void networkThatIsSlow_carriesBulkDataBothWays_andNobodyIsTakenForDead() throws Exception {
    try (Hosts hosts = new Hosts()) {
      hosts.awaitServedBy(FarHost.NAME);
      hosts.far.throttle(2_000);
      Duration took = hosts.carryBothWays(3_000_000);
      System.out.printf(
          Locale.ROOT,
          "3 MB each way at 250 KB/s took %.1f s, and the connection lasted%n",
          took.toMillis() / 1e3);
      assertThat(took).as("or the network was not slow").isGreaterThan(DEAD_PEER);
    }
  }

  @Test
  void networkThatLosesPackets_carriesEverythingWhole() throws Exception {
    try (Hosts hosts = new Hosts()) {
      hosts.awaitServedBy(FarHost.NAME);
      hosts.far.drop(3);
      hosts.carryBothWays(4_000_000);
      hosts.carryManyRequests("3 of 100 packets lost, each way");
      System.out.printf("Lost at either end: %d packets at least%n", hosts.far.dropped());
      assertThat(hosts.far.dropped()).isPositive();
    }
  }

  @Test
  void networkThatReordersPackets_carriesEverythingWhole() throws Exception {
    try (Hosts hosts = new Hosts()) {
      hosts.awaitServedBy(FarHost.NAME);
      long before = hosts.far.outOfOrder();
      hosts.far.reorder(3);
      hosts.carryBothWays(4_000_000);
      hosts.carryManyRequests("3 of 100 packets overtaken, each way");
      long outOfOrder = hosts.far.outOfOrder() - before;
      System.out.printf("Out of order at either end: %d packets at least%n", outOfOrder);
      assertThat(outOfOrder).isPositive();
    }
  }

  // ---- parts

  /** The near host has everything but one connector, which is on the far one. */
  private static final class Hosts implements AutoCloseable {
    final Undertow origin = FarHost.origin("near", 0);
    final Chain chain;
    final FarHost far;

    Hosts() throws Exception {
      origin.start();
      chain =
          new Chain(
              Chain.portOf(origin),
              application -> application,
              tunnel -> tunnel.host("0.0.0.0")); // of a network that is this test's alone
      far = new FarHost(chain);
    }

    boolean gatewayKnowsFar() {
      return chain.tunnel.connectors().stream()
          .anyMatch(connector -> connector.name().equals(FarHost.NAME));
    }

    void awaitServedBy(String where) throws Exception {
      until(() -> chain.get("/").body().equals(where));
    }

    /** A body each way, by one connection that lasts; how long it took. */
    Duration carryBothWays(int count) throws Exception {
      byte[] bytes = FarHost.bytes(count);
      int connects = far.connects();
      long begin = System.nanoTime();
      CompletableFuture<HttpResponse<String>> upload =
          chain.client.sendAsync(
              chain.request("/").POST(BodyPublishers.ofByteArray(bytes)).build(),
              BodyHandlers.ofString());
      CompletableFuture<HttpResponse<byte[]>> download =
          chain.client.sendAsync(chain.request("/?" + count).build(), BodyHandlers.ofByteArray());
      assertThat(chain.get("/").body()).isEqualTo(FarHost.NAME);
      assertThat(upload.get(60, TimeUnit.SECONDS).body()).isEqualTo(FarHost.digest(bytes));
      assertThat(download.get(60, TimeUnit.SECONDS).body()).isEqualTo(bytes);
      assertThat(far.connects()).as("of one connection").isEqualTo(connects);
      assertThat(far.isConnected()).isTrue();
      return Duration.ofNanos(System.nanoTime() - begin);
    }

    void carryManyRequests(String what) throws Exception {
      int connects = far.connects();
      try (Load load = new Load(chain, 4)) {
        load.await(500);
        load.assertNoFailure(what);
      }
      assertThat(far.connects()).isEqualTo(connects);
    }

    @Override
    public void close() throws IOException {
      far.close();
      chain.close();
      origin.stop();
    }
  }

  private static void until(Callable<Boolean> condition) throws Exception {
    while (!condition.call()) { // the timeout of the test ends the process
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
    }
  }
}
