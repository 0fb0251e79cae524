package io.apprxy.auth.oidc;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.RefreshToken;
import com.nimbusds.oauth2.sdk.token.Tokens;
import io.apprxy.Identity;
import io.apprxy.auth.session.Seal;
import io.apprxy.auth.session.Sessions;
import io.apprxy.auth.session.SessionsOf;
import io.apprxy.cluster.SharedState;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The refresh tokens of sessions, sealed in the state that gateways share: never in a browser. Each
 * is used before the access token that it came with ends, once among all tabs and gateways. A
 * session goes on while the provider takes its token, and while it cannot be asked; it ends when
 * the provider takes it no more (RFC 6749 §5.2, {@code invalid_grant}). Thread-safe; never blocks.
 */
final class RefreshTokens {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.auth");
  private static final Duration EARLY = Duration.ofMinutes(1);
  private static final Duration RETRY = Duration.ofSeconds(30);

  /** How soon to look whether another gateway, which was refreshing, is done. */
  private static final Duration GLANCE = Duration.ofSeconds(2);

  /** Of an access token, if the provider does not say. */
  private static final long LIFETIME_SECONDS = 300;

  private static final int MAX_KNOWN = 100_000;

  private final Sessions sessions;
  private final SharedState state;
  private final Executor workers;
  private final Clock clock;
  private final Seal seal;

  /** By session: so that nothing is asked of the state while there is nothing to do. */
  private final Cache<String, Times> known =
      Caffeine.newBuilder().maximumSize(MAX_KNOWN).expireAfterAccess(Duration.ofHours(1)).build();

  private final Map<String, CompletableFuture<Boolean>> underWay = new ConcurrentHashMap<>();

  /** When to refresh, and when the access token ends. */
  private record Times(Instant due, Instant ends) {}

  RefreshTokens(Sessions sessions, Executor workers, Clock clock) {
    this.sessions = sessions;
    this.state = sessions.state();
    this.workers = workers;
    this.clock = clock;
    this.seal = new Seal(sessions.keys(), "refresh", clock);
  }

  /** Keeps what a session began with. Completes exceptionally if the state is out of reach. */
  CompletionStage<Void> keep(Identity identity, Tokens tokens) {
    return put(identity.sessionId(), tokens, tokens.getRefreshToken());
  }

  private CompletionStage<Void> put(
      String session, Tokens tokens, @Nullable RefreshToken refreshToken) {
    Duration left = lifetime(tokens.getAccessToken());
    Duration early = early(left);
    Instant ends = clock.instant().plus(left);
    Map<String, Object> values = new HashMap<>();
    values.put("access_token", tokens.getAccessToken().getValue());
    values.put("due", ends.minus(early).toEpochMilli());
    values.put("ends", ends.toEpochMilli());
    if (refreshToken != null) {
      values.put("refresh_token", refreshToken.getValue());
    }
    Duration longest = sessions.absoluteLifetime();
    return state
        .put(key(session), seal.seal(values, longest), longest)
        .thenAccept(done -> known.put(session, new Times(ends.minus(early), ends)));
  }

  /** How long a token is good for. */
  static Duration lifetime(AccessToken token) {
    long seconds = token.getLifetime();
    return Duration.ofSeconds(seconds > 0 ? seconds : LIFETIME_SECONDS);
  }

  /** How long before its end one that lives so long is replaced. */
  static Duration early(Duration lifetime) {
    Duration half = lifetime.dividedBy(2);
    return half.compareTo(EARLY) < 0 ? half : EARLY;
  }

  /**
   * Whether a session goes on: null if it does, at once; else an answer to wait for, since its
   * access token has ended. When the answer is no, the session has been ended.
   */
  @Nullable CompletableFuture<Boolean> check(Identity identity, Discovery of, OidcClient client) {
    String session = identity.sessionId();
    Times times = known.getIfPresent(session);
    Instant now = clock.instant();
    if (times != null && now.isBefore(times.due())) {
      return null;
    }
    CompletableFuture<Boolean> mine = new CompletableFuture<>();
    CompletableFuture<Boolean> first = underWay.putIfAbsent(session, mine);
    if (first == null) {
      var unused =
          refresh(session, of, client)
              .whenComplete((goesOn, failed) -> done(session, mine, goesOn, failed));
    }
    return times != null && now.isBefore(times.ends()) ? null : first == null ? mine : first.copy();
  }

  private void done(
      String session,
      CompletableFuture<Boolean> mine,
      @Nullable Boolean goesOn,
      @Nullable Throwable failed) {
    underWay.remove(session, mine);
    if (goesOn == null) {
      mine.completeExceptionally(failed == null ? new IllegalStateException("no answer") : failed);
    } else {
      mine.complete(goesOn);
    }
  }

  private CompletableFuture<Boolean> refresh(String session, Discovery of, OidcClient client) {
    return state
        .get(key(session))
        .thenCompose(text -> look(session, opened(text), of, client))
        .toCompletableFuture();
  }

  private CompletionStage<Boolean> look(
      String session, @Nullable Map<String, Object> kept, Discovery of, OidcClient client) {
    if (kept == null) {
      // Forgotten with a restart, say: whether it was revoked cannot be found out any more.
      return end(session, "its refresh token is lost");
    }
    return isDue(session, kept) ? locked(session, of, client) : yes();
  }

  /**
   * The access token of a session.
   *
   * @param due when there should be another
   */
  record AccessTokenOfSession(String value, Instant due, Instant ends) {
    @Override
    public String toString() {
      return "access token until " + ends;
    }
  }

  /** Null if none is kept. Completes exceptionally if the state is out of reach. */
  CompletionStage<@Nullable AccessTokenOfSession> accessToken(Identity identity) {
    return state
        .get(key(identity.sessionId()))
        .thenApply(
            text -> {
              Map<String, Object> kept = opened(text);
              return kept != null && kept.get("access_token") instanceof String value
                  ? new AccessTokenOfSession(value, instant(kept, "due"), instant(kept, "ends"))
                  : null;
            });
  }

  private @Nullable Map<String, Object> opened(@Nullable String text) {
    return text == null ? null : seal.open(text);
  }

  private static CompletionStage<Boolean> yes() {
    return CompletableFuture.completedFuture(true);
  }

  /** Notes what another gateway may have done meanwhile. */
  private boolean isDue(String session, Map<String, Object> kept) {
    Times times = new Times(instant(kept, "due"), instant(kept, "ends"));
    if (kept.get("refresh_token") == null) { // the provider gave none: nothing to do, ever
      times = new Times(Instant.MAX, Instant.MAX);
    }
    known.put(session, times);
    return !clock.instant().isBefore(times.due());
  }

  private static Instant instant(Map<String, Object> values, String name) {
    return values.get(name) instanceof Number millis
        ? Instant.ofEpochMilli(millis.longValue())
        : Instant.EPOCH;
  }

  /** One gateway at a time; the others look again soon. */
  private CompletionStage<Boolean> locked(String session, Discovery of, OidcClient client) {
    String lock = "refresh-lock/" + session;
    String mine = UUID.randomUUID().toString();
    Duration wait = of.settings().timeout().multipliedBy(3);
    return state
        .putIfAbsent(lock, mine, wait.plus(GLANCE))
        .thenCompose(
            other ->
                other == null
                    ? ask(session, of, client)
                        .orTimeout(wait.toMillis(), TimeUnit.MILLISECONDS)
                        .exceptionally(failed -> keptThrough(session, failed))
                        .thenCompose(goesOn -> unlock(lock, mine, goesOn))
                    : lookAgain(session, GLANCE));
  }

  private CompletionStage<Boolean> unlock(String lock, String mine, boolean goesOn) {
    return state.remove(lock, mine).thenApply(unlocked -> goesOn);
  }

  private CompletableFuture<Boolean> ask(String session, Discovery of, OidcClient client) {
    return state
        .get(key(session)) // as it is now that nobody else changes it
        .thenCompose(text -> ask(session, opened(text), of, client))
        .toCompletableFuture();
  }

  private CompletionStage<Boolean> ask(
      String session, @Nullable Map<String, Object> kept, Discovery of, OidcClient client) {
    if (kept == null) {
      return end(session, "its refresh token is lost");
    }
    if (!isDue(session, kept)) {
      return yes();
    }
    RefreshToken token = new RefreshToken(String.valueOf(kept.get("refresh_token")));
    return of.provider()
        .thenApplyAsync(provider -> Optional.ofNullable(provider.refresh(client, token)), workers)
        .thenCompose(tokens -> settle(session, tokens.orElse(null), token));
  }

  private CompletionStage<Boolean> settle(
      String session, @Nullable Tokens tokens, RefreshToken used) {
    return tokens == null
        ? end(session, "the provider refused its refresh token")
        : put(session, tokens, newest(tokens, used)).thenApply(done -> true);
  }

  /** A provider that does not rotate tokens sends none (RFC 6749 §6). */
  private static RefreshToken newest(Tokens tokens, RefreshToken used) {
    RefreshToken rotated = tokens.getRefreshToken();
    return rotated == null ? used : rotated;
  }

  /** What cannot be found out now ends nobody's session. */
  private boolean keptThrough(String session, Throwable failed) {
    LOG.debug("a session is not refreshed now", failed);
    var unused = lookAgain(session, RETRY);
    return true;
  }

  private CompletionStage<Boolean> lookAgain(String session, Duration in) {
    Instant then = clock.instant().plus(in);
    known.put(session, new Times(then, then));
    return yes();
  }

  private CompletionStage<Boolean> end(String session, String reason) {
    known.invalidate(session);
    return sessions.end(SessionsOf.session(session), reason).thenApply(done -> false);
  }

  private static String key(String session) {
    return "refresh/" + session;
  }
}
