package io.apprxy;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;

/**
 * The one form of a path. Two things are equalised, because RFC 3986 §6.2.2 calls them the same and
 * no server tells them apart: the case of hexadecimal digits, and the escapes of letters, digits
 * and {@code - _ ~}. All else that two servers could read in two ways is refused. For the engine.
 */
public final class CanonicalPath {
  private static final BitSet UNRESERVED =
      setOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~");
  // RFC 3986 §3.3 without the semicolon, which some servers take for the end of a segment.
  private static final BitSet PLAIN = setOf("/.!$&'()*+,=:@");

  static {
    PLAIN.or(UNRESERVED);
  }

  private CanonicalPath() {}

  /**
   * The canonical path.
   *
   * @throws GatewayException {@link ErrorCode#AMBIGUOUS_TARGET} if it has none
   */
  public static String of(String raw) {
    if (!raw.startsWith("/")) {
      throw ambiguous("a path begins with a slash");
    }
    String canonical = equalise(raw);
    for (int i = canonical.indexOf('/'); i >= 0; i = canonical.indexOf('/', i + 1)) {
      refuseEmptyOrDots(canonical, i + 1);
    }
    refuseDoubleEscapes(canonical);
    return canonical;
  }

  private static String equalise(String raw) {
    StringBuilder canonical = new StringBuilder(raw.length());
    int i = 0;
    while (i < raw.length()) {
      char c = raw.charAt(i);
      if (c == '%') {
        i = equaliseEscapes(raw, i, canonical);
      } else if (PLAIN.get(c)) {
        canonical.append(c);
        i++;
      } else {
        throw ambiguous("a path has no raw character " + Integer.toHexString(c) + " (hexadecimal)");
      }
    }
    return canonical.toString();
  }

  /** Takes a run of escapes at once, since a character beyond ASCII has several. */
  private static int equaliseEscapes(String raw, int start, StringBuilder canonical) {
    int end = start;
    while (end < raw.length() && raw.charAt(end) == '%') {
      end += 3;
    }
    byte[] octets = new byte[(end - start) / 3];
    for (int i = 0; i < octets.length; i++) {
      octets[i] = (byte) octet(raw, start + 3 * i + 1);
    }
    refuseTricks(decode(octets));
    for (byte octet : octets) {
      int value = octet & 0xFF;
      if (UNRESERVED.get(value)) {
        canonical.append((char) value);
      } else {
        canonical.append('%').append(hex(value >> 4)).append(hex(value & 0xF));
      }
    }
    return end;
  }

  private static CharBuffer decode(byte[] octets) {
    try {
      // A new decoder reports what is malformed: overlong forms, surrogates, lone octets (RFC 3629
      // §3).
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(octets));
    } catch (CharacterCodingException e) {
      throw ambiguous("the escapes of a path are UTF-8");
    }
  }

  private static void refuseTricks(CharBuffer decoded) {
    if (decoded.chars().anyMatch(CanonicalPath::isTrick)) {
      throw ambiguous(
          "a path has no escape of a slash, backslash, dot, semicolon or control character");
    }
  }

  private static boolean isTrick(int c) {
    return Character.isISOControl(c) || c == '/' || c == '\\' || c == '.' || c == ';';
  }

  private static void refuseEmptyOrDots(String path, int segment) {
    if (path.startsWith("/", segment)) {
      throw ambiguous("a path has no empty segment");
    }
    int end = segment;
    while (end < path.length() && path.charAt(end) == '.') {
      end++;
    }
    boolean onlyDots = end == path.length() || path.charAt(end) == '/';
    if (onlyDots && (end - segment == 1 || end - segment == 2)) {
      throw ambiguous("a path has no dot segment");
    }
  }

  /**
   * {@code %252f} is a slash to a server that decodes twice, and {@code %25252f} to one that
   * decodes three times. Other double escapes stand for a percent sign in a name, and pass.
   */
  private static void refuseDoubleEscapes(String path) {
    for (int i = path.indexOf("%25"); i >= 0; i = path.indexOf("%25", i + 1)) {
      int digits = i + 3;
      while (path.startsWith("25", digits)) {
        digits += 2;
      }
      if (digits + 2 > path.length()) {
        continue;
      }
      int value = digit(path.charAt(digits)) << 4 | digit(path.charAt(digits + 1));
      // C0 and C1 begin nothing but overlong forms (RFC 3629 §3).
      if (value >= 0 && (value < 0x80 ? isTrick(value) : value == 0xC0 || value == 0xC1)) {
        throw ambiguous(
            "a path has no double escape of a slash, backslash, dot, semicolon or control character");
      }
    }
  }

  private static int octet(String raw, int at) {
    int value = at + 2 > raw.length() ? -1 : digit(raw.charAt(at)) << 4 | digit(raw.charAt(at + 1));
    if (value < 0) {
      throw ambiguous("a percent sign is followed by two hexadecimal digits");
    }
    return value;
  }

  /**
   * The value of a hexadecimal digit, or -1. {@link Character#digit} would also take digits of
   * other scripts.
   */
  private static int digit(char c) {
    return c < 0x80 ? Character.digit(c, 16) : -1;
  }

  private static char hex(int value) {
    return "0123456789ABCDEF".charAt(value);
  }

  private static BitSet setOf(String characters) {
    BitSet set = new BitSet(128);
    characters.chars().forEach(set::set);
    return set;
  }

  private static GatewayException ambiguous(String rule) {
    return new GatewayException(ErrorCode.AMBIGUOUS_TARGET, rule);
  }
}
