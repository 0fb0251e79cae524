package io.apprxy.auth.sso;

import com.nimbusds.jose.util.Resource;
import com.nimbusds.jose.util.ResourceRetriever;
import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Fetches the keys of the gateway, with a limit for the whole time and one for the size, and
 * without redirects. Thread-safe; blocks the calling thread.
 */
final class KeysHttp implements ResourceRetriever {
  /** Some hundred keys. */
  private static final int MAX_BYTES = 128 * 1024;

  private final HttpClient client;
  private final Duration timeout;

  KeysHttp(@Nullable SSLContext trust, Duration timeout) {
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(timeout);
    this.client = (trust == null ? builder : builder.sslContext(trust)).build();
    this.timeout = timeout;
  }

  @Override
  public Resource retrieveResource(URL url) throws IOException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url.toString()))
            .header("Accept", "application/jwk-set+json, application/json")
            .build();
    CompletableFuture<HttpResponse<byte[]>> answer =
        client.sendAsync(request, head -> new Limited());
    try {
      HttpResponse<byte[]> response = answer.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
      if (response.statusCode() != 200) {
        throw new IOException(url + " answered status " + response.statusCode());
      }
      return new Resource(
          new String(response.body(), StandardCharsets.UTF_8),
          response.headers().firstValue("Content-Type").orElse(null));
    } catch (TimeoutException e) {
      throw new IOException(url + " took longer than " + timeout, e);
    } catch (ExecutionException e) {
      throw new IOException("no keys at " + url, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while waiting for " + url, e);
    } finally {
      answer.cancel(true); // ends the connection of an answer that nobody waits for
    }
  }

  /** Collects a body until it is too large. */
  private static final class Limited implements BodySubscriber<byte[]> {
    private final BodySubscriber<byte[]> collected = BodySubscribers.ofByteArray();
    private Flow.@Nullable Subscription subscription;
    private long seen;

    @Override
    public CompletionStage<byte[]> getBody() {
      return collected.getBody();
    }

    @Override
    public void onSubscribe(Flow.Subscription begun) {
      subscription = begun;
      collected.onSubscribe(begun);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
      if (seen > MAX_BYTES) {
        return;
      }
      for (ByteBuffer buffer : buffers) {
        seen += buffer.remaining();
      }
      if (seen <= MAX_BYTES) {
        collected.onNext(buffers);
        return;
      }
      if (subscription != null) {
        subscription.cancel();
      }
      collected.onError(new IOException("more than " + MAX_BYTES + " bytes"));
    }

    @Override
    public void onError(Throwable failed) {
      collected.onError(failed);
    }

    @Override
    public void onComplete() {
      if (seen <= MAX_BYTES) {
        collected.onComplete();
      }
    }
  }
}
