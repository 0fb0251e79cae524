package io.apprxy.rewrite;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.HttpString;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Who the client is, as far as it can be trusted, and how the origin is told ({@code Forwarded},
 * RFC 7239, and {@code X-Forwarded-*}). Immutable. For the engine.
 *
 * <p>A peer that was not named as trusted is the client, whatever it says. Of what a trusted peer
 * says, the right-most address that is not itself trusted is the client: what stands left of it,
 * the client can have made up. If the peer sends both {@code Forwarded} and {@code
 * X-Forwarded-For}, they must agree, since a proxy that writes one of them often passes on the
 * other.
 */
public final class ForwardedHeaders {
  private static final HttpString FORWARDED = new HttpString("Forwarded");
  private static final HttpString X_FORWARDED_FOR = new HttpString("X-Forwarded-For");
  private static final HttpString X_FORWARDED_PROTO = new HttpString("X-Forwarded-Proto");
  private static final HttpString X_FORWARDED_HOST = new HttpString("X-Forwarded-Host");
  private static final HttpString X_FORWARDED_PORT = new HttpString("X-Forwarded-Port");

  private static final String PORT = "(?::[0-9]{1,5})?";
  private static final Pattern NODE =
      Pattern.compile("\\[([0-9A-Fa-f:.]+)]" + PORT + "|([0-9.]+)" + PORT + "|([0-9A-Fa-f:.]+)");

  private static final String TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
  // Proxies in the field leave colons and brackets unquoted, against RFC 7239 §4; that is
  // unambiguous.
  private static final Pattern PAIR =
      Pattern.compile(
          "[ \\t]*("
              + TOKEN
              + ")=(?:\"([^\"\\\\]*+)\"|([!#$%&'*+.^_`|~0-9A-Za-z:\\[\\]-]+))[ \\t]*");

  private final List<IpNetwork> trusted;

  private ForwardedHeaders(List<IpNetwork> trusted) {
    this.trusted = trusted;
  }

  /**
   * The client of a request.
   *
   * @param address its IP address, as RFC 5952 writes it
   * @param scheme what it used towards the outermost trusted proxy, or towards us: {@code http} or
   *     {@code https}
   */
  public record Client(String address, String scheme) {}

  /** One stop on the way of a request, as a header tells it. */
  private record Hop(@Nullable InetAddress address, @Nullable String scheme) {}

  /**
   * Trusts these peers only; nobody, if there are none.
   *
   * @param networks addresses or networks: {@code 10.0.0.0/8}, {@code 2001:db8::/32}, {@code
   *     192.0.2.1}; no names
   * @throws IllegalArgumentException if one is no address or network
   */
  public static ForwardedHeaders trusting(Collection<String> networks) {
    return new ForwardedHeaders(networks.stream().map(ForwardedHeaders::trusted).toList());
  }

  private static IpNetwork trusted(String network) {
    try {
      return IpNetwork.parse(network);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("trusted proxy must be a network: " + e.getMessage(), e);
    }
  }

  /**
   * The client: the peer, or what a trusted peer says. To be asked before the headers are cleaned.
   *
   * @param scheme of the connection itself
   * @throws GatewayException with {@link ErrorCode#AMBIGUOUS_MESSAGE} if what a trusted peer says
   *     is malformed or contradicts itself. To take the peer for the client instead could lend
   *     somebody its rights.
   */
  public Client client(InetAddress peer, String scheme, HeaderMap headers) {
    if (!isTrusted(peer)) {
      return new Client(IpNetwork.text(peer), scheme);
    }
    Hop forwarded = nearestUntrusted(forwarded(headers));
    Hop xForwarded = nearestUntrusted(xForwardedFor(headers));
    InetAddress address =
        agreed(
            forwarded == null ? null : forwarded.address(),
            xForwarded == null ? null : xForwarded.address(),
            peer);
    String clientScheme =
        agreed(forwarded == null ? null : forwarded.scheme(), xForwardedProto(headers), scheme);
    return new Client(IpNetwork.text(address), clientScheme);
  }

  /**
   * Sets the headers that tell the origin. The client's own were removed by {@link
   * RequestHeaders#clean}, and nothing of them is passed on: the origin gets exactly one client,
   * the one that this gateway vouches for.
   *
   * @param authority the canonical authority that the client asked for
   */
  public static void set(HeaderMap headers, Client client, String authority) {
    boolean v6 = client.address().contains(":");
    headers.put(
        FORWARDED,
        "for="
            + (v6 ? "\"[" + client.address() + "]\"" : client.address())
            + ";host="
            + (authority.contains(":") ? '"' + authority + '"' : authority)
            + ";proto="
            + client.scheme());
    headers.put(X_FORWARDED_FOR, client.address());
    headers.put(X_FORWARDED_PROTO, client.scheme());
    headers.put(X_FORWARDED_HOST, authority);
    headers.put(X_FORWARDED_PORT, port(client.scheme(), authority));
  }

  private static String port(String scheme, String authority) {
    int colon = authority.lastIndexOf(':');
    if (colon > authority.lastIndexOf(']')) {
      return authority.substring(colon + 1);
    }
    return scheme.equals("https") ? "443" : "80";
  }

  /** Whether a peer is a proxy that is believed. */
  public boolean isTrusted(InetAddress address) {
    return trusted.stream().anyMatch(network -> network.contains(address));
  }

  /** Null if there is no hop at all; the outermost one if all are trusted. */
  private @Nullable Hop nearestUntrusted(List<Hop> hops) {
    for (int i = hops.size() - 1; i >= 0; i--) {
      InetAddress address = hops.get(i).address();
      if (address == null) {
        throw ambiguous("a trusted proxy tells IP addresses");
      }
      if (i == 0 || !isTrusted(address)) {
        return hops.get(i);
      }
    }
    return null;
  }

  private static <T> T agreed(@Nullable T one, @Nullable T other, T otherwise) {
    if (one != null && other != null && !one.equals(other)) {
      throw ambiguous("Forwarded and X-Forwarded-* of a trusted proxy agree");
    }
    return one != null ? one : other != null ? other : otherwise;
  }

  private static List<Hop> xForwardedFor(HeaderMap headers) {
    return elements(headers, X_FORWARDED_FOR).stream()
        .map(element -> new Hop(node(element), null))
        .toList();
  }

  private static @Nullable String xForwardedProto(HeaderMap headers) {
    List<String> schemes =
        elements(headers, X_FORWARDED_PROTO).stream()
            .map(ForwardedHeaders::scheme)
            .distinct()
            .toList();
    if (schemes.size() > 1) {
      throw ambiguous("X-Forwarded-Proto of a trusted proxy tells one scheme");
    }
    return schemes.isEmpty() ? null : schemes.get(0);
  }

  private static List<String> elements(HeaderMap headers, HttpString name) {
    HeaderValues lines = headers.get(name);
    List<String> elements = new ArrayList<>();
    if (lines != null) {
      for (String line : lines) {
        for (String element : line.split(",", -1)) {
          elements.add(element.strip());
        }
      }
    }
    return elements;
  }

  private static List<Hop> forwarded(HeaderMap headers) {
    HeaderValues lines = headers.get(FORWARDED);
    List<Hop> hops = new ArrayList<>();
    if (lines != null) {
      lines.forEach(line -> readForwarded(line, hops));
    }
    return hops;
  }

  /** RFC 7239 §4: {@code for=192.0.2.1;proto=https, for="[2001:db8::1]:47011"}. */
  private static void readForwarded(String line, List<Hop> hops) {
    Matcher pair = PAIR.matcher(line);
    InetAddress address = null;
    String scheme = null;
    int position = 0;
    do {
      if (!pair.region(position, line.length()).lookingAt()) {
        throw ambiguous("Forwarded of a trusted proxy has the form of RFC 7239");
      }
      String value = pair.group(2) != null ? pair.group(2) : pair.group(3);
      switch (pair.group(1).toLowerCase(Locale.ROOT)) {
        case "for" -> address = node(value);
        case "proto" -> scheme = scheme(value);
        default -> {} // host and by: the target is that of the request itself
      }
      position = pair.end();
      boolean elementEnds = position == line.length() || line.charAt(position) == ',';
      if (elementEnds) {
        hops.add(new Hop(address, scheme));
        address = null;
        scheme = null;
      } else if (line.charAt(position) != ';') {
        throw ambiguous("Forwarded of a trusted proxy has the form of RFC 7239");
      }
      position++;
    } while (position <= line.length());
  }

  private static @Nullable InetAddress node(String text) {
    Matcher matcher = NODE.matcher(text);
    if (!matcher.matches()) {
      return null;
    }
    for (int group = 1; group <= matcher.groupCount(); group++) {
      if (matcher.group(group) != null) {
        return IpNetwork.address(matcher.group(group));
      }
    }
    return null;
  }

  private static String scheme(String value) {
    String scheme = value.toLowerCase(Locale.ROOT);
    if (!scheme.equals("http") && !scheme.equals("https")) {
      throw ambiguous("a trusted proxy tells the scheme http or https");
    }
    return scheme;
  }

  private static GatewayException ambiguous(String rule) {
    return new GatewayException(ErrorCode.AMBIGUOUS_MESSAGE, rule);
  }
}
