package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Expiry;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import io.apprxy.Application;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.OriginToken;
import io.apprxy.OriginToken.Grant;
import io.apprxy.auth.oidc.PresentedToken.Scheme;
import io.apprxy.auth.oidc.RefreshTokens.AccessTokenOfSession;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The access tokens that origins get of users: each is asked for once, by all requests that need it
 * at the time, and kept until shortly before it ends, or the session does. Thread-safe; never
 * blocks.
 */
final class OriginTokens {
  private static final int MAX_KNOWN = 20_000;

  /** How long a session's own token is believed to be the newest, once it is due. */
  private static final Duration GLANCE = Duration.ofSeconds(5);

  /** What failed, or was refused, is not asked at once again. */
  private static final Duration FAILED = Duration.ofSeconds(5);

  /** A page that refuses every token must not have a new one fetched each time. */
  private static final Duration RENEWAL = Duration.ofSeconds(30);

  private final RefreshTokens refreshTokens;
  private final Executor workers;
  private final Clock clock;
  private final AsyncCache<Key, Known> known;
  private final Cache<Key, Boolean> renewals;

  /**
   * @param holder the session, or the digest of the token that the client sent
   */
  private record Key(String holder, String application, OriginToken wanted) {}

  /**
   * A token, or why there is none; neither if there is none without a new sign-in.
   *
   * @param until when to ask again
   */
  private record Known(
      Identity identity,
      @Nullable String token,
      @Nullable GatewayException failure,
      Instant until) {
    @Override
    public String toString() {
      return "token of " + identity;
    }
  }

  OriginTokens(RefreshTokens refreshTokens, Executor workers, Clock clock) {
    this.refreshTokens = refreshTokens;
    this.workers = workers;
    this.clock = clock;
    this.known =
        Caffeine.newBuilder()
            .maximumSize(MAX_KNOWN)
            .expireAfter(Expiry.<Key, Known>creating((key, found) -> left(found.until())))
            .ticker(() -> TimeUnit.MILLISECONDS.toNanos(clock.millis()))
            .executor(Runnable::run)
            .buildAsync();
    this.renewals = Caffeine.newBuilder().maximumSize(MAX_KNOWN).expireAfterWrite(RENEWAL).build();
  }

  private Duration left(Instant until) {
    Duration left = Duration.between(clock.instant(), until);
    return left.isNegative() ? Duration.ZERO : left;
  }

  /**
   * The token of whom the request is made for; null if they have to sign in again first.
   *
   * @param of who vouched for them
   */
  CompletionStage<@Nullable String> of(Exchange exchange, Discovery of) {
    Identity identity = Objects.requireNonNull(exchange.identity());
    PresentedToken presented = presented(exchange);
    Key key = key(exchange, presented);
    if (presented != null
        && presented.scheme() == Scheme.DPOP
        && key.wanted().grant() == Grant.USER_ACCESS_TOKEN) {
      throw new GatewayException(
          ErrorCode.SIGN_ON_FAILED,
          "a token that is bound to its client's key is of no use to others");
    }
    return known
        .get(
            key,
            (next, pool) ->
                ask(next, identity, presented, of)
                    .exceptionally(failed -> failed(identity, Workers.cause(failed))))
        .thenApply(
            found -> {
              if (found.failure() != null) {
                throw found.failure();
              }
              return found.token();
            });
  }

  private static @Nullable PresentedToken presented(Exchange exchange) {
    return exchange.application().bearerTokens() == null ? null : PresentedToken.of(exchange);
  }

  private static Key key(Exchange exchange, @Nullable PresentedToken presented) {
    Application application = exchange.application();
    String holder =
        presented == null
            ? "session " + Objects.requireNonNull(exchange.identity()).sessionId()
            : "token " + AccessTokens.digest(presented.token().getBytes(StandardCharsets.US_ASCII));
    return new Key(
        holder, application.id(), Objects.requireNonNull(application.singleSignOn().token()));
  }

  private Known failed(Identity identity, Throwable cause) {
    GatewayException failure =
        cause instanceof GatewayException one
            ? one
            : new GatewayException(
                ErrorCode.PROVIDER_UNAVAILABLE, "no token for the origin in time", cause);
    return new Known(identity, null, failure, clock.instant().plus(FAILED));
  }

  private CompletableFuture<Known> ask(
      Key key, Identity identity, @Nullable PresentedToken presented, Discovery of) {
    if (presented != null) {
      return forOrigin(key, identity, presented.token(), clock.instant().plus(GLANCE), of);
    }
    return refreshTokens
        .accessToken(identity)
        .toCompletableFuture()
        .orTimeout(of.settings().timeout().toMillis(), TimeUnit.MILLISECONDS)
        .thenCompose(
            own ->
                own == null || !clock.instant().isBefore(own.ends())
                    ? CompletableFuture.completedFuture(
                        new Known(identity, null, null, Instant.EPOCH))
                    : forOrigin(key, identity, own.value(), newest(own), of));
  }

  /** Once it is due there will be another soon. */
  private Instant newest(AccessTokenOfSession own) {
    Instant soon = clock.instant().plus(GLANCE);
    Instant until = own.due().isBefore(soon) ? soon : own.due();
    return until.isBefore(own.ends()) ? until : own.ends();
  }

  private CompletableFuture<Known> forOrigin(
      Key key, Identity identity, String own, Instant ownUntil, Discovery of) {
    if (key.wanted().grant() == Grant.USER_ACCESS_TOKEN) {
      return CompletableFuture.completedFuture(new Known(identity, own, null, ownUntil));
    }
    OidcClient client = of.settings().client(key.application());
    return of.provider()
        .thenApplyAsync(provider -> provider.exchange(client, own, key.wanted()), workers)
        .orTimeout(of.settings().timeout().toMillis() * 3, TimeUnit.MILLISECONDS)
        .thenApply(token -> new Known(identity, token.getValue(), null, until(token)));
  }

  /** A little before its end: the origin's clock may be ahead. */
  private Instant until(AccessToken token) {
    Duration left = RefreshTokens.lifetime(token);
    return clock.instant().plus(left).minus(RefreshTokens.early(left));
  }

  /** An origin refused it: it may have been revoked. */
  void forget(Exchange exchange) {
    Key key = key(exchange, presented(exchange));
    if (renewals.asMap().putIfAbsent(key, true) == null) {
      known.synchronous().invalidate(key);
    }
  }

  /** Of those whose sessions have ended; what is under way as soon as it is there. */
  void forget(Predicate<Identity> ended) {
    known
        .asMap()
        .forEach(
            (key, token) -> {
              var unused =
                  token.thenAccept(
                      there -> {
                        if (ended.test(there.identity())) {
                          known.asMap().remove(key, token);
                        }
                      });
            });
  }
}
