package io.apprxy.forward;

import io.apprxy.HeaderNames;
import io.apprxy.OriginAnswer;
import io.apprxy.OriginRequest;
import io.apprxy.rewrite.RequestHeaders;
import io.undertow.client.ClientResponse;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Where a sign-on writes: the headers of one request. For the engine. */
public final class OriginHeaders implements OriginRequest {
  private final HeaderMap headers;
  private @Nullable Predicate<OriginAnswer> isRefused;
  private boolean authorized;

  public OriginHeaders(HeaderMap headers) {
    this.headers = headers;
  }

  @Override
  public void set(String name, List<String> values) {
    if (!HeaderNames.isToken(name)) {
      throw new IllegalArgumentException("a header name must be a token (RFC 9110): " + name);
    }
    for (String value : values) {
      if (!isVisible(value)) {
        throw new IllegalArgumentException(
            "the value of header " + name + " must be visible ASCII");
      }
    }
    remove(name);
    if (!values.isEmpty()) {
      headers.putAll(new HttpString(name), values);
      authorized |= name.equalsIgnoreCase(Headers.AUTHORIZATION_STRING);
    }
  }

  private static boolean isVisible(String value) {
    for (int i = 0; i < value.length(); i++) { // no pattern: it is done for every request
      char c = value.charAt(i);
      if (c != '\t' && (c < ' ' || c > '~')) {
        return false;
      }
    }
    return true;
  }

  @Override
  public void remove(String name) {
    authorized &= !name.equalsIgnoreCase(Headers.AUTHORIZATION_STRING);
    RequestHeaders.remove(headers, name);
  }

  @Override
  public void onAnswer(Predicate<OriginAnswer> refused) {
    isRefused = refused;
  }

  /** Whether a sign-on has set {@code Authorization}: what stands there is not the client's. */
  boolean isAuthorized() {
    return authorized;
  }

  /** Whether the origin takes the request for nobody's. */
  boolean isRefused(ClientResponse response) {
    return isRefused != null && isRefused.test(new Answer(response));
  }

  private record Answer(ClientResponse response) implements OriginAnswer {
    @Override
    public int status() {
      return response.getResponseCode();
    }

    @Override
    public List<String> headers(String name) {
      HeaderValues values = response.getResponseHeaders().get(name);
      return values == null ? List.of() : List.copyOf(values);
    }

    @Override
    public void remove(String name) {
      response.getResponseHeaders().remove(name);
    }
  }
}
