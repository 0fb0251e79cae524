package io.apprxy.auth.sso;

import io.apprxy.auth.session.SessionKeys;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * Where the passwords are that {@link BasicSignOn} signs users on with: an encrypted file, or a
 * vault of your own. Called on I/O threads by many requests at once: thread-safe, and never
 * blocking.
 */
@FunctionalInterface
public interface SecretStore {
  /**
   * Looks an account up. Completes with null if there is none, and exceptionally if that cannot be
   * found out: the request is refused then.
   */
  CompletionStage<@Nullable Account> find(Key key);

  /**
   * Whose account, and where.
   *
   * @param application the id of the application
   * @param issuer the provider that vouches for the user; null if all users share the account.
   *     Users of two providers who have the same name are two users
   * @param user the name by which the user is known there; null if all users share the account
   */
  record Key(String application, @Nullable String issuer, @Nullable String user) {
    /**
     * A key.
     *
     * @throws IllegalArgumentException if only one of issuer and user is there
     */
    public Key {
      if ((issuer == null) != (user == null)) {
        throw new IllegalArgumentException("a user is one of an issuer");
      }
    }

    /** Of the account that all users of an application share. */
    public static Key shared(String application) {
      return new Key(application, null, null);
    }

    /** Of a user's own account. */
    public static Key of(String application, String issuer, String user) {
      return new Key(application, issuer, user);
    }
  }

  /**
   * A name and a password for Basic authentication (RFC 7617 §2). Immutable; {@link #toString()}
   * tells no password.
   *
   * @param name without a colon
   */
  record Account(String name, String password) {
    /**
     * An account.
     *
     * @throws IllegalArgumentException if the name has a colon, or one of them a control character;
     *     the message tells neither
     */
    public Account {
      if (name.indexOf(':') >= 0) {
        throw new IllegalArgumentException("the name of an account must have no colon (RFC 7617)");
      }
      if (name.chars().anyMatch(Character::isISOControl)
          || password.chars().anyMatch(Character::isISOControl)) {
        throw new IllegalArgumentException(
            "an account must have no control character in its name and password (RFC 7617)");
      }
    }

    @Override
    public String toString() {
      return "Account[" + name + "]";
    }
  }

  /**
   * The store in an encrypted file, see {@link SecretFile}.
   *
   * @param keys of its own, and not those of sessions: whoever signs users on needs it, and in a
   *     connector that is nobody who should be able to make up sessions
   * @throws UncheckedIOException if the file is there and cannot be read, others than its owner
   *     have access to it, or none of the keys opens it
   */
  static SecretFile file(Path file, SessionKeys keys) {
    return SecretFile.open(file, keys);
  }
}
