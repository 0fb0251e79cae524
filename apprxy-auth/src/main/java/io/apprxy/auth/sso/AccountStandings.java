package io.apprxy.auth.sso;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.apprxy.Identity;
import io.apprxy.auth.sso.SecretStore.Account;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How origins take the accounts that are sent to them. A password that is wrong must not be sent
 * again and again, since that is how accounts are locked; but a 401 need not mean that: some
 * origins answer so where an account that is good may not do something, and no user is to bar
 * others from an account by asking for that. So of an account that has worked
 *
 * <ul>
 *   <li>the third 401 in a row of one user bars that user,
 *   <li>a 401 of one user and then of another bars everybody,
 * </ul>
 *
 * and of any other account the first. Thread-safe.
 */
final class AccountStandings {
  /** So long nothing is sent for whoever is barred. */
  private static final Duration BARRED = Duration.ofMinutes(5);

  /** After so long without a word it has to prove itself anew. */
  private static final Duration GOOD = Duration.ofHours(1);

  private static final int IN_A_ROW = 3;

  private final Cache<SecretStore.Key, Standing> standings;
  private final Cache<Bar, Account> barred;

  AccountStandings(int bound) {
    standings = Caffeine.newBuilder().maximumSize(bound).expireAfterWrite(GOOD).build();
    barred = Caffeine.newBuilder().maximumSize(bound).expireAfterWrite(BARRED).build();
  }

  /** An account that has worked, and who was refused since, how often. */
  private record Standing(Account account, @Nullable String refused, int times) {}

  /** Of one user, or of all. */
  private record Bar(SecretStore.Key key, @Nullable String user) {}

  boolean isBarred(SecretStore.Key key, Account account, Identity user) {
    return account.equals(barred.getIfPresent(new Bar(key, null)))
        || account.equals(barred.getIfPresent(new Bar(key, name(user))));
  }

  void accepted(SecretStore.Key key, Account account) {
    Standing good = new Standing(account, null, 0);
    if (!good.equals(standings.getIfPresent(key))) {
      standings.put(key, good);
    }
  }

  void refused(SecretStore.Key key, Account account, Identity user) {
    String name = name(user);
    standings
        .asMap()
        .compute(
            key,
            (same, standing) -> {
              boolean hasWorked = standing != null && standing.account().equals(account);
              if (!hasWorked || (standing.refused() != null && !standing.refused().equals(name))) {
                barred.put(new Bar(key, null), account);
                return null;
              }
              if (standing.times() + 1 < IN_A_ROW) {
                return new Standing(account, name, standing.times() + 1);
              }
              barred.put(new Bar(key, name), account);
              return new Standing(account, name, 0);
            });
  }

  private static String name(Identity user) {
    return user.issuer() + " " + user.subject();
  }
}
