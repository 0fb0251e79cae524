package io.apprxy.forward;

import io.apprxy.OriginRequest;
import io.apprxy.rewrite.HeaderNames;
import io.apprxy.rewrite.RequestHeaders;
import io.undertow.util.HeaderMap;
import io.undertow.util.HttpString;

/** Where a sign-on writes: the headers of one request. For the engine. */
public record OriginHeaders(HeaderMap headers) implements OriginRequest {
  @Override
  public void set(String name, String value) {
    if (!HeaderNames.isToken(name)) {
      throw new IllegalArgumentException("a header name must be a token (RFC 9110): " + name);
    }
    if (!isVisible(value)) {
      throw new IllegalArgumentException("the value of header " + name + " must be visible ASCII");
    }
    remove(name);
    headers.put(new HttpString(name), value);
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
    RequestHeaders.remove(headers, name);
  }
}
