package io.apprxy.rewrite;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A network of IP addresses (RFC 4632 §3.1, RFC 4291 §2.3). Immutable. Never asks a name server.
 */
public record IpNetwork(InetAddress address, int prefix) {
  private static final String OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  private static final Pattern V4 = Pattern.compile("(?:" + OCTET + "\\.){3}" + OCTET);
  private static final Pattern V6 = Pattern.compile("[0-9A-Fa-f:.]{2,45}");

  /**
   * A network, or a single address.
   *
   * @throws IllegalArgumentException if it is neither, or has bits set beyond its prefix, as {@code
   *     10.0.0.1/8} has
   */
  public static IpNetwork parse(String text) {
    int slash = text.indexOf('/');
    InetAddress address = address(slash < 0 ? text : text.substring(0, slash));
    if (address == null) {
      throw new IllegalArgumentException(
          "it must be an IP address, or a network such as 10.0.0.0/8: " + text);
    }
    int bits = address.getAddress().length * 8;
    String digits = slash < 0 ? Integer.toString(bits) : text.substring(slash + 1);
    if (!digits.matches("[0-9]{1,3}") || Integer.parseInt(digits) > bits) {
      throw new IllegalArgumentException(
          "it must have a prefix of at most " + bits + " bits: " + text);
    }
    IpNetwork network = new IpNetwork(address, Integer.parseInt(digits));
    for (int bit = network.prefix; bit < bits; bit++) {
      if (bit(address.getAddress(), bit)) {
        throw new IllegalArgumentException("it must have no bit set beyond its prefix: " + text);
      }
    }
    return network;
  }

  /**
   * The address of a literal, or null if the text is none. An IPv4-mapped IPv6 address is the IPv4
   * address.
   */
  public static @Nullable InetAddress address(String text) {
    if (!V4.matcher(text).matches() && !(text.contains(":") && V6.matcher(text).matches())) {
      return null;
    }
    try {
      return InetAddress.getByName(text.contains(":") ? "[" + text + "]" : text);
    } catch (UnknownHostException e) {
      return null;
    }
  }

  /** Whether the address is of this network; one of the other family never is. */
  public boolean contains(InetAddress other) {
    byte[] mine = address.getAddress();
    byte[] others = other.getAddress();
    if (mine.length != others.length) {
      return false;
    }
    for (int bit = 0; bit < prefix; bit++) {
      if (bit(mine, bit) != bit(others, bit)) {
        return false;
      }
    }
    return true;
  }

  private static boolean bit(byte[] address, int bit) {
    return (address[bit / 8] >> (7 - bit % 8) & 1) == 1;
  }

  /** The text of an address: of IPv6 the one that RFC 5952 §4 recommends, without zone. */
  public static String text(InetAddress address) {
    if (!(address instanceof Inet6Address)) {
      return address.getHostAddress();
    }
    byte[] octets = address.getAddress();
    List<String> groups = new ArrayList<>(8);
    for (int i = 0; i < octets.length; i += 2) {
      groups.add(Integer.toHexString((octets[i] & 0xFF) << 8 | (octets[i + 1] & 0xFF)));
    }
    int start = 0;
    int length = 1; // A single group of zero is not shortened (RFC 5952 §4.2.2).
    for (int i = 0; i < groups.size(); i++) {
      int end = i;
      while (end < groups.size() && groups.get(end).equals("0")) {
        end++;
      }
      if (end - i > length) {
        start = i;
        length = end - i;
      }
    }
    if (length == 1) {
      return String.join(":", groups);
    }
    return String.join(":", groups.subList(0, start))
        + "::"
        + String.join(":", groups.subList(start + length, 8));
  }
}
