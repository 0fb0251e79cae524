package io.apprxy.auth.sso;

import com.sun.security.jgss.ExtendedGSSCredential;
import io.apprxy.Application.TokenForm;
import io.apprxy.Identity;
import io.apprxy.auth.sso.KerberosFailure.Step;
import io.apprxy.auth.sso.ServiceAccount.Login;
import java.security.PrivilegedActionException;
import java.security.PrivilegedExceptionAction;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Executor;
import javax.security.auth.Subject;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSCredential;
import org.ietf.jgss.GSSException;
import org.ietf.jgss.GSSManager;
import org.ietf.jgss.Oid;

/**
 * A user in whose name the service account may ask for tickets. Each has a subject of its own: the
 * JDK puts tickets for services there, and looks through all of them for each request. Thread-safe.
 */
final class DelegatedUser {
  private static final Oid KRB5 = oid("1.2.840.113554.1.2.2");
  private static final Oid SPNEGO = oid("1.3.6.1.5.5.2");

  /** A name as it is, with its realm: nothing is looked up. */
  private static final Oid NAME = oid("1.2.840.113554.1.2.2.1");

  private final Identity identity;
  private final Instant until;
  private final Subject subject;
  private final GSSCredential credential;

  /** The services that there are tickets for, or will be soon. */
  private final ConcurrentMap<String, CompletableFuture<Void>> tickets = new ConcurrentHashMap<>();

  private DelegatedUser(Identity identity, Instant until, Subject subject, GSSCredential user) {
    this.identity = identity;
    this.until = until;
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
    Subject own = login.subject();
    Subject subject =
        new Subject(false, own.getPrincipals(), Set.of(), own.getPrivateCredentials());
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
    return new DelegatedUser(identity, login.until(), subject, credential);
  }

  /** Whom it was first asked for. */
  Identity identity() {
    return identity;
  }

  /** It is good for new tickets until then. */
  Instant until() {
    return until;
  }

  /** Whether a token for a service needs no domain controller. */
  boolean hasTicket(String service) {
    CompletableFuture<Void> ticket = tickets.get(service);
    return ticket != null && ticket.isDone() && !ticket.isCompletedExceptionally();
  }

  /** Gets the ticket for a service: once, whoever waits for it. */
  CompletableFuture<Void> ticket(String service, Executor workers, Kdc kdc) {
    CompletableFuture<Void> ticket =
        tickets.computeIfAbsent(
            service, name -> CompletableFuture.runAsync(() -> fetch(name, kdc), workers));
    return ticket.whenComplete(
        (done, failed) -> {
          if (failed != null) {
            tickets.remove(service, ticket);
          }
        });
  }

  private void fetch(String service, Kdc kdc) {
    kdc.ask(Step.TICKET, () -> negotiate(service, TokenForm.KERBEROS)).end();
  }

  /**
   * A token for one request. Blocks, for S4U2Proxy (MS-SFU §3.1.5.2.1), unless there is a ticket
   * for the service.
   */
  Negotiation negotiate(String service, TokenForm form) throws PrivilegedActionException {
    return Subject.doAs(
        subject,
        (PrivilegedExceptionAction<Negotiation>)
            () -> {
              GSSManager manager = GSSManager.getInstance();
              GSSContext context =
                  manager.createContext(
                      manager.createName(service, NAME),
                      form == TokenForm.SPNEGO ? SPNEGO : KRB5,
                      credential,
                      GSSContext.DEFAULT_LIFETIME);
              context.requestMutualAuth(true);
              context.requestCredDeleg(false);
              return new Negotiation(subject, context, context.initSecContext(new byte[0], 0, 0));
            });
  }
}
