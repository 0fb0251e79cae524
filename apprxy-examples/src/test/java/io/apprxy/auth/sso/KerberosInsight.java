package io.apprxy.auth.sso;

import java.time.Clock;
import java.util.concurrent.TimeUnit;

/** What is not public, for tests that have a domain. */
public final class KerberosInsight {
  private KerberosInsight() {}

  /** With another clock than the system's. */
  public static KerberosSignOn at(KerberosSignOn.Builder settings, Clock clock) {
    return settings.clock(clock).build();
  }

  /** The present login of the service account: the same object as long as it is the same. */
  public static Object login(KerberosSignOn kerberos) throws Exception {
    return kerberos.account().login().get(30, TimeUnit.SECONDS);
  }

  /** Of how many sessions' users it has tickets, or waits for some. */
  public static int sessionsWithTickets(KerberosSignOn kerberos) {
    return kerberos.users.asMap().size();
  }
}
