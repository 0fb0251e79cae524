package io.apprxy.auth.session;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.auth.session.Standing.Activity;
import io.apprxy.cluster.SharedState;
import io.apprxy.observe.SignInEvent;
import io.apprxy.observe.SignInEvent.Kind;
import io.apprxy.observe.SignInLog;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.BiPredicate;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The sessions of signed-in users. A session lives in an encrypted cookie, which only the browser
 * keeps; the gateways remember just those that ended before their time, in a {@link SharedState}.
 * Thread-safe; never blocks.
 *
 * <p>However a session ends, its requests that are open end with it, within a second on a gateway
 * and within five on all that share the state. What a user sends, on a WebSocket too, keeps the
 * session from getting idle; what they receive does not.
 */
public final class Sessions {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.session");
  private static final String COOKIE = "__Host-apprxy-session";

  /** RFC 6265 §6.1: browsers keep at least 4096 bytes a cookie, with name and attributes. */
  private static final int CHUNK = 3_800;

  private static final int MAX_CHUNKS = 4;

  private final Builder settings;
  private final Seal seal;
  private final long refreshAfter;
  private final long idle;
  private final long absolute;

  /** So that a cookie is decrypted once. */
  private final Cache<Fingerprint, Session> opened;

  private final ClaimsPool pool = new ClaimsPool();

  private final SessionEndings ended;
  private final Expirations expirations;

  /** The provider's sessions that were in use, by their mark. */
  private final Cache<Long, Boolean> providerSessions;

  /** Of sessions that have requests open for a while, by id. */
  private final Cache<String, Activity> active;

  private Sessions(Builder settings) {
    this.settings = settings;
    this.refreshAfter = settings.idleLifetime.dividedBy(10).toMillis();
    this.idle = settings.idleLifetime.toMillis();
    this.absolute = settings.absoluteLifetime.toMillis();
    this.seal = new Seal(settings.keys, "session", settings.clock);
    // Both keep house where they are read: to wake another thread for it costs more.
    this.opened =
        Caffeine.newBuilder().maximumSize(settings.cacheSize).executor(Runnable::run).build();
    this.active =
        Caffeine.newBuilder()
            .maximumSize(settings.cacheSize)
            .executor(Runnable::run)
            .expireAfterAccess(settings.idleLifetime)
            .build();
    this.providerSessions =
        Caffeine.newBuilder()
            .maximumSize(settings.cacheSize)
            .expireAfterWrite(settings.absoluteLifetime)
            .build();
    this.ended =
        new SessionEndings(
            settings.state,
            settings.clock,
            settings.absoluteLifetime,
            settings.staleAfter,
            SessionEndings.MAX);
    this.expirations =
        new Expirations(
            settings.cacheSize,
            settings.clock,
            session -> expiry(session, lastUsed(session)),
            ended::hasExpired);
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** The keys that sessions are encrypted with. */
  public SessionKeys keys() {
    return settings.keys;
  }

  /** Tells the time of sessions. */
  public Clock clock() {
    return settings.clock;
  }

  /** How long after the sign-in a session ends, whatever happens. */
  public Duration absoluteLifetime() {
    return settings.absoluteLifetime;
  }

  /** What gateways know in common, beside which sessions ended: tokens that were used. */
  public SharedState state() {
    return settings.state;
  }

  /**
   * Who the request's session belongs to; null if it has none that is valid here and now. Keeps it
   * from getting idle.
   *
   * @throws GatewayException {@link ErrorCode#SESSIONS_UNKNOWN} if it has one, and the state that
   *     tells which have ended is out of reach
   */
  public @Nullable Identity find(Exchange exchange) {
    Session session = used(exchange);
    return session == null ? null : session.identity();
  }

  /**
   * Identifies the request by its session, if it has one that is valid and counts; then it stands
   * until the session ends, in whatever way.
   *
   * @param counts whether the session of this identity counts for the request
   * @return whether the request was identified
   * @throws GatewayException as {@link #find} does
   */
  public boolean identify(Exchange exchange, Predicate<Identity> counts) {
    Session session = used(exchange);
    if (session == null || !counts.test(session.identity())) {
      return false;
    }
    exchange.identify(session.identity(), new Standing(this, session, exchange, now()));
    return true;
  }

  /**
   * Begins a session with a new id, whatever the browser sent.
   *
   * @param proven when the provider said who the user is, by the provider's clock: what it says
   *     later ends the session, though it may come before the session begins
   */
  public Identity begin(
      Exchange exchange,
      String issuer,
      String subject,
      Instant authenticatedAt,
      Instant proven,
      Map<String, Object> claims) {
    long now = now();
    Identity identity =
        new Identity(issuer, subject, UUID.randomUUID().toString(), authenticatedAt, claims);
    Session session =
        new Session(
            identity,
            exchange.authority(),
            settings.persistentCookie.test(exchange, identity),
            proven.toEpochMilli(),
            now,
            now,
            EndedSessions.marks(identity));
    if (ended.has(session)) {
      throw new GatewayException(
          ErrorCode.SESSION_ENDED, "the provider ended the session before it began");
    }
    write(exchange, session);
    remember(identity);
    return identity;
  }

  // ---- ending

  /**
   * Ends the session of the request: also for whoever has a copy of its cookie. Completes when
   * every gateway knows, or will find out; exceptionally if the state is out of reach.
   */
  public CompletionStage<Void> end(Exchange exchange) {
    forget(exchange);
    Session session = session(exchange);
    if (session == null) {
      return CompletableFuture.completedFuture(null);
    }
    Identity identity = session.identity();
    record(
        Kind.SIGNED_OUT,
        exchange,
        identity.issuer(),
        identity.subject(),
        identity.name(),
        Map.of("reason", "sign-out"));
    return end(SessionsOf.session(identity.sessionId()), 0);
  }

  /** Has the browser forget its session; that ends none. */
  public void forget(Exchange exchange) {
    for (int i = 0; i < MAX_CHUNKS; i++) {
      if (exchange.cookie(name(i)) != null) {
        exchange.addResponseHeader("Set-Cookie", cookie(name(i), "", 0L));
      }
    }
  }

  /**
   * Ends sessions that began until now, on every gateway that shares the state: for administrators,
   * and for whatever learns that a user, or a device, is to be let in no more. A user who can still
   * sign in at the provider may begin a new one.
   *
   * @param reason for the event that is recorded: a few words
   * @return completes when every gateway knows, or will find out; exceptionally if the state is out
   *     of reach: then they ended on this gateway only
   */
  public CompletionStage<Void> end(SessionsOf whose, String reason) {
    return end(whose, Instant.EPOCH, reason);
  }

  /**
   * Ends sessions, also of users who are still on their way here.
   *
   * @param provenUntil when the provider said that they end, by its clock: sessions that begin
   *     later, but with a token from before, end as well
   * @param reason as in {@link #end(SessionsOf, String)}
   * @return as in {@link #end(SessionsOf, String)}
   */
  public CompletionStage<Void> end(SessionsOf whose, Instant provenUntil, String reason) {
    Objects.requireNonNull(reason, "reason");
    record(
        Kind.SESSION_ENDED,
        null,
        whose.issuer(),
        whose.subject(),
        null,
        Map.of("reason", reason, "whose", whose.kind()));
    return end(whose, provenUntil.toEpochMilli());
  }

  private CompletionStage<Void> end(SessionsOf whose, long provenUntil) {
    return ended
        .end(whose, provenUntil)
        .whenComplete(
            (done, failed) -> {
              if (failed != null) {
                LOG.error("Sessions ended here, but other gateways could not be told", failed);
              }
            });
  }

  /**
   * Whether a session that would be meant was in use here, lately: what nobody here knows need not
   * be ended for somebody who proves nothing.
   */
  public boolean isKnown(SessionsOf whose) {
    return whose.marks().stream().anyMatch(mark -> providerSessions.getIfPresent(mark) != null);
  }

  /**
   * Whether what was proven for an identity in another way than by a session, such as an access
   * token, counts no more because sessions of its user ended since.
   *
   * @param proven when, by the provider's clock
   * @throws GatewayException as {@link #find} does
   */
  public boolean hasEnded(Identity identity, Instant proven) {
    if (ended.isQuiet()) {
      return false;
    }
    long at = proven.toEpochMilli();
    return ended.has(new Session(identity, "", false, at, at, at, EndedSessions.marks(identity)));
  }

  /**
   * Has somebody told when sessions end, here or on another gateway, so that what they keep for
   * them is dropped: tokens, tickets, assertions. They are told within seconds, also of sessions
   * that expire: by each gateway where one was used, of the {@link Builder#cacheSize} latest; one
   * that is used at another gateway meanwhile has not expired there.
   *
   * @param listener gets what tells whether a session, of this identity, is among them; called on
   *     any thread, must not block, and what it throws is logged
   */
  public void whenEnded(Consumer<EndedSessions> listener) {
    ended.listen(Objects.requireNonNull(listener, "listener"));
  }

  private void record(
      Kind kind,
      @Nullable Exchange exchange,
      @Nullable String issuer,
      @Nullable String subject,
      @Nullable String user,
      Map<String, String> details) {
    try {
      settings.signInLog.record(
          new SignInEvent(
              settings.clock.instant(),
              kind,
              exchange == null ? null : exchange.id(),
              exchange == null ? null : exchange.application().id(),
              issuer,
              subject,
              user,
              exchange == null ? null : exchange.clientAddress(),
              null,
              List.of(),
              details));
    } catch (RuntimeException e) {
      LOG.error("an event could not be recorded", e);
    }
  }

  // ---- what is valid

  long now() {
    return settings.clock.millis();
  }

  /**
   * Whether a session is valid still.
   *
   * @param lastUsed of which it is idle since
   */
  boolean stands(Session session, long lastUsed) {
    return now() < expiry(session, lastUsed) && !ended.has(session);
  }

  private long expiry(Session session, long lastUsed) {
    return Math.min(session.begun() + absolute, Math.max(session.seen(), lastUsed) + idle);
  }

  /** By requests that are open for a while; 0 if there are none. */
  private long lastUsed(Session session) {
    Activity activity = active.getIfPresent(session.identity().sessionId());
    return activity == null ? 0 : activity.last();
  }

  /** What all requests of the session on this gateway share. */
  Activity activity(Session session, long since) {
    Activity shared = active.get(session.identity().sessionId(), id -> new Activity(since));
    shared.at(since);
    return shared;
  }

  private void remember(Identity identity) {
    if (identity.claim("sid") instanceof String sid) {
      SessionsOf.providerSession(identity.issuer(), sid)
          .marks()
          .forEach(mark -> providerSessions.put(mark, true));
    }
  }

  private @Nullable Session used(Exchange exchange) {
    Session session = session(exchange);
    if (session != null) {
      long now = now();
      Activity activity = active.getIfPresent(session.identity().sessionId());
      if (activity != null) {
        activity.at(now);
      }
      if (now - session.seen() > refreshAfter) {
        boolean persistent =
            session.persistent() && settings.persistentCookie.test(exchange, session.identity());
        Session renewed = session.seenAt(now, persistent);
        write(exchange, renewed);
        expirations.follow(renewed);
      }
    }
    return session;
  }

  private @Nullable Session session(Exchange exchange) {
    String value = read(exchange);
    if (value == null) {
      return null;
    }
    Fingerprint fingerprint = Fingerprint.of(value);
    Session session = opened.getIfPresent(fingerprint);
    if (session == null) {
      session = open(value);
      if (session == null) {
        return null;
      }
      opened.put(fingerprint, session);
      if (now() < expiry(session, lastUsed(session))) {
        expirations.follow(session);
      }
      remember(session.identity());
    }
    boolean valid =
        session.authority().equals(exchange.authority()) && stands(session, lastUsed(session));
    return valid ? session : null;
  }

  // ---- the cookie

  /** {@code c3.} before the first part says that there are three. */
  private static @Nullable String read(Exchange exchange) {
    String first = exchange.cookie(COOKIE);
    if (first == null || !first.startsWith("c")) {
      return first;
    }
    int count = first.length() > 3 && first.charAt(2) == '.' ? first.charAt(1) - '0' : 0;
    if (count < 2 || count > MAX_CHUNKS) {
      return null;
    }
    StringBuilder whole = new StringBuilder(first.substring(3));
    for (int i = 1; i < count; i++) {
      String part = exchange.cookie(name(i));
      if (part == null) {
        return null;
      }
      whole.append(part);
    }
    return whole.toString();
  }

  private void write(Exchange exchange, Session session) {
    Duration left = Duration.ofMillis(session.begun() + absolute - now());
    String value = seal.seal(values(session), left);
    int count = (value.length() + CHUNK - 1) / CHUNK;
    if (count > MAX_CHUNKS) {
      throw new GatewayException(
          ErrorCode.SESSION_TOO_LARGE,
          "a session of " + value.length() + " characters does not fit " + MAX_CHUNKS + " cookies");
    }
    Long maxAge = session.persistent() ? Long.valueOf(left.toSeconds()) : null;
    for (int i = 0; i < count; i++) {
      String part = value.substring(i * CHUNK, Math.min(value.length(), (i + 1) * CHUNK));
      String marked = i == 0 && count > 1 ? "c" + count + "." + part : part;
      exchange.addResponseHeader("Set-Cookie", cookie(name(i), marked, maxAge));
    }
    for (int i = count; i < MAX_CHUNKS; i++) {
      if (exchange.cookie(name(i)) != null) {
        exchange.addResponseHeader("Set-Cookie", cookie(name(i), "", 0L));
      }
    }
  }

  private static String name(int chunk) {
    return chunk == 0 ? COOKIE : COOKIE + "-" + chunk;
  }

  private String cookie(String name, String value, @Nullable Long maxAge) {
    return name
        + "="
        + value
        + "; Path=/; Secure; HttpOnly; SameSite="
        + settings.sameSite.attribute
        + (maxAge == null ? "" : "; Max-Age=" + maxAge);
  }

  private static Map<String, Object> values(Session session) {
    Identity identity = session.identity();
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("iss", identity.issuer());
    values.put("sub", identity.subject());
    values.put("sid", identity.sessionId());
    values.put("at", identity.authenticatedAt().getEpochSecond());
    values.put("claims", identity.claims());
    values.put("host", session.authority());
    values.put("keep", session.persistent());
    values.put("proven", session.proven());
    values.put("begun", session.begun());
    values.put("seen", session.seen());
    return values;
  }

  @SuppressWarnings("unchecked") // The seal was ours: only values() writes what is in it.
  private @Nullable Session open(String value) {
    Map<String, Object> values = seal.open(value);
    if (values == null) {
      return null;
    }
    try {
      Identity identity =
          new Identity(
              pool.share(read(values, "iss", String.class)),
              read(values, "sub", String.class),
              read(values, "sid", String.class),
              Instant.ofEpochSecond(number(values, "at")),
              pool.compact(read(values, "claims", Map.class)));
      return new Session(
          identity,
          pool.share(read(values, "host", String.class)),
          read(values, "keep", Boolean.class),
          number(values, "proven"),
          number(values, "begun"),
          number(values, "seen"),
          EndedSessions.marks(identity));
    } catch (IllegalArgumentException e) {
      LOG.warn("a session was sealed by a version of apprxy that writes other sessions");
      return null;
    }
  }

  private static <T> T read(Map<String, Object> values, String name, Class<T> type) {
    Object value = values.get(name);
    if (!type.isInstance(value)) {
      throw new IllegalArgumentException(name);
    }
    return type.cast(value);
  }

  private static long number(Map<String, Object> values, String name) {
    return read(values, name, Number.class).longValue();
  }

  /** Which requests from other sites carry the session (RFC 6265bis §5.6.7). */
  public enum SameSite {
    /** Navigations do: links to the application work. */
    LAX("Lax"),
    /** None do. */
    STRICT("Strict"),
    /** All do: for applications that other sites embed. */
    NONE("None");

    private final String attribute;

    SameSite(String attribute) {
      this.attribute = attribute;
    }
  }

  /** Builds {@link Sessions}. Not thread-safe. */
  public static final class Builder {
    private SessionKeys keys = SessionKeys.generate();
    private Duration absoluteLifetime = Duration.ofHours(12);
    private Duration idleLifetime = Duration.ofHours(1);
    private SameSite sameSite = SameSite.LAX;
    private BiPredicate<Exchange, Identity> persistentCookie =
        (exchange, identity) -> exchange.application().persistentCookie();
    private long cacheSize = 10_000;
    private Clock clock = Clock.systemUTC();
    private SharedState state = SharedState.inMemory();
    private Duration staleAfter = Duration.ofMinutes(1);
    private SignInLog signInLog = SignInLog.json();

    private Builder() {}

    /**
     * The keys of the cookies. Sessions outlive the process with keys that do: then give {@link
     * #state} one that does, too, or sessions that ended would be valid again. Default: a random
     * one, so that sessions end with the process.
     */
    public Builder keys(SessionKeys with) {
      keys = Objects.requireNonNull(with, "with");
      return this;
    }

    /** How long after the sign-in a session ends, whatever happens. Default: 12 hours. */
    public Builder absoluteLifetime(Duration lifetime) {
      absoluteLifetime = positive("absoluteLifetime", lifetime);
      return this;
    }

    /**
     * How long after its last request, or what it last sent on an open one, a session ends;
     * measured to a tenth. Default: 1 hour.
     */
    public Builder idleLifetime(Duration lifetime) {
      idleLifetime = positive("idleLifetime", lifetime);
      return this;
    }

    /**
     * Whether a session's cookie outlives the browser's window: asked when it begins, and again
     * each time that the cookie is renewed. Default: as the application says ({@code
     * Application.persistentCookie}).
     */
    public Builder persistentCookie(BiPredicate<Exchange, Identity> persistent) {
      persistentCookie = Objects.requireNonNull(persistent, "persistent");
      return this;
    }

    /** Default: {@link SameSite#LAX}. */
    public Builder sameSite(SameSite policy) {
      sameSite = Objects.requireNonNull(policy, "policy");
      return this;
    }

    /**
     * How many decrypted sessions are kept in memory, at least 1. Each takes about 1.5 KiB, with a
     * dozen claims and twenty groups. Default: 10,000.
     */
    public Builder cacheSize(long sessions) {
      if (sessions < 1) {
        throw new IllegalArgumentException("cacheSize must be at least 1: " + sessions);
      }
      cacheSize = sessions;
      return this;
    }

    /**
     * Where it is kept which sessions ended, and what is told to other gateways with the same keys.
     * Default: {@link SharedState#inMemory()}.
     */
    public Builder state(SharedState shared) {
      state = Objects.requireNonNull(shared, "shared");
      return this;
    }

    /**
     * How long the state may be out of reach. Then requests with a session are refused ({@link
     * ErrorCode#SESSIONS_UNKNOWN}), as nobody knows whether it ended. Default: 1 minute.
     */
    public Builder staleAfter(Duration time) {
      staleAfter = positive("staleAfter", time);
      return this;
    }

    /** Gets one event per sign-out, and per other ending. Default: {@link SignInLog#json()}. */
    public Builder signInLog(SignInLog log) {
      signInLog = Objects.requireNonNull(log, "log");
      return this;
    }

    /** Default: the system's. */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The sessions.
     *
     * @throws IllegalArgumentException if the idle lifetime is longer than the absolute one
     */
    public Sessions build() {
      if (idleLifetime.compareTo(absoluteLifetime) > 0) {
        throw new IllegalArgumentException(
            "idleLifetime "
                + idleLifetime
                + " must not be longer than absoluteLifetime "
                + absoluteLifetime);
      }
      return new Sessions(this);
    }

    private static Duration positive(String setting, Duration lifetime) {
      if (lifetime.isZero() || lifetime.isNegative()) {
        throw new IllegalArgumentException(setting + " must be longer than zero: " + lifetime);
      }
      return lifetime;
    }
  }
}
