package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Expiry;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Asks providers about tokens that only they can judge (RFC 7662): once for all who wait, and again
 * after a minute. Thread-safe; never blocks.
 */
final class Introspection {
  private static final Duration ACTIVE = Duration.ofMinutes(1);
  private static final Duration INACTIVE = Duration.ofSeconds(30);

  /** So that a provider that fails is not asked by every request. */
  private static final Duration FAILED = Duration.ofSeconds(1);

  /** How long an open request goes on while its provider does not answer. */
  private static final Duration GRACE = Duration.ofMinutes(5);

  private final Executor workers;
  private final Clock clock;
  private final AsyncCache<Question, Answer> answers;

  /** Which token is meant, and who asks whom. */
  private record Question(String provider, String client, String digest) {}

  /** One of both, or neither, of a token that is not active. */
  private record Answer(@Nullable AccessToken token, @Nullable GatewayException failure) {}

  Introspection(Executor workers, Clock clock) {
    this.workers = workers;
    this.clock = clock;
    this.answers =
        Caffeine.newBuilder()
            .maximumSize(10_000)
            .expireAfter(Expiry.<Question, Answer>creating((question, answer) -> keep(answer)))
            .ticker(() -> TimeUnit.MILLISECONDS.toNanos(clock.millis()))
            .executor(Runnable::run)
            .buildAsync();
  }

  /** Never for longer than the token lives. */
  private Duration keep(Answer answer) {
    AccessToken token = answer.token();
    if (token == null) {
      return answer.failure() == null ? INACTIVE : FAILED;
    }
    Duration left = Duration.between(clock.instant(), token.expires());
    return left.compareTo(ACTIVE) > 0 ? ACTIVE : left.isNegative() ? Duration.ZERO : left;
  }

  /**
   * The token; fails with {@link ErrorCode#ACCESS_TOKEN_REFUSED} if it is not active, and with
   * another code if that cannot be found out.
   */
  CompletableFuture<AccessToken> ask(
      Discovery provider, OidcClient client, String token, String digest) {
    return answer(provider, client, token, digest)
        .thenApply(
            answer -> {
              if (answer.failure() != null) {
                throw answer.failure();
              }
              if (answer.token() == null) {
                throw new GatewayException(ErrorCode.ACCESS_TOKEN_REFUSED, "it is not active");
              }
              return answer.token();
            });
  }

  private CompletableFuture<Answer> answer(
      Discovery provider, OidcClient client, String token, String digest) {
    return answers.get(
        new Question(provider.settings().name(), client.id().getValue(), digest),
        (question, executor) ->
            provider
                .provider()
                .thenApplyAsync(
                    one -> new Answer(one.introspect(client, token, digest), null), workers)
                .orTimeout(provider.settings().timeout().toMillis() * 3, TimeUnit.MILLISECONDS)
                .exceptionally(failed -> new Answer(null, failure(Workers.cause(failed)))));
  }

  private static GatewayException failure(Throwable cause) {
    return cause instanceof GatewayException known
        ? known
        : new GatewayException(
            ErrorCode.PROVIDER_UNAVAILABLE, "no answer about a token in time", cause);
  }

  /**
   * Whether a token of an open request is active still: asked again when the last answer is too
   * old, without anybody waiting for it.
   */
  BooleanSupplier watch(Discovery provider, OidcClient client, String token, String digest) {
    return new BooleanSupplier() {
      private Instant lastGood = clock.instant();

      @Override
      public boolean getAsBoolean() {
        CompletableFuture<Answer> asked = answer(provider, client, token, digest);
        Answer answer = asked.getNow(new Answer(null, null));
        Instant now = clock.instant();
        if (!asked.isDone() || isUnknown(answer)) {
          return now.isBefore(lastGood.plus(GRACE));
        }
        lastGood = now;
        return answer.token() != null;
      }
    };
  }

  /** Whether nobody could say, which a refusal is not. */
  private static boolean isUnknown(Answer answer) {
    GatewayException failure = answer.failure();
    return failure != null && failure.code() != ErrorCode.ACCESS_TOKEN_REFUSED;
  }
}
