package io.apprxy.cluster;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A file of frames, each with a length and a checksum, of which the last one of a key counts. A
 * frame is on the disk before the next is begun. So only the last can be cut off, by a crash, and
 * nobody was told that it was written: it is dropped. Damage anywhere else is told, and nothing is
 * read: to forget what ended would bring it back. Not thread-safe.
 */
final class Journal implements AutoCloseable {
  private static final byte[] MAGIC = "apprxy-state-1\n".getBytes(StandardCharsets.US_ASCII);
  private static final int HEAD = 8;
  private static final int MAX_FRAME = 64 * 1024 * 1024;

  /** Of a snapshot, so that no frame gets too large. */
  private static final int RECORDS_PER_FRAME = 200;

  private final Path file;
  private FileChannel channel;
  private long size;
  private boolean broken;

  /**
   * What is under a key.
   *
   * @param value null if nothing is
   * @param until when it is over, in milliseconds since the epoch
   */
  record Line(String key, @Nullable String value, long until) {}

  private Journal(Path file, FileChannel channel, long size) {
    this.file = file;
    this.channel = channel;
    this.size = size;
  }

  /**
   * Opens the file, or begins it, and tells what it holds, in order.
   *
   * @throws IOException if it cannot be had, is open to others than its owner, or is damaged
   */
  static Journal open(Path file, Consumer<Line> reader) throws IOException {
    Files.deleteIfExists(unfinished(file)); // a crash came before it took its place
    if (!Files.exists(file)) {
      FileChannel channel = begin(file);
      forceDirectory(file);
      return new Journal(file, channel, MAGIC.length);
    }
    FileChannel channel = OwnerOnly.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      long whole = readAll(file, channel, reader);
      channel.truncate(whole);
      if (whole < MAGIC.length) {
        channel.write(ByteBuffer.wrap(MAGIC), 0); // a crash came before the first frame
        whole = MAGIC.length;
      }
      channel.force(true);
      channel.position(whole);
      return new Journal(file, channel, whole);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  private static FileChannel begin(Path file) throws IOException {
    FileChannel channel =
        OwnerOnly.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    writeFully(channel, ByteBuffer.wrap(MAGIC));
    channel.force(true);
    return channel;
  }

  long size() {
    return size;
  }

  /** Writes one frame, and returns when the disk has it. */
  void append(List<Line> records) throws IOException {
    if (broken) {
      throw new IOException("an earlier write to " + file + " failed, and could not be undone");
    }
    ByteBuffer frame = frame(records);
    int length = frame.remaining();
    try {
      writeFully(channel, frame);
      channel.force(false);
      size += length;
    } catch (IOException e) {
      undo(e);
      throw e;
    }
  }

  /** A frame after one that is not whole would be damage. */
  private void undo(IOException cause) {
    try {
      channel.truncate(size);
      channel.position(size);
      channel.force(false);
    } catch (IOException e) {
      broken = true;
      cause.addSuppressed(e);
    }
  }

  /** Puts a file with these records alone in the place of the present one. */
  void replace(List<Line> records) throws IOException {
    Path fresh = unfinished(file);
    Files.deleteIfExists(fresh);
    FileChannel replacement = begin(fresh);
    long written = MAGIC.length;
    try {
      for (int i = 0; i < records.size(); i += RECORDS_PER_FRAME) {
        ByteBuffer frame =
            frame(records.subList(i, Math.min(records.size(), i + RECORDS_PER_FRAME)));
        written += frame.remaining();
        writeFully(replacement, frame);
      }
      replacement.force(true);
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      replacement.close();
      Files.deleteIfExists(fresh);
      throw e;
    }
    FileChannel before = channel;
    channel = replacement;
    size = written;
    broken = false;
    before.close();
    forceDirectory(file);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }

  // ---- frames

  private static ByteBuffer frame(List<Line> records) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    for (Line record : records) {
      writeText(out, record.key);
      out.writeLong(record.until);
      out.writeBoolean(record.value != null);
      if (record.value != null) {
        writeText(out, record.value);
      }
    }
    byte[] content = bytes.toByteArray();
    if (content.length > MAX_FRAME) {
      throw new IOException("too much at once: " + content.length + " bytes");
    }
    return ByteBuffer.allocate(HEAD + content.length)
        .putInt(content.length)
        .putInt(checksum(content))
        .put(content)
        .flip();
  }

  private static void writeText(DataOutputStream out, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  private static int checksum(byte[] content) {
    CRC32C checksum = new CRC32C();
    checksum.update(content);
    return (int) checksum.getValue();
  }

  /** Tells all records, and where the last whole frame ends. */
  private static long readAll(Path file, FileChannel channel, Consumer<Line> reader)
      throws IOException {
    long length = channel.size();
    DataInputStream in =
        new DataInputStream(new BufferedInputStream(Channels.newInputStream(channel)));
    byte[] magic = in.readNBytes(MAGIC.length);
    if (length < MAGIC.length) {
      if (!isBeginning(magic)) {
        throw new IOException(file + " is no state of apprxy");
      }
      return 0;
    }
    if (!Arrays.equals(magic, MAGIC)) {
      throw new IOException(file + " is no state of apprxy, or of another version");
    }
    long whole = MAGIC.length;
    while (whole < length) {
      byte[] content = frame(in, length - whole);
      if (content == null) {
        checkNothingFollows(file, channel, whole);
        return whole;
      }
      records(content).forEach(reader);
      whole += HEAD + content.length;
    }
    return whole;
  }

  /** The content of the next frame; null if it is not whole, or damaged. */
  private static byte @Nullable [] frame(DataInputStream in, long left) throws IOException {
    if (left < HEAD) {
      return null;
    }
    int size = in.readInt();
    int checksum = in.readInt();
    if (size <= 0 || size > left - HEAD) {
      return null;
    }
    byte[] content = in.readNBytes(size);
    return checksum(content) == checksum ? content : null;
  }

  /** After a write that was cut off there is no frame. */
  private static void checkNothingFollows(Path file, FileChannel channel, long from)
      throws IOException {
    long left = channel.size() - from;
    boolean damaged = left > HEAD + MAX_FRAME;
    if (!damaged) {
      ByteBuffer rest = ByteBuffer.allocate((int) left);
      for (int read = 0; read >= 0 && rest.hasRemaining(); ) {
        read = channel.read(rest, from + rest.position());
      }
      damaged = hasFrame(rest.flip());
    }
    if (damaged) {
      throw new IOException(
          file
              + " is damaged at byte "
              + from
              + ": restore it; or delete it and use new session keys, as sessions of which it says"
              + " that they ended would be valid again");
    }
  }

  private static boolean hasFrame(ByteBuffer in) {
    for (int at = 1; at <= in.limit() - HEAD; at++) {
      int size = in.getInt(at);
      if (size > 0 && size <= in.limit() - at - HEAD) {
        CRC32C checksum = new CRC32C();
        checksum.update(in.slice(at + HEAD, size));
        if ((int) checksum.getValue() == in.getInt(at + 4)) {
          return true;
        }
      }
    }
    return false;
  }

  private static boolean isBeginning(byte[] of) {
    return Arrays.equals(of, Arrays.copyOf(MAGIC, of.length));
  }

  private static List<Line> records(byte[] content) throws IOException {
    List<Line> records = new ArrayList<>();
    DataInputStream in = new DataInputStream(new ByteArrayInputStream(content));
    while (in.available() > 0) {
      String key = readText(in);
      long until = in.readLong();
      records.add(new Line(key, in.readBoolean() ? readText(in) : null, until));
    }
    return records;
  }

  private static String readText(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > in.available()) {
      throw new EOFException("a frame with a checksum that is right, and content that is not");
    }
    return new String(in.readNBytes(length), StandardCharsets.UTF_8);
  }

  // ---- files

  private static Path unfinished(Path file) {
    return file.resolveSibling(file.getFileName() + ".new");
  }

  private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** The name of a file is on the disk when its directory is. */
  private static void forceDirectory(Path file) throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    if (OwnerOnly.POSIX && directory != null) {
      try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
        channel.force(true);
      }
    }
  }
}
