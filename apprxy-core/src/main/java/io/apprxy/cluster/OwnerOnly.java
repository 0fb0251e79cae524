package io.apprxy.cluster;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Files that only their owner may read or write. Where a file system knows no POSIX permissions,
 * its own protection has to do.
 */
final class OwnerOnly {
  static final boolean POSIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("posix");

  private static final Set<PosixFilePermission> OWNER =
      PosixFilePermissions.fromString("rw-------");

  private OwnerOnly() {}

  /**
   * Opens a file.
   *
   * @throws IOException if it is there, and others than its owner have access to it
   */
  static FileChannel open(Path file, OpenOption... options) throws IOException {
    FileChannel channel =
        FileChannel.open(
            file,
            Set.of(options),
            POSIX
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(OWNER)}
                : new FileAttribute<?>[0]);
    if (POSIX && !OWNER.containsAll(Files.getPosixFilePermissions(file))) {
      channel.close();
      throw new IOException(
          "others than its owner have access to "
              + file
              + ": chmod 600 it, if they changed nothing");
    }
    return channel;
  }
}
