package io.apprxy.forward;

import io.undertow.protocols.ssl.SNIContextMatcher;
import io.undertow.protocols.ssl.SNISSLContext;
import java.security.KeyManagementException;
import java.security.SecureRandom;
import java.util.Set;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLContextSpi;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLServerSocketFactory;
import javax.net.ssl.SSLSessionContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManager;

/**
 * Hosts whose clients are asked for a certificate, beside others whose are not. The two resume no
 * sessions of each other. For the engine.
 */
public final class AskingHosts {
  private AskingHosts() {}

  /**
   * One context for all hosts.
   *
   * @param hosts that ask, without ports
   * @param asking of those hosts
   * @param others of all other names, and for clients that name none
   */
  public static SSLContext context(Set<String> hosts, SSLContext asking, SSLContext others) {
    SNIContextMatcher.Builder matcher = new SNIContextMatcher.Builder().setDefaultContext(others);
    SSLContext wanting = new Wanting(asking);
    for (String host : hosts) {
      matcher.addMatch("(?i)" + Pattern.quote(host), wanting);
    }
    return new SNISSLContext(matcher.build());
  }

  /** Undertow passes on to the engine that it wants a certificate, but only for all hosts. */
  private static final class Wanting extends SSLContext {
    Wanting(SSLContext context) {
      super(new Spi(context), context.getProvider(), context.getProtocol());
    }
  }

  private static final class Spi extends SSLContextSpi {
    private final SSLContext context;

    Spi(SSLContext context) {
      this.context = context;
    }

    private static SSLEngine wanting(SSLEngine engine) {
      engine.setUseClientMode(false);
      engine.setWantClientAuth(true);
      return engine;
    }

    @Override
    protected SSLEngine engineCreateSSLEngine() {
      return wanting(context.createSSLEngine());
    }

    @Override
    protected SSLEngine engineCreateSSLEngine(String host, int port) {
      return wanting(context.createSSLEngine(host, port));
    }

    @Override
    protected SSLSessionContext engineGetServerSessionContext() {
      return context.getServerSessionContext();
    }

    @Override
    protected SSLSessionContext engineGetClientSessionContext() {
      return context.getClientSessionContext();
    }

    @Override
    protected SSLSocketFactory engineGetSocketFactory() {
      throw new UnsupportedOperationException("for engines only");
    }

    @Override
    protected SSLServerSocketFactory engineGetServerSocketFactory() {
      throw new UnsupportedOperationException("for engines only");
    }

    @Override
    protected void engineInit(KeyManager[] keys, TrustManager[] trust, SecureRandom random)
        throws KeyManagementException {
      throw new KeyManagementException("it has its keys");
    }
  }
}
