package io.apprxy.rewrite;

import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Credentials of schemes that are older than sign-in by a provider: Basic, NTLM, and Negotiate
 * where it carries NTLM. For the engine.
 */
public final class LegacyCredentials {
  private static final String BASIC = "basic";
  private static final String NTLM = "ntlm";
  private static final String NEGOTIATE = "negotiate";

  /** How every message of NTLM begins, wrapped or not (MS-NLMP §2.2.1). */
  private static final String NTLM_MESSAGE = "NTLMSSP\0";

  /** RFC 9110 §11.6.1: a challenge begins with its scheme; a parameter has an equals sign. */
  private static final Pattern CHALLENGE =
      Pattern.compile("[ \\t]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:[ \\t]++(?!=)(.*))?[ \\t]*");

  private LegacyCredentials() {}

  /**
   * Whether a server may take what it is sent by this connection from now on for the same user's:
   * NTLM is made that way, and some servers do so with Kerberos.
   */
  public static boolean bindConnection(HeaderMap headers) {
    HeaderValues credentials = headers.get(Headers.AUTHORIZATION);
    if (credentials == null) {
      return false;
    }
    for (int i = 0; i < credentials.size(); i++) { // no stream: it is done for every request
      String scheme = scheme(credentials.get(i));
      if (scheme.equals(NTLM) || scheme.equals(NEGOTIATE)) {
        return true;
      }
    }
    return false;
  }

  /** Removes what a client sends: all of its credentials, if one is of such a scheme. */
  static void removeFromRequest(HeaderMap headers) {
    HeaderValues credentials = headers.get(Headers.AUTHORIZATION);
    if (credentials != null && credentials.stream().anyMatch(LegacyCredentials::isLegacy)) {
      headers.remove(Headers.AUTHORIZATION);
    }
  }

  private static boolean isLegacy(String credentials) {
    String scheme = scheme(credentials);
    return scheme.equals(BASIC)
        || scheme.equals(NTLM)
        || (scheme.equals(NEGOTIATE) && isNtlm(credentials.strip().substring(scheme.length())));
  }

  private static String scheme(String credentials) {
    String text = credentials.strip();
    int end = 0;
    while (end < text.length() && text.charAt(end) != ' ' && text.charAt(end) != '\t') {
      end++;
    }
    return text.substring(0, end).toLowerCase(Locale.ROOT);
  }

  /** Whether a token is of NTLM, with SPNEGO around it or not; so is one that is no Base64. */
  private static boolean isNtlm(@Nullable String token) {
    if (token == null || token.isBlank()) {
      return false;
    }
    try {
      return new String(Base64.getDecoder().decode(token.strip()), StandardCharsets.ISO_8859_1)
          .contains(NTLM_MESSAGE);
    } catch (IllegalArgumentException e) {
      return true;
    }
  }

  /**
   * Removes what an origin offers.
   *
   * @return the schemes that it offered, as they are usually written
   */
  public static Set<String> removeFromResponse(HeaderMap headers) {
    HeaderValues offers = headers.get(Headers.WWW_AUTHENTICATE);
    if (offers == null) {
      return Set.of();
    }
    Set<String> removed = new TreeSet<>();
    List<String> kept = new ArrayList<>();
    for (String line : offers) {
      List<String> parts = parts(line);
      if (parts == null) { // whoever reads it otherwise than we do may find anything in it
        removed.addAll(mentioned(line));
        continue;
      }
      for (String challenge : challenges(parts)) {
        String scheme = offered(challenge);
        if (scheme == null) {
          kept.add(challenge);
        } else {
          removed.add(scheme);
        }
      }
    }
    headers.remove(Headers.WWW_AUTHENTICATE);
    if (!kept.isEmpty()) {
      headers.putAll(Headers.WWW_AUTHENTICATE, kept);
    }
    return removed;
  }

  private static List<String> mentioned(String line) {
    String text = line.toLowerCase(Locale.ROOT);
    return Stream.of("Basic", "NTLM")
        .filter(scheme -> text.contains(scheme.toLowerCase(Locale.ROOT)))
        .toList();
  }

  private static @Nullable String offered(String challenge) {
    Matcher matcher = CHALLENGE.matcher(challenge);
    if (!matcher.lookingAt()) {
      return null;
    }
    String scheme = matcher.group(1).toLowerCase(Locale.ROOT);
    if (scheme.equals(BASIC)) {
      return "Basic";
    }
    boolean ntlm = scheme.equals(NTLM) || (scheme.equals(NEGOTIATE) && isNtlm(matcher.group(2)));
    return ntlm ? "NTLM" : null;
  }

  /** A comma separates challenges, and their parameters, too. */
  private static List<String> challenges(List<String> parts) {
    List<String> challenges = new ArrayList<>();
    for (String part : parts) {
      if (challenges.isEmpty() || CHALLENGE.matcher(part).matches()) {
        challenges.add(part);
      } else {
        int last = challenges.size() - 1;
        challenges.set(last, challenges.get(last) + ", " + part);
      }
    }
    return challenges;
  }

  /** What stands between commas that are not in quotes; null if a quote does not end. */
  private static @Nullable List<String> parts(String line) {
    List<String> parts = new ArrayList<>();
    boolean quoted = false;
    int begin = 0;
    for (int i = 0; i < line.length(); i++) {
      char c = line.charAt(i);
      if (quoted && c == '\\') {
        i++;
      } else if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        parts.add(line.substring(begin, i).strip());
        begin = i + 1;
      }
    }
    parts.add(line.substring(begin).strip());
    parts.removeIf(String::isEmpty);
    return quoted ? null : parts;
  }
}
