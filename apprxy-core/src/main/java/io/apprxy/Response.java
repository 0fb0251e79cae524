package io.apprxy;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A whole response that a stage answers with instead of letting the request go on. Immutable; not cached by anybody unless it
 * says so itself ({@code Cache-Control: no-store} is added where the header is absent).
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

  /** One header line. */
  public record Header(String name, String value) {}

  /** A response without a body. */
  public static Response of(int status) {
    return new Response(status, List.of(), new byte[0]);
  }

  /** A response with a body in UTF-8. */
  public static Response of(int status, String contentType, String body) {
    return new Response(
        status, List.of(new Header("Content-Type", contentType)), body.getBytes(StandardCharsets.UTF_8));
  }

  /** 302 to a location (RFC 9110 §15.4.3). The caller vouches that the location is no one else's choice. */
  public static Response redirect(URI location) {
    return of(302).with("Location", location.toString());
  }

  /** This response with one more header. */
  public Response with(String name, String value) {
    if (value.chars().anyMatch(c -> c < ' ' && c != '\t')) {
      throw new IllegalArgumentException("header " + name + " must have no control character");
    }
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
