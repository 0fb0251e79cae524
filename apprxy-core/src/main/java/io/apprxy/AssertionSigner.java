package io.apprxy;

/**
 * Signs who a request is made for, so that an origin need not believe mere headers. It stands in
 * the gateway, also for origins that connectors reach: a connector passes on what the gateway
 * signed, and has no key, so that one that was broken into cannot make up users.
 *
 * <p>Called on an I/O thread by many requests at once: thread-safe, and never blocking longer than
 * a signature takes. A throw refuses the request.
 */
public interface AssertionSigner {
  /** Where the gateway serves {@link #publicKeys()}, on every host, to everybody. */
  String KEYS_PATH = Exchange.RESERVED_PREFIX + "jwks.json";

  /**
   * A JWT that tells the identity to the origin of the application, as its {@link
   * Application.SignedAssertion} says.
   */
  String sign(Identity identity, Application application);

  /** The keys that origins verify with: a JWK set (RFC 7517 §5). */
  String publicKeys();
}
