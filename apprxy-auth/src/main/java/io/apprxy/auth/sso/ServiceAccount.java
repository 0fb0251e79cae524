package io.apprxy.auth.sso;

import io.apprxy.GatewayException;
import io.apprxy.auth.sso.KerberosFailure.Step;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
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

  private final String principal;
  private final Path keytab;
  private final Executor workers;
  private final Kdc kdc;
  private final Clock clock;
  private @Nullable CompletableFuture<Login> current;

  ServiceAccount(String principal, Path keytab, Executor workers, Kdc kdc, Clock clock) {
    this.principal = principal;
    this.keytab = keytab;
    this.workers = workers;
    this.kdc = kdc;
    this.clock = clock;
  }

  /**
   * A login.
   *
   * @param until it is good for new tickets
   */
  record Login(Subject subject, Instant until) {}

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
    if (known == null || hasEnded(known)) {
      known = CompletableFuture.supplyAsync(() -> kdc.ask(Step.LOGIN, this::logIn), workers);
      current = known;
    }
    return known;
  }

  private boolean hasEnded(CompletableFuture<Login> known) {
    return known.isDone()
        && (known.isCompletedExceptionally() || !clock.instant().isBefore(known.join().until()));
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
    Instant now = clock.instant();
    Duration life = Duration.between(now, ticket.getEndTime().toInstant());
    Duration early = EARLY.compareTo(life.dividedBy(2)) < 0 ? EARLY : life.dividedBy(2);
    return new Login(subject, ticket.getEndTime().toInstant().minus(early));
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
