package io.apprxy;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A whole response that a stage answers with instead of letting the request go on. Immutable; not
 * cached by anybody unless it says so itself ({@code Cache-Control: no-store} is added where the
 * header is absent).
 */
public final class Response {
  private final int status;
  private final List<Header> headers;
  private final byte[] body;

  private Response(int status, List<Header> headers, byte[] body) {
    if (status < 200 || status > 599) {
      throw new IllegalArgumentException("status must be a final one, 200 to 599: " + status);
    }
    this.status = status;
    this.headers = List.copyOf(headers);
    this.body = body;
  }

  /**
   * One header line. Immutable.
   *
   * @param name a token (RFC 9110 §5.6.2)
   * @param value visible ASCII, spaces and tabs: servers cut other characters to eight bits, and
   *     could make a line end of them
   */
  public record Header(String name, String value) {
    private static final Pattern TOKEN = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");
    private static final Pattern VISIBLE = Pattern.compile("[\\t\\x20-\\x7E]*");

    /**
     * A header line.
     *
     * @throws IllegalArgumentException if the name is no token, or the value has another character
     */
    public Header {
      if (!TOKEN.matcher(name).matches()) {
        throw new IllegalArgumentException(
            "a header name must be a token (RFC 9110 §5.6.2): " + name);
      }
      if (!VISIBLE.matcher(value).matches()) {
        throw new IllegalArgumentException("header " + name + " must have visible ASCII only");
      }
    }
  }

  /** A response without a body. */
  public static Response of(int status) {
    return new Response(status, List.of(), new byte[0]);
  }

  /** A response with a body in UTF-8. */
  public static Response of(int status, String contentType, String body) {
    return new Response(
        status,
        List.of(new Header("Content-Type", contentType)),
        body.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * 302 to a location (RFC 9110 §15.4.3). The caller vouches that the location is no one else's
   * choice.
   */
  public static Response redirect(URI location) {
    return of(302).with("Location", location.toASCIIString());
  }

  /**
   * This response with one more header.
   *
   * @throws IllegalArgumentException as {@link Header} does
   */
  public Response with(String name, String value) {
    List<Header> more = new ArrayList<>(headers);
    more.add(new Header(name, value));
    return new Response(status, more, body);
  }

  public int status() {
    return status;
  }

  /** The headers in order. */
  public List<Header> headers() {
    return headers;
  }

  /** A copy of the body. */
  public byte[] body() {
    return Arrays.copyOf(body, body.length);
  }
}
