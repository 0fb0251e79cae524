package io.apprxy.rewrite;

import io.undertow.util.HeaderMap;
import java.net.InetAddress;
import java.util.Collection;

/**
 * Who the client is, as far as it can be trusted, and how the origin is told ({@code Forwarded}, RFC 7239, and {@code
 * X-Forwarded-*}). Immutable. For the engine.
 */
public final class ForwardedHeaders {
  private ForwardedHeaders() {}

  /** The client of a request. {@code scheme} is what the client used towards the outermost trusted proxy, or towards us. */
  public record Client(String address, String scheme) {}

  /**
   * Trusts these peers only.
   *
   * @param networks addresses or networks: {@code 10.0.0.0/8}, {@code 2001:db8::/32}, {@code 192.0.2.1}; no names
   * @throws IllegalArgumentException if one is no address or network
   */
  public static ForwardedHeaders trusting(Collection<String> networks) {
    return new ForwardedHeaders();
  }

  /** The client: the peer, or what a trusted peer says. To be asked before the headers are cleaned. */
  public Client client(InetAddress peer, String scheme, HeaderMap headers) {
    return new Client("", "");
  }

  /** Sets the headers that tell the origin. The client's own were removed by {@link RequestHeaders#clean}. */
  public static void set(HeaderMap headers, Client client, String authority) {}
}
