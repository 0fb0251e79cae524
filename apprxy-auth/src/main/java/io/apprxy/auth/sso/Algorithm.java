package io.apprxy.auth.sso;

/** A signature algorithm of assertions (RFC 7518 §3.1, RFC 8037 §3.1). */
public enum Algorithm {
  /** ECDSA on P-256: short, and known everywhere. */
  ES256("ES256"),
  /** Ed25519: the quickest to sign. */
  EDDSA("EdDSA"),
  /** RSA PKCS #1 v1.5 with a key of 2048 bits: for verifiers that know nothing else. */
  RS256("RS256");

  private final String jwa;

  Algorithm(String jwa) {
    this.jwa = jwa;
  }

  /** Its name in a JWS header. */
  String jwa() {
    return jwa;
  }
}
