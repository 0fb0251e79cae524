package io.apprxy.auth.policy;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.Verdict;
import io.apprxy.cluster.SharedState;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.Kind;
import io.apprxy.observe.SignInLog;
import io.apprxy.rewrite.IpNetwork;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Counts sign-ins that fail, by user, address and application, on all gateways together: tells of
 * what looks like guessing, and locks out for a while who goes on. Thread-safe; never blocks.
 *
 * <p>Who fails ten times in an hour as one user from one address is locked out for half a minute,
 * and for twice as long each time that another attempt fails, up to an hour; so is an address that
 * fails fifty times, or as ten users, and a user for whom a hundred attempts fail, whatever the
 * addresses. From an address that is known good, since the user signed in from there in the last
 * thirty days, only what fails right there, as that user, counts against them: nobody is locked out
 * by what others do elsewhere. Of IPv6, an address stands for its network of 64 bits.
 *
 * <p>Every user may be named by whoever fails: names are only counted, and never believed.
 */
public final class SignInAttempts {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.policy");

  private static final Duration WINDOW = Duration.ofHours(1);
  private static final Duration KNOWN_GOOD = Duration.ofDays(30);
  private static final Duration FIRST_LOCK = Duration.ofSeconds(30);
  private static final Duration LONGEST_LOCK = Duration.ofHours(1);

  private static final int PAIR_LIMIT = 10;
  private static final int ADDRESS_LIMIT = 50;
  private static final int SPRAY_LIMIT = 10;
  private static final int USER_LIMIT = 100;
  private static final int APPLICATION_LIMIT = 1_000;

  private static final String TOPIC = "attempts";
  private static final String FAILED = "attempts/failed/";
  private static final String GOOD = "attempts/good/";
  private static final String LOCKED = "attempts/locked/";

  private static final CompletionStage<Void> LET_TRY = CompletableFuture.completedFuture(null);

  private final SharedState state;
  private final SignInLog log;
  private final Clock clock;

  /** Counts while the shared state cannot be reached. */
  private final SharedState alone = SharedState.inMemory();

  /** Until when; also what other gateways tell. */
  private final Cache<String, Instant> locked =
      Caffeine.newBuilder().maximumSize(100_000).expireAfterWrite(LONGEST_LOCK).build();

  /** Written to the state an hour ago or less. */
  private final Cache<String, Boolean> good =
      Caffeine.newBuilder().maximumSize(100_000).expireAfterWrite(Duration.ofHours(1)).build();

  private SignInAttempts(Builder settings) {
    this.state = settings.state;
    this.log = settings.log;
    this.clock = settings.clock;
    state.subscribe(TOPIC, this::heard);
    state
        .entries(LOCKED)
        .whenComplete(
            (entries, failed) -> {
              if (entries == null) {
                LOG.warn("who is locked out cannot be told", failed);
              } else {
                entries.forEach(
                    (key, until) -> heard(key.substring(LOCKED.length()) + " " + until));
              }
            });
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Who tries, from where: hashed, since keys are bounded, and names are nobody's business. */
  private record Who(String address, @Nullable String user, @Nullable String pair) {
    static Who of(Exchange exchange, @Nullable String user) {
      String address = network(exchange.clientAddress());
      return new Who(
          hash("address", address),
          user == null ? null : hash("user", user),
          user == null ? null : hash("pair", user, address));
    }
  }

  /**
   * To be asked before a proof is looked at. Fails with {@link ErrorCode#LOCKED_OUT} if the attempt
   * must not be made; it is not counted then.
   *
   * @param user whom the attempt names, such as issuer and subject; null if nobody yet
   */
  public CompletionStage<Void> check(Exchange exchange, @Nullable String user) {
    if (locked.estimatedSize() == 0) {
      return LET_TRY;
    }
    Who who = Who.of(exchange, user);
    Duration pairLock = left(who.pair());
    if (pairLock != null) {
      return refused(exchange, pairLock);
    }
    Duration addressLock = left(who.address());
    Duration userLock = left(who.user());
    Duration longer =
        addressLock == null || (userLock != null && userLock.compareTo(addressLock) > 0)
            ? userLock
            : addressLock;
    if (longer == null) {
      return LET_TRY;
    }
    String known = who.pair() == null ? who.address() : who.pair();
    return isKnownGood(known).thenCompose(isGood -> isGood ? LET_TRY : refused(exchange, longer));
  }

  /**
   * Looks at a proof if the attempt may be made, and counts it if it is refused; not if nobody can
   * tell, as where a provider does not answer.
   *
   * @param user as in {@link #check}
   */
  public Verdict guard(Exchange exchange, @Nullable String user, Supplier<Verdict> proof) {
    CompletableFuture<Void> mayTry = check(exchange, user).toCompletableFuture();
    return mayTry.isDone() && !mayTry.isCompletedExceptionally()
        ? watched(exchange, user, proof)
        : Verdict.later(mayTry.thenApply(unused -> watched(exchange, user, proof)));
  }

  private Verdict watched(Exchange exchange, @Nullable String user, Supplier<Verdict> proof) {
    try {
      Verdict verdict = proof.get();
      return verdict instanceof Verdict.Later later
          ? Verdict.later(
              later
                  .outcome()
                  .whenComplete((unused, failure) -> countRefusal(exchange, user, failure)))
          : verdict;
    } catch (GatewayException e) {
      countRefusal(exchange, user, e);
      throw e;
    }
  }

  private void countRefusal(Exchange exchange, @Nullable String user, @Nullable Throwable failure) {
    Throwable cause =
        failure instanceof CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure;
    if (cause instanceof GatewayException refusal
        && (refusal.code().status() == 401
            || refusal.code().status() == 403
            || refusal.code() == ErrorCode.PROVIDER_INVALID)) {
      failed(exchange, user, refusal);
    }
  }

  /**
   * To be told of a proof that was refused.
   *
   * @param user whom it named; null if nobody
   */
  public void failed(Exchange exchange, @Nullable String user, GatewayException refusal) {
    record(exchange, Kind.SIGN_IN_FAILED, user, refusal.code().code(), Map.of());
    Who who = Who.of(exchange, user);
    count(who.address())
        .thenAccept(
            times -> {
              lockBeyond(who.address(), times, ADDRESS_LIMIT);
              suspectAt(exchange, user, "brute-force", "address", times, ADDRESS_LIMIT);
            });
    String application = exchange.application().id();
    count(hash("application", application))
        .thenAccept(
            times ->
                suspectAt(exchange, user, "brute-force", "application", times, APPLICATION_LIMIT));
    if (who.user() != null && who.pair() != null) {
      countUser(exchange, user, who.user(), who.pair(), who.address());
    }
  }

  private void countUser(
      Exchange exchange, @Nullable String user, String hashed, String pair, String address) {
    count(pair)
        .thenAccept(
            times -> {
              lockBeyond(pair, times, PAIR_LIMIT);
              suspectAt(exchange, user, "brute-force", "user and address", times, PAIR_LIMIT);
              if (times == 1) {
                countSpray(exchange, user, address);
              }
            });
    count(hashed)
        .thenAccept(
            times -> {
              lockBeyond(hashed, times, USER_LIMIT);
              suspectAt(exchange, user, "brute-force", "user", times, USER_LIMIT);
            });
  }

  /** One more user whom this address has failed as. */
  private void countSpray(Exchange exchange, @Nullable String user, String address) {
    count("users-" + address)
        .thenAccept(
            users -> {
              lockBeyond(address, users, SPRAY_LIMIT);
              suspectAt(exchange, user, "password-spray", "address", users, SPRAY_LIMIT);
            });
  }

  /**
   * To be told of a proof that was used before, beside its failure: of a token, a code, or a signed
   * request.
   *
   * @param user whom it named; null if nobody
   */
  public void replayed(Exchange exchange, @Nullable String user) {
    count("replay-" + Who.of(exchange, user).address())
        .thenAccept(times -> suspectAt(exchange, user, "token-replay", "address", times, 1));
  }

  /** To be told of everybody who signed in: the address is known good for them from now on. */
  public void signedIn(Exchange exchange, Identity identity) {
    record(exchange, Kind.SIGNED_IN, identity, null, Map.of());
    proven(exchange, identity);
  }

  /** As {@link #signedIn}, but of every request with a proof of its own: records nothing. */
  public void proven(Exchange exchange, Identity identity) {
    Who who = Who.of(exchange, user(identity));
    remember(who.address());
    remember(Objects.requireNonNull(who.pair()));
  }

  /** The name that attempts of a user go by. */
  public static String user(Identity identity) {
    return user(identity.issuer(), identity.subject());
  }

  /** The name that attempts of a user go by, whom an issuer may have vouched for. */
  public static String user(String issuer, String subject) {
    return issuer + " " + subject;
  }

  // ---- what is known

  private CompletionStage<Long> count(String what) {
    String key = FAILED + what;
    return state
        .increment(key, WINDOW)
        .handle(
            (times, failed) -> {
              if (times != null) {
                return CompletableFuture.completedFuture(times);
              }
              LOG.warn("a failed sign-in is counted by this gateway alone", failed);
              return alone.increment(key, WINDOW).toCompletableFuture();
            })
        .thenCompose(counted -> counted);
  }

  private void lockBeyond(String what, long times, int limit) {
    if (times < limit) {
      return;
    }
    long doublings = Math.min(times - limit, 20);
    Duration wish = FIRST_LOCK.multipliedBy(1L << doublings);
    Duration lock = wish.compareTo(LONGEST_LOCK) > 0 ? LONGEST_LOCK : wish;
    long until = clock.instant().plus(lock).toEpochMilli();
    heard(what + " " + until);
    state
        .put(LOCKED + what, Long.toString(until), lock)
        .thenCompose(unused -> state.publish(TOPIC, what + " " + until))
        .whenComplete(
            (unused, failed) -> {
              if (failed != null) {
                LOG.warn("somebody is locked out by this gateway alone", failed);
              }
            });
  }

  /** What a gateway tells the others, itself included. The later of two ends counts. */
  private void heard(String message) {
    int space = message.indexOf(' ');
    try {
      Instant until = Instant.ofEpochMilli(Long.parseLong(message.substring(space + 1)));
      locked
          .asMap()
          .merge(
              message.substring(0, Math.max(space, 0)),
              until,
              (one, other) -> one.isAfter(other) ? one : other);
    } catch (NumberFormatException e) {
      LOG.warn("another gateway tells of a lock-out in words that are not known here");
    }
  }

  /** How long a lock still lasts; null if there is none. */
  private @Nullable Duration left(@Nullable String what) {
    Instant until = what == null ? null : locked.getIfPresent(what);
    Duration left = until == null ? Duration.ZERO : Duration.between(clock.instant(), until);
    return left.isZero() || left.isNegative() ? null : left;
  }

  private CompletionStage<Boolean> isKnownGood(String what) {
    if (good.getIfPresent(what) != null) {
      return CompletableFuture.completedFuture(true);
    }
    return state
        .get(GOOD + what)
        .toCompletableFuture()
        .copy()
        .orTimeout(5, TimeUnit.SECONDS)
        .handle(
            (found, failed) -> {
              if (failed != null) {
                LOG.warn("whether an address is known good cannot be told", failed);
              }
              return found != null;
            });
  }

  private void remember(String what) {
    if (good.getIfPresent(what) == null) {
      good.put(what, true);
      state
          .put(GOOD + what, "1", KNOWN_GOOD)
          .whenComplete(
              (unused, failed) -> {
                if (failed != null) {
                  good.invalidate(what); // to be tried again
                }
              });
    }
  }

  private static CompletionStage<Void> refused(Exchange exchange, Duration left) {
    exchange.addResponseHeader("Retry-After", Long.toString(left.toSeconds() + 1));
    return CompletableFuture.failedFuture(
        new GatewayException(ErrorCode.LOCKED_OUT, "locked out for another " + left));
  }

  // ---- what is told

  /** At the limit, and each time that there are twice as many. */
  private void suspectAt(
      Exchange exchange, @Nullable String user, String pattern, String of, long times, int limit) {
    if (times >= limit && times % limit == 0 && Long.bitCount(times / limit) == 1) {
      record(
          exchange,
          Kind.ATTACK_SUSPECTED,
          user,
          null,
          Map.of("pattern", pattern, "counted", of, "times", Long.toString(times)));
    }
  }

  private void record(
      Exchange exchange,
      Kind kind,
      @Nullable String user,
      @Nullable String code,
      Map<String, String> details) {
    int space = user == null ? -1 : user.indexOf(' ');
    record(
        exchange,
        kind,
        user == null || space < 0 ? null : user.substring(0, space),
        user == null ? null : user.substring(space + 1),
        null,
        code,
        details);
  }

  private void record(
      Exchange exchange,
      Kind kind,
      Identity identity,
      @Nullable String code,
      Map<String, String> details) {
    record(exchange, kind, identity.issuer(), identity.subject(), identity.name(), code, details);
  }

  private void record(
      Exchange exchange,
      Kind kind,
      @Nullable String issuer,
      @Nullable String subject,
      @Nullable String name,
      @Nullable String code,
      Map<String, String> details) {
    try {
      log.record(
          new SignInEvent(
              clock.instant(),
              kind,
              exchange.id(),
              exchange.application().id(),
              issuer,
              subject,
              name,
              exchange.clientAddress(),
              code,
              List.of(),
              details));
    } catch (RuntimeException e) {
      LOG.error("a sign-in event could not be recorded", e);
    }
  }

  /** An address, or of IPv6 its network: one subscriber has at least that many (RFC 6177 §2). */
  private static String network(String literal) {
    InetAddress address = IpNetwork.address(literal);
    if (address == null) {
      return literal;
    }
    byte[] octets = address.getAddress();
    return Arrays.toString(octets.length == 4 ? octets : Arrays.copyOf(octets, 8));
  }

  private static String hash(String... parts) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (String part : parts) {
        byte[] octets = part.getBytes(StandardCharsets.UTF_8);
        digest.update((octets.length + ":").getBytes(StandardCharsets.US_ASCII));
        digest.update(octets);
      }
      return Base64.getUrlEncoder().withoutPadding().encodeToString(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /** Settings. Not thread-safe. */
  public static final class Builder {
    private SharedState state = SharedState.inMemory();
    private SignInLog log = SignInLog.json();
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /** What the gateways count in. Default: the memory of this process. */
    public Builder state(SharedState shared) {
      state = Objects.requireNonNull(shared, "shared");
      return this;
    }

    /**
     * Gets sign-ins, failures, and what looks like an attack. Default: {@link SignInLog#json()}.
     */
    public Builder signInLog(SignInLog events) {
      log = Objects.requireNonNull(events, "events");
      return this;
    }

    /** The time. Default: the system's. */
    public Builder clock(Clock time) {
      clock = Objects.requireNonNull(time, "time");
      return this;
    }

    /** The counters. */
    public SignInAttempts build() {
      return new SignInAttempts(this);
    }
  }
}
