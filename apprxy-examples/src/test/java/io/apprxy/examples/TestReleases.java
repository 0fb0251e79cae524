package io.apprxy.examples;

import io.apprxy.tunnel.Connector;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;

/** Jars as a release process makes them. */
final class TestReleases {
  private TestReleases() {}

  /** The connector of this build, calling itself another version. */
  static Path connector(Path directory, String version) throws Exception {
    Path jar = directory.resolve("connector-" + version + ".jar");
    try (JarOutputStream out = open(jar, version)) {
      for (Class<?> part : List.of(Connector.class, ConnectorExample.class)) {
        Path from = Path.of(part.getProtectionDomain().getCodeSource().getLocation().toURI());
        if (Files.isDirectory(from)) {
          copy(from, out);
        } else {
          try (FileSystem packed = FileSystems.newFileSystem(from)) {
            copy(packed.getPath("/"), out);
          }
        }
      }
    }
    return jar;
  }

  /** A jar with these files alone. */
  static Path of(Path directory, String version, Map<String, byte[]> files) throws IOException {
    Path jar = directory.resolve("connector-" + version + ".jar");
    try (JarOutputStream out = open(jar, version)) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        out.putNextEntry(new ZipEntry(file.getKey()));
        out.write(file.getValue());
      }
    }
    return jar;
  }

  private static JarOutputStream open(Path jar, String version) throws IOException {
    Manifest manifest = new Manifest();
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    manifest.getMainAttributes().put(Attributes.Name.IMPLEMENTATION_VERSION, version);
    OutputStream out = Files.newOutputStream(jar);
    return new JarOutputStream(out, manifest);
  }

  private static void copy(Path from, JarOutputStream out) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        String name = from.relativize(file).toString();
        if (!name.startsWith("META-INF/")) {
          out.putNextEntry(new ZipEntry(name));
          Files.copy(file, out);
        }
      }
    }
  }
}
