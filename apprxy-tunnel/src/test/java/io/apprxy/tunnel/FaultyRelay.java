package io.apprxy.tunnel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** A network between two ends, and everything that can be wrong with one. Thread-safe. */
final class FaultyRelay implements AutoCloseable {
  private final ServerSocket listening;
  private final int target;
  private final Set<Connection> open = ConcurrentHashMap.newKeySet();
  private final ConcurrentLinkedQueue<Cut> cuts = new ConcurrentLinkedQueue<>();
  private final List<Long> attempts = new CopyOnWriteArrayList<>();
  private final Phaser threads = new Phaser(1);
  private volatile boolean refusing;
  private volatile boolean stalled;
  private volatile long delayNanos;
  private volatile int bytesPerSecond = Integer.MAX_VALUE;
  private volatile Observer observer = (direction, bytes) -> {};

  enum Direction {
    TO_TARGET,
    FROM_TARGET
  }

  /** Sees what passes; called by a thread for each way of each connection. */
  interface Observer {
    void passes(Direction direction, ByteBuffer bytes);
  }

  /** Of one connection: it is cut when so much has gone this way. */
  record Cut(Direction direction, long after) {}

  FaultyRelay(int targetPort) {
    target = targetPort;
    try {
      listening = new ServerSocket(0, 1_000, InetAddress.getLoopbackAddress());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    start(this::accept);
  }

  int port() {
    return listening.getLocalPort();
  }

  void observe(Observer whoever) {
    observer = whoever;
  }

  /** Both ways, of what passes from now on. */
  void delay(long millis) {
    delayNanos = TimeUnit.MILLISECONDS.toNanos(millis);
  }

  /** Each way of each connection. */
  void throttle(int bytes) {
    bytesPerSecond = bytes;
  }

  /** Nothing passes, and nobody is told. */
  void stall() {
    stalled = true;
  }

  void resume() {
    stalled = false;
    open.forEach(connection -> connection.pumps.forEach(LockSupport::unpark));
  }

  /** New connections are accepted and closed at once, as by a proxy whose backend is down. */
  void refuse(boolean on) {
    refusing = on;
  }

  /** The next connections are cut, each as one of these says, in no certain order. */
  void cutNext(List<Cut> next) {
    cuts.addAll(next);
  }

  /** How many of those have yet to come. */
  int cutsLeft() {
    return cuts.size();
  }

  /** Ends all connections in order (FIN). */
  void cut() {
    open.forEach(Connection::close);
  }

  /** Ends all connections at once (RST). */
  void reset() {
    open.forEach(Connection::reset);
  }

  /** When connections were begun, in nanoseconds of an arbitrary clock. */
  List<Long> attempts() {
    return List.copyOf(attempts);
  }

  int openConnections() {
    return open.size();
  }

  /** What has gone this way, of the connections that are open. */
  long passed(Direction direction) {
    return open.stream().mapToLong(connection -> connection.passed(direction).get()).sum();
  }

  private void accept() {
    while (!listening.isClosed()) {
      try {
        Socket client = listening.accept();
        attempts.add(System.nanoTime());
        if (refusing) {
          client.close();
        } else {
          new Connection(client, cuts.poll()).begin();
        }
      } catch (IOException e) {
        // closed, or the target is down: the client is told by its socket
      }
    }
  }

  private Thread start(Runnable task) {
    threads.register();
    Thread thread =
        new Thread(
            () -> {
              try {
                task.run();
              } finally {
                threads.arriveAndDeregister();
              }
            },
            "relay");
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private final class Connection {
    private final Socket client;
    private final Cut cut;
    private final AtomicLong toTarget = new AtomicLong();
    private final AtomicLong fromTarget = new AtomicLong();
    private final AtomicInteger ended = new AtomicInteger();
    private final List<Thread> pumps = new CopyOnWriteArrayList<>();
    private volatile Socket server;

    Connection(Socket client, Cut cut) {
      this.client = client;
      this.cut = cut;
    }

    AtomicLong passed(Direction direction) {
      return direction == Direction.TO_TARGET ? toTarget : fromTarget;
    }

    void begin() throws IOException {
      try {
        server = new Socket(InetAddress.getLoopbackAddress(), target);
        client.setTcpNoDelay(true);
        server.setTcpNoDelay(true);
      } catch (IOException e) {
        client.close();
        throw e;
      }
      open.add(this);
      if (cut != null && cut.after == 0) {
        close();
        return;
      }
      pumps.add(start(() -> pump(client, server, Direction.TO_TARGET)));
      pumps.add(start(() -> pump(server, client, Direction.FROM_TARGET)));
    }

    private void pump(Socket from, Socket to, Direction direction) {
      byte[] buffer = new byte[16 * 1024];
      AtomicLong passed = passed(direction);
      boolean cutHere = cut != null && cut.direction == direction;
      try {
        int count = from.getInputStream().read(buffer);
        while (count >= 0) {
          pass(count);
          observer.passes(direction, ByteBuffer.wrap(buffer, 0, count));
          long left = cutHere ? cut.after - passed.get() : Long.MAX_VALUE;
          to.getOutputStream().write(buffer, 0, (int) Math.min(count, left));
          passed.addAndGet(count);
          if (count >= left) {
            close();
          }
          count = from.getInputStream().read(buffer);
        }
        to.shutdownOutput();
      } catch (IOException e) {
        close();
      }
      if (ended.incrementAndGet() == 2) {
        close();
      }
    }

    /** Waits as long as the network would need for so much. */
    private void pass(int count) {
      long until = System.nanoTime() + delayNanos;
      if (bytesPerSecond != Integer.MAX_VALUE) {
        until += TimeUnit.SECONDS.toNanos(1) * count / bytesPerSecond;
      }
      while (!client.isClosed() && (stalled || System.nanoTime() < until)) {
        LockSupport.parkNanos(
            stalled ? TimeUnit.MILLISECONDS.toNanos(50) : until - System.nanoTime());
      }
    }

    void close() {
      end(false);
    }

    void reset() {
      end(true);
    }

    private void end(boolean abruptly) {
      open.remove(this);
      for (Socket socket : new Socket[] {client, server}) {
        try {
          if (abruptly) {
            socket.setSoLinger(true, 0);
          }
          socket.close();
        } catch (IOException e) {
          // as good as closed
        }
      }
      pumps.forEach(LockSupport::unpark);
    }
  }

  @Override
  public void close() {
    try {
      listening.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    open.forEach(Connection::reset);
    threads.arriveAndAwaitAdvance();
  }
}
