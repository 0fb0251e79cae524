package io.apprxy.tunnel;

import io.apprxy.tunnel.UpdateException.Reason;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.security.interfaces.EdECPublicKey;
import java.security.spec.NamedParameterSpec;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Downloads releases that a pinned key has signed. Thread-safe: one download at a time.
 *
 * <p>Two small files say what the newest release is: a manifest, and beside it, at the same address
 * with {@code .sig} added, its signature: 64 bytes, Ed25519 (RFC 8032) over the bytes of the
 * manifest. The manifest is JSON:
 *
 * <pre>{@code
 * {
 *   "version": "1.4.0",
 *   "file": "connector-1.4.0.jar",
 *   "size": 12345678,
 *   "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
 *   "java": 17,
 *   "expires": "2027-06-30T00:00:00Z"
 * }
 * }</pre>
 *
 * <p>{@code file} is relative to the manifest, and has the version in its name. Nothing is believed
 * before its signature is verified, and a release is refused that is not newer than what runs: who
 * holds the server, but not the key, can neither change a release nor bring an old one back.
 */
public final class Updater {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");
  private static final int MAX_MANIFEST = 64 * 1024;
  private static final String PARTIAL = ".apprxy-update-";
  private static final boolean POSIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("posix");

  private final Builder settings;
  private final URI manifest;
  private final Path directory;
  private final Version running;

  /**
   * A release that was verified and is in place.
   *
   * @param version by semver.org
   * @param file in the directory of the updater
   */
  public record Release(String version, Path file) {}

  private Updater(Builder settings, URI manifest, Path directory, Version running) {
    this.settings = settings;
    this.manifest = manifest;
    this.directory = directory;
    this.running = running;
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Downloads the newest release to the directory, where it appears whole or not at all. Blocks
   * until it is there, or {@link Builder#deadline} is over; can be interrupted.
   *
   * @param announced the version that is expected, or a newer one
   * @throws UpdateException if there is no such release, or it is refused; nothing has changed then
   * @throws IllegalArgumentException if what was announced is no version
   */
  public synchronized Release update(String announced) throws UpdateException {
    Version atLeast = new Version(announced);
    try (HttpsDownload download =
        new HttpsDownload(settings.sockets(), settings.timeout, settings.deadline)) {
      ByteArrayOutputStream signed = new ByteArrayOutputStream();
      URI at = download.get(manifest, MAX_MANIFEST, signed);
      ByteArrayOutputStream signature = new ByteArrayOutputStream();
      download.get(signatureOf(at), ReleaseManifest.SIGNATURE_BYTES, signature);
      ReleaseManifest release =
          ReleaseManifest.verify(signed.toByteArray(), signature.toByteArray(), settings.keys);
      check(release, atLeast);
      Path file = directory.resolve(release.fileName());
      store(download, at.resolve(release.file()), release, file);
      LOG.info("release {} is verified, and in place as {}", release.version(), file);
      return new Release(release.version().text(), file);
    }
  }

  private static URI signatureOf(URI manifest) {
    String path = manifest.getRawPath();
    return manifest.resolve("./" + path.substring(path.lastIndexOf('/') + 1) + ".sig");
  }

  private void check(ReleaseManifest release, Version atLeast) throws UpdateException {
    if (!settings.clock.instant().isBefore(release.expires())) {
      throw new UpdateException(
          Reason.EXPIRED,
          "the manifest of %s was good until %s: sign it again if it still is the newest release"
              .formatted(release.version(), release.expires()));
    }
    if (release.version().compareTo(running) <= 0) {
      throw new UpdateException(
          Reason.DOWNGRADE,
          "%s is offered, which is not newer than what runs, %s"
              .formatted(release.version(), running));
    }
    if (release.version().compareTo(atLeast) < 0) {
      throw new UpdateException(
          Reason.OLDER_THAN_ANNOUNCED,
          "%s is offered, which is older than what was announced, %s: publish that one"
              .formatted(release.version(), atLeast));
    }
    if (Runtime.version().feature() < release.java()) {
      throw new UpdateException(
          Reason.JAVA,
          "%s needs Java %d, this is %d: install it first"
              .formatted(release.version(), release.java(), Runtime.version().feature()));
    }
    if (release.size() > settings.maxBytes) {
      throw new UpdateException(
          Reason.SIZE,
          "%s has %d bytes, more than maxBytes allows, %d"
              .formatted(release.version(), release.size(), settings.maxBytes));
    }
  }

  private void store(HttpsDownload download, URI from, ReleaseManifest release, Path file)
      throws UpdateException {
    Path partial = null;
    try {
      deletePartials();
      partial = Files.createTempFile(directory, PARTIAL, ".part", ownerOnly());
      try (FileChannel to = FileChannel.open(partial, StandardOpenOption.WRITE)) {
        download.get(from, release.size(), release.sha256(), Channels.newOutputStream(to));
        to.force(true);
      }
      Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
      forceDirectory();
    } catch (IOException e) {
      delete(partial);
      throw new UpdateException(
          Reason.NOT_WRITTEN, "the release cannot be written to %s: %s".formatted(directory, e), e);
    } catch (UpdateException e) {
      delete(partial);
      throw e;
    }
  }

  /** What a process left behind that was killed while it downloaded. */
  private void deletePartials() throws IOException {
    try (DirectoryStream<Path> left = Files.newDirectoryStream(directory, PARTIAL + "*")) {
      for (Path partial : left) {
        Files.delete(partial);
      }
    }
  }

  private static void delete(@Nullable Path partial) {
    try {
      if (partial != null) {
        Files.deleteIfExists(partial);
      }
    } catch (IOException e) {
      LOG.warn("{} could not be deleted; the next update will", partial, e);
    }
  }

  /** The new name, too, has to outlive a power cut; Windows knows no such call. */
  private void forceDirectory() throws IOException {
    if (POSIX) {
      try (FileChannel channel = FileChannel.open(directory)) {
        channel.force(true);
      }
    }
  }

  private static FileAttribute<?>[] ownerOnly() {
    return POSIX
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(
              Set.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE))
        }
        : new FileAttribute<?>[0];
  }

  /** Builds an {@link Updater}. Not thread-safe. */
  public static final class Builder {
    private @Nullable URI manifest;
    private final List<PublicKey> keys = new ArrayList<>();
    private @Nullable Path directory;
    private @Nullable Version running;
    private SSLContext trust = jvmTrust();
    private @Nullable String proxyHost;
    private int proxyPort;
    private @Nullable String proxyCredentials;
    private long maxBytes = 512L * 1024 * 1024;
    private Duration timeout = Duration.ofSeconds(30);
    private Duration deadline = Duration.ofMinutes(10);
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /**
     * Where the manifest is, such as {@code https://releases.example.com/connector.json}; its
     * signature is there with {@code .sig} added. Redirects are followed within that host only. No
     * default.
     *
     * @throws IllegalArgumentException if it is not https, a host and a path
     */
    public Builder manifest(String url) {
      URI given = URI.create(url);
      if (!"https".equals(given.getScheme())
          || given.getHost() == null
          || given.getRawUserInfo() != null
          || given.getRawPath().endsWith("/")
          || given.getRawPath().isEmpty()
          || given.getRawQuery() != null
          || given.getRawFragment() != null) {
        throw new IllegalArgumentException(
            "a manifest must be https://, a host and the path of a file: " + url);
      }
      manifest = given;
      return this;
    }

    /**
     * Pins the public key of who signs releases; one of several must have signed. To change keys,
     * pin the new one beside the old one first. No default.
     *
     * @throws IllegalArgumentException if it is no Ed25519 key
     */
    public Builder key(PublicKey signer) {
      if (!(signer instanceof EdECPublicKey edwards)
          || !edwards.getParams().getName().equals(NamedParameterSpec.ED25519.getName())) {
        throw new IllegalArgumentException(
            "releases are signed with Ed25519; the key is one of " + signer.getAlgorithm());
      }
      keys.add(signer);
      return this;
    }

    /**
     * Where releases are kept, one for each connector. Nobody but its owner may write to it, since
     * what is there is run. No default.
     *
     * @throws IllegalArgumentException if it is no directory, or others may write to it
     */
    public Builder directory(Path path) {
      if (!Files.isDirectory(path)) {
        throw new IllegalArgumentException("a directory for releases must exist: " + path);
      }
      if (othersMayWrite(path)) {
        throw new IllegalArgumentException(
            "others may write to the directory of releases: chmod go-w " + path);
      }
      directory = path.toAbsolutePath();
      return this;
    }

    /**
     * The version that runs; only newer ones are taken. Default: that of the apprxy-tunnel jar.
     *
     * @throws IllegalArgumentException if it is no version by semver.org
     */
    public Builder running(String version) {
      running = new Version(version);
      return this;
    }

    /**
     * Verifies the certificate of the server, always together with its host name. Default: the
     * JVM's own trust.
     */
    public Builder trust(SSLContext context) {
      trust = Objects.requireNonNull(context, "context");
      return this;
    }

    /**
     * An HTTP proxy on the way to the server, asked to CONNECT. Default: none.
     *
     * @throws IllegalArgumentException if the port is not 1 to 65535
     */
    public Builder proxy(String host, int port) {
      if (port < 1 || port > 65_535) {
        throw new IllegalArgumentException("port must be 1 to 65535: " + port);
      }
      proxyHost = Objects.requireNonNull(host, "host");
      proxyPort = port;
      return this;
    }

    /**
     * Proves us to the proxy by Basic authentication (RFC 7617). Default: nothing is proven.
     *
     * @throws IllegalArgumentException if there is a colon in the user's name
     */
    public Builder proxyCredentials(String user, String password) {
      if (user.contains(":")) {
        throw new IllegalArgumentException("a user's name has no colon in Basic authentication");
      }
      proxyCredentials = user + ":" + password;
      return this;
    }

    /**
     * How large a release may be, in bytes. Default: 512 MiB.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public Builder maxBytes(long bytes) {
      if (bytes < 1) {
        throw new IllegalArgumentException("maxBytes must be at least 1: " + bytes);
      }
      maxBytes = bytes;
      return this;
    }

    /**
     * How long to wait for a connection, and each time for more bytes; at most an hour. Default: 30
     * seconds.
     *
     * @throws IllegalArgumentException if it is out of bounds
     */
    public Builder timeout(Duration wait) {
      timeout = atMostAnHour(wait, "timeout");
      return this;
    }

    /**
     * How long the whole download may take; at most an hour. Default: 10 minutes.
     *
     * @throws IllegalArgumentException if it is out of bounds
     */
    public Builder deadline(Duration whole) {
      deadline = atMostAnHour(whole, "deadline");
      return this;
    }

    /** Tells the time that manifests expire by. Default: the system's. */
    public Builder clock(Clock source) {
      clock = Objects.requireNonNull(source, "source");
      return this;
    }

    /**
     * The updater.
     *
     * @throws IllegalStateException if no manifest, key or directory was given, it is not known
     *     what runs, or there are credentials for no proxy
     */
    public Updater build() {
      Version known = running == null ? Version.ofThisJar() : running;
      required(keys.isEmpty() ? null : keys, "key(…), or anybody could publish releases");
      if (proxyHost == null && proxyCredentials != null) {
        throw new IllegalStateException("proxyCredentials(…) need proxy(…)");
      }
      return new Updater(
          this,
          required(manifest, "manifest(…)"),
          required(directory, "directory(…)"),
          required(known, "running(…): these classes come from no jar that tells it"));
    }

    private ReleaseSockets sockets() {
      return new ReleaseSockets(
          trust, proxyHost == null ? null : new HttpProxy(proxyHost, proxyPort, proxyCredentials));
    }

    private static <T> T required(@Nullable T setting, String name) {
      if (setting == null) {
        throw new IllegalStateException("an updater needs " + name);
      }
      return setting;
    }

    private static Duration atMostAnHour(Duration given, String setting) {
      if (given.toMillis() < 1 || given.compareTo(Duration.ofHours(1)) > 0) {
        throw new IllegalArgumentException(
            setting + " must be from a millisecond to an hour: " + given);
      }
      return given;
    }

    private static boolean othersMayWrite(Path path) {
      try {
        return POSIX
            && Files.getPosixFilePermissions(path).stream()
                .anyMatch(
                    permission ->
                        permission == PosixFilePermission.GROUP_WRITE
                            || permission == PosixFilePermission.OTHERS_WRITE);
      } catch (IOException e) {
        throw new IllegalArgumentException("the directory of releases cannot be read: " + path, e);
      }
    }

    private static SSLContext jvmTrust() {
      try {
        return SSLContext.getDefault();
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("this JVM has no TLS", e);
      }
    }
  }
}
