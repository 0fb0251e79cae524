package io.apprxy.tunnel;

import io.apprxy.forward.CertificateCheck;
import io.apprxy.tunnel.UpdateException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Proxy;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.HttpsURLConnection;
import org.jspecify.annotations.Nullable;

/**
 * Gets files over HTTPS, within bounds of size and time. Blocks. Not thread-safe.
 *
 * <p>With {@link HttpsURLConnection}: the JDK's newer client has no limit for a body that stalls,
 * and takes no sockets of ours, which a proxy with authentication needs.
 */
final class HttpsDownload implements AutoCloseable {
  private static final int MAX_REDIRECTS = 5;

  private final ReleaseSockets sockets;
  private final Duration patience;
  private final Duration whole;
  private final CompletableFuture<Void> end = new CompletableFuture<>();

  private record Transfer(URI from, long bytes) {}

  /**
   * @param sockets connect to the server, and verify its certificate
   * @param patience for each of the connection, and the wait for more bytes
   * @param whole for everything together
   */
  HttpsDownload(ReleaseSockets sockets, Duration patience, Duration whole) {
    this.sockets = sockets;
    this.patience = patience;
    this.whole = whole;
    // A server that sends a byte now and then keeps every single wait short.
    var unused =
        end.orTimeout(whole.toMillis(), TimeUnit.MILLISECONDS)
            .whenComplete((ended, late) -> sockets.close());
  }

  /**
   * A file that may be this large.
   *
   * @return where it was in the end
   */
  URI get(URI url, int maxBytes, OutputStream to) throws UpdateException {
    return transfer(url, maxBytes, to).from();
  }

  /**
   * A file of exactly this size and hash. It is written while it comes, so what is written is worth
   * nothing if this fails.
   */
  void get(URI url, long size, String sha256, OutputStream to) throws UpdateException {
    MessageDigest digest = sha256();
    long bytes = transfer(url, size, new DigestOutputStream(to, digest)).bytes();
    if (bytes != size) {
      throw new UpdateException(
          Reason.SIZE, "%s has %d bytes, where its manifest says %d".formatted(url, bytes, size));
    }
    String found = HexFormat.of().formatHex(digest.digest());
    if (!found.equals(sha256)) {
      throw new UpdateException(
          Reason.HASH,
          "the SHA-256 of %s is %s, where its manifest says %s".formatted(url, found, sha256));
    }
  }

  private Transfer transfer(URI url, long maxBytes, OutputStream to) throws UpdateException {
    URI at = url;
    try {
      for (int i = 0; i <= MAX_REDIRECTS; i++) {
        HttpsURLConnection connection = open(at);
        try {
          int status = connection.getResponseCode();
          if (status == 200) {
            return new Transfer(at, copy(connection, at, maxBytes, to));
          }
          at = redirected(at, status, connection.getHeaderField("Location"));
        } finally {
          connection.disconnect();
        }
      }
      throw new UpdateException(
          Reason.REDIRECT, "%s redirects more than %d times".formatted(url, MAX_REDIRECTS));
    } catch (SocketTimeoutException e) {
      throw new UpdateException(
          Reason.TIMEOUT, "%s sent nothing for %s".formatted(at, patience), e);
    } catch (IOException e) {
      if (end.isCompletedExceptionally()) {
        throw new UpdateException(
            Reason.TIMEOUT, "%s was not there after %s".formatted(at, whole), e);
      }
      throw CertificateCheck.isAboutCertificate(e)
          ? new UpdateException(
              Reason.CERTIFICATE,
              "the certificate of %s is not trusted: renew it, or give its CA to trust(…): %s"
                  .formatted(at, e.getMessage()),
              e)
          : new UpdateException(
              Reason.UNREACHABLE, "%s cannot be downloaded: %s".formatted(at, e), e);
    }
  }

  private HttpsURLConnection open(URI url) throws IOException {
    // The proxy is a matter of the sockets; that of the JVM is none of ours.
    HttpsURLConnection connection = (HttpsURLConnection) url.toURL().openConnection(Proxy.NO_PROXY);
    connection.setSSLSocketFactory(sockets);
    connection.setConnectTimeout(Math.toIntExact(patience.toMillis()));
    connection.setReadTimeout(Math.toIntExact(patience.toMillis()));
    connection.setInstanceFollowRedirects(false);
    connection.setUseCaches(false);
    connection.setRequestProperty("Connection", "close");
    return connection;
  }

  private static URI redirected(URI from, int status, @Nullable String location)
      throws UpdateException {
    if (location == null || status < 300 || status > 399) {
      throw new UpdateException(
          Reason.UNREACHABLE, "%s cannot be downloaded: the answer is %d".formatted(from, status));
    }
    try {
      URI to = from.resolve(location);
      if (isSameOrigin(from, to)) {
        return to;
      }
    } catch (IllegalArgumentException e) {
      // no URL at all: refused like any other
    }
    throw new UpdateException(
        Reason.REDIRECT,
        "%s redirects to another origin: name the final address instead, if you trust it"
            .formatted(from));
  }

  static boolean isSameOrigin(URI one, URI other) {
    return one.getScheme().equalsIgnoreCase(other.getScheme())
        && one.getHost().equalsIgnoreCase(other.getHost())
        && port(one) == port(other);
  }

  private static int port(URI url) {
    return url.getPort() < 0 ? 443 : url.getPort();
  }

  private long copy(HttpsURLConnection connection, URI url, long maxBytes, OutputStream to)
      throws IOException, UpdateException {
    byte[] buffer = new byte[16 * 1024];
    long total = 0;
    try (InputStream in = connection.getInputStream()) {
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        total += read;
        if (total > maxBytes) {
          throw new UpdateException(
              Reason.SIZE, "%s has more than %d bytes".formatted(url, maxBytes));
        }
        write(to, buffer, read);
      }
    }
    long announced = connection.getContentLengthLong();
    if (total < announced) { // the JDK takes it for the end
      throw new IOException("it broke off after %d of %d bytes".formatted(total, announced));
    }
    return total;
  }

  private static void write(OutputStream to, byte[] buffer, int length) throws UpdateException {
    try {
      to.write(buffer, 0, length);
    } catch (IOException e) {
      throw new UpdateException(
          Reason.NOT_WRITTEN, "the release cannot be written: " + e.getMessage(), e);
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  @Override
  public void close() {
    end.complete(null);
  }
}
