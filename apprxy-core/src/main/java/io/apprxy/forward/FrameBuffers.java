package io.apprxy.forward;

import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;

/**
 * Buffers that become one frame of HTTP/2 each, and with its header one record of TLS: what does
 * not fit would be a record of its own, with a system call at both ends.
 */
record FrameBuffers(ByteBufferPool pool) implements ByteBufferPool {
  /**
   * Of the 16 KiB of a record (RFC 8446 §5.2), the JDK needs a byte for the type of its content and
   * fills up with 16 zeros; the header of a frame has 9.
   */
  static final int SIZE = 16 * 1024 - 1 - 16 - 9;

  @Override
  public PooledByteBuffer allocate() {
    PooledByteBuffer buffer = pool.allocate();
    buffer.getBuffer().limit(Math.min(SIZE, buffer.getBuffer().limit()));
    return buffer;
  }

  @Override
  public ByteBufferPool getArrayBackedPool() {
    return pool.getArrayBackedPool();
  }

  @Override
  public void close() {
    pool.close();
  }

  @Override
  public int getBufferSize() {
    return pool.getBufferSize();
  }

  @Override
  public boolean isDirect() {
    return pool.isDirect();
  }
}
