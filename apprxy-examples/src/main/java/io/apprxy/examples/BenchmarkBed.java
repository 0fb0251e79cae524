package io.apprxy.examples;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * What all contenders of a benchmark stand on: a directory, certificates, and the origin; and how
 * processes are started and ended. All of it listens on loopback.
 */
final class BenchmarkBed implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  final Path directory;
  final DemoCertificates certificates;
  final int originPort;

  /** A certificate chain and its key, for servers that read files. */
  final Path chain;

  final Path key;

  /** The JDK of processes that are not measured with several. */
  final Path java;

  private final String heap;
  private final boolean accessLog;
  private final List<Process> processes = new ArrayList<>();
  private int started;

  BenchmarkBed(Path java, String heap, boolean accessLog) throws Exception {
    this.java = java;
    this.heap = heap;
    this.accessLog = accessLog;
    directory = DemoSetup.privateDirectory(Files.createTempDirectory("apprxy-benchmark"));
    certificates = DemoCertificates.in(directory);
    chain = directory.resolve("server.pem");
    key = directory.resolve("server.key.pem");
    certificates.writeServer(chain, key);
    originPort = freePort();
    try {
      java(java, "Benchmark", "origin", "--port=" + originPort);
      await(() -> new DemoBrowser(certificates.trust()).open(origin().resolve("/1k")).statusCode());
    } catch (Exception e) {
      close();
      throw e;
    }
  }

  URI origin() {
    return URI.create("http://127.0.0.1:" + originPort + "/");
  }

  static int freePort() throws IOException {
    return DemoSetup.portOrFree(0);
  }

  /** Starts a main of this package. */
  Process java(Path home, String main, String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                home.resolve("bin/java").toString(),
                "-Xmx" + heap,
                "-cp",
                System.getProperty("java.class.path"),
                "io.apprxy.examples." + main));
    command.addAll(List.of(arguments));
    return start(command);
  }

  /** Starts a jar that brings all it needs. */
  Process javaJar(Path home, Path jar, List<String> options, String... arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(home.resolve("bin/java").toString());
    command.add("-Xmx" + heap);
    command.addAll(options);
    command.addAll(List.of("-jar", jar.toString()));
    command.addAll(List.of(arguments));
    return start(command);
  }

  /** Starts a program. What it says goes to a file in the directory. */
  Process start(List<String> command) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("process-" + ++started + ".log").toFile());
    builder.environment().putAll(Map.of("APPRXY_LOG", accessLog ? "INFO" : "WARN"));
    Process process = builder.start();
    processes.add(process);
    return process;
  }

  /**
   * The path of a program.
   *
   * @throws IOException naming the Debian package, if it is not there
   */
  static String program(String name, String debianPackage) throws IOException {
    // Those of administrators are not on the path of users.
    return Stream.concat(
            Stream.of(System.getenv("PATH").split(":", -1)),
            Stream.of("/usr/sbin", "/usr/local/sbin"))
        .map(folder -> Path.of(folder, name))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow(
            () ->
                new IOException(
                    "%s is not there: install it (apt-get install %s), or leave out what needs it with --only"
                        .formatted(name, debianPackage)))
        .toString();
  }

  /** Asks for a status, as one that nobody may answer yet. */
  interface Question {
    int status() throws Exception;
  }

  /** Asks until the answer is 200. */
  void await(Question question) throws Exception {
    Instant deadline = Instant.now().plus(PATIENCE);
    while (true) {
      int status = 0;
      try {
        status = question.status();
      } catch (IOException e) {
        // nobody listens yet
      }
      if (status == 200) {
        return;
      }
      if (processes.stream().anyMatch(BenchmarkBed::hasFailed)) {
        throw new IOException("a process has ended; its reason is in " + directory);
      }
      if (Instant.now().isAfter(deadline)) {
        throw new IOException(
            "no answer; the last status was %d. See the logs in %s".formatted(status, directory));
      }
      TimeUnit.MILLISECONDS.sleep(100);
    }
  }

  private static boolean hasFailed(Process process) {
    return !process.isAlive() && process.exitValue() != 0;
  }

  /** Ends processes, and what they started. */
  void end(List<Process> ended) {
    for (Process process : ended) {
      process.descendants().forEach(ProcessHandle::destroy);
      process.destroy();
    }
    for (Process process : List.copyOf(ended)) {
      processes.remove(process);
      try {
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
          process.destroyForcibly();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        process.destroyForcibly();
      }
    }
  }

  @Override
  public void close() {
    end(processes);
  }
}
