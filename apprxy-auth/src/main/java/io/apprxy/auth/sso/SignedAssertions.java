package io.apprxy.auth.sso;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jwt.JWTClaimsSet;
import io.apprxy.Application;
import io.apprxy.Application.SignedAssertion;
import io.apprxy.AssertionSigner;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Signs JWTs for origins. Each has {@code iss}, {@code aud}, {@code iat}, {@code exp}, {@code jti};
 * of the user {@code sub} and {@code idp}, which is the issuer that {@code sub} is unique within;
 * {@code sid}, {@code auth_time}, and {@code acr} and {@code amr} if the provider tells them; and
 * the claims that the application's {@link SignedAssertion} names. Thread-safe.
 *
 * <p>A signature costs more than the rest of a request, so one assertion serves all requests of a
 * session to an application while it is fresh, which is two thirds of its lifetime. It can outlive
 * its session by no more than that lifetime.
 */
public final class SignedAssertions implements AssertionSigner {
  private static final Duration LONGEST = Duration.ofSeconds(60);

  /** Servers take headers of 8 KiB in all, many of them by default; some could take no more. */
  private static final int MAX_LENGTH = 16 * 1024;

  private static final List<String> ALWAYS = List.of("acr", "amr");

  private final String issuer;
  private final AssertionKeys keys;
  private final Duration lifetime;
  private final Clock clock;
  private final Cache<Key, Issued> fresh;

  private record Key(String session, String application) {}

  /** An assertion, and all that it was made from. */
  private record Issued(
      String token, Identity identity, SignedAssertion settings, String keyId, Instant at) {
    boolean isOf(Identity who, SignedAssertion what, AssertionKeys.Key with) {
      return keyId.equals(with.jwk().getKeyID()) && identity.equals(who) && settings.equals(what);
    }
  }

  private SignedAssertions(Builder settings, String issuer) {
    this.issuer = issuer;
    this.keys = settings.keys == null ? AssertionKeys.generate() : settings.keys;
    this.lifetime = settings.lifetime;
    this.clock = settings.clock;
    this.fresh =
        Caffeine.newBuilder().maximumSize(10_000).expireAfterWrite(settings.lifetime).build();
  }

  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String publicKeys() {
    return keys.published();
  }

  @Override
  public String sign(Identity identity, Application application) {
    SignedAssertion settings =
        Objects.requireNonNull(
            application.singleSignOn().signedAssertion(), "the application has no assertion");
    Key key = new Key(identity.sessionId(), application.id());
    AssertionKeys.Key with = keys.signing();
    Instant now = clock.instant();
    Issued issued = fresh.getIfPresent(key);
    if (issued == null || !isFresh(issued, now) || !issued.isOf(identity, settings, with)) {
      String token = token(identity, application, settings, with, now);
      issued = new Issued(token, identity, settings, with.jwk().getKeyID(), now);
      fresh.put(key, issued);
    }
    return issued.token();
  }

  /** A clock that was set back is right again now: who got an assertion then gets a new one. */
  private boolean isFresh(Issued issued, Instant now) {
    Duration age = Duration.between(issued.at(), now);
    return !age.isNegative() && age.compareTo(lifetime.multipliedBy(2).dividedBy(3)) < 0;
  }

  private String token(
      Identity identity,
      Application application,
      SignedAssertion settings,
      AssertionKeys.Key with,
      Instant now) {
    JWSHeader header =
        new JWSHeader.Builder(JWSAlgorithm.parse(with.algorithm().jwa()))
            .keyID(with.jwk().getKeyID())
            .type(JOSEObjectType.JWT)
            .build();
    String input =
        header.toBase64URL()
            + "."
            + claims(identity, application, settings, now).toPayload().toBase64URL();
    String token =
        input
            + "."
            + KeyForms.sign(
                with.algorithm(), with.secret(), input.getBytes(StandardCharsets.US_ASCII));
    if (token.length() > MAX_LENGTH) {
      throw new GatewayException(
          ErrorCode.SIGN_ON_FAILED,
          "an assertion for "
              + application.id()
              + " has more than "
              + MAX_LENGTH
              + " characters: name fewer claims");
    }
    return token;
  }

  private JWTClaimsSet claims(
      Identity identity, Application application, SignedAssertion settings, Instant now) {
    String audience = settings.audience();
    JWTClaimsSet.Builder claims = new JWTClaimsSet.Builder();
    ALWAYS.forEach(name -> claims.claim(name, identity.claims().get(name)));
    settings.claims().forEach(name -> claims.claim(name, identity.claims().get(name)));
    return claims
        .issuer(issuer)
        .audience(audience == null ? application.id() : audience)
        .issueTime(Date.from(now))
        .expirationTime(Date.from(now.plus(lifetime)))
        .jwtID(UUID.randomUUID().toString())
        .subject(identity.subject())
        .claim("idp", identity.issuer())
        .claim("sid", identity.sessionId())
        .claim("auth_time", identity.authenticatedAt().getEpochSecond())
        .build();
  }

  /** Settings. Not thread-safe. */
  public static final class Builder {
    private @Nullable String issuer;
    private @Nullable AssertionKeys keys;
    private Duration lifetime = LONGEST;
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /**
     * How the gateway names itself in {@code iss}, such as {@code https://gateway.example.com}.
     * Required. Gateways that serve the same origins have the same.
     *
     * @throws IllegalArgumentException if it is blank
     */
    public Builder issuer(String name) {
      if (name.isBlank()) {
        throw new IllegalArgumentException("issuer must not be blank");
      }
      issuer = name;
      return this;
    }

    /** What to sign with. Default: {@link AssertionKeys#generate()}. */
    public Builder keys(AssertionKeys with) {
      keys = Objects.requireNonNull(with, "with");
      return this;
    }

    /**
     * How long an assertion is good. Default: 60 s.
     *
     * @throws IllegalArgumentException unless it is from 10 to 60 s
     */
    public Builder lifetime(Duration time) {
      if (time.compareTo(Duration.ofSeconds(10)) < 0 || time.compareTo(LONGEST) > 0) {
        throw new IllegalArgumentException("lifetime must be from 10 to 60 s: " + time);
      }
      lifetime = time;
      return this;
    }

    /** The time. Default: the system's. */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The signer.
     *
     * @throws IllegalStateException if the issuer is missing
     */
    public SignedAssertions build() {
      if (issuer == null) {
        throw new IllegalStateException("issuer is missing: it is required");
      }
      return new SignedAssertions(this, issuer);
    }
  }
}
