package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.crypto.factories.DefaultJWSVerifierFactory;
import com.nimbusds.jose.jwk.JWKMatcher;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.security.Key;
import java.security.PublicKey;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The keys a token may be signed with: of the provider, and fit for an algorithm of the allow-list;
 * never one that the token brings along. Thread-safe; may block for keys.
 */
final class ProviderKeys extends JWSVerificationKeySelector<SecurityContext> {
  private static final DefaultJWSVerifierFactory OTHERS = new DefaultJWSVerifierFactory();

  private final JWKSource<SecurityContext> keys;

  ProviderKeys(Set<JWSAlgorithm> algorithms, JWKSource<SecurityContext> keys) {
    super(algorithms, keys);
    this.keys = keys;
  }

  /** Verifies signatures, and leaves type and claims to its caller. */
  DefaultJWTProcessor<SecurityContext> processor() {
    DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
    processor.setJWSKeySelector(this);
    processor.setJWSVerifierFactory(
        new DefaultJWSVerifierFactory() {
          @Override
          public JWSVerifier createJWSVerifier(JWSHeader header, Key key) throws JOSEException {
            return verifier(header, (PublicKey) key);
          }
        });
    return processor;
  }

  /** What verifies a signature with this key. */
  static JWSVerifier verifier(JWSHeader header, PublicKey key) throws JOSEException {
    return Ed25519.ALGORITHMS.contains(header.getAlgorithm())
        ? new Ed25519(key)
        : OTHERS.createJWSVerifier(header, key);
  }

  @Override
  public List<Key> selectJWSKeys(JWSHeader header, @Nullable SecurityContext context)
      throws KeySourceException {
    if (!isAllowed(header.getAlgorithm()) || !Ed25519.ALGORITHMS.contains(header.getAlgorithm())) {
      return super.selectJWSKeys(header, context);
    }
    // Nimbus leaves keys of this kind out, as it has no Java form for them.
    return keys.get(new JWKSelector(JWKMatcher.forJWSHeader(header)), context).stream()
        .filter(OctetKeyPair.class::isInstance)
        .map(OctetKeyPair.class::cast)
        .filter(Ed25519::isKey)
        .<Key>map(Ed25519::toPublicKey)
        .toList();
  }
}
