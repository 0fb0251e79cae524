package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Verdict;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.handlers.BlockingHandler;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.ToLongFunction;

/**
 * A connector and its origin on another host, which is a network namespace at the other end of a
 * cable (veth). Both ends are in namespaces, so nothing of it is seen outside.
 */
final class FarHost implements AutoCloseable {
  static final String NAME = "far";
  static final String CABLE = "cable";
  private static final String NEAR_ADDRESS = "10.0.0.1";
  private static final String FAR_ADDRESS = "10.0.0.2";

  private final Path directory;
  private final Process process;
  private final BufferedReader said;
  private volatile int connects;
  private volatile boolean connected;
  private volatile long changedAt;

  /** Starts it; this process must have a network of its own. */
  FarHost(Chain chain) throws IOException, InterruptedException {
    directory = Files.createTempDirectory("far");
    TestPeer.enrolled(chain.tls, chain.tunnel.port(), chain.tunnel.createEnrolmentToken("default"))
        .save(identity(directory));
    Files.writeString(ca(directory), ConnectorIdentity.pem(chain.tls.ca()));
    process =
        OwnNetwork.unshared(
                FarHost.class,
                directory.toString(),
                Integer.toString(chain.tunnel.port()),
                Integer.toString(chain.originPort))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    said = process.inputReader();
    // Before it says so it may have no namespace yet, and the cable would end elsewhere.
    assertThat(said.readLine()).isEqualTo("waits for a network");
    OwnNetwork.run(
        ("ip link add " + CABLE + " type veth peer name " + CABLE + " netns " + process.pid())
            .split(" "));
    OwnNetwork.run("ip", "address", "add", NEAR_ADDRESS + "/24", "dev", CABLE);
    there("ip", "address", "add", FAR_ADDRESS + "/24", "dev", CABLE);
    there("ip", "link", "set", "lo", "up");
    // Packets as they would be on a wire: one of them is as much as one rule meets.
    onBothHosts("ip", "link", "set", CABLE, "up", "gso_max_segs", "1");
    new Thread(this::listen, "far").start();
    process.getOutputStream().write('\n');
    process.getOutputStream().flush();
  }

  private void listen() {
    try {
      for (String line = said.readLine(); line != null; line = said.readLine()) {
        changedAt = System.nanoTime();
        connected = line.equals("connected");
        if (connected) {
          connects++;
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  boolean isConnected() {
    return connected;
  }

  /** How often it was connected after it had not been. */
  int connects() {
    return connects;
  }

  /** When it last was connected, or not any more, by {@link System#nanoTime} of this process. */
  long changedAt() {
    return changedAt;
  }

  private String there(String... command) throws IOException, InterruptedException {
    List<String> all = new ArrayList<>();
    all.add("nsenter");
    all.add("--net=/proc/" + process.pid() + "/ns/net");
    all.addAll(List.of(command));
    return OwnNetwork.run(all.toArray(String[]::new));
  }

  // ---- the network

  void onBothHosts(String... command) throws IOException, InterruptedException {
    there(command);
    OwnNetwork.run(command);
  }

  /** The smaller of what both hosts say, when asked by this command. */
  private long lessOfBoth(ToLongFunction<String> figure, String... command)
      throws IOException, InterruptedException {
    return Math.min(
        figure.applyAsLong(there(command)), figure.applyAsLong(OwnNetwork.run(command)));
  }

  /** Drops packets that arrive, at both ends: so many of a hundred, at random. */
  void drop(int percent) throws IOException, InterruptedException {
    onBothHosts(
        "nft",
        ("table inet network { chain arriving { type filter hook prerouting priority raw;"
                + " iifname \"%s\" numgen random mod 100 <= %d counter drop; }; }")
            .formatted(CABLE, percent - 1));
  }

  /** How many packets were dropped at the end that has dropped fewer. */
  long dropped() throws IOException, InterruptedException {
    return lessOfBoth(
        table -> Long.parseLong(table.replaceAll("(?s).*counter packets (\\d+).*", "$1")),
        "nft",
        "list",
        "table",
        "inet",
        "network");
  }

  void dropNoMore() throws IOException, InterruptedException {
    onBothHosts("nft", "delete", "table", "inet", "network");
  }

  /** Lets no more pass, each way, than so many kilobits a second. */
  void throttle(int kilobits) throws IOException, InterruptedException {
    onBothHosts(
        ("tc qdisc add dev %s root tbf rate %dkbit burst 32kb latency 400ms"
                .formatted(CABLE, kilobits))
            .split(" "));
  }

  /**
   * Has so many packets of a hundred, at random, overtaken by others, each way: they wait in a slow
   * class.
   */
  void reorder(int percent) throws IOException, InterruptedException {
    String dev = " dev " + CABLE + " ";
    onBothHosts(("tc qdisc add" + dev + "root handle 1: htb default 1").split(" "));
    onBothHosts(
        ("tc class add" + dev + "parent 1: classid 1:1 htb rate 1gbit quantum 60000").split(" "));
    onBothHosts(
        ("tc class add" + dev + "parent 1: classid 1:2 htb rate 4mbit quantum 1600").split(" "));
    onBothHosts(
        "nft",
        ("table inet network { chain leaving { type filter hook postrouting priority 0;"
                + " oifname \"%s\" numgen random mod 100 < %d meta priority set 0x10002; }; }")
            .formatted(CABLE, percent));
  }

  /** How many packets have arrived out of order, at the end where they were fewer. */
  long outOfOrder() throws IOException, InterruptedException {
    return lessOfBoth(
        counters -> {
          List<String[]> rows =
              counters
                  .lines()
                  .filter(line -> line.startsWith("TcpExt:"))
                  .map(line -> line.split(" "))
                  .toList();
          int column = Arrays.asList(rows.get(0)).indexOf("TCPOFOQueue");
          return Long.parseLong(rows.get(1)[column]);
        },
        "cat",
        "/proc/self/net/netstat");
  }

  @Override
  public void close() throws IOException {
    process.destroyForcibly().onExit().join();
    for (Path file : List.of(identity(directory), ca(directory), directory)) {
      Files.delete(file);
    }
  }

  private static Path identity(Path directory) {
    return directory.resolve("identity.pem");
  }

  private static Path ca(Path directory) {
    return directory.resolve("ca.pem");
  }

  // ---- what runs there

  public static void main(String... arguments) throws IOException {
    Path directory = Path.of(arguments[0]);
    int originPort = Integer.parseInt(arguments[2]);
    System.out.println("waits for a network");
    if (System.in.read() != '\n') {
      return;
    }
    OwnNetwork.endWithStandardInput();
    origin(NAME, originPort).start();
    Connector connector =
        Connector.builder()
            .name(NAME)
            .gateway("https://localhost:" + arguments[1])
            .resolver(host -> List.of(InetAddress.getByName(NEAR_ADDRESS)))
            .trust(ca(directory))
            .identity(identity(directory))
            .connections(2)
            .allowOrigin("http://127.0.0.1:" + originPort)
            .signOn((request, identity, application) -> Verdict.proceed())
            .build()
            .start();
    boolean was = false;
    while (true) { // until the process is ended
      boolean is = connector.isConnected();
      if (is != was) {
        System.out.println(is ? "connected" : "disconnected");
        was = is;
      }
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
    }
  }

  /**
   * An origin that says where it is; or, if asked for bytes, sends so many; or says which it was
   * sent.
   *
   * @param port 0 for any
   */
  static Undertow origin(String where, int port) {
    return Undertow.builder()
        .addHttpListener(port, "127.0.0.1")
        .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, -1L)
        .setHandler(new BlockingHandler(exchange -> answer(exchange, where)))
        .build();
  }

  private static void answer(HttpServerExchange exchange, String where) throws IOException {
    if (exchange.getRequestMethod().equalToString("POST")) {
      exchange.getResponseSender().send(digest(exchange.getInputStream().readAllBytes()));
    } else if (exchange.getRequestPath().equals(Load.NOTHING)) {
      exchange.setStatusCode(204);
    } else if (exchange.getQueryString().isEmpty()) {
      exchange.getResponseSender().send(where);
    } else {
      exchange
          .getResponseSender()
          .send(ByteBuffer.wrap(bytes(Integer.parseInt(exchange.getQueryString()))));
    }
  }

  /** The same at each call. */
  static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    new Random(count).nextBytes(bytes);
    return bytes;
  }

  static String digest(byte[] bytes) {
    return HexFormat.of().formatHex(Authority.sha256(bytes));
  }
}
