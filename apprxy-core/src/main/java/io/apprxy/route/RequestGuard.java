package io.apprxy.route;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.util.Locale;
import java.util.function.BiConsumer;

/**
 * Refuses messages that two parsers could read in two ways (RFC 9112 §6.3, §11.2), and those that
 * are too large. Immutable.
 *
 * @param maxHeaders the most header lines, at least 1. Default: 200
 * @param maxHeaderBytes the most characters of all header names and values together, at least 1.
 *     Default: 65536
 */
public record RequestGuard(int maxHeaders, int maxHeaderBytes) {
  private static final int MAX_METHOD_LENGTH = 32;
  private static final int MAX_LENGTH_DIGITS = 18; // fits a long

  /**
   * With these limits.
   *
   * @throws IllegalArgumentException if a limit is below 1
   */
  public RequestGuard {
    if (maxHeaders < 1 || maxHeaderBytes < 1) {
      throw new IllegalArgumentException(
          "maxHeaders and maxHeaderBytes must be at least 1: "
              + maxHeaders
              + ", "
              + maxHeaderBytes);
    }
  }

  /** With the defaults. */
  public static RequestGuard defaults() {
    return new RequestGuard(200, 65536);
  }

  /** The header lines of a message: calls the consumer once per line, with name and value. */
  @FunctionalInterface
  public interface Lines {
    /** Calls the consumer once per line; two lines of one name are two calls. */
    void forEach(BiConsumer<String, String> line);
  }

  /**
   * Checks method and headers. Host is left to {@link RequestTarget}.
   *
   * @throws GatewayException if the request must not be served: {@link
   *     ErrorCode#METHOD_NOT_SUPPORTED} for CONNECT and TRACE, {@link ErrorCode#HEADERS_TOO_LARGE}
   *     beyond the limits, {@link ErrorCode#AMBIGUOUS_MESSAGE} otherwise
   */
  public void check(String method, Lines headers) {
    if (method.length() > MAX_METHOD_LENGTH || !isToken(method)) {
      throw ambiguous("a method is a token of at most " + MAX_METHOD_LENGTH + " characters");
    }
    String upper = method.toUpperCase(Locale.ROOT);
    // CONNECT makes an open proxy; TRACE and its Microsoft twin reflect the headers that a proxy
    // adds (RFC 9110 §9.3.8).
    if (upper.equals("CONNECT") || upper.equals("TRACE") || upper.equals("TRACK")) {
      throw new GatewayException(
          ErrorCode.METHOD_NOT_SUPPORTED, "CONNECT, TRACE and TRACK are not forwarded");
    }
    Framing framing = new Framing();
    headers.forEach(framing);
    framing.refuseBoth();
  }

  private final class Framing implements BiConsumer<String, String> {
    private int lines;
    private int size;
    private boolean contentLength;
    private boolean transferEncoding;

    @Override
    public void accept(String name, String value) {
      lines++;
      size += name.length() + value.length();
      if (lines > maxHeaders || size > maxHeaderBytes) {
        throw new GatewayException(
            ErrorCode.HEADERS_TOO_LARGE,
            "more than " + maxHeaders + " headers or " + maxHeaderBytes + " characters");
      }
      if (!isToken(name)) {
        throw ambiguous("a header name is a token");
      }
      if (!isValue(value)) {
        throw ambiguous("the header " + name + " has no control character");
      }
      if (name.equalsIgnoreCase("Content-Length")) {
        contentLength(value);
      } else if (name.equalsIgnoreCase("Transfer-Encoding")) {
        transferEncoding(value);
      }
    }

    /**
     * RFC 9110 §8.6 lets a recipient repair "42, 42"; servers differ in whether they do, so it is
     * refused.
     */
    private void contentLength(String value) {
      boolean digits = !value.isEmpty() && value.chars().allMatch(c -> c >= '0' && c <= '9');
      if (contentLength || !digits || value.length() > MAX_LENGTH_DIGITS) {
        throw ambiguous(
            "Content-Length is there once, as at most " + MAX_LENGTH_DIGITS + " digits");
      }
      contentLength = true;
    }

    private void transferEncoding(String value) {
      if (transferEncoding || !value.equalsIgnoreCase("chunked")) {
        throw ambiguous("Transfer-Encoding is there once, as chunked");
      }
      transferEncoding = true;
    }

    private void refuseBoth() {
      if (contentLength && transferEncoding) {
        throw ambiguous("Content-Length and Transfer-Encoding exclude each other");
      }
    }
  }

  /**
   * Visible characters, space, tab, and the octets beyond ASCII that RFC 9110 §5.5 calls obs-text.
   */
  private static boolean mayStandInValue(int c) {
    return c == '\t' || (c >= ' ' && c != 0x7F && c <= 0xFF);
  }

  private static boolean isToken(String text) {
    for (int i = 0; i < text.length(); i++) { // no stream: it is done for every header
      if (!mayStandInToken(text.charAt(i))) {
        return false;
      }
    }
    return !text.isEmpty();
  }

  private static boolean isValue(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (!mayStandInValue(text.charAt(i))) {
        return false;
      }
    }
    return true;
  }

  /** RFC 9110 §5.6.2. */
  private static boolean mayStandInToken(int c) {
    return (c >= 'a' && c <= 'z')
        || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9')
        || "!#$%&'*+-.^_`|~".indexOf(c) >= 0;
  }

  private static GatewayException ambiguous(String rule) {
    return new GatewayException(ErrorCode.AMBIGUOUS_MESSAGE, rule);
  }
}
