package io.apprxy.auth.oidc;

import com.nimbusds.jose.util.Resource;
import com.nimbusds.jose.util.ResourceRetriever;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
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
 * HTTP to the provider, with limits that Nimbus' own client lacks: one for the whole time (a read
 * timeout alone lets an answer trickle forever), one for the size, and no redirects, which would
 * carry a code or a secret to an address nobody configured. Thread-safe; blocks the calling thread.
 */
final class ProviderHttp implements ResourceRetriever {
  /** Ample for metadata and keys, and for tokens with thousands of groups. */
  static final int MAX_BODY_BYTES = 512 * 1024;

  private final HttpClient client;
  private final Duration timeout;

  ProviderHttp(@Nullable SSLContext trust, Duration timeout) {
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(timeout);
    this.client = (trust == null ? builder : builder.sslContext(trust)).build();
    this.timeout = timeout;
  }

  /**
   * Sends a request.
   *
   * @return a response of any status below 500, except 429
   * @throws GatewayException if the provider cannot be reached, is overloaded or too slow ({@link
   *     ErrorCode#PROVIDER_UNAVAILABLE}), or answers with too much ({@link
   *     ErrorCode#PROVIDER_INVALID})
   */
  HTTPResponse send(HTTPRequest request) {
    URI uri = request.getURI();
    String body = request.getBody();
    HttpRequest.Builder builder =
        HttpRequest.newBuilder(uri)
            .method(
                request.getMethod().name(),
                body == null
                    ? HttpRequest.BodyPublishers.noBody()
                    : HttpRequest.BodyPublishers.ofString(body));
    request
        .getHeaderMap()
        .forEach((name, values) -> values.forEach(value -> builder.header(name, value)));
    HttpResponse<byte[]> answer = send(builder.build());
    if (answer.statusCode() >= 500 || answer.statusCode() == 429) {
      throw new GatewayException(
          ErrorCode.PROVIDER_UNAVAILABLE,
          "the provider answered " + answer.statusCode() + " at " + place(uri));
    }
    HTTPResponse response = new HTTPResponse(answer.statusCode());
    answer
        .headers()
        .map()
        .forEach((name, values) -> response.setHeader(name, values.toArray(String[]::new)));
    response.setBody(new String(answer.body(), StandardCharsets.UTF_8));
    return response;
  }

  private HttpResponse<byte[]> send(HttpRequest request) {
    String place = place(request.uri());
    CompletableFuture<HttpResponse<byte[]>> answer =
        client.sendAsync(request, info -> new Limited());
    try {
      return answer.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_UNAVAILABLE,
          "the provider took longer than " + timeout + " at " + place,
          e);
    } catch (ExecutionException e) {
      boolean tooLarge =
          e.getCause() instanceof TooLarge
              || (e.getCause() != null && e.getCause().getCause() instanceof TooLarge);
      throw new GatewayException(
          tooLarge ? ErrorCode.PROVIDER_INVALID : ErrorCode.PROVIDER_UNAVAILABLE,
          "no usable answer of the provider at " + place,
          e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GatewayException(
          ErrorCode.PROVIDER_UNAVAILABLE, "interrupted while waiting for the provider", e);
    } finally {
      answer.cancel(
          true); // ends the connection of an answer that nobody waits for; no effect on one that is
      // complete
    }
  }

  /** For the keys of the provider. */
  @Override
  public Resource retrieveResource(URL url) throws IOException {
    HTTPResponse response = send(new HTTPRequest(HTTPRequest.Method.GET, url));
    if (response.getStatusCode() != 200) {
      throw new GatewayException(
          ErrorCode.PROVIDER_INVALID, "the provider's keys: status " + response.getStatusCode());
    }
    return new Resource(response.getBody(), response.getHeaderValue("Content-Type"));
  }

  /** The address without its query, for messages. */
  private static String place(URI uri) {
    return uri.getScheme() + "://" + uri.getRawAuthority() + uri.getRawPath();
  }

  private static final class TooLarge extends IOException {
    TooLarge() {
      super("more than " + MAX_BODY_BYTES + " bytes");
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
      if (seen > MAX_BODY_BYTES) {
        return;
      }
      for (ByteBuffer buffer : buffers) {
        seen += buffer.remaining();
      }
      if (seen > MAX_BODY_BYTES) {
        if (subscription != null) {
          subscription.cancel();
        }
        collected.onError(new TooLarge());
      } else {
        collected.onNext(buffers);
      }
    }

    @Override
    public void onError(Throwable failed) {
      collected.onError(failed);
    }

    @Override
    public void onComplete() {
      collected.onComplete();
    }
  }
}
