package io.apprxy.auth.sso;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKMatcher;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.jwk.source.RateLimitReachedException;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URL;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Verifies, in an origin, what a gateway signed with {@link SignedAssertions}. Servlet applications
 * have {@code VerifiedIdentityFilter} for it. Thread-safe; may block for the gateway's keys.
 *
 * <p>Keys are fetched when they are first needed, again every five minutes, and for an id that is
 * unknown, but no more than twice in half a minute. While the gateway cannot be reached, those that
 * are known serve for ten minutes more.
 */
public final class AssertionVerifier {
  private static final Duration KEYS_LIFETIME = Duration.ofMinutes(5);
  private static final Duration KEYS_OUTAGE = Duration.ofMinutes(10);
  private static final Duration KEYS_INTERVAL = Duration.ofSeconds(30);
  private static final Duration LONGEST_LIFE = Duration.ofSeconds(60);
  private static final int MAX_LENGTH = 16 * 1024;

  /** What is told by the identity itself, or concerns the assertion only. */
  private static final Set<String> NO_CLAIMS =
      Set.of("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "auth_time", "idp");

  private final Builder settings;
  private final JWKSource<SecurityContext> keys;

  /** By the whole assertion, so that one is verified once. */
  private final Cache<String, Verified> verified;

  private record Verified(Identity identity, Instant from, Instant until) {}

  private AssertionVerifier(Builder settings, URL keys) {
    this.settings = settings;
    this.keys =
        JWKSourceBuilder.<SecurityContext>create(
                keys, new KeysHttp(settings.trust, settings.timeout))
            .cache(KEYS_LIFETIME.toMillis(), settings.timeout.toMillis())
            .refreshAheadCache(false) // would start threads of its own
            .rateLimited(KEYS_INTERVAL.toMillis())
            .outageTolerant(KEYS_OUTAGE.toMillis())
            .build();
    this.verified =
        Caffeine.newBuilder()
            .maximumSize(10_000)
            .expireAfterWrite(LONGEST_LIFE.plus(settings.clockSkew.multipliedBy(2)))
            .build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * Who the gateway vouches for.
   *
   * @param assertion the value of the header; null if there is none
   * @throws GatewayException {@link ErrorCode#NOT_VOUCHED_FOR} unless everything about it is right,
   *     {@link ErrorCode#GATEWAY_KEYS_UNAVAILABLE} if that cannot be found out now
   */
  public Identity verify(@Nullable String assertion) {
    if (assertion == null || assertion.length() > MAX_LENGTH) {
      throw refused("an assertion must be there, and no longer than " + MAX_LENGTH);
    }
    Instant now = settings.clock.instant();
    Verified known = verified.getIfPresent(assertion);
    if (known == null) {
      known = check(assertion);
      verified.put(assertion, known);
    }
    if (known.from().isAfter(now)) {
      throw refused("the assertion comes from the future; compare the clocks");
    }
    if (!known.until().isAfter(now)) {
      throw refused("the assertion has expired; compare the clocks");
    }
    return known.identity();
  }

  private Verified check(String assertion) {
    try {
      SignedJWT jwt = SignedJWT.parse(assertion);
      JWK key = key(jwt.getHeader());
      Algorithm algorithm = KeyForms.algorithmOf(key);
      if (algorithm == null || !algorithm.jwa().equals(jwt.getHeader().getAlgorithm().getName())) {
        throw refused("the assertion is not signed as its key demands");
      }
      if (!KeyForms.verify(algorithm, key, jwt.getSigningInput(), jwt.getSignature())) {
        throw refused("the signature of the assertion is wrong");
      }
      return read(jwt.getJWTClaimsSet());
    } catch (GatewayException e) {
      throw e;
    } catch (ParseException | RuntimeException e) { // values, too, that no time and no identity has
      throw new GatewayException(ErrorCode.NOT_VOUCHED_FOR, "the assertion cannot be read", e);
    }
  }

  private JWK key(JWSHeader header) {
    // RFC 7515 §4.1.11: what is critical is not understood here.
    if (header.getKeyID() == null
        || header.getCriticalParams() != null
        || !(header.getType() == null || JOSEObjectType.JWT.equals(header.getType()))) {
      throw refused("the header of the assertion is not as it should be");
    }
    JWKSelector wanted = new JWKSelector(new JWKMatcher.Builder().keyID(header.getKeyID()).build());
    try {
      List<JWK> found = keys.get(wanted, null);
      if (found.size() != 1) {
        throw refused("the assertion is signed with an unknown key");
      }
      return found.get(0);
    } catch (RateLimitReachedException e) {
      throw new GatewayException(
          ErrorCode.NOT_VOUCHED_FOR, "unknown keys are asked for too often", e);
    } catch (KeySourceException e) {
      throw new GatewayException(
          ErrorCode.GATEWAY_KEYS_UNAVAILABLE, "the gateway's keys cannot be had", e);
    }
  }

  private Verified read(JWTClaimsSet claims) throws ParseException {
    Date issued = claims.getIssueTime();
    Date expires = claims.getExpirationTime();
    if (!settings.issuer.equals(claims.getIssuer())
        || !claims.getAudience().equals(List.of(settings.audience))
        || issued == null
        || expires == null) {
      throw refused("the assertion is of another issuer or for another audience, or has no times");
    }
    if (Duration.between(issued.toInstant(), expires.toInstant()).compareTo(LONGEST_LIFE) > 0) {
      throw refused("the assertion lives too long");
    }
    return new Verified(
        identity(claims),
        issued.toInstant().minus(settings.clockSkew),
        expires.toInstant().plus(settings.clockSkew));
  }

  private static Identity identity(JWTClaimsSet claims) throws ParseException {
    Map<String, Object> others = new HashMap<>(claims.getClaims());
    others.keySet().removeAll(NO_CLAIMS);
    others.values().removeIf(Objects::isNull);
    return new Identity(
        required(claims.getStringClaim("idp")),
        required(claims.getSubject()),
        required(claims.getStringClaim("sid")),
        Instant.ofEpochSecond(required(claims.getLongClaim("auth_time"))),
        others);
  }

  private static <T> T required(@Nullable T claim) {
    if (claim == null) {
      throw refused("the assertion lacks a claim of the identity");
    }
    return claim;
  }

  private static GatewayException refused(String message) {
    return new GatewayException(ErrorCode.NOT_VOUCHED_FOR, message);
  }

  /** Settings. Not thread-safe. */
  public static final class Builder {
    private @Nullable URL keys;
    private String issuer = "";
    private String audience = "";
    private @Nullable SSLContext trust;
    private Duration clockSkew = Duration.ofSeconds(15);
    private Duration timeout = Duration.ofSeconds(5);
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /**
     * Where the gateway's keys are: {@code https://gateway.example.com/.apprxy/jwks.json}, on any
     * of its hosts. Required.
     *
     * @throws IllegalArgumentException unless it is an https URL; http is taken for {@code
     *     localhost}, {@code 127.x.x.x} and {@code [::1]}
     */
    public Builder keys(String url) {
      try {
        URI uri = URI.create(url);
        if (!isTrusted(uri)) {
          throw new IllegalArgumentException(
              "keys must be at an https URL (http only for loopback hosts) without user: " + url);
        }
        keys = uri.toURL();
      } catch (MalformedURLException e) {
        throw new IllegalArgumentException("keys must be at an https URL: " + url, e);
      }
      return this;
    }

    private static boolean isTrusted(URI uri) {
      String host = uri.getHost();
      if (host == null || uri.getRawUserInfo() != null || uri.getRawFragment() != null) {
        return false;
      }
      return "https".equalsIgnoreCase(uri.getScheme())
          || ("http".equalsIgnoreCase(uri.getScheme())
              && (host.equalsIgnoreCase("localhost")
                  || host.equals("[::1]")
                  || host.matches("127(\\.[0-9]{1,3}){3}")));
    }

    /**
     * The gateway's name, as in {@link SignedAssertions.Builder#issuer}. Required.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder issuer(String name) {
      issuer = notBlank("issuer", name);
      return this;
    }

    /**
     * Whom assertions must be for: the id of this application in the gateway, unless another was
     * configured there. Required.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder audience(String name) {
      audience = notBlank("audience", name);
      return this;
    }

    private static String notBlank(String setting, String value) {
      if (value.isBlank()) {
        throw new IllegalArgumentException(setting + " must not be blank");
      }
      return value;
    }

    /** Whom to trust as the gateway. Default: the JDK's certificate authorities. */
    public Builder trust(SSLContext context) {
      trust = Objects.requireNonNull(context, "context");
      return this;
    }

    /**
     * How far the gateway's clock may differ. Default: 15 s.
     *
     * @throws IllegalArgumentException unless it is from 0 to 60 s
     */
    public Builder clockSkew(Duration skew) {
      if (skew.isNegative() || skew.compareTo(Duration.ofSeconds(60)) > 0) {
        throw new IllegalArgumentException("clockSkew must be from 0 to 60 s: " + skew);
      }
      clockSkew = skew;
      return this;
    }

    /**
     * How long fetching the keys may take. Default: 5 s.
     *
     * @throws IllegalArgumentException unless it is from 1 ms to 1 minute
     */
    public Builder timeout(Duration wait) {
      if (wait.toMillis() < 1 || wait.compareTo(Duration.ofMinutes(1)) > 0) {
        throw new IllegalArgumentException("timeout must be from 1 ms to 1 minute: " + wait);
      }
      timeout = wait;
      return this;
    }

    /** The time. Default: the system's. */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The verifier, which opens no connection yet.
     *
     * @throws IllegalStateException if keys, issuer or audience is missing
     */
    public AssertionVerifier build() {
      if (keys == null || issuer.isEmpty() || audience.isEmpty()) {
        throw new IllegalStateException("keys, issuer and audience are required");
      }
      return new AssertionVerifier(this, keys);
    }
  }
}
