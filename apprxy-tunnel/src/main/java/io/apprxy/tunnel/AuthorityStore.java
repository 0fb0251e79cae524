package io.apprxy.tunnel;

import io.apprxy.cluster.PrivateFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What an {@link Authority} must not forget: small texts, each with a kind and a name. Each method
 * is atomic, among all processes that share the store; those of a directory block, and throw an
 * {@link UncheckedIOException} if it cannot be used. Thread-safe.
 */
interface AuthorityStore {
  /** What is kept. */
  enum Kind {
    /** Keys of the authority with their certificates, by their ids. */
    KEY,
    /** Enrolment tokens that were not used yet, by their hashes. */
    TOKEN,
    /** Connectors' certificates, by the hashes of their keys. */
    CERTIFICATE,
    /** Connectors that were revoked, by their ids. */
    REVOCATION
  }

  /** The text, or null. */
  @Nullable String get(Kind kind, String name);

  /** Keeps a text, unless there is one of that name; says whether there was none. */
  boolean add(Kind kind, String name, String text);

  /** Forgets a text; true for exactly one of all who would remove it. */
  boolean remove(Kind kind, String name);

  /** The names of all texts of a kind. */
  Set<String> names(Kind kind);

  /** Forgets everything when the process ends. */
  static AuthorityStore inMemory() {
    return new InMemory();
  }

  /**
   * Keeps a file for each text, in a directory that is created if need be.
   *
   * @throws UncheckedIOException if the directory cannot be used, or others may read it
   */
  static AuthorityStore in(Path directory) {
    return new InDirectory(directory);
  }

  /** See {@link AuthorityStore#inMemory}. */
  final class InMemory implements AuthorityStore {
    private final Map<Kind, Map<String, String>> texts =
        Map.of(
            Kind.KEY, new ConcurrentHashMap<>(),
            Kind.TOKEN, new ConcurrentHashMap<>(),
            Kind.CERTIFICATE, new ConcurrentHashMap<>(),
            Kind.REVOCATION, new ConcurrentHashMap<>());

    private InMemory() {}

    @Override
    public @Nullable String get(Kind kind, String name) {
      return of(kind).get(name);
    }

    @Override
    public boolean add(Kind kind, String name, String text) {
      return of(kind).putIfAbsent(name, text) == null;
    }

    @Override
    public boolean remove(Kind kind, String name) {
      return of(kind).remove(name) != null;
    }

    @Override
    public Set<String> names(Kind kind) {
      return Set.copyOf(of(kind).keySet());
    }

    private Map<String, String> of(Kind kind) {
      return Objects.requireNonNull(texts.get(kind));
    }
  }

  /** See {@link AuthorityStore#in}. */
  final class InDirectory implements AuthorityStore {
    /** No name leads out of the directory, whoever made it. */
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}");

    private final Path directory;

    private InDirectory(Path directory) {
      this.directory = directory;
      try {
        PrivateFiles.directory(directory);
        for (Kind kind : Kind.values()) {
          PrivateFiles.directory(of(kind));
        }
      } catch (IOException e) {
        throw new UncheckedIOException("the state directory cannot be used: " + e.getMessage(), e);
      }
    }

    @Override
    public @Nullable String get(Kind kind, String name) {
      try {
        return PrivateFiles.read(file(kind, name));
      } catch (NoSuchFileException e) {
        return null;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public boolean add(Kind kind, String name, String text) {
      try {
        return PrivateFiles.create(file(kind, name), text);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public boolean remove(Kind kind, String name) {
      try {
        Files.delete(file(kind, name));
        return true;
      } catch (NoSuchFileException another) {
        return false;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public Set<String> names(Kind kind) {
      Set<String> names = new HashSet<>();
      try (DirectoryStream<Path> files = Files.newDirectoryStream(of(kind))) {
        for (Path file : files) {
          String name = file.getFileName().toString();
          if (NAME.matcher(name).matches()) { // the others are unfinished
            names.add(name);
          }
        }
      } catch (DirectoryIteratorException e) {
        throw new UncheckedIOException(e.getCause());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return names;
    }

    private Path of(Kind kind) {
      return directory.resolve(kind.name().toLowerCase(Locale.ROOT));
    }

    private Path file(Kind kind, String name) {
      if (!NAME.matcher(name).matches()) {
        throw new IllegalArgumentException("no name of a record: " + name);
      }
      return of(kind).resolve(name);
    }
  }
}
