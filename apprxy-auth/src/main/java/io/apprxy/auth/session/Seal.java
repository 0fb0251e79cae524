package io.apprxy.auth.session;

import com.nimbusds.jose.EncryptionMethod;
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWEAlgorithm;
import com.nimbusds.jose.JWEHeader;
import com.nimbusds.jose.JWEObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.DirectDecrypter;
import com.nimbusds.jose.crypto.DirectEncrypter;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Encrypts small values that a browser carries for us (JWE, RFC 7516, {@code dir} and {@code
 * A256GCM}). A value of one purpose never opens for another: the purpose stands in the protected
 * header. Thread-safe. For the engine.
 */
public final class Seal {
  private static final String EXPIRES = "exp";
  private static final int MAX_LENGTH = 32 * 1024;

  private final SessionKeys keys;
  private final JOSEObjectType purpose;
  private final Clock clock;
  private final int maxLength;

  /** Seals for one purpose. */
  public Seal(SessionKeys keys, String purpose, Clock clock) {
    this(keys, purpose, clock, MAX_LENGTH);
  }

  /**
   * Seals for one purpose.
   *
   * @param maxLength characters of what is opened at most
   */
  public Seal(SessionKeys keys, String purpose, Clock clock, int maxLength) {
    this.maxLength = maxLength;
    this.keys = keys;
    this.purpose = new JOSEObjectType("apprxy-" + purpose);
    this.clock = clock;
  }

  /** The sealed form of these values, of use for a lifetime. */
  public String seal(Map<String, Object> values, Duration lifetime) {
    SessionKeys.Key key = keys.newest();
    JWEHeader header =
        new JWEHeader.Builder(JWEAlgorithm.DIR, EncryptionMethod.A256GCM)
            .keyID(key.id())
            .type(purpose)
            .build();
    Map<String, Object> all = new HashMap<>(values);
    all.put(EXPIRES, clock.instant().plus(lifetime).getEpochSecond());
    JWEObject sealed = new JWEObject(header, new Payload(all));
    try {
      sealed.encrypt(new DirectEncrypter(key.secret()));
    } catch (JOSEException e) {
      throw new IllegalStateException("this JVM cannot encrypt with A256GCM", e);
    }
    return sealed.serialize();
  }

  /**
   * RFC 7516 §3.1. The parser skips other characters, and so would take countless texts for one;
   * caches by text could be filled with them.
   */
  private static boolean isCompact(String sealed) {
    for (int i = 0; i < sealed.length(); i++) {
      char c = sealed.charAt(i);
      boolean known =
          (c >= 'a' && c <= 'z')
              || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9')
              || c == '-'
              || c == '_'
              || c == '.';
      if (!known) {
        return false;
      }
    }
    return true;
  }

  /**
   * What was sealed; null if it was not sealed by one of our keys for this purpose, or has expired.
   * Throws nothing.
   */
  public @Nullable Map<String, Object> open(String sealed) {
    if (sealed.length() > maxLength || !isCompact(sealed)) {
      return null;
    }
    try {
      JWEObject object = JWEObject.parse(sealed);
      JWEHeader header = object.getHeader();
      SessionKeys.Key key = keys.find(header.getKeyID());
      if (key == null
          || !JWEAlgorithm.DIR.equals(header.getAlgorithm())
          || !EncryptionMethod.A256GCM.equals(header.getEncryptionMethod())
          || !purpose.equals(header.getType())
          || header.getCompressionAlgorithm() != null) {
        return null;
      }
      object.decrypt(new DirectDecrypter(key.secret()));
      Map<String, Object> values = object.getPayload().toJSONObject();
      return values != null
              && values.get(EXPIRES) instanceof Number expires
              && expires.longValue() > clock.instant().getEpochSecond()
          ? values
          : null;
    } catch (ParseException | JOSEException | RuntimeException e) {
      return null; // Whatever a client made up: it is not ours.
    }
  }
}
