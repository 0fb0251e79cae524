package io.apprxy;

import java.time.Duration;

/** The answer at {@link AssertionSigner#KEYS_PATH}. */
final class PublicKeys {
  /** How long a verifier may do without asking again; a new key is announced longer than that. */
  private static final Duration MAX_AGE = Duration.ofMinutes(5);

  private PublicKeys() {}

  static Response answer(String method, AssertionSigner signer) {
    if (!method.equals("GET") && !method.equals("HEAD")) {
      return Response.of(405).with("Allow", "GET, HEAD");
    }
    return Response.of(200, "application/jwk-set+json", signer.publicKeys()) // RFC 7517 §8.5.2
        .with("Cache-Control", "public, max-age=" + MAX_AGE.toSeconds())
        .with("X-Content-Type-Options", "nosniff");
  }
}
