package io.apprxy.auth.oidc;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.cluster.SharedState;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Security event tokens (RFC 8417) of one issuer, of which logout tokens are a kind: believed if
 * they are signed by its keys, for us, fresh, and new. Thread-safe; may block for keys.
 */
final class SecurityEventTokens {
  private static final int MAX_ID = 512;

  private final String issuer;
  private final Set<JWSAlgorithm> algorithms;
  private final JWKSource<SecurityContext> keys;
  private final Clock clock;
  private final Duration skew;
  private final Duration maxAge;

  /**
   * @param maxAge how long a token may be under way, and so how long its id must be remembered
   */
  SecurityEventTokens(
      String issuer,
      Set<JWSAlgorithm> algorithms,
      JWKSource<SecurityContext> keys,
      Clock clock,
      Duration skew,
      Duration maxAge) {
    this.issuer = issuer;
    this.algorithms = algorithms;
    this.keys = keys;
    this.clock = clock;
    this.skew = skew;
    this.maxAge = maxAge;
  }

  /**
   * A genuine token.
   *
   * @param issuedAt by the issuer's clock
   * @param events what happened, by the URI of its kind
   */
  record Token(
      String id,
      Instant issuedAt,
      Instant remembered,
      Map<String, Map<String, Object>> events,
      JWTClaimsSet claims) {

    /** The text of a claim, or null if there is none. */
    @Nullable String text(String claim) {
      Object value = claims.getClaim(claim);
      if (value == null) {
        return null;
      }
      if (!(value instanceof String text) || text.isEmpty() || text.length() > MAX_ID) {
        throw Refusal.invalid(claim + " is no text of 1 to " + MAX_ID + " characters");
      }
      return text;
    }
  }

  /**
   * The token, if it is genuine; that it is new is found out by {@link #once}.
   *
   * @param types of the header that are taken; null among them is none
   * @param audiences who we are: one of which it must be for
   * @throws Refusal if it is not
   * @throws GatewayException {@link ErrorCode#PROVIDER_UNAVAILABLE} if that cannot be found out
   */
  Token verify(SignedJWT token, Set<@Nullable JOSEObjectType> types, Collection<String> audiences) {
    checkHeader(token.getHeader());
    DefaultJWTProcessor<SecurityContext> processor = new ProviderKeys(algorithms, keys).processor();
    processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(types));
    processor.setJWTClaimsSetVerifier((claims, context) -> {});
    JWTClaimsSet claims;
    try {
      claims = processor.process(token, null);
    } catch (KeySourceException e) {
      throw new GatewayException(
          ErrorCode.PROVIDER_UNAVAILABLE, "the keys of " + issuer + " cannot be had", e);
    } catch (GatewayException e) {
      throw e; // the keys cannot be had, which says nothing of the token
    } catch (BadJOSEException | JOSEException | RuntimeException e) {
      throw new Refusal("invalid_key", "the signature or the type of the token is not accepted");
    }
    return check(claims, audiences);
  }

  private static void checkHeader(JWSHeader header) {
    if (header.getCriticalParams() != null && !header.getCriticalParams().isEmpty()) {
      throw Refusal.invalid("crit names what is not understood here"); // RFC 7515 §4.1.11
    }
  }

  private Token check(JWTClaimsSet claims, Collection<String> audiences) {
    if (!issuer.equals(claims.getIssuer())) {
      throw new Refusal("invalid_issuer", "it is of another issuer");
    }
    if (Collections.disjoint(claims.getAudience(), audiences)) {
      throw new Refusal("invalid_audience", "it is for somebody else");
    }
    if (claims.getClaims().containsKey("nonce")) {
      throw Refusal.invalid("it has a nonce, as an ID token has");
    }
    Instant now = clock.instant();
    Instant issued = time(claims, "iat");
    if (issued == null || issued.isAfter(now.plus(skew))) {
      throw Refusal.invalid("iat is missing, or in the future");
    }
    Instant end = issued.plus(maxAge);
    Instant expires = time(claims, "exp");
    if (expires != null && expires.isBefore(end)) {
      end = expires;
    }
    Instant remembered = end.plus(skew);
    if (!now.isBefore(remembered)) {
      throw Refusal.invalid("it has expired");
    }
    Instant notBefore = time(claims, "nbf");
    if (notBefore != null && notBefore.isAfter(now.plus(skew))) {
      throw Refusal.invalid("it is not valid yet");
    }
    String id = claims.getJWTID();
    if (id == null || id.isEmpty() || id.length() > MAX_ID) {
      throw Refusal.invalid("jti is missing, or too long");
    }
    return new Token(id, issued, remembered, events(claims), claims);
  }

  private static @Nullable Instant time(JWTClaimsSet claims, String name) {
    try {
      Date time = claims.getDateClaim(name);
      return time == null ? null : time.toInstant();
    } catch (ParseException e) {
      throw Refusal.invalid(name + " is no time");
    }
  }

  private static Map<String, Map<String, Object>> events(JWTClaimsSet claims) {
    if (!(claims.getClaim("events") instanceof Map<?, ?> events) || events.isEmpty()) {
      throw Refusal.invalid("it has no events");
    }
    Map<String, Map<String, Object>> all = new LinkedHashMap<>();
    events.forEach((kind, event) -> all.put(String.valueOf(kind), members(event)));
    return all;
  }

  @SuppressWarnings("unchecked") // an object of JSON
  private static Map<String, Object> members(@Nullable Object event) {
    if (!(event instanceof Map<?, ?> members)) {
      throw Refusal.invalid("an event is no object");
    }
    return (Map<String, Object>) members;
  }

  /**
   * Does what a token says, if no gateway has done so before. It is remembered once it is done:
   * what failed, wherever, may be said again; of two that come at the same time both may do it,
   * which ends no more than one would.
   *
   * @param replayed what to complete with if it was done
   */
  <T> CompletionStage<T> once(
      SharedState state, Token token, Supplier<CompletionStage<T>> act, Supplier<T> replayed) {
    String key = "set/" + hash(issuer + ' ' + token.id());
    Duration left = Duration.between(clock.instant(), token.remembered()).plusSeconds(1);
    return state
        .get(key)
        .toCompletableFuture()
        .copy()
        .orTimeout(5, TimeUnit.SECONDS)
        .thenCompose(
            there -> {
              if (there != null) {
                return CompletableFuture.completedFuture(replayed.get());
              }
              return act.get()
                  .thenCompose(done -> state.put(key, "done", left).handle((put, failed) -> done));
            });
  }

  /** The token, and who it says that it is of: to be believed once it is verified. */
  static SignedJWT parse(String text) {
    try {
      SignedJWT token = SignedJWT.parse(text);
      Objects.requireNonNull(token.getJWTClaimsSet());
      return token;
    } catch (ParseException | RuntimeException e) {
      throw Refusal.invalid("it is no signed token");
    }
  }

  static @Nullable String issuer(SignedJWT token) {
    try {
      return token.getJWTClaimsSet().getIssuer();
    } catch (ParseException e) {
      throw Refusal.invalid("it is no signed token");
    }
  }

  private static String hash(String text) {
    return HexFormat.of().formatHex(sha256(text));
  }

  static byte[] sha256(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
