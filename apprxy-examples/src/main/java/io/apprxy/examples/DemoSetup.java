package io.apprxy.examples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;

/**
 * What the examples need around a gateway: a private directory, secrets that stay off the command
 * line, and a way to stop.
 */
final class DemoSetup {
  private static final boolean POSIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
  private static final SecureRandom RANDOM = new SecureRandom();

  private static final int LOWEST_PORT = 20_000;
  private static final int PORTS = 12_000;
  private static final AtomicInteger NEXT_PORT = new AtomicInteger(RANDOM.nextInt());

  private DemoSetup() {}

  /** Where certificates and secrets of the demo are kept, unless told otherwise. */
  static Path defaultDirectory() {
    return Path.of(System.getProperty("user.home"), ".apprxy-quickstart");
  }

  /** Creates the directory, if need be, for its owner alone; refuses one that others may enter. */
  static Path privateDirectory(Path directory) throws IOException {
    if (Files.notExists(directory)) {
      Files.createDirectories(directory, ownerOnly("rwx------"));
    } else if (POSIX && Files.getPosixFilePermissions(directory).size() > 3) {
      throw new IOException(
          directory + " can be read by others: chmod 700 it, or name another one with --directory");
    }
    return directory;
  }

  /** Writes a file that only its owner may read, in place of one that may be there. */
  static void replacePrivate(Path file, String text) throws IOException {
    Files.move(privateFile(file, text), file, StandardCopyOption.ATOMIC_MOVE);
  }

  private static Path privateFile(Path beside, String text) throws IOException {
    Path fresh =
        Files.createTempFile(
            beside.toAbsolutePath().getParent(), "new", ".tmp", ownerOnly("rw-------"));
    return Files.writeString(fresh, text, StandardOpenOption.WRITE);
  }

  /** Writes a new file that only its owner may read. */
  static void writePrivate(Path file, String text) throws IOException {
    Path fresh = privateFile(file, text);
    try {
      Files.createLink(
          file, fresh); // whole or not at all, and never over a file that another process has just
      // written
    } finally {
      Files.delete(fresh);
    }
  }

  /**
   * The secret in this file, which is created with a random one if there is none: two processes
   * find the same.
   */
  static String sharedSecret(Path file) throws IOException {
    if (Files.notExists(file)) {
      try {
        writePrivate(file, randomSecret() + "\n");
      } catch (FileAlreadyExistsException another) {
        // another process was first: its secret counts
      }
    }
    return readSecret(file);
  }

  /**
   * A secret from a file, else from an environment variable, else null. Never from the command
   * line, which others can read.
   */
  static @Nullable String secret(@Nullable Path file, String variable) throws IOException {
    return file == null ? System.getenv(variable) : readSecret(file);
  }

  /** A secret that another process may have written by now, or null. */
  static @Nullable String secretIfThere(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (NoSuchFileException e) {
      return null;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String readSecret(Path file) throws IOException {
    String secret = Files.readString(file).strip();
    if (secret.isEmpty()) {
      throw new IOException(file + " is empty, where it should hold a secret");
    }
    return secret;
  }

  /** 256 bits, in letters and digits that are safe in URLs and headers. */
  static String randomSecret() {
    byte[] bytes = new byte[32];
    RANDOM.nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  /**
   * The port, or a free one instead of 0, where the number has to be known before the server
   * starts. It is none that a system hands out to whoever asks for any, or to a client for its end
   * of a connection (RFC 6335 §6; Linux begins at 32,768), so nobody gets it in between.
   */
  static int portOrFree(int port) throws IOException {
    if (port != 0) {
      return port;
    }
    for (int tries = 0; tries < 1_000; tries++) {
      int free = LOWEST_PORT + Math.floorMod(NEXT_PORT.getAndIncrement(), PORTS);
      try (ServerSocket socket = new ServerSocket()) {
        socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), free));
        return free;
      } catch (BindException inUse) {
        // the next one, then
      }
    }
    throw new IOException("no port is free from " + LOWEST_PORT + " on");
  }

  /** Runs a command; a failure that its user can mend is told in a line. */
  static int run(Callable<Integer> command, String... arguments) {
    return run(new CommandLine(command), arguments);
  }

  /** The same for a command that has subcommands. */
  static int run(CommandLine command, String... arguments) {
    return command
        .setExecutionExceptionHandler(
            (failure, line, parsed) -> {
              String name = line.getCommandName();
              LoggerFactory.getLogger(DemoSetup.class).debug("{} failed", name, failure);
              line.getErr()
                  .println(
                      name + " failed: " + reason(failure) + " (the details: APPRXY_LOG=DEBUG)");
              return line.getCommandSpec().exitCodeOnExecutionException();
            })
        .execute(arguments);
  }

  private static String reason(Throwable failure) {
    Throwable root = failure;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    String hint =
        root instanceof BindException
            ? ": another process has the port; choose others, see --help"
            : "";
    return root.getClass().getSimpleName() + ": " + root.getMessage() + hint;
  }

  /** Waits until the process is told to stop, then closes these, the first one first. */
  static int serveUntilStopped(AutoCloseable... servers) {
    return serveUntil(new CompletableFuture<>(), servers);
  }

  /** The same, or until it wants to stop by itself, with an exit code. */
  static int serveUntil(CompletableFuture<Integer> end, AutoCloseable... servers) {
    Runtime.getRuntime().addShutdownHook(new Thread(() -> closeAll(servers), "shutdown"));
    int code = end.join();
    closeAll(servers);
    return code;
  }

  /** Ends this process, in order, when the one that has started it is gone. */
  static void endWithParent() {
    ProcessHandle.current()
        .parent()
        .ifPresent(
            parent -> {
              var unused = parent.onExit().thenRun(() -> System.exit(0));
            });
  }

  static void closeAll(AutoCloseable... servers) {
    for (AutoCloseable server : servers) {
      try {
        server.close();
      } catch (Exception e) {
        System.err.println("Could not close " + server.getClass().getSimpleName() + ": " + e);
      }
    }
  }

  private static FileAttribute<?>[] ownerOnly(String permissions) {
    return POSIX
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
        }
        : new FileAttribute<?>[0];
  }
}
