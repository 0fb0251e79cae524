package io.apprxy.auth.sso;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.Application;
import io.apprxy.BasicAuthentication;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.OriginAnswer;
import io.apprxy.OriginRequest;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import io.apprxy.auth.sso.SecretStore.Account;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Signs users on with names and passwords (RFC 7617), as {@link Application.SingleSignOn#basic()}
 * says, that they need not know: they come from a {@link SecretStore}, and go to the origin only.
 *
 * <p>What the store says counts for 30 seconds. An origin that refuses a password has the request
 * end with {@link ErrorCode#ORIGIN_REFUSED_SIGN_ON}, and the next one ask the store anew; the same
 * is not tried again for 5 minutes, since that is how accounts are locked. An account that has
 * worked is given more: the third refusal in a row bars the user who drew it, and one each of two
 * users bars all, since origins refuse single pages in this way, too. Thread-safe; never blocks.
 */
public final class BasicSignOn implements SignOn {
  private static final Duration AGE = Duration.ofSeconds(30);
  private static final Duration TIMEOUT = Duration.ofSeconds(10);
  private static final int MAX_KNOWN = 10_000;

  private final SecretStore store;
  private final AccountStandings standings = new AccountStandings(MAX_KNOWN);
  private final AsyncCache<SecretStore.Key, Optional<Account>> accounts =
      Caffeine.newBuilder().maximumSize(MAX_KNOWN).expireAfterWrite(AGE).buildAsync();

  public BasicSignOn(SecretStore store) {
    this.store = Objects.requireNonNull(store, "store");
  }

  @Override
  public Verdict signOn(OriginRequest request, Identity identity, Application application) {
    BasicAuthentication wanted = application.singleSignOn().basic();
    if (wanted == null) {
      return Verdict.proceed();
    }
    String user = wanted.user(identity);
    SecretStore.Key key =
        new SecretStore.Key(application.id(), user == null ? null : identity.issuer(), user);
    CompletableFuture<Optional<Account>> account = accounts.get(key, (next, pool) -> ask(next));
    if (account.isDone() && !account.isCompletedExceptionally()) {
      return begin(request, identity, key, account);
    }
    return Verdict.later(
        account
            .exceptionally(BasicSignOn::unavailable)
            .thenApply(found -> begin(request, identity, key, account)));
  }

  private CompletableFuture<Optional<Account>> ask(SecretStore.Key key) {
    try {
      return store
          .find(key)
          .thenApply(Optional::ofNullable)
          .toCompletableFuture()
          .orTimeout(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  private static Optional<Account> unavailable(Throwable failed) {
    throw new GatewayException(
        ErrorCode.SECRETS_UNAVAILABLE, "the store of secrets has no answer", failed);
  }

  private Verdict begin(
      OriginRequest request,
      Identity identity,
      SecretStore.Key key,
      CompletableFuture<Optional<Account>> account) {
    Account found =
        account
            .join()
            .orElseThrow(
                () ->
                    new GatewayException(
                        ErrorCode.NO_ACCOUNT, "the store of secrets has no account for " + key));
    if (standings.isBarred(key, found, identity)) {
      accounts.asMap().remove(key, account); // the store may know another by now
      throw refused(key);
    }
    byte[] credentials = (found.name() + ":" + found.password()).getBytes(StandardCharsets.UTF_8);
    request.set("Authorization", "Basic " + Base64.getEncoder().encodeToString(credentials));
    request.onAnswer(answer -> isRefused(answer, identity, key, found, account));
    return Verdict.proceed();
  }

  private boolean isRefused(
      OriginAnswer answer,
      Identity identity,
      SecretStore.Key key,
      Account sent,
      CompletableFuture<Optional<Account>> account) {
    if (answer.status() == 401 && offersBasic(answer)) {
      standings.refused(key, sent, identity);
      accounts.asMap().remove(key, account);
      throw refused(key);
    }
    if (answer.status() < 400) {
      standings.accepted(key, sent);
    }
    return false;
  }

  private static GatewayException refused(SecretStore.Key key) {
    return new GatewayException(
        ErrorCode.ORIGIN_REFUSED_SIGN_ON, "the origin refuses the password of " + key);
  }

  private static boolean offersBasic(OriginAnswer answer) {
    return answer.headers("WWW-Authenticate").stream()
        .anyMatch(challenge -> challenge.toLowerCase(Locale.ROOT).contains("basic"));
  }
}
