package io.apprxy.forward;

import io.apprxy.Application;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.SignOn;
import io.undertow.server.HttpServerExchange;
import java.util.Objects;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * From here to the origin: sign on, forward, rewrite. Runs in the gateway for direct origins, and in the connector for the
 * others. Thread-safe.
 */
public final class LastHop {
  private final SignOn signOn;
  private final SSLContext tls;

  /**
   * @param signOn puts the identity into the form an origin wants
   * @param tls verifies the certificates of https origins
   */
  public LastHop(SignOn signOn, SSLContext tls) {
    this.signOn = Objects.requireNonNull(signOn, "signOn");
    this.tls = Objects.requireNonNull(tls, "tls");
  }

  /** Ends an exchange with an error, in the way of the place where the last hop runs. */
  @FunctionalInterface
  public interface Failure {
    void end(HttpServerExchange exchange, GatewayException cause);
  }

  /**
   * Serves a request whose headers are clean: those of the client that must not travel are gone, and {@code Forwarded} is set.
   * Called on the exchange's I/O thread.
   *
   * @param identity null on passthrough: nobody is signed on
   */
  public void serve(HttpServerExchange exchange, Application application, @Nullable Identity identity, Failure failure) {
    throw new UnsupportedOperationException(signOn.toString() + tls);
  }
}
