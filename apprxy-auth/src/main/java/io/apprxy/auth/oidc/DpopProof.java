package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.jwk.AsymmetricJWK;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.text.ParseException;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The proof that a client has the key which its token is bound to (RFC 9449 §4.3), for one request.
 * Immutable.
 *
 * @param jkt the thumbprint of the key (RFC 7638, SHA-256)
 * @param jti what tells the proof from others of this key
 * @param nonce what the server gave the client before, or null
 */
record DpopProof(String jkt, String jti, @Nullable String nonce) {
  static final List<String> ALGORITHM_NAMES =
      List.of("ES256", "ES384", "ES512", "PS256", "RS256", "EdDSA");

  private static final List<JWSAlgorithm> ALGORITHMS =
      ALGORITHM_NAMES.stream().map(JWSAlgorithm::parse).toList();

  private static final JOSEObjectType TYPE = new JOSEObjectType("dpop+jwt");
  private static final int MAX_LENGTH = 8 * 1024;
  private static final int MAX_ID_LENGTH = 256;
  private static final int MAX_RSA_BITS = 4096; // beyond, the verification costs us too much
  private static final int MAX_EXPONENT_BITS = 32; // likewise; 65537 is what everybody has

  /** How old a proof may be, and how far a client's clock may be ahead. */
  private static final Duration AGE = Duration.ofMinutes(2);

  private static final Duration AHEAD = Duration.ofSeconds(30);

  /** For how long a proof that was used must be known. */
  static final Duration LIFETIME = AGE.plus(AHEAD).plusSeconds(1);

  /**
   * The proof of a request.
   *
   * @param tokenDigest SHA-256 of the access token, in base64url
   * @param jkt the thumbprint of the key that the token is bound to
   * @throws GatewayException {@link ErrorCode#ACCESS_TOKEN_REFUSED} if there is none, or it is not
   *     one for this request and token; whether it was used before is not looked at
   */
  static DpopProof of(Exchange exchange, String tokenDigest, String jkt, Instant now) {
    List<String> headers = exchange.headers("DPoP");
    if (headers.size() != 1 || headers.get(0).length() > MAX_LENGTH) {
      throw refused("there is not exactly one proof");
    }
    try {
      SignedJWT proof = SignedJWT.parse(headers.get(0));
      JWSHeader header = proof.getHeader();
      JWK key = key(header);
      // First, so that nobody makes us verify by a key of his choice.
      if (!isEqual(key.computeThumbprint().toString(), jkt)) {
        throw refused("the proof is of another key than the token's");
      }
      if (!proof.verify(ProviderKeys.verifier(header, publicKey(key)))) {
        throw refused("the signature of the proof is wrong");
      }
      JWTClaimsSet claims = proof.getJWTClaimsSet();
      check(claims, exchange, tokenDigest, now);
      return new DpopProof(jkt, claims.getJWTID(), claims.getStringClaim("nonce"));
    } catch (ParseException | JOSEException | RuntimeException e) {
      throw e instanceof GatewayException known
          ? known
          : new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, "the proof cannot be read", e);
    }
  }

  /** The key that the proof brings along: public, and of an algorithm that proves possession. */
  private static JWK key(JWSHeader header) {
    JWK key = header.getJWK();
    if (!TYPE.equals(header.getType())
        || !ALGORITHMS.contains(header.getAlgorithm())
        || header.getCriticalParams() != null
        || key == null
        || key.isPrivate()) {
      throw refused("the proof is of no known type or algorithm, or has no public key");
    }
    if (key instanceof RSAKey rsa && (rsa.size() < 2048 || rsa.size() > MAX_RSA_BITS)) {
      throw refused("an RSA key has 2048 to " + MAX_RSA_BITS + " bits");
    }
    if (key instanceof RSAKey rsa
        && rsa.getPublicExponent().decodeToBigInteger().bitLength() > MAX_EXPONENT_BITS) {
      throw refused("the exponent of an RSA key has " + MAX_EXPONENT_BITS + " bits at most");
    }
    return key;
  }

  private static PublicKey publicKey(JWK key) throws JOSEException {
    if (key instanceof OctetKeyPair pair && Ed25519.isKey(pair)) {
      return Ed25519.toPublicKey(pair);
    }
    if (key instanceof AsymmetricJWK asymmetric) {
      return asymmetric.toPublicKey();
    }
    throw refused("the key of the proof is of no known kind");
  }

  private static void check(JWTClaimsSet claims, Exchange exchange, String tokenDigest, Instant now)
      throws ParseException {
    String jti = claims.getJWTID();
    if (jti == null || jti.isEmpty() || jti.length() > MAX_ID_LENGTH) {
      throw refused("jti has 1 to " + MAX_ID_LENGTH + " characters");
    }
    if (!exchange.method().equals(claims.getStringClaim("htm"))) {
      throw refused("htm is another method");
    }
    if (!isTarget(claims.getStringClaim("htu"), exchange)) {
      throw refused("htu is another address");
    }
    Date issued = claims.getIssueTime();
    if (issued == null
        || issued.toInstant().isBefore(now.minus(AGE))
        || issued.toInstant().isAfter(now.plus(AHEAD))) {
      throw refused("iat is too old, or in the future");
    }
    String hash = claims.getStringClaim("ath");
    if (hash == null || !isEqual(hash, tokenDigest)) {
      throw refused("ath is the hash of another token");
    }
  }

  /** Without query and fragment (§4.3, 9); scheme and host in any case, no default port. */
  private static boolean isTarget(@Nullable String htu, Exchange exchange) {
    if (htu == null) {
      return false;
    }
    try {
      URI uri = URI.create(htu);
      String scheme = uri.getScheme();
      String host = uri.getHost();
      if (scheme == null || host == null || uri.getRawUserInfo() != null) {
        return false;
      }
      boolean defaultPort =
          uri.getPort() == (scheme.equalsIgnoreCase("https") ? 443 : 80) || uri.getPort() < 0;
      String path = uri.getRawPath().isEmpty() ? "/" : uri.getRawPath();
      String plain =
          scheme.toLowerCase(Locale.ROOT)
              + "://"
              + host.toLowerCase(Locale.ROOT)
              + (defaultPort ? "" : ":" + uri.getPort())
              + path;
      return plain.equals(exchange.origin() + exchange.path());
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  static boolean isEqual(String one, String other) {
    return MessageDigest.isEqual(
        one.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8));
  }

  private static GatewayException refused(String reason) {
    return new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, reason);
  }
}
