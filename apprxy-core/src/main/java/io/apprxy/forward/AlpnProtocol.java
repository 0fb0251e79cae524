package io.apprxy.forward;

import io.undertow.connector.ByteBufferPool;
import io.undertow.connector.PooledByteBuffer;
import org.xnio.ssl.SslConnection;

/**
 * A protocol beside HTTP that a client of a {@link Listener} may select by ALPN (RFC 7301).
 *
 * @param name as it stands in the TLS handshake
 * @param opener takes each connection that selects it
 */
public record AlpnProtocol(String name, Opener opener) {
  /** Takes connections. Called on the I/O thread of each. */
  public interface Opener {
    /**
     * Takes a connection whose handshake has ended: whatever certificate the client has was
     * verified.
     *
     * @param arrived what the client has sent already; the taker closes it
     */
    void open(SslConnection connection, ByteBufferPool buffers, PooledByteBuffer arrived);
  }
}
