package io.apprxy;

import io.apprxy.forward.Dispatcher;
import io.undertow.server.HttpHandler;
import javax.net.ssl.SSLContext;

/** The public side. */
public final class Gateway implements AutoCloseable {
  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  public Gateway start() {
    throw new UnsupportedOperationException();
  }

  public int port() {
    throw new UnsupportedOperationException();
  }

  /** The gateway as a handler, to be mounted in an Undertow of the embedding application. */
  public HttpHandler handler() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}

  /** Builds a {@link Gateway}. Not thread-safe. */
  public static final class Builder {
    public Builder host(String host) { return this; }

    public Builder port(int port) { return this; }

    public Builder tls(SSLContext tls) { return this; }

    public Builder publish(Application application) { return this; }

    public Builder preAuthentication(PreAuthentication stage) { return this; }

    public Builder accessPolicy(AccessPolicy stage) { return this; }

    public Builder connectors(Dispatcher connectors) { return this; }

    public Builder signOn(SignOn stage) { return this; }

    public Gateway build() {
      return new Gateway();
    }
  }
}
