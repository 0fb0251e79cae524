package io.apprxy.examples;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/** An example in a process of its own, as a user starts it. */
final class ExampleProcess implements AutoCloseable {
  private final Process process;
  private final Path log;

  ExampleProcess(Class<?> example, Path log, String... arguments) throws IOException {
    this("", example, log, arguments);
  }

  /**
   * @param jar what stands before the class path of the tests, or empty
   */
  ExampleProcess(String jar, Class<?> example, Path log, String... arguments) throws IOException {
    this.log = log;
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-cp",
                jar.isEmpty() ? classPath : jar + File.pathSeparator + classPath,
                example.getName()));
    command.addAll(List.of(arguments));
    process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** What it has written so far. */
  String output() {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      return "";
    }
  }

  /** Waits until it has ended by itself. */
  void awaitEnd() throws InterruptedException {
    process.waitFor();
  }

  /** Waits for it to end by itself; its exit code. */
  int awaitExit() throws InterruptedException {
    if (!process.waitFor(SeparateProcesses.PATIENCE_SECONDS, TimeUnit.SECONDS)) {
      throw new AssertionError("still running, having said: " + output());
    }
    return process.exitValue();
  }

  /** The processes that it has started. */
  Stream<ProcessHandle> children() {
    return process.children();
  }

  /** Lets it run no further, as a laptop that sleeps. */
  void pause() throws Exception {
    signal("-STOP");
  }

  /** Lets it run on. */
  void resume() throws Exception {
    signal("-CONT");
  }

  private void signal(String which) throws Exception {
    Process kill = new ProcessBuilder("kill", which, Long.toString(process.pid())).start();
    if (kill.waitFor() != 0) {
      throw new IllegalStateException("no process " + process.pid());
    }
  }

  /** How often it has written this. */
  int count(String text) {
    String all = output();
    return (all.length() - all.replace(text, "").length()) / text.length();
  }

  /** Ends it as a power cut would. */
  void kill() {
    process.destroyForcibly().onExit().join();
  }

  @Override
  public void close() {
    process.destroy();
    try {
      process.onExit().get(20, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      kill();
    } catch (InterruptedException e) {
      kill();
      Thread.currentThread().interrupt();
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }
}
