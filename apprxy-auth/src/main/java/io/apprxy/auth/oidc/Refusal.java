package io.apprxy.auth.oidc;

/**
 * Why somebody's statement is not believed: a code of RFC 8935 §2.4, and a reason that tells no
 * secret. Never leaves this package.
 */
final class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final String reason;

  Refusal(String code, String reason) {
    super(reason);
    this.code = code;
    this.reason = reason;
  }

  static Refusal invalid(String reason) {
    return new Refusal("invalid_request", reason);
  }

  String reason() {
    return reason;
  }

  String code() {
    return code;
  }
}
