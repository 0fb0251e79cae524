package io.apprxy.examples;

import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.sso.SecretFile;
import io.apprxy.auth.sso.SecretStore;
import java.io.BufferedReader;
import java.io.Console;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.Charset;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Comparator;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Puts accounts into the encrypted file that {@link io.apprxy.auth.sso.BasicSignOn} signs users on
 * with, also while it is in use. Passwords are asked for, or read from the standard input: never
 * from the command line, which others can read.
 */
@Command(
    name = "SecretAccounts",
    mixinStandardHelpOptions = true,
    description = "Keeps the accounts of users at applications that ask for a password.",
    subcommands = {
      SecretAccounts.Key.class,
      SecretAccounts.Put.class,
      SecretAccounts.Remove.class,
      SecretAccounts.All.class
    })
public final class SecretAccounts implements Callable<Integer> {
  private static final String KEY = "APPRXY_SECRETS_KEY";

  @Spec private @Nullable CommandSpec spec;

  /** Makes a key, or changes or lists the accounts of a file. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new SecretAccounts(), arguments));
  }

  @Override
  public Integer call() {
    if (spec != null) {
      spec.commandLine().usage(System.err);
    }
    return CommandLine.ExitCode.USAGE;
  }

  /** Which file. */
  static final class Store {
    @Option(
        names = "--file",
        defaultValue = "secrets",
        description = "The encrypted file. Default: ${DEFAULT-VALUE}")
    private Path file = Path.of("");

    @Option(
        names = "--key-file",
        description = "A file with its key. Default: " + KEY + " in the environment")
    private @Nullable Path keyFile;

    private SecretFile open() throws IOException {
      String key = DemoSetup.secret(keyFile, KEY);
      if (key == null) {
        throw new IOException("there is no key: give a --key-file, or set " + KEY);
      }
      return SecretStore.file(file, SessionKeys.of(key));
    }
  }

  /** Whose account. */
  static final class Owner {
    @Option(names = "--application", required = true, description = "The id of the application")
    private String application = "";

    @ArgGroup(exclusive = false)
    private @Nullable User user;

    private SecretStore.Key key() {
      return user == null
          ? SecretStore.Key.shared(application)
          : SecretStore.Key.of(application, user.issuer, user.name);
    }
  }

  /** Of a user's own account. */
  static final class User {
    @Option(
        names = "--issuer",
        required = true,
        description =
            "The provider that vouches for the user. Default: all users share the account")
    private String issuer = "";

    @Option(
        names = "--user",
        required = true,
        description = "The user, by the claim that the application names")
    private String name = "";
  }

  @Command(
      name = "key",
      mixinStandardHelpOptions = true,
      description = "Makes a key, in a file of its owner's alone.")
  static final class Key implements Callable<Integer> {
    @Option(
        names = "--key-file",
        defaultValue = "secrets.key",
        description = "Where to write it. Default: ${DEFAULT-VALUE}")
    private Path keyFile = Path.of("");

    @Override
    public Integer call() throws IOException {
      byte[] key = new byte[32];
      new SecureRandom().nextBytes(key);
      DemoSetup.writePrivate(keyFile, Base64.getEncoder().encodeToString(key) + "\n");
      System.out.println("Wrote " + keyFile + ": whoever has it can read all passwords");
      return 0;
    }
  }

  @Command(
      name = "put",
      mixinStandardHelpOptions = true,
      sortOptions = false,
      description = "Sets an account; its password is asked for.")
  static final class Put implements Callable<Integer> {
    @Mixin private Store store = new Store();
    @Mixin private Owner owner = new Owner();

    @Option(names = "--name", required = true, description = "Its name at the application")
    private String name = "";

    @Option(
        names = "--password-stdin",
        description = "Read the password from a line of the input, and do not ask for it")
    private boolean passwordStdin;

    @Override
    public Integer call() throws IOException {
      SecretFile file = store.open();
      file.put(owner.key(), new SecretStore.Account(name, password()));
      System.out.println("Set " + text(owner.key()));
      return 0;
    }

    private String password() throws IOException {
      String password = passwordStdin ? lineOfInput() : typed();
      if (password == null || password.isEmpty()) {
        throw new IOException("there is no password: type it, or use --password-stdin");
      }
      return password;
    }

    private static @Nullable String lineOfInput() throws IOException {
      return new BufferedReader(new InputStreamReader(System.in, Charset.defaultCharset()))
          .readLine();
    }

    @SuppressWarnings("SystemConsoleNull") // it is null before JDK 22, where there is no terminal
    private static @Nullable String typed() {
      Console console = System.console();
      char[] password = console == null ? null : console.readPassword("Password: ");
      return password == null ? null : new String(password);
    }
  }

  @Command(
      name = "remove",
      mixinStandardHelpOptions = true,
      sortOptions = false,
      description = "Removes an account.")
  static final class Remove implements Callable<Integer> {
    @Mixin private Store store = new Store();
    @Mixin private Owner owner = new Owner();

    @Override
    public Integer call() throws IOException {
      SecretFile file = store.open();
      if (!file.keys().contains(owner.key())) {
        throw new IOException("it is not there: " + text(owner.key()));
      }
      file.remove(owner.key());
      System.out.println("Removed " + text(owner.key()));
      return 0;
    }
  }

  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "Lists the accounts, without their passwords.")
  static final class All implements Callable<Integer> {
    @Mixin private Store store = new Store();

    @Override
    public Integer call() throws IOException {
      store.open().keys().stream()
          .map(SecretAccounts::text)
          .sorted(Comparator.naturalOrder())
          .forEach(System.out::println);
      return 0;
    }
  }

  private static String text(SecretStore.Key key) {
    return key.user() == null
        ? "the account of all users at " + key.application()
        : "the account of " + key.user() + " of " + key.issuer() + " at " + key.application();
  }
}
