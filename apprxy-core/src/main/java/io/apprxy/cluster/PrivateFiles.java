package io.apprxy.cluster;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Files that hold secrets: only their owner may read them, and they are written whole or not at
 * all. Where a file system knows no POSIX permissions, its own protection has to do. For the
 * engine.
 */
public final class PrivateFiles {
  /** Begins the name of a file that is being written. */
  public static final String UNFINISHED = ".new-";

  private static final boolean POSIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
  private static final Set<PosixFilePermission> OWNER =
      PosixFilePermissions.fromString("rwx------");
  private static final int MAX_BYTES = 1024 * 1024;

  private PrivateFiles() {}

  /**
   * Creates the directory, if need be.
   *
   * @throws IOException if it is there, and others than its owner may enter it
   */
  public static void directory(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      Files.createDirectories(directory, ownerOnly("rwx------"));
    }
    check(directory, "700");
  }

  /**
   * Reads a file.
   *
   * @throws IOException if others than its owner may read it, too
   */
  public static String read(Path file) throws IOException {
    check(file, "600");
    if (Files.size(file) > MAX_BYTES) {
      throw new IOException(file + " is too large to be what it should be");
    }
    return Files.readString(file);
  }

  /** Writes a file, in place of one that may be there. */
  public static void write(Path file, String text) throws IOException {
    Path fresh = unfinished(file, text);
    try {
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(fresh);
    }
  }

  /** Writes a new file; false if there is one already, whoever was first. */
  public static boolean create(Path file, String text) throws IOException {
    Path fresh = unfinished(file, text);
    try {
      Files.createLink(file, fresh); // a move would take the place of another's file
      return true;
    } catch (FileAlreadyExistsException another) {
      return false;
    } finally {
      Files.delete(fresh);
    }
  }

  private static Path unfinished(Path file, String text) throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    Path fresh = Files.createTempFile(directory, UNFINISHED, ".tmp", ownerOnly("rw-------"));
    try (FileChannel out = FileChannel.open(fresh, StandardOpenOption.WRITE)) {
      ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
      out.force(true);
    } catch (IOException e) {
      Files.deleteIfExists(fresh);
      throw e;
    }
    return fresh;
  }

  private static void check(Path path, String mode) throws IOException {
    if (POSIX && !OWNER.containsAll(Files.getPosixFilePermissions(path))) {
      throw new IOException(
          "others than its owner have access to " + path + ": chmod " + mode + " it");
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
