package io.apprxy.forward;

import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.XnioIoThread;
import org.xnio.channels.StreamSinkChannel;
import org.xnio.channels.StreamSourceChannel;

/**
 * Moves bytes from a source to a sink, no faster than the sink takes them.
 *
 * <p>Source and sink may belong to different I/O threads (a stream of the tunnel, and a client's
 * connection). Everything here runs on one thread, because the state of an exchange is not safe for
 * two: readiness events only hand over. A stream holds a buffer while bytes wait in it, and none
 * while it is idle.
 */
final class Pump {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.forward");

  /** Buffers moved before other streams of the thread get their turn. */
  private static final int TURN = 32;

  private final StreamSourceChannel source;
  private final StreamSinkChannel sink;
  private final XnioIoThread thread;
  private final ByteBufferPool pool;
  private final Events events;
  private @Nullable PooledByteBuffer buffer;
  private boolean sourceEnds;
  private @Nullable IOException sourceFailure;
  private boolean flushDue;
  private boolean ending;
  private boolean done;

  /** Since when the sink takes nothing though there is something for it; 0 if it does. */
  private long stalledSince;

  /**
   * What happens to a pump; all on its thread, and after {@code finished} or a failure nothing
   * more.
   */
  interface Events {
    /** Bytes were read from the source: their number; or 0, and bytes were written to the sink. */
    void progress(int read);

    /** The source has ended; the sink is about to be. */
    void sourceEnded();

    /** All is written and flushed. */
    void finished();

    void sourceFailed(IOException cause);

    void sinkFailed(IOException cause);
  }

  Pump(
      StreamSourceChannel source,
      StreamSinkChannel sink,
      XnioIoThread thread,
      ByteBufferPool pool,
      Events events) {
    this.source = source;
    this.sink = sink;
    this.thread = thread;
    this.pool = pool;
    this.events = events;
  }

  /** Begins. Called on the pump's thread. */
  void start() {
    source
        .getReadSetter()
        .set(
            channel -> {
              channel.suspendReads();
              handOver();
            });
    sink.getWriteSetter()
        .set(
            channel -> {
              channel.suspendWrites();
              handOver();
            });
    run();
  }

  /**
   * How long the sink has taken nothing, though there is something for it, in nanoseconds; 0 if
   * there is nothing. Called on the pump's thread.
   */
  long stalledFor() {
    return stalledSince == 0 || done ? 0 : System.nanoTime() - stalledSince;
  }

  /** Moves nothing more, and tells nobody. Called on the pump's thread. */
  void stop() {
    if (!done) {
      flushBeforeBreak();
      end();
      source.suspendReads();
      sink.suspendWrites();
    }
  }

  /**
   * Unlike {@link #stop} leaves the channels alone: their connections may serve another request
   * already.
   */
  private void end() {
    done = true;
    freeBuffer();
  }

  private void handOver() {
    if (Thread.currentThread() == thread) {
      run();
    } else {
      thread.execute(this::run);
    }
  }

  private void run() {
    for (int i = 0; i < TURN; i++) {
      if (done || !(ending ? finish() : move())) {
        return;
      }
    }
    thread.execute(this::run);
  }

  /** One step; false if it must wait for readiness, or has failed. */
  private boolean move() {
    if (buffer != null && buffer.getBuffer().hasRemaining()) {
      return write(buffer.getBuffer());
    }
    int count = fill(emptyBuffer());
    if (count > 0) {
      events.progress(count);
      return true;
    }
    freeBuffer();
    if (sourceFailure != null) {
      flushBeforeBreak();
      end();
      events.sourceFailed(sourceFailure);
      return false;
    }
    if (sourceEnds) {
      ending = true;
      events.sourceEnded();
      return true;
    }
    return flushAndAwaitSource();
  }

  /**
   * Reads until there is nothing at present, or no room: what has come in small pieces goes on in a
   * large one. How the source ended is told when all that came before is written.
   */
  private int fill(ByteBuffer into) {
    try {
      while (!sourceEnds && sourceFailure == null && into.hasRemaining()) {
        int count = source.read(into);
        if (count == 0) {
          break;
        }
        sourceEnds = count < 0;
      }
    } catch (IOException | RuntimeException e) {
      sourceFailure = asIo(e);
    }
    return into.flip().remaining();
  }

  private boolean write(ByteBuffer bytes) {
    try {
      if (sink.write(bytes) > 0) {
        stalledSince = 0;
        events.progress(0);
        return true;
      }
      awaitSink();
      return false;
    } catch (IOException | RuntimeException e) {
      return failSink(e);
    }
  }

  /**
   * What was written goes out soon, since the next byte of an event stream may be an hour away:
   * when the thread has dealt with all that has arrived, so that the headers of a response and its
   * short body share a system call and a TLS record.
   */
  private boolean flushAndAwaitSource() {
    source.resumeReads();
    if (!flushDue) {
      flushDue = true;
      thread.execute(this::flushIfDue);
    }
    return false;
  }

  private void flushIfDue() {
    if (flushDue && !done) {
      try {
        flush();
      } catch (IOException | RuntimeException e) {
        failSink(e);
      }
    }
  }

  /**
   * A response that has begun must be seen to: a client that got nothing at all may send its
   * request again, though the origin has acted on it.
   */
  private void flushBeforeBreak() {
    try {
      flush();
    } catch (IOException | RuntimeException e) {
      LOG.debug("a receiver went away while its stream was broken off", e);
    }
  }

  private boolean flush() throws IOException {
    flushDue = false;
    if (!sink.flush()) {
      awaitSink();
      return false;
    }
    stalledSince = 0;
    return true;
  }

  private void awaitSink() {
    if (stalledSince == 0) {
      stalledSince = System.nanoTime() | 1; // is never 0
    }
    sink.resumeWrites();
  }

  private boolean finish() {
    try {
      sink.shutdownWrites();
      if (!flush()) {
        return false;
      }
    } catch (IOException | RuntimeException e) {
      return failSink(e);
    }
    end();
    events.finished();
    return false;
  }

  private boolean failSink(Exception e) {
    end();
    events.sinkFailed(asIo(e));
    return false;
  }

  private ByteBuffer emptyBuffer() {
    if (buffer == null) {
      buffer = pool.allocate();
    }
    ByteBuffer empty = buffer.getBuffer().clear();
    return empty.limit(Math.min(FrameBuffers.SIZE, empty.limit()));
  }

  private void freeBuffer() {
    if (buffer != null) {
      buffer.close();
      buffer = null;
    }
  }

  private static IOException asIo(Exception e) {
    return e instanceof IOException io ? io : new IOException(e);
  }
}
