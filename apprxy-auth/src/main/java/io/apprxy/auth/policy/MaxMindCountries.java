package io.apprxy.auth.policy;

import com.maxmind.db.InvalidDatabaseException;
import com.maxmind.db.Reader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;

/**
 * The country of an address, from a file in the format of MaxMind DB: GeoLite2 Country or City, or
 * one of another maker with the same {@code country.iso_code}. It needs {@code
 * com.maxmind.db:maxmind-db} on the class path. Thread-safe; never blocks but in {@link #open} and
 * {@link #reload}.
 *
 * <p>The file is read into memory. Whoever replaces it calls {@link #reload}, as from a scheduled
 * task.
 */
public final class MaxMindCountries implements CountryLookup {
  private static final Pattern COUNTRY = Pattern.compile("[A-Z]{2}");

  private final Path file;
  private volatile Opened current;

  private record Opened(Reader reader, FileTime modified, long size) {}

  private MaxMindCountries(Path file) throws IOException {
    this.file = file;
    this.current = read(file);
  }

  /**
   * Reads the file.
   *
   * @throws IOException if it cannot be read, or is no such database
   */
  public static MaxMindCountries open(Path file) throws IOException {
    return new MaxMindCountries(Objects.requireNonNull(file, "file"));
  }

  /**
   * Reads the file again if it has changed; whoever asks meanwhile gets the answers from before.
   * May block.
   *
   * @return whether it has changed
   * @throws IOException if it cannot be read, or is no such database: then the one from before
   *     stays
   */
  public synchronized boolean reload() throws IOException {
    Opened before = current;
    if (Files.getLastModifiedTime(file).equals(before.modified)
        && Files.size(file) == before.size) {
      return false;
    }
    current = read(file);
    return true;
  }

  private static Opened read(Path file) throws IOException {
    FileTime modified = Files.getLastModifiedTime(file);
    long size = Files.size(file);
    try {
      // In memory: a file that is mapped must not be written to as long as it is read.
      Reader reader = new Reader(file.toFile(), Reader.FileMode.MEMORY);
      return new Opened(reader, modified, size);
    } catch (InvalidDatabaseException e) {
      throw new IOException("no MaxMind database: " + file, e);
    }
  }

  @Override
  public String country(InetAddress address) {
    try {
      Map<?, ?> found = current.reader.get(address, Map.class);
      return found != null
              && found.get("country") instanceof Map<?, ?> country
              && country.get("iso_code") instanceof String code
              && COUNTRY.matcher(code).matches()
          ? code
          : UNKNOWN;
    } catch (IOException e) {
      throw new UncheckedIOException("the database of countries cannot be read", e);
    }
  }
}
