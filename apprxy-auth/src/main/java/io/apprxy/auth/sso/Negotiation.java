package io.apprxy.auth.sso;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.security.PrivilegedActionException;
import java.security.PrivilegedExceptionAction;
import java.util.Base64;
import javax.security.auth.Subject;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSException;
import org.jspecify.annotations.Nullable;

/** One request's {@code Negotiate} (RFC 4559 §4), until its answer. Confined to that request. */
final class Negotiation {
  private static final String SCHEME = "Negotiate";

  private final Subject subject;
  private final GSSContext context;
  private final byte[] token;

  Negotiation(Subject subject, GSSContext context, byte[] token) {
    this.subject = subject;
    this.context = context;
    this.token = token;
  }

  /** The value of {@code Authorization}. */
  String credentials() {
    return SCHEME + " " + Base64.getEncoder().encodeToString(token);
  }

  /** Whether a challenge is of this scheme. */
  static boolean isOffered(String challenge) {
    return challenge.regionMatches(true, 0, SCHEME, 0, SCHEME.length())
        && (challenge.length() == SCHEME.length()
            || challenge.charAt(SCHEME.length()) == ' '
            || challenge.charAt(SCHEME.length()) == ',');
  }

  /** The token in a challenge of this scheme, or null if there is none. */
  static @Nullable String token(String challenge) {
    String token = challenge.substring(SCHEME.length()).strip();
    return token.isEmpty() ? null : token;
  }

  /**
   * The origin proves that it has the key of its service.
   *
   * @throws GatewayException {@link ErrorCode#ORIGIN_NOT_PROVEN} if it does not
   */
  void verify(String answer) {
    try {
      byte[] bytes = Base64.getDecoder().decode(answer);
      Subject.doAs(
          subject,
          (PrivilegedExceptionAction<byte[]>) () -> context.initSecContext(bytes, 0, bytes.length));
      if (!context.isEstablished() || !context.getMutualAuthState()) {
        throw new GatewayException(
            ErrorCode.ORIGIN_NOT_PROVEN, "the origin's Kerberos token proves nothing");
      }
    } catch (PrivilegedActionException | IllegalArgumentException e) {
      throw new GatewayException(
          ErrorCode.ORIGIN_NOT_PROVEN, "the origin's Kerberos token is not genuine", e);
    } finally {
      end();
    }
  }

  /** Nothing more comes. */
  void end() {
    try {
      context.dispose();
    } catch (GSSException e) {
      // it is of no more use anyway
    }
  }
}
