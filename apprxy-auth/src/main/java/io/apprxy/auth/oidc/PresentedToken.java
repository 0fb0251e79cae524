package io.apprxy.auth.oidc;

import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The access token in the headers of a request (RFC 6750 §2.1, RFC 9449 §7.1). Immutable; {@link
 * #toString()} does not tell it.
 */
record PresentedToken(Scheme scheme, String token) {
  /** Ample for a token with hundreds of groups; the headers of a request have 64 KiB in all. */
  static final int MAX_LENGTH = 16 * 1024;

  private static final Pattern SCHEME = Pattern.compile("(?s)([A-Za-z0-9-]+)(?:[ \\t].*|)");

  /** RFC 6750 §2.1, b64token. */
  private static final Pattern CREDENTIALS =
      Pattern.compile("[A-Za-z0-9-]+ +([A-Za-z0-9._~+/-]+=*) *");

  private static final Pattern IN_QUERY = Pattern.compile("(?:^|.*[&;])access_token(?:=.*|&.*|$)");

  /** How a token is presented. */
  enum Scheme {
    BEARER("Bearer"),
    DPOP("DPoP");

    private final String text;

    Scheme(String text) {
      this.text = text;
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /**
   * The token; null if there is none, which other kinds of credentials are.
   *
   * @throws GatewayException {@link ErrorCode#CREDENTIALS_AMBIGUOUS} if there is more than one, or
   *     it is malformed (RFC 6750 §3.1, {@code invalid_request})
   */
  static @Nullable PresentedToken of(Exchange exchange) {
    List<String> credentials = exchange.headers("Authorization");
    Scheme scheme = null;
    for (String one : credentials) {
      Scheme found = schemeOf(one);
      scheme = found == null ? scheme : found;
    }
    if (scheme == null) {
      return null;
    }
    if (credentials.size() != 1 || isInQuery(exchange)) {
      throw ambiguous("more than one token, or credentials beside it");
    }
    String only = credentials.get(0).strip();
    Matcher matcher = CREDENTIALS.matcher(only);
    if (only.length() > MAX_LENGTH || !matcher.matches()) {
      throw ambiguous("a malformed token, or one of more than " + MAX_LENGTH + " characters");
    }
    return new PresentedToken(scheme, matcher.group(1));
  }

  private static @Nullable Scheme schemeOf(String credentials) {
    String text = credentials.strip();
    int length = Math.min(text.length(), 64); // ample for a scheme
    Matcher matcher = SCHEME.matcher(text.substring(0, length));
    if (matcher.matches()) {
      for (Scheme scheme : Scheme.values()) {
        if (scheme.text.equalsIgnoreCase(matcher.group(1))) {
          return scheme;
        }
      }
    }
    return null;
  }

  /** Where it would be logged, kept in histories and passed on (RFC 9700 §4.3.2). */
  static boolean isInQuery(Exchange exchange) {
    String query = exchange.query();
    return query != null && IN_QUERY.matcher(query).matches();
  }

  private static GatewayException ambiguous(String reason) {
    return new GatewayException(ErrorCode.CREDENTIALS_AMBIGUOUS, reason);
  }

  @Override
  public String toString() {
    return scheme + " token";
  }
}
