package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.auth.session.Seal;
import io.apprxy.auth.session.Sessions;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * The sign-ins that are under way. The gateway keeps none of them: a browser has one cookie with a
 * random secret, however many of its tabs sign in at once, and each sign-in is a sealed {@code
 * state} that names the secret by its hash. Code verifier and nonce are derived from the secret, so
 * neither they nor anything that leads to them is ever in a URL. Thread-safe.
 */
final class Logins {
  private static final String COOKIE = "__Host-apprxy-login";
  private static final String ATTRIBUTES = "; Path=/; Secure; HttpOnly; SameSite=Lax";
  static final Duration LIFETIME = Duration.ofMinutes(15);
  private static final int SECRET_BYTES = 32;

  /** One that is dropped early still meets the provider's own check of codes. */
  private static final int MAX_USED = 100_000;

  private static final Base64.Encoder BASE64 = Base64.getUrlEncoder().withoutPadding();

  private final Clock clock;
  private final SecureRandom random = new SecureRandom();
  private final Seal cookies;
  private final Seal states;
  private final Cache<String, Boolean> used;

  Logins(Sessions sessions) {
    this.clock = sessions.clock();
    this.cookies = new Seal(sessions.keys(), "login", clock);
    this.states = new Seal(sessions.keys(), "state", clock);
    this.used =
        Caffeine.newBuilder()
            .maximumSize(MAX_USED)
            .expireAfterWrite(LIFETIME.plusMinutes(1))
            .ticker(() -> TimeUnit.MILLISECONDS.toNanos(clock.millis()))
            .build();
  }

  /**
   * One sign-in.
   *
   * @param state for the provider to give back
   * @param browser the hash of the secret of the browser that began it
   * @param begun when it began
   */
  record Login(String id, String state, Wish wish, String browser, Instant begun) {}

  /** The secret of one browser. */
  static final class Browser {
    private final byte[] secret;

    private Browser(byte[] secret) {
      this.secret = secret;
    }

    /** For PKCE: 43 characters (RFC 7636 §4.1). */
    String codeVerifier(Login login) {
      return derive("pkce:" + login.id());
    }

    String nonce(Login login) {
      return derive("nonce:" + login.id());
    }

    boolean began(Login login) {
      return is(login.browser());
    }

    /** Whether this is the browser of a {@link #hash}. */
    boolean is(String hash) {
      return MessageDigest.isEqual(
          hash().getBytes(StandardCharsets.US_ASCII), hash.getBytes(StandardCharsets.US_ASCII));
    }

    String hash() {
      try {
        return BASE64.encodeToString(MessageDigest.getInstance("SHA-256").digest(secret));
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException("every JDK has SHA-256", e);
      }
    }

    private String derive(String purpose) {
      try {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret, "HmacSHA256"));
        return BASE64.encodeToString(mac.doFinal(purpose.getBytes(StandardCharsets.US_ASCII)));
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException("every JDK has HmacSHA256", e);
      }
    }
  }

  /**
   * The browser that sends a request, by its cookie; null if it has none, or one that is expired or
   * not genuine.
   */
  @Nullable Browser browser(Exchange exchange) {
    String cookie = exchange.cookie(COOKIE);
    Map<String, Object> claims = cookie == null ? null : cookies.open(cookie);
    return claims != null && claims.get("secret") instanceof String secret
        ? new Browser(Base64.getUrlDecoder().decode(secret))
        : null;
  }

  /**
   * The browser as above, or with a new secret; either way it gets the cookie for the full time.
   */
  Browser remember(Exchange exchange) {
    Browser known = browser(exchange);
    Browser browser = known == null ? new Browser(randomBytes(SECRET_BYTES)) : known;
    String cookie = cookies.seal(Map.of("secret", BASE64.encodeToString(browser.secret)), LIFETIME);
    exchange.addResponseHeader(
        "Set-Cookie", COOKIE + "=" + cookie + "; Max-Age=" + LIFETIME.toSeconds() + ATTRIBUTES);
    return browser;
  }

  void forget(Exchange exchange) {
    exchange.addResponseHeader("Set-Cookie", COOKIE + "=; Max-Age=0" + ATTRIBUTES);
  }

  Login begin(Exchange exchange, Browser browser, Wish wish) {
    String id = BASE64.encodeToString(randomBytes(16));
    Instant now = clock.instant();
    Map<String, Object> claims = wish.toClaims();
    claims.put("id", id);
    claims.put("browser", browser.hash());
    claims.put("authority", exchange.authority());
    claims.put("begun", now.getEpochSecond());
    return new Login(id, states.seal(claims, LIFETIME), wish, browser.hash(), now);
  }

  /**
   * The sign-in that a state stands for.
   *
   * @throws GatewayException if the state is not genuine, is expired, or was made on another host
   */
  Login open(Exchange exchange, @Nullable String state) {
    Map<String, Object> claims = state == null ? null : states.open(state);
    Wish wish = claims == null ? null : Wish.fromClaims(claims);
    if (state == null
        || claims == null
        || wish == null
        || !(claims.get("id") instanceof String id)
        || !(claims.get("browser") instanceof String browser)
        || !(claims.get("begun") instanceof Number begun)) {
      throw new GatewayException(
          ErrorCode.SIGN_IN_FAILED, "the state is missing, expired or not genuine");
    }
    if (!exchange.authority().equals(claims.get("authority"))) {
      throw new GatewayException(ErrorCode.SIGN_IN_FAILED, "the state was made on another host");
    }
    return new Login(id, state, wish, browser, Instant.ofEpochSecond(begun.longValue()));
  }

  /** Marks a sign-in as used; false if it was already. */
  boolean use(Login login) {
    return used.asMap().putIfAbsent(login.id(), Boolean.TRUE) == null;
  }

  private byte[] randomBytes(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }
}
