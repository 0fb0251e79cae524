package io.apprxy.forward;

import io.apprxy.Application.OriginProtocol;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import java.net.InetAddress;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.xnio.XnioIoThread;
import org.xnio.XnioWorker;

/** Where an origin is, how to speak to it, and what it means if that fails. Thread-safe. */
final class OriginAddress {
  /** ALPN (RFC 9113 §3.2). */
  static final String HTTP_2 = "h2";

  static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);

  private final URI uri;
  private final OriginProtocol protocol;
  private final @Nullable UndertowXnioSsl tls;

  /** Whether TLS with the origin worked when last looked at, and nothing has failed since. */
  private volatile boolean checked;

  /**
   * @param uri scheme, host and port
   * @param tls verifies the origin's certificate, if the scheme is https
   */
  OriginAddress(URI uri, OriginProtocol protocol, UndertowXnioSsl tls) {
    this.uri = uri;
    this.protocol = protocol;
    this.tls = uri.getScheme().equals("https") ? tls : null;
  }

  URI uri() {
    return uri;
  }

  /** Null if the origin is spoken to in plain text. */
  @Nullable UndertowXnioSsl tls() {
    return tls;
  }

  /**
   * Does on a worker what may block, so that connecting does not block the I/O thread: the look-up
   * of the name fills the JDK's cache. Answers on the thread, with one of the two.
   */
  void prepare(
      XnioWorker worker, XnioIoThread thread, Runnable then, Consumer<Exception> otherwise) {
    try {
      worker.execute(
          () -> {
            try {
              InetAddress.getByName(uri.getHost());
              checkTls();
              thread.execute(then);
            } catch (UnknownHostException | SSLException | GatewayException e) {
              thread.execute(() -> otherwise.accept(e));
            }
          });
    } catch (RejectedExecutionException e) {
      otherwise.accept(e);
    }
  }

  private void checkTls() throws SSLException {
    if (tls == null || checked) {
      return;
    }
    if (protocol == OriginProtocol.HTTP_2) {
      checkHttp2(tls.getSslContext());
    } else {
      CertificateCheck.check(tls.getSslContext(), uri, CONNECT_TIMEOUT);
    }
    checked = true;
  }

  private void checkHttp2(SSLContext context) throws SSLException {
    try {
      String selected = CertificateCheck.select(context, uri, CONNECT_TIMEOUT, HTTP_2);
      if (selected != null && !selected.equals(HTTP_2)) {
        throw notSpoken("it selects '" + selected + "' by ALPN", null);
      }
    } catch (SSLException e) {
      // RFC 7301 §3.2: the alert no_application_protocol
      if (String.valueOf(e.getMessage()).contains("application_protocol")) {
        throw notSpoken("it refuses the protocol by ALPN", e);
      }
      throw e;
    }
  }

  /** The origin does not speak what it is configured to. */
  GatewayException notSpoken(String why, @Nullable Throwable cause) {
    return new GatewayException(
        ErrorCode.ORIGIN_PROTOCOL, uri + " does not speak HTTP/2: " + why, cause);
  }

  /** What it means to the user that there is no connection, or that it broke. */
  GatewayException failure(Exception cause) {
    if (cause instanceof GatewayException known) {
      return known;
    }
    checked = false;
    if (CertificateCheck.isAboutCertificate(cause)) {
      return new GatewayException(
          ErrorCode.ORIGIN_CERTIFICATE, "no trusted connection to " + uri, cause);
    }
    return cause instanceof SocketTimeoutException
        ? new GatewayException(
            ErrorCode.ORIGIN_TIMEOUT, "no connection to " + uri + " in " + CONNECT_TIMEOUT, cause)
        : new GatewayException(ErrorCode.ORIGIN_UNREACHABLE, "no connection to " + uri, cause);
  }

  @Override
  public String toString() {
    return uri.toString();
  }
}
