package io.apprxy.auth.sso;

import com.sun.security.jgss.ExtendedGSSContext;
import com.sun.security.jgss.InquireType;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.security.PrivilegedActionException;
import java.security.PrivilegedExceptionAction;
import java.util.Base64;
import java.util.List;
import java.util.regex.Pattern;
import javax.security.auth.Subject;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSException;

/** One request's {@code Negotiate} (RFC 4559 §4), until its answer. Confined to that request. */
final class Negotiation {
  private static final String SCHEME = "Negotiate";
  private static final Pattern OFFER =
      Pattern.compile("(?i)(?:^|,)[ \\t]*Negotiate(?:[ \\t]+([A-Za-z0-9+/]+=*))?[ \\t]*(?=,|$)");

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

  /**
   * What an origin says in {@code WWW-Authenticate} (RFC 9110 §11.6.1), as far as it is of this
   * scheme: its tokens, empty where there is none.
   */
  static List<String> offers(List<String> challenges) {
    return challenges.stream()
        .flatMap(line -> OFFER.matcher(line).results())
        .map(offer -> offer.group(1) == null ? "" : offer.group(1))
        .toList();
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
      // SPNEGO may end without a word of Kerberos, and would still tell of mutual authentication:
      // this is asked of the Kerberos mechanism, which must have seen the proof.
      ((ExtendedGSSContext) context).inquireSecContext(InquireType.KRB5_GET_TKT_FLAGS);
    } catch (PrivilegedActionException | GSSException | IllegalArgumentException e) {
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
