package io.apprxy.auth.session;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The sessions of signed-in users. A session lives in an encrypted cookie, which only the browser
 * keeps; the gateway remembers just those that ended before their time. Thread-safe.
 */
public final class Sessions {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.session");
  private static final String COOKIE = "__Host-apprxy-session";

  /** RFC 6265 §6.1: browsers keep at least 4096 bytes a cookie, with name and attributes. */
  private static final int CHUNK = 3_800;

  private static final int MAX_CHUNKS = 4;

  private final Builder settings;
  private final Seal seal;
  private final Duration refreshAfter;

  /** So that a cookie is decrypted once. */
  private final Cache<Fingerprint, Session> opened;

  private final ClaimsPool pool = new ClaimsPool();

  private final Cache<String, Boolean> ended;

  private record Session(
      Identity identity, String authority, boolean persistent, Instant begun, Instant seen) {}

  private Sessions(Builder settings) {
    this.settings = settings;
    this.refreshAfter = settings.idleLifetime.dividedBy(10);
    this.seal = new Seal(settings.keys, "session", settings.clock);
    this.opened = Caffeine.newBuilder().maximumSize(settings.cacheSize).build();
    this.ended =
        Caffeine.newBuilder()
            .maximumSize(1_000_000)
            .expireAfterWrite(settings.absoluteLifetime)
            .build();
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

  /**
   * Who the request's session belongs to; null if it has none that is valid here and now. Keeps it
   * from getting idle.
   */
  public @Nullable Identity find(Exchange exchange) {
    Session session = session(exchange);
    if (session == null) {
      return null;
    }
    Instant now = settings.clock.instant();
    if (Duration.between(session.seen(), now).compareTo(refreshAfter) > 0) {
      write(
          exchange,
          new Session(
              session.identity(), session.authority(), session.persistent(), session.begun(), now));
    }
    return session.identity();
  }

  /** Begins a session with a new id, whatever the browser sent. */
  public Identity begin(
      Exchange exchange,
      String issuer,
      String subject,
      Instant authenticatedAt,
      Map<String, Object> claims) {
    Instant now = settings.clock.instant();
    Identity identity =
        new Identity(issuer, subject, UUID.randomUUID().toString(), authenticatedAt, claims);
    write(
        exchange,
        new Session(
            identity, exchange.authority(), exchange.application().persistentCookie(), now, now));
    return identity;
  }

  /** Ends the session of the request: also for whoever has a copy of its cookie. */
  public void end(Exchange exchange) {
    Session session = session(exchange);
    if (session != null) {
      ended.put(session.identity().sessionId(), true);
    }
    for (int i = 0; i < MAX_CHUNKS; i++) {
      if (exchange.cookie(name(i)) != null) {
        exchange.addResponseHeader("Set-Cookie", cookie(name(i), "", 0L));
      }
    }
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
    }
    Instant now = settings.clock.instant();
    boolean valid =
        session.authority().equals(exchange.authority())
            && now.isBefore(session.begun().plus(settings.absoluteLifetime))
            && now.isBefore(session.seen().plus(settings.idleLifetime))
            && ended.getIfPresent(session.identity().sessionId()) == null;
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
    Duration left =
        Duration.between(settings.clock.instant(), session.begun().plus(settings.absoluteLifetime));
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
    values.put("begun", session.begun().getEpochSecond());
    values.put("seen", session.seen().getEpochSecond());
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
              instant(values, "at"),
              pool.compact(read(values, "claims", Map.class)));
      return new Session(
          identity,
          pool.share(read(values, "host", String.class)),
          read(values, "keep", Boolean.class),
          instant(values, "begun"),
          instant(values, "seen"));
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

  private static Instant instant(Map<String, Object> values, String name) {
    return Instant.ofEpochSecond(read(values, name, Number.class).longValue());
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
    private long cacheSize = 10_000;
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /** The keys of the cookies. Default: a random one, so that sessions end with the process. */
    public Builder keys(SessionKeys with) {
      keys = Objects.requireNonNull(with, "with");
      return this;
    }

    /** How long after the sign-in a session ends, whatever happens. Default: 12 hours. */
    public Builder absoluteLifetime(Duration lifetime) {
      absoluteLifetime = positive("absoluteLifetime", lifetime);
      return this;
    }

    /** How long after its last request a session ends; measured to a tenth. Default: 1 hour. */
    public Builder idleLifetime(Duration lifetime) {
      idleLifetime = positive("idleLifetime", lifetime);
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
