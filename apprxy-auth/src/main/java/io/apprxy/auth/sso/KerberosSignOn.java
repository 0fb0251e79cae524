package io.apprxy.auth.sso;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.Application;
import io.apprxy.Application.KerberosDelegation;
import io.apprxy.Application.TokenForm;
import io.apprxy.EndedSessions;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.OriginAnswer;
import io.apprxy.OriginRequest;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import io.apprxy.auth.session.WorkerThreads;
import io.apprxy.auth.sso.DelegatedUser.Ticket;
import io.apprxy.auth.sso.KerberosFailure.Step;
import io.apprxy.auth.sso.ServiceAccount.Login;
import java.nio.file.Path;
import java.security.PrivilegedActionException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import javax.security.auth.kerberos.KerberosPrincipal;
import javax.security.auth.kerberos.KeyTab;
import org.jspecify.annotations.Nullable;

/**
 * Kerberos constrained delegation (MS-SFU): signs users on to origins, as {@link
 * Application.SingleSignOn#kerberos()} says, with a ticket that a service account gets in their
 * name (S4U2Self, S4U2Proxy). The user has no password here, and needs none.
 *
 * <p>Each request carries a token from the first on, and each has one of its own; the tickets are
 * kept for the user's session. An origin that answers 401 to one gets a new ticket, once. Where it
 * proves itself, the proof is verified. Of what an origin says in {@code WWW-Authenticate:
 * Negotiate} the client sees nothing.
 *
 * <p>It is done by the JDK's GSS-API, on any operating system, and the machine is in no domain.
 * What the JDK knows of realms and domain controllers is one for a whole JVM: {@code
 * /etc/krb5.conf}, or the file that the system property {@code java.security.krb5.conf} names, with
 * {@code forwardable = true}. This class sets no system property, and needs no other.
 *
 * <p>Thread-safe; never blocks an I/O thread.
 */
public final class KerberosSignOn implements SignOn, AutoCloseable {
  private static final String CHALLENGE = "WWW-Authenticate";
  private static final int THREADS = 8;
  private static final int QUEUE = 1_000;
  private static final int MAX_KDCS = 1_000;
  private static final Duration REFUSAL_AGE = Duration.ofSeconds(10);
  private static final Duration RENEWAL_AGE = Duration.ofSeconds(30);

  /** Those that may be the account's own. */
  private static final Set<ErrorCode> AMBIGUOUS =
      EnumSet.of(
          ErrorCode.KERBEROS_USER_DISABLED,
          ErrorCode.KERBEROS_NO_PROTOCOL_TRANSITION,
          ErrorCode.KERBEROS_NOT_ALLOWED_TO_DELEGATE,
          ErrorCode.KERBEROS_SERVICE_UNKNOWN);

  /** Whom the service account asks for a ticket of its own for. */
  private static final Identity NOBODY =
      new Identity("apprxy", "apprxy", "", Instant.EPOCH, Map.of());

  private final ServiceAccount account;
  private final Duration timeout;
  private final Clock clock;
  private final Cache<String, Kdc> kdcs;
  private final ThreadPoolExecutor workers;
  final Cache<Key, CompletableFuture<DelegatedUser>> users;

  /**
   * What the domain has just refused, it is not asked again: whoever reloads a page would be heard.
   */
  private final Cache<Refused, GatewayException> refusals;

  /** Whose tickets were renewed a moment ago, because an origin refused one. */
  private final Cache<Key, Boolean> renewals;

  /** A user in a session: what another session of theirs may do is found out anew. */
  record Key(String session, String name) {}

  private record Refused(Key user, String service) {}

  private KerberosSignOn(Builder settings) {
    this.timeout = settings.timeout;
    this.clock = settings.clock;
    this.kdcs = Caffeine.newBuilder().maximumSize(MAX_KDCS).executor(Runnable::run).build();
    this.workers = WorkerThreads.start("apprxy-kerberos", THREADS, QUEUE);
    this.account =
        new ServiceAccount(
            settings.principal,
            settings.keytab,
            workers,
            kdcOf(settings.principal),
            settings.clock,
            settings.ticketAge);
    this.users =
        Caffeine.newBuilder()
            .maximumSize(settings.maxUsers)
            .expireAfterWrite(settings.ticketAge)
            .executor(Runnable::run) // there is little to do, and no other pool is to be woken
            .build();
    this.refusals =
        Caffeine.newBuilder()
            .maximumSize(settings.maxUsers)
            .expireAfterWrite(REFUSAL_AGE)
            .executor(Runnable::run)
            .build();
    this.renewals =
        Caffeine.newBuilder()
            .maximumSize(settings.maxUsers)
            .expireAfterWrite(RENEWAL_AGE)
            .executor(Runnable::run)
            .build();
  }

  /**
   * Signs on as this account.
   *
   * @param principal the account that delegates, such as {@code svc-apprxy@CORP.EXAMPLE}: its name
   *     as an account, not one of its service principal names
   * @param keytab its keys; its owner's alone
   */
  public static Builder builder(String principal, Path keytab) {
    return new Builder(principal, keytab);
  }

  @Override
  public Verdict signOn(OriginRequest request, Identity identity, Application application) {
    KerberosDelegation wanted = application.singleSignOn().kerberos();
    if (wanted == null) {
      return Verdict.proceed();
    }
    String service = wanted.servicePrincipalName();
    Key key = new Key(identity.sessionId(), LoginName.of(identity, wanted, account.realm()));
    GatewayException refusal = refusals.getIfPresent(new Refused(key, service));
    if (refusal != null) {
      throw refusal;
    }
    CompletableFuture<DelegatedUser> user = users.getIfPresent(key);
    DelegatedUser there = there(user);
    if (user != null && there != null) {
      Negotiation negotiation = atOnce(there, wanted, key, user);
      if (negotiation != null) {
        begin(request, key, user, negotiation);
        return Verdict.proceed();
      }
    }
    kdcOf(key.name()).check();
    kdcFor(service).check();
    CompletableFuture<DelegatedUser> asked = user(key, identity);
    return Verdict.later(
        negotiate(asked, service, wanted.tokenForm())
            .whenComplete((token, failed) -> remember(failed, key, service, asked))
            .thenApply(
                next -> {
                  begin(request, key, asked, next);
                  return Verdict.proceed();
                }));
  }

  private @Nullable Negotiation atOnce(
      DelegatedUser there,
      KerberosDelegation wanted,
      Key key,
      CompletableFuture<DelegatedUser> user) {
    try {
      return there.negotiateAtOnce(
          wanted.servicePrincipalName(), wanted.tokenForm(), clock.instant());
    } catch (PrivilegedActionException e) {
      users.asMap().remove(key, user);
      throw KerberosFailure.of(e, Step.TICKET);
    }
  }

  private Kdc kdcOf(String principal) {
    return kdc(principal.substring(principal.lastIndexOf('@') + 1));
  }

  /**
   * Whoever is asked for tickets for it: those of another realm, maybe, which only a ticket tells.
   */
  private Kdc kdcFor(String service) {
    return kdc("for " + service);
  }

  private Kdc kdc(String name) {
    return kdcs.get(name, unknown -> new Kdc(System::nanoTime));
  }

  /** Of a user for whom there is no ticket, all is asked for anew: theirs may have ended. */
  private void remember(
      @Nullable Throwable failed, Key key, String service, CompletableFuture<DelegatedUser> asked) {
    if (failed != null
        && cause(failed) instanceof GatewayException refusal
        && refusal.code() != ErrorCode.KDC_UNREACHABLE) {
      refusals.put(new Refused(key, service), refusal);
      users.asMap().remove(key, asked);
    }
  }

  /** Of this session: the one that is there, or under way, or the next. */
  private CompletableFuture<DelegatedUser> user(Key key, Identity identity) {
    CompletableFuture<DelegatedUser> known = users.getIfPresent(key);
    DelegatedUser there = there(known);
    if (known != null
        && (known.isCompletedExceptionally()
            || (there != null && !clock.instant().isBefore(there.until())))) {
      users.asMap().remove(key, known);
    }
    return users.get(key, next -> impersonate(next.name(), identity));
  }

  private static @Nullable DelegatedUser there(@Nullable CompletableFuture<DelegatedUser> user) {
    return user != null && user.isDone() && !user.isCompletedExceptionally() ? user.join() : null;
  }

  private void begin(
      OriginRequest request,
      Key key,
      CompletableFuture<DelegatedUser> user,
      Negotiation negotiation) {
    request.set("Authorization", negotiation.credentials());
    request.onAnswer(answer -> isRefused(answer, key, user, negotiation));
  }

  private boolean isRefused(
      OriginAnswer answer,
      Key key,
      CompletableFuture<DelegatedUser> user,
      Negotiation negotiation) {
    List<String> offers = Negotiation.offers(answer.headers(CHALLENGE));
    if (offers.isEmpty()) {
      negotiation.end();
      return false;
    }
    if (answer.status() == 401) {
      negotiation.end();
      renew(key, user);
      return true;
    }
    offers.stream().filter(proof -> !proof.isEmpty()).forEach(negotiation::verify);
    answer.remove(CHALLENGE);
    return false;
  }

  /** The service may have a new key; but there are pages that are refused to some users always. */
  private void renew(Key key, CompletableFuture<DelegatedUser> refused) {
    if (renewals.asMap().putIfAbsent(key, true) == null) {
      users.asMap().remove(key, refused);
    }
  }

  // ---- tickets

  ServiceAccount account() {
    return account;
  }

  CompletableFuture<DelegatedUser> impersonate(String name, Identity identity) {
    return account
        .login()
        .thenApplyAsync(
            login ->
                kdcOf(name)
                    .ask(
                        name.endsWith("@" + login.realm())
                            ? Step.IMPERSONATION
                            : Step.IMPERSONATION_ELSEWHERE,
                        () -> DelegatedUser.of(login, name, identity)),
            workers);
  }

  /** A token of the user's for a service, in time, or the reason why there is none. */
  CompletableFuture<Negotiation> negotiate(
      CompletableFuture<DelegatedUser> user, String service, TokenForm form) {
    return user.thenCompose(
            known ->
                known
                    .ticket(service, clock.instant(), workers, kdcFor(service))
                    .thenApplyAsync(ticket -> negotiate(known, ticket, form), workers))
        .exceptionallyCompose(failed -> explained(failed, service))
        .orTimeout(timeout.toMillis(), TimeUnit.MILLISECONDS)
        .exceptionallyCompose(failed -> CompletableFuture.failedFuture(refused(failed)));
  }

  private static Negotiation negotiate(DelegatedUser user, Ticket ticket, TokenForm form) {
    try {
      return user.negotiate(ticket, form);
    } catch (PrivilegedActionException e) {
      throw KerberosFailure.of(e, Step.TICKET);
    }
  }

  /**
   * Domain controllers say the same of a user who is disabled, or must not be delegated, as of an
   * account that is or must not; and the JDK the same of a service of another domain that lets
   * nobody delegate as of one that is not there. Which it is shows in what the account may do for
   * itself.
   */
  private CompletableFuture<Negotiation> explained(Throwable failed, String service) {
    Throwable cause = cause(failed);
    if (!(cause instanceof GatewayException known) || !AMBIGUOUS.contains(known.code())) {
      return CompletableFuture.failedFuture(failed);
    }
    return account
        .login()
        .thenApplyAsync(login -> explained(login, service, known), workers)
        .thenCompose(CompletableFuture::failedFuture);
  }

  private GatewayException explained(Login login, String service, GatewayException known) {
    DelegatedUser itself;
    try {
      itself =
          kdcOf(account.principal())
              .ask(Step.IMPERSONATION, () -> DelegatedUser.of(login, account.principal(), NOBODY));
    } catch (GatewayException ofAccount) {
      return switch (ofAccount.code()) {
        case KERBEROS_USER_DISABLED ->
            new GatewayException(
                ErrorCode.KERBEROS_KEYTAB, "the service account is disabled, or expired", known);
        case KERBEROS_NO_PROTOCOL_TRANSITION, KDC_UNREACHABLE -> ofAccount;
        default -> known;
      };
    }
    if (known.code() == ErrorCode.KERBEROS_USER_DISABLED) {
      return known;
    }
    try {
      itself.fetch(service, kdcFor(service));
    } catch (GatewayException ofAccount) {
      return ofAccount.code() == ErrorCode.KERBEROS_SERVICE_UNKNOWN
          ? unknown(login, service, ofAccount)
          : ofAccount;
    }
    return new GatewayException(
        ErrorCode.KERBEROS_USER_NOT_DELEGATED, "the user must not be delegated", known);
  }

  private GatewayException unknown(Login login, String service, GatewayException known) {
    try {
      kdcFor(service).ask(Step.TICKET, () -> DelegatedUser.ofAccount(login, service)).end();
      return new GatewayException(
          ErrorCode.KERBEROS_NOT_ALLOWED_TO_DELEGATE,
          "the application's domain knows it, but has no ticket of a user for it",
          known);
    } catch (GatewayException ofAccount) {
      return known;
    }
  }

  private Throwable refused(Throwable failed) {
    Throwable cause = cause(failed);
    if (cause instanceof TimeoutException) {
      return new GatewayException(ErrorCode.KDC_UNREACHABLE, "no ticket within " + timeout, cause);
    }
    if (cause instanceof RejectedExecutionException) {
      return new GatewayException(ErrorCode.KDC_UNREACHABLE, "too many wait for tickets", cause);
    }
    return cause;
  }

  static Throwable cause(Throwable failed) {
    return failed instanceof CompletionException && failed.getCause() != null
        ? failed.getCause()
        : failed;
  }

  /** Drops the tickets of those whose sessions have ended. */
  @Override
  public void forget(EndedSessions ended) {
    drop(ended);
    if (!ended.equals(EndedSessions.all())) {
      // A request that was let in before may have come here since.
      CompletableFuture.delayedExecutor(timeout.toMillis(), TimeUnit.MILLISECONDS)
          .execute(() -> drop(ended));
    }
  }

  /** Those under way as soon as they are there: before, it is not known whose they are. */
  private void drop(EndedSessions ended) {
    users
        .asMap()
        .forEach(
            (key, user) -> {
              var unused =
                  user.thenAccept(
                      there -> {
                        if (ended.test(there.identity())) {
                          users.asMap().remove(key, user);
                        }
                      });
            });
  }

  /** Ends its threads. Requests that wait for tickets are refused. */
  @Override
  public void close() {
    workers.shutdownNow();
    users.invalidateAll();
  }

  /** Settings. Not thread-safe. Each setter checks at once. */
  public static final class Builder {
    private static final Pattern PRINCIPAL =
        Pattern.compile("[^\\p{Cntrl}\\s/@]+(/[^\\p{Cntrl}\\s/@]+)?@[A-Z0-9][A-Z0-9.-]*");

    private final String principal;
    private final Path keytab;
    private Duration ticketAge = Duration.ofMinutes(15);
    private Duration timeout = Duration.ofSeconds(10);
    private int maxUsers = 10_000;
    private Clock clock = Clock.systemUTC();

    private Builder(String principal, Path keytab) {
      this.principal = Objects.requireNonNull(principal, "principal");
      this.keytab = Objects.requireNonNull(keytab, "keytab");
      if (!PRINCIPAL.matcher(principal).matches()) {
        throw new IllegalArgumentException(
            "principal must be account@REALM, the realm in capital letters: " + principal);
      }
    }

    /**
     * How long tickets of a user are kept. The domain is not asked in the meantime whether the user
     * may still be delegated. Default: 15 minutes.
     *
     * @throws IllegalArgumentException unless it is from 1 minute to 10 hours
     */
    public Builder ticketAge(Duration longest) {
      if (longest.compareTo(Duration.ofMinutes(1)) < 0
          || longest.compareTo(Duration.ofHours(10)) > 0) {
        throw new IllegalArgumentException(
            "ticketAge must be from 1 minute to 10 hours: " + longest);
      }
      ticketAge = longest;
      return this;
    }

    /**
     * How long a request waits for tickets. Default: 10 seconds.
     *
     * @throws IllegalArgumentException unless it is from 1 second to 2 minutes
     */
    public Builder timeout(Duration longest) {
      if (longest.compareTo(Duration.ofSeconds(1)) < 0
          || longest.compareTo(Duration.ofMinutes(2)) > 0) {
        throw new IllegalArgumentException("timeout must be from 1 s to 2 minutes: " + longest);
      }
      timeout = longest;
      return this;
    }

    /**
     * Of how many users tickets are kept. Default: 10,000.
     *
     * @throws IllegalArgumentException unless it is positive
     */
    public Builder maxUsers(int number) {
      if (number <= 0) {
        throw new IllegalArgumentException("maxUsers must be positive: " + number);
      }
      maxUsers = number;
      return this;
    }

    /** For tests. Default: that of the system. */
    Builder clock(Clock time) {
      clock = Objects.requireNonNull(time, "time");
      return this;
    }

    /**
     * The sign-on. No domain controller is asked before the first request that needs it.
     *
     * @throws IllegalArgumentException if the keytab is not there, or has no key of the account
     */
    public KerberosSignOn build() {
      KerberosPrincipal account = new KerberosPrincipal(principal);
      KeyTab keys = KeyTab.getInstance(account, keytab.toFile());
      if (!keys.exists()) {
        throw new IllegalArgumentException("keytab: there is none at " + keytab);
      }
      if (keys.getKeys(account).length == 0) {
        throw new IllegalArgumentException(
            "keytab: "
                + keytab
                + " has no key of "
                + principal
                + ", which is the name of an account, and no service principal name (klist -k tells)");
      }
      return new KerberosSignOn(this);
    }
  }
}
