package io.apprxy.auth.oidc;

import com.nimbusds.jose.JWSAlgorithm;
import java.net.URI;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Somebody who may tell, by events that are pushed to {@code /.apprxy/events} (OpenID Shared
 * Signals Framework 1.0, RFC 8935), what happened to users elsewhere. Immutable.
 *
 * <p>What an event does to the sessions of its subject, on all gateways, with what is open:
 *
 * <ul>
 *   <li>CAEP {@code session-revoked}, {@code token-claims-change}: they end, or the one that the
 *       subject names;
 *   <li>CAEP {@code credential-change}: all of the user's end, unless a credential was only added
 *       ({@code change_type} {@code create});
 *   <li>CAEP {@code assurance-level-change}: they end, unless the change is an {@code increase};
 *   <li>CAEP {@code device-compliance-change}: those on the device end, unless it is {@code
 *       compliant} now; of a user, also those of which the device is not known;
 *   <li>CAEP {@code risk-level-change}: they end if the level is {@code HIGH} now;
 *   <li>RISC {@code account-disabled}, {@code account-purged}, {@code
 *       account-credential-change-required}, {@code credential-compromise}, {@code
 *       sessions-revoked}, {@code identifier-changed}, {@code identifier-recycled}: all of the
 *       user's end;
 *   <li>the verification event is answered; of others nothing follows.
 * </ul>
 *
 * <p>Subjects (RFC 9493) are {@code iss_sub}, {@code email}, {@code opaque} (the {@code sub} of a
 * user, or the {@code sid} of a session), {@code aliases}, and complex ones of user, session and
 * device. An event about a subject that cannot be understood is refused, so that the transmitter
 * knows.
 */
public final class SecurityEventTransmitter {
  private final String issuer;
  private final URI jwksUri;
  private final Set<String> audiences;
  private final byte[] authorization;
  private final Set<String> speaksFor;
  private final Duration clockSkew;
  private final Duration timeout;
  private final @Nullable SSLContext trust;

  private SecurityEventTransmitter(Builder settings) {
    this.issuer = settings.issuer;
    this.jwksUri = Objects.requireNonNull(settings.jwksUri);
    this.audiences = settings.audiences;
    this.authorization = SecurityEventTokens.sha256(Objects.requireNonNull(settings.bearer));
    this.speaksFor = settings.speaksFor.isEmpty() ? Set.of(issuer) : settings.speaksFor;
    this.clockSkew = settings.clockSkew;
    this.timeout = settings.timeout;
    this.trust = settings.trust;
  }

  /**
   * A builder with the defaults.
   *
   * @param issuer the {@code iss} of its events
   * @throws IllegalArgumentException unless it is an https URL; http is taken for the loopback
   *     interface
   */
  public static Builder builder(String issuer) {
    return new Builder(issuer);
  }

  String issuer() {
    return issuer;
  }

  URI jwksUri() {
    return jwksUri;
  }

  Set<String> audiences() {
    return audiences;
  }

  Set<String> speaksFor() {
    return speaksFor;
  }

  Duration clockSkew() {
    return clockSkew;
  }

  Duration timeout() {
    return timeout;
  }

  @Nullable SSLContext trust() {
    return trust;
  }

  static Set<JWSAlgorithm> algorithms() {
    return Set.of(JWSAlgorithm.RS256, JWSAlgorithm.PS256, JWSAlgorithm.ES256, JWSAlgorithm.EdDSA);
  }

  /** Whether a request's {@code Authorization} is the transmitter's. */
  boolean isAuthorized(List<String> headers) {
    return headers.size() == 1
        && headers.get(0).regionMatches(true, 0, "Bearer ", 0, 7)
        && MessageDigest.isEqual(
            authorization, SecurityEventTokens.sha256(headers.get(0).substring(7)));
  }

  @Override
  public String toString() {
    return "SecurityEventTransmitter[" + issuer + "]";
  }

  /** Settings. Not thread-safe. Each setter checks at once. */
  public static final class Builder {
    private static final int MIN_BEARER = 16;

    private final String issuer;
    private @Nullable URI jwksUri;
    private Set<String> audiences = Set.of();
    private @Nullable String bearer;
    private Set<String> speaksFor = Set.of();
    private Duration clockSkew = Duration.ofSeconds(60);
    private Duration timeout = Duration.ofSeconds(10);
    private @Nullable SSLContext trust;

    private Builder(String issuer) {
      secure("issuer", issuer);
      this.issuer = issuer;
    }

    private static URI secure(String setting, String url) {
      URI uri;
      try {
        uri = URI.create(url);
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException(setting + " must be a URL: " + url, e);
      }
      boolean secure =
          "https".equalsIgnoreCase(uri.getScheme()) || OidcProvider.isPlainLoopback(uri);
      Settings.require(
          secure && uri.getHost() != null && uri.getRawFragment() == null,
          setting,
          url,
          "an https URL without a fragment");
      return uri;
    }

    /**
     * Where its keys are: {@code jwks_uri} of its metadata. Required.
     *
     * @throws IllegalArgumentException unless it is an https URL; http is taken for the loopback
     *     interface
     */
    public Builder jwksUri(String url) {
      jwksUri = secure("jwksUri", url);
      return this;
    }

    /** How it calls this gateway: {@code aud} of its events is one of these. Required. */
    public Builder audience(String... names) {
      Settings.require(
          names.length > 0 && List.of(names).stream().noneMatch(String::isBlank),
          "audience",
          List.of(names),
          "one or more, none blank");
      audiences = Set.of(names);
      return this;
    }

    /**
     * What it proves itself with when it pushes: {@code Authorization: Bearer …}, to be given to it
     * as the {@code authorization_header} of its stream. Required.
     *
     * @throws IllegalArgumentException if it has less than 16 characters; the message does not tell
     *     it
     */
    public Builder bearer(String secret) {
      if (secret.length() < MIN_BEARER || !secret.matches("[\\x21-\\x7E]+")) {
        throw new IllegalArgumentException(
            "bearer must be 16 or more characters of visible ASCII; this has " + secret.length());
      }
      bearer = secret;
      return this;
    }

    /**
     * The issuers of users whom it may speak of. Default: its own, as where the provider is the
     * transmitter.
     */
    public Builder speaksFor(String... issuers) {
      Settings.require(issuers.length > 0, "speaksFor", "(none)", "at least one");
      speaksFor = Set.of(issuers);
      return this;
    }

    /** Verifies its certificate. Default: the JVM's own trust. */
    public Builder trust(SSLContext context) {
      trust = Objects.requireNonNull(context, "context");
      return this;
    }

    /** How far its clock may be off, 0 to 5 minutes. Default: 60 seconds. */
    public Builder clockSkew(Duration skew) {
      Settings.require(
          !skew.isNegative() && skew.compareTo(Duration.ofMinutes(5)) <= 0,
          "clockSkew",
          skew,
          "0 to 5 minutes");
      clockSkew = skew;
      return this;
    }

    /** How long its keys may take. Default: 10 seconds. */
    public Builder timeout(Duration wait) {
      Settings.require(
          wait.toMillis() > 0 && wait.compareTo(Duration.ofMinutes(1)) <= 0,
          "timeout",
          wait,
          "more than 0, and at most a minute");
      timeout = wait;
      return this;
    }

    /**
     * The transmitter.
     *
     * @throws IllegalStateException if jwksUri, audience or bearer is missing
     */
    public SecurityEventTransmitter build() {
      if (jwksUri == null || audiences.isEmpty() || bearer == null) {
        throw new IllegalStateException(
            (jwksUri == null ? "jwksUri" : bearer == null ? "bearer" : "audience")
                + " is missing: it is required");
      }
      return new SecurityEventTransmitter(this);
    }
  }
}
