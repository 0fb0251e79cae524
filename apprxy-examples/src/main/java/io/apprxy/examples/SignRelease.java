package io.apprxy.examples;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Signature;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.HexFormat;
import java.util.concurrent.Callable;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * Makes the key that releases are signed with, and signs them: writes the manifest that {@link
 * io.apprxy.tunnel.Updater} reads, and its signature. Runs where releases are built; connectors get
 * the public key alone.
 */
@Command(
    name = "SignRelease",
    mixinStandardHelpOptions = true,
    description = "Makes the key that releases are signed with, and signs releases.",
    subcommands = {SignRelease.Key.class, SignRelease.Manifest.class})
public final class SignRelease implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  /** Makes a key, or signs a release. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new SignRelease(), arguments));
  }

  @Override
  public Integer call() {
    if (spec != null) {
      spec.commandLine().usage(System.err);
    }
    return CommandLine.ExitCode.USAGE;
  }

  @Command(
      name = "key",
      mixinStandardHelpOptions = true,
      description = "Makes a key pair (Ed25519), in two PEM files.")
  static final class Key implements Callable<Integer> {
    @Option(
        names = "--private-key",
        defaultValue = "release.key.pem",
        description = "Where to write the private key; keep it secret. Default: ${DEFAULT-VALUE}")
    private Path privateKey = Path.of("");

    @Option(
        names = "--public-key",
        defaultValue = "release.pub.pem",
        description = "Where to write the public key, for connectors. Default: ${DEFAULT-VALUE}")
    private Path publicKey = Path.of("");

    @Override
    public Integer call() throws IOException, GeneralSecurityException {
      KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
      DemoSetup.writePrivate(privateKey, pem("PRIVATE KEY", pair.getPrivate().getEncoded()));
      Files.writeString(publicKey, pem("PUBLIC KEY", pair.getPublic().getEncoded()));
      System.out.println("Wrote " + privateKey + ", to be kept secret, and " + publicKey);
      return 0;
    }

    private static String pem(String type, byte[] content) {
      return "-----BEGIN %1$s-----\n%2$s\n-----END %1$s-----\n"
          .formatted(type, Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content));
    }
  }

  @Command(
      name = "sign",
      mixinStandardHelpOptions = true,
      sortOptions = false,
      description = "Writes the manifest of a release beside it, and the manifest's signature.")
  static final class Manifest implements Callable<Integer> {
    @Parameters(
        paramLabel = "<file>",
        description = "The release: a jar that has its version in its name")
    private Path file = Path.of("");

    @Option(
        names = "--private-key",
        defaultValue = "release.key.pem",
        description = "The key to sign with, a PEM file in PKCS#8. Default: ${DEFAULT-VALUE}")
    private Path privateKey = Path.of("");

    @Option(
        names = "--version-of-release",
        description = "By semver.org. Default: Implementation-Version in the jar's own manifest")
    private @Nullable String version;

    @Option(
        names = "--java",
        defaultValue = "17",
        description = "The least version of Java that runs it. Default: ${DEFAULT-VALUE}")
    private int java;

    @Option(
        names = "--days",
        defaultValue = "90",
        description =
            "How long the manifest is good; sign it again in time. Default: ${DEFAULT-VALUE}")
    private int days;

    @Option(
        names = "--manifest",
        defaultValue = "connector.json",
        description = "The name of the manifest, beside the file. Default: ${DEFAULT-VALUE}")
    private String manifest = "";

    @Override
    public Integer call() throws IOException, GeneralSecurityException {
      String name = file.getFileName().toString();
      String released = version == null ? versionOf(file) : version;
      if (!name.contains(released)) {
        throw new IOException(
            "the name of a release has its version in it: %s lacks %s".formatted(name, released));
      }
      String text =
          """
          {
            "version": "%s",
            "file": "%s",
            "size": %d,
            "sha256": "%s",
            "java": %d,
            "expires": "%s"
          }
          """
              .formatted(
                  released,
                  name,
                  Files.size(file),
                  sha256(file),
                  java,
                  Instant.now().plus(days, ChronoUnit.DAYS).truncatedTo(ChronoUnit.SECONDS));
      Path target = file.toAbsolutePath().resolveSibling(manifest);
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      replace(
          target.resolveSibling(manifest + ".sig"), sign(bytes, PemFiles.privateKey(privateKey)));
      replace(target, bytes);
      System.out.print("Signed " + target + ":\n" + text);
      return 0;
    }

    private static byte[] sign(byte[] bytes, PrivateKey key) throws GeneralSecurityException {
      Signature signature = Signature.getInstance("Ed25519");
      signature.initSign(key);
      signature.update(bytes);
      return signature.sign();
    }

    private static String versionOf(Path jar) throws IOException {
      try (JarFile opened = new JarFile(jar.toFile())) {
        String version =
            opened.getManifest() == null
                ? null
                : opened
                    .getManifest()
                    .getMainAttributes()
                    .getValue(Attributes.Name.IMPLEMENTATION_VERSION);
        if (version == null) {
          throw new IOException(jar + " does not tell its version: give --version-of-release");
        }
        return version;
      }
    }

    private static String sha256(Path file) throws IOException, GeneralSecurityException {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
        in.transferTo(OutputStream.nullOutputStream());
      }
      return HexFormat.of().formatHex(digest.digest());
    }

    private static void replace(Path file, byte[] content) throws IOException {
      Path fresh = file.resolveSibling(file.getFileName() + ".new");
      Files.write(fresh, content);
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    }
  }
}
