package io.apprxy.forward;

import io.undertow.protocols.http2.Http2Channel;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import java.io.IOException;

/**
 * How large the headers of one message of HTTP/2 may be. Undertow ends the connection for larger
 * ones, and with it every other request. For the engine.
 */
public final class HeaderLists {
  /**
   * What a user may send, and the assertion of an identity with it. An origin may answer with half
   * of it.
   */
  private static final int MAX = 256 * 1024;

  private static final int PER_HEADER = 32; // RFC 9113 §6.5.2

  static {
    // Beyond its default of 20,000 bytes, Undertow has no other setting than this, of the process.
    if (System.getProperty(Http2Channel.HTTP2_MAX_HEADER_SIZE_PROPERTY) == null) {
      System.setProperty(Http2Channel.HTTP2_MAX_HEADER_SIZE_PROPERTY, Integer.toString(MAX));
    }
  }

  private HeaderLists() {}

  /** The largest that is taken, once this was called before the first connection of HTTP/2. */
  public static int max() {
    return MAX;
  }

  /** As RFC 9113 §6.5.2 counts. */
  public static long size(HeaderMap headers) {
    long size = 0;
    for (long cookie = headers.fastIterateNonEmpty();
        cookie != -1L;
        cookie = headers.fiNextNonEmpty(cookie)) {
      HeaderValues header = headers.fiCurrent(cookie);
      for (int i = 0; i < header.size(); i++) {
        size += header.getHeaderName().length() + header.get(i).length() + PER_HEADER;
      }
    }
    return size;
  }

  /** Trailers may be dropped where they are of no use (RFC 9110 §6.5.1). */
  static void dropTooLarge(HeaderMap trailers) {
    if (size(trailers) > MAX / 2) {
      trailers.clear();
    }
  }

  static void check(HeaderMap headers, long most) throws TooLargeException {
    if (size(headers) > most) {
      throw new TooLargeException(most);
    }
  }

  /** Headers were not sent, since the peer would not take them. */
  public static final class TooLargeException extends IOException {
    TooLargeException(long most) {
      super("the headers are larger than the " + most + " bytes that the next hop takes");
    }
  }
}
