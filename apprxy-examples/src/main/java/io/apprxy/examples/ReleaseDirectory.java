package io.apprxy.examples;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Releases of a program, and beside them small files that say what is to be done with them. Each
 * names a release by its file name:
 *
 * <ul>
 *   <li>{@code current}: the one that runs; without it, the one that was installed
 *   <li>{@code next}: the one to be tried out at the next start
 *   <li>{@code failed}: those that were tried out and did not come up
 *   <li>{@code up}: the one that has come up; it says so itself
 * </ul>
 */
final class ReleaseDirectory {
  private final Path directory;

  private ReleaseDirectory(Path directory) {
    this.directory = directory;
  }

  /** Creates it, if need be, for its owner alone. */
  static ReleaseDirectory in(Path directory) throws IOException {
    return new ReleaseDirectory(DemoSetup.privateDirectory(directory).toAbsolutePath());
  }

  Path path() {
    return directory;
  }

  /** Keeps others from running releases of the same directory, until it is closed. */
  FileChannel lock() throws IOException {
    FileChannel channel =
        FileChannel.open(
            directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock lock = channel.tryLock();
    if (lock == null) {
      channel.close();
      throw new IOException(
          "another process runs releases of " + directory + ": give each its own directory");
    }
    return channel;
  }

  /** The release that runs; null for the one that was installed. */
  @Nullable Path current() throws IOException {
    return named("current");
  }

  void makeCurrent(Path release) throws IOException {
    write("current", release.getFileName().toString());
  }

  void makeNext(Path release) throws IOException {
    write("next", release.getFileName().toString());
  }

  /** The release to be tried out, if there is one: it is told once, so that it is tried once. */
  @Nullable Path takeNext() throws IOException {
    Path next = named("next");
    Files.deleteIfExists(directory.resolve("next"));
    return next;
  }

  void markFailed(Path release) throws IOException {
    Files.writeString(
        directory.resolve("failed"),
        release.getFileName() + "\n",
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
  }

  boolean hasFailed(Path release) throws IOException {
    Path failed = directory.resolve("failed");
    return Files.exists(failed)
        && Files.readAllLines(failed).contains(release.getFileName().toString());
  }

  /** The program that runs has come up. */
  void sayUp(Class<?> program) throws IOException {
    try {
      URI jar = program.getProtectionDomain().getCodeSource().getLocation().toURI();
      write("up", Path.of(jar).toRealPath().toString());
    } catch (URISyntaxException e) {
      throw new IOException("the program does not know where it comes from", e);
    }
  }

  /** Whether the program that runs has come up, and really is of this release. */
  boolean isUp(Path release) throws IOException {
    Path up = directory.resolve("up");
    return Files.exists(up) && Files.readString(up).strip().equals(release.toRealPath().toString());
  }

  void forgetUp() throws IOException {
    Files.deleteIfExists(directory.resolve("up"));
  }

  private @Nullable Path named(String file) throws IOException {
    if (Files.notExists(directory.resolve(file))) {
      return null;
    }
    List<String> lines = Files.readAllLines(directory.resolve(file));
    Path release = directory.resolve(lines.isEmpty() ? "" : lines.get(0)).normalize();
    if (!directory.equals(release.getParent()) || !Files.isRegularFile(release)) {
      throw new IOException(
          directory.resolve(file) + " names no release of this directory: delete it");
    }
    return release;
  }

  /** Whole or not at all. */
  private void write(String file, String text) throws IOException {
    Path fresh = Files.createTempFile(directory, "." + file, ".tmp");
    Files.writeString(fresh, text + "\n");
    Files.move(fresh, directory.resolve(file), StandardCopyOption.ATOMIC_MOVE);
  }
}
