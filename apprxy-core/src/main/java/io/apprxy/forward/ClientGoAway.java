package io.apprxy.forward;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.xnio.conduits.AbstractStreamSinkConduit;
import org.xnio.conduits.StreamSinkConduit;

/**
 * Has a client's GOAWAY say that it has processed no stream of the server's (RFC 9113 §6.8), which
 * may push none. Undertow names the client's own last stream, and peers that look take that for a
 * protocol error. Is there only once GOAWAY is sent, the last frame of a connection.
 */
final class ClientGoAway extends AbstractStreamSinkConduit<StreamSinkConduit> {
  private static final byte GOAWAY = 0x7;
  private static final int TYPE = 3;
  private static final int LAST_STREAM = 9;

  /** Undertow writes the frame from a buffer of its own, that holds nothing else. */
  private static final int LENGTH = LAST_STREAM + 4 + 4;

  ClientGoAway(StreamSinkConduit next) {
    super(next);
  }

  private static void correct(ByteBuffer bytes) {
    if (bytes.hasArray() && bytes.capacity() == LENGTH && bytes.get(TYPE) == GOAWAY) {
      bytes.putInt(LAST_STREAM, 0);
    }
  }

  @Override
  public int write(ByteBuffer bytes) throws IOException {
    correct(bytes);
    return super.write(bytes);
  }

  @Override
  public long write(ByteBuffer[] all, int offset, int length) throws IOException {
    for (int i = offset; i < offset + length; i++) {
      correct(all[i]);
    }
    return super.write(all, offset, length);
  }

  @Override
  public int writeFinal(ByteBuffer bytes) throws IOException {
    correct(bytes);
    return super.writeFinal(bytes);
  }

  @Override
  public long writeFinal(ByteBuffer[] all, int offset, int length) throws IOException {
    for (int i = offset; i < offset + length; i++) {
      correct(all[i]);
    }
    return super.writeFinal(all, offset, length);
  }
}
