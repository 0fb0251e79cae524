package io.apprxy.auth.sso;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.auth.sso.KerberosFailure.Step;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import javax.security.auth.Subject;
import javax.security.auth.kerberos.KerberosTicket;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.AppConfigurationEntry.LoginModuleControlFlag;
import javax.security.auth.login.Configuration;
import javax.security.auth.login.LoginContext;
import javax.security.auth.login.LoginException;
import org.jspecify.annotations.Nullable;

/**
 * The account that delegates, and its own ticket, which is renewed before it ends: one login at a
 * time, whoever waits for it. Thread-safe.
 */
final class ServiceAccount {
  /** Domain controllers take no ticket that is about to end: two minutes before, it was seen. */
  private static final Duration EARLY = Duration.ofMinutes(5);

  private static final Duration REFUSED = Duration.ofSeconds(30);

  /** Without it users' tickets would not be either, and the JDK wants them so. */
  static final String NOT_FORWARDABLE = "the account's ticket is not forwardable";

  private final String principal;
  private final Path keytab;
  private final Executor workers;
  private final Kdc kdc;
  private final Clock clock;

  /** Tickets of users are used no longer; those that a login brings must outlive them. */
  private final Duration ticketAge;

  private @Nullable CompletableFuture<Login> current;
  private Instant failedAt = Instant.MIN;

  ServiceAccount(
      String principal, Path keytab, Executor workers, Kdc kdc, Clock clock, Duration ticketAge) {
    this.principal = principal;
    this.keytab = keytab;
    this.workers = workers;
    this.kdc = kdc;
    this.clock = clock;
    this.ticketAge = ticketAge;
  }

  /**
   * A login.
   *
   * @param realm that the account is in
   * @param until it is good for new tickets
   * @param renewed then there is to be another: before the tickets end that came of it
   */
  record Login(Subject subject, String realm, Instant until, Instant renewed) {

    /**
     * A service that names no realm is looked for in the account's, which refers to others. The JDK
     * would take the default one of {@code krb5.conf}, which is the whole JVM's.
     */
    String inRealm(String service) {
      return service.indexOf('@') < 0 ? service + "@" + realm : service;
    }
  }

  String principal() {
    return principal;
  }

  /** The realm that the account is in. */
  String realm() {
    return principal.substring(principal.lastIndexOf('@') + 1);
  }

  /** The present login, or the next one. */
  synchronized CompletableFuture<Login> login() {
    CompletableFuture<Login> known = current;
    if (known == null || isOver(known)) {
      known = new CompletableFuture<>();
      current = known;
      CompletableFuture<Login> next = known;
      try {
        workers.execute(() -> logIn(next));
      } catch (RejectedExecutionException e) {
        current = null;
        next.completeExceptionally(e);
      }
    }
    return known;
  }

  /**
   * One that was refused is not tried again at once: some domains lock an account that comes with a
   * wrong key too often.
   */
  private boolean isOver(CompletableFuture<Login> known) {
    if (!known.isDone()) {
      return false;
    }
    Instant now = clock.instant();
    return known.isCompletedExceptionally()
        ? now.isAfter(failedAt.plus(REFUSED))
        : !now.isBefore(known.join().renewed());
  }

  private void logIn(CompletableFuture<Login> next) {
    try {
      next.complete(kdc.ask(Step.LOGIN, this::logIn));
    } catch (GatewayException e) {
      synchronized (this) {
        failedAt = e.code() == ErrorCode.KDC_UNREACHABLE ? Instant.MIN : clock.instant();
      }
      next.completeExceptionally(e);
    } catch (Error e) {
      next.completeExceptionally(e); // else nobody would ever try again
      throw e;
    }
  }

  /**
   * By a configuration of our own: neither {@code java.security.auth.login.config} nor a file of
   * it, which an application around us may have for itself.
   *
   * @throws GatewayException by way of {@link Kdc#ask}
   */
  private Login logIn() throws LoginException {
    LoginContext context = new LoginContext("apprxy", new Subject(), null, configuration());
    context.login();
    Subject subject = context.getSubject();
    KerberosTicket ticket =
        subject.getPrivateCredentials(KerberosTicket.class).stream()
            .findFirst()
            .orElseThrow(() -> new LoginException("the login brought no ticket"));
    if (!ticket.isForwardable()) {
      throw new LoginException(NOT_FORWARDABLE);
    }
    Instant now = clock.instant();
    Duration life = Duration.between(now, ticket.getEndTime().toInstant());
    Instant half = now.plus(life.dividedBy(2));
    Instant until = latest(half, now.plus(life).minus(EARLY));
    return new Login(subject, realm(), until, latest(half, until.minus(ticketAge)));
  }

  private static Instant latest(Instant one, Instant other) {
    return one.isAfter(other) ? one : other;
  }

  private Configuration configuration() {
    AppConfigurationEntry entry =
        new AppConfigurationEntry(
            "com.sun.security.auth.module.Krb5LoginModule",
            LoginModuleControlFlag.REQUIRED,
            Map.of(
                "useKeyTab", "true",
                "keyTab", keytab.toString(),
                "principal", principal,
                "isInitiator", "true",
                "doNotPrompt", "true",
                "storeKey", "false",
                "useTicketCache", "false"));
    return new Configuration() {
      @Override
      public AppConfigurationEntry[] getAppConfigurationEntry(String name) {
        return new AppConfigurationEntry[] {entry};
      }
    };
  }
}
