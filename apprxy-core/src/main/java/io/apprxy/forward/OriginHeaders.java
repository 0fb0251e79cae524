package io.apprxy.forward;

import io.apprxy.OriginRequest;
import io.apprxy.rewrite.RequestHeaders;
import io.undertow.util.HeaderMap;
import io.undertow.util.HttpString;
import java.util.regex.Pattern;

/** Where a sign-on writes: the headers of one request. For the engine. */
public record OriginHeaders(HeaderMap headers) implements OriginRequest {
  /** RFC 9110 §5.6.2. */
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+");

  private static final Pattern VISIBLE = Pattern.compile("[\\t\\x20-\\x7e]*");

  @Override
  public void set(String name, String value) {
    if (!TOKEN.matcher(name).matches()) {
      throw new IllegalArgumentException("a header name must be a token (RFC 9110): " + name);
    }
    if (!VISIBLE.matcher(value).matches()) {
      throw new IllegalArgumentException("the value of header " + name + " must be visible ASCII");
    }
    remove(name);
    headers.put(new HttpString(name), value);
  }

  @Override
  public void remove(String name) {
    RequestHeaders.remove(headers, name);
  }
}
