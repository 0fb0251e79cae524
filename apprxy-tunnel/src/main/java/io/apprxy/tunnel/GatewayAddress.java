package io.apprxy.tunnel;

import java.net.URI;

/** The address of a gateway's tunnel: https, a host and a port, and nothing else. */
final class GatewayAddress {
  private static final int MAX_LENGTH = 300;

  private GatewayAddress() {}

  /**
   * The address in its one form.
   *
   * @throws IllegalArgumentException if it is not https, or has a path, or more
   */
  static URI parse(String url) {
    URI gateway = url.length() > MAX_LENGTH ? null : URI.create(url);
    if (gateway == null
        || !"https".equals(gateway.getScheme())
        || gateway.getHost() == null
        || gateway.getRawUserInfo() != null
        || !(gateway.getRawPath().isEmpty() || gateway.getRawPath().equals("/"))
        || gateway.getRawQuery() != null
        || gateway.getRawFragment() != null
        || gateway.getPort() == 0
        || gateway.getPort() > 65_535) {
      throw new IllegalArgumentException("a gateway must be https://, a host and a port: " + url);
    }
    return URI.create("https://" + gateway.getRawAuthority());
  }
}
