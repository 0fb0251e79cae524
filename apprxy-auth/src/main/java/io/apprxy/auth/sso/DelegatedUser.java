package io.apprxy.auth.sso;

import com.sun.security.jgss.ExtendedGSSCredential;
import io.apprxy.Application.TokenForm;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.auth.sso.KerberosFailure.Step;
import io.apprxy.auth.sso.ServiceAccount.Login;
import java.security.PrivilegedActionException;
import java.security.PrivilegedExceptionAction;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Executor;
import javax.security.auth.Subject;
import javax.security.auth.kerberos.KerberosTicket;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSCredential;
import org.ietf.jgss.GSSException;
import org.ietf.jgss.GSSManager;
import org.ietf.jgss.Oid;
import org.jspecify.annotations.Nullable;

/**
 * A user in whose name the service account may ask for tickets. Each has a subject of its own: the
 * JDK puts tickets for services there, and looks through all of them for each request. Thread-safe.
 */
final class DelegatedUser {
  private static final Oid KRB5 = oid("1.2.840.113554.1.2.2");
  private static final Oid SPNEGO = oid("1.3.6.1.5.5.2");

  /** A name as it is, with its realm: nothing is looked up. */
  private static final Oid NAME = oid("1.2.840.113554.1.2.2.1");

  /** A ticket is not used to its last second: the JDK would ask for another, and block. */
  private static final Duration EARLY = Duration.ofMinutes(1);

  private final String name;
  private final Identity identity;
  private final Login login;
  private final Subject subject;
  private final GSSCredential credential;

  /** The services that there are tickets for, or will be soon. */
  private final ConcurrentMap<String, CompletableFuture<Ticket>> tickets =
      new ConcurrentHashMap<>();

  /**
   * A ticket for a service.
   *
   * @param server the service with the realm that it was found in: only by it the JDK finds the
   *     ticket again
   * @param until it is used
   */
  record Ticket(String server, Instant until) {}

  private DelegatedUser(
      String name, Identity identity, Login login, Subject subject, GSSCredential user) {
    this.name = name;
    this.identity = identity;
    this.login = login;
    this.subject = subject;
    this.credential = user;
  }

  private static Oid oid(String value) {
    try {
      return new Oid(value);
    } catch (GSSException e) {
      throw new IllegalStateException(e);
    }
  }

  /** S4U2Self (MS-SFU §3.1.5.1.1). Blocks. */
  static DelegatedUser of(Login login, String name, Identity identity)
      throws PrivilegedActionException {
    Subject subject = subjectOf(login);
    GSSCredential credential =
        Subject.doAs(
            subject,
            (PrivilegedExceptionAction<GSSCredential>)
                () -> {
                  GSSManager manager = GSSManager.getInstance();
                  GSSCredential service =
                      manager.createCredential(
                          null,
                          GSSCredential.DEFAULT_LIFETIME,
                          new Oid[] {KRB5, SPNEGO},
                          GSSCredential.INITIATE_ONLY);
                  return ((ExtendedGSSCredential) service)
                      .impersonate(manager.createName(name, NAME));
                });
    return new DelegatedUser(name, identity, login, subject, credential);
  }

  private static Subject subjectOf(Login login) {
    Subject own = login.subject();
    return new Subject(false, own.getPrincipals(), Set.of(), own.getPrivateCredentials());
  }

  /** The account's own ticket for a service, in nobody's name. Blocks. */
  static Negotiation ofAccount(Login login, String service) throws PrivilegedActionException {
    return negotiate(subjectOf(login), login.inRealm(service), KRB5, null);
  }

  /** Who it is in the realm. */
  String name() {
    return name;
  }

  /** Whom it was first asked for. */
  Identity identity() {
    return identity;
  }

  /** It is good for new tickets until then. */
  Instant until() {
    return login.until();
  }

  /** A token for one request, of a ticket that is there; null if there is none. Never blocks. */
  @Nullable Negotiation negotiateAtOnce(String service, TokenForm form, Instant now)
      throws PrivilegedActionException {
    CompletableFuture<Ticket> ticket = tickets.get(service);
    return ticket == null || !ticket.isDone() || isOver(ticket, now)
        ? null
        : negotiate(ticket.join(), form);
  }

  /** Gets the ticket for a service: once, whoever waits for it. */
  CompletableFuture<Ticket> ticket(String service, Instant now, Executor workers, Kdc kdc) {
    CompletableFuture<Ticket> known = tickets.get(service);
    if (known != null && isOver(known, now)) {
      tickets.remove(service, known);
    }
    return tickets.computeIfAbsent(
        service, name -> CompletableFuture.supplyAsync(() -> fetch(name, kdc), workers));
  }

  private static boolean isOver(CompletableFuture<Ticket> ticket, Instant now) {
    return ticket.isDone()
        && (ticket.isCompletedExceptionally() || !now.isBefore(ticket.join().until()));
  }

  /**
   * Not used at all if the JDK has not kept it. Blocks.
   *
   * @throws GatewayException if there is none
   */
  Ticket fetch(String service, Kdc kdc) {
    kdc.ask(Step.TICKET, () -> negotiate(login.inRealm(service), TokenForm.KERBEROS)).end();
    synchronized (subject.getPrivateCredentials()) {
      return subject.getPrivateCredentials(KerberosTicket.class).stream()
          .filter(ticket -> !ticket.isDestroyed() && isFor(service, ticket.getServer().getName()))
          .map(
              ticket ->
                  new Ticket(
                      ticket.getServer().getName(), ticket.getEndTime().toInstant().minus(EARLY)))
          .max(Comparator.comparing(Ticket::until))
          .orElseGet(() -> unkept(service));
    }
  }

  /** The JDK asks the account's realm for a name, whatever realm was named with it. */
  private Ticket unkept(String service) {
    if (service.indexOf('@') >= 0) {
      throw new GatewayException(
          ErrorCode.KERBEROS_SERVICE_UNKNOWN,
          "the ticket is for a service of that name in another realm than " + service);
    }
    return new Ticket(login.inRealm(service), Instant.MIN);
  }

  private static boolean isFor(String service, String server) {
    return server.equals(service) || server.startsWith(service + "@");
  }

  /**
   * A token for one request. Blocks, for S4U2Proxy (MS-SFU §3.1.5.2.1), where the JDK has not kept
   * the ticket.
   */
  Negotiation negotiate(Ticket ticket, TokenForm form) throws PrivilegedActionException {
    return negotiate(ticket.server(), form);
  }

  private Negotiation negotiate(String server, TokenForm form) throws PrivilegedActionException {
    return negotiate(subject, server, form == TokenForm.SPNEGO ? SPNEGO : KRB5, credential);
  }

  private static Negotiation negotiate(
      Subject subject, String server, Oid mechanism, @Nullable GSSCredential initiator)
      throws PrivilegedActionException {
    return Subject.doAs(
        subject,
        (PrivilegedExceptionAction<Negotiation>)
            () -> {
              GSSManager manager = GSSManager.getInstance();
              GSSContext context =
                  manager.createContext(
                      manager.createName(server, NAME),
                      mechanism,
                      initiator,
                      GSSContext.DEFAULT_LIFETIME);
              context.requestMutualAuth(true);
              context.requestCredDeleg(false);
              return new Negotiation(subject, context, context.initSecContext(new byte[0], 0, 0));
            });
  }
}
