package io.apprxy.tunnel;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.SocketAddress;
import java.util.HashSet;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;

/**
 * TLS directly or through a proxy's tunnel, always with the name of the server verified, whatever
 * the application has set for the whole JVM. Thread-safe.
 */
final class ReleaseSockets extends SSLSocketFactory implements AutoCloseable {
  private final SSLSocketFactory tls;
  private final @Nullable HttpProxy proxy;
  private final Set<Socket> open = new HashSet<>();
  private boolean closed;

  ReleaseSockets(SSLContext trust, @Nullable HttpProxy proxy) {
    this.tls = trust.getSocketFactory();
    this.proxy = proxy;
  }

  /** Not connected yet; TLS is put on it once it is. */
  @Override
  public synchronized Socket createSocket() throws IOException {
    if (closed) {
      throw new IOException("the download has ended");
    }
    Socket socket = proxy == null ? new Socket(Proxy.NO_PROXY) : new Tunnelled(proxy);
    open.add(socket);
    return socket;
  }

  /** Ends every connection, and lets none be made. */
  @Override
  public synchronized void close() {
    closed = true;
    open.forEach(IoUtils::safeClose);
  }

  @Override
  public Socket createSocket(Socket connected, String host, int port, boolean autoClose)
      throws IOException {
    SSLSocket socket = (SSLSocket) tls.createSocket(connected, host, port, autoClose);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    socket.setSSLParameters(parameters);
    return socket;
  }

  /** A connection through a proxy. */
  private static final class Tunnelled extends Socket {
    private final HttpProxy proxy;

    Tunnelled(HttpProxy proxy) {
      super(Proxy.NO_PROXY);
      this.proxy = proxy;
    }

    @Override
    public void connect(SocketAddress endpoint, int timeout) throws IOException {
      super.connect(new InetSocketAddress(proxy.host, proxy.port), timeout);
      setSoTimeout(timeout);
      InetSocketAddress server = (InetSocketAddress) endpoint;
      String host = server.getHostString();
      proxy.connect(this, (host.contains(":") ? "[" + host + "]" : host) + ":" + server.getPort());
    }
  }

  @Override
  public String[] getDefaultCipherSuites() {
    return tls.getDefaultCipherSuites();
  }

  @Override
  public String[] getSupportedCipherSuites() {
    return tls.getSupportedCipherSuites();
  }

  // HttpsURLConnection connects by itself, and calls none of these.

  @Override
  public Socket createSocket(String host, int port) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress localHost, int localPort) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Socket createSocket(InetAddress host, int port) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Socket createSocket(InetAddress address, int port, InetAddress local, int localPort) {
    throw new UnsupportedOperationException();
  }
}
