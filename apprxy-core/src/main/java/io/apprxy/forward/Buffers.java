package io.apprxy.forward;

import io.undertow.connector.ByteBufferPool;
import io.undertow.server.DefaultByteBufferPool;

/**
 * Where the buffers of connections come from. What is given back is kept for the next one, up to a
 * bound: by default Undertow keeps no more than a few for each thread, makes the others anew, and
 * lets go of them a while after they were given back, which in a flood is hundreds of megabytes.
 * For the engine.
 */
public final class Buffers {
  /** Bytes of a buffer: what a record of TLS holds, as it is read. */
  public static final int SIZE = 16 * 1024;

  /** A record with what TLS adds to it. */
  private static final int RECORD = 17 * 1024;

  /** Beyond those that threads keep for themselves: 32 MiB. */
  private static final int KEPT = 2_048;

  private static final int KEPT_BY_THREAD = 12;

  /** Of all connections: records are short-lived. */
  public static final ByteBufferPool RECORDS =
      new DefaultByteBufferPool(true, RECORD, KEPT, KEPT_BY_THREAD);

  private Buffers() {}

  /** A pool of its own for a server, or for a connector. */
  public static ByteBufferPool newPool() {
    return new DefaultByteBufferPool(true, SIZE, KEPT, KEPT_BY_THREAD);
  }
}
