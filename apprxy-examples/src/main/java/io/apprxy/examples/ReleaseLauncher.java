package io.apprxy.examples;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Runs a program in a process of its own, from the newest release of a {@link ReleaseDirectory}.
 * When the process ends with {@link #RESTART}, it is started again; a release that is new then has
 * a while to come up, or the former one runs again. Any other end is the end of the launcher, too:
 * what to do about it is up to whoever started that.
 *
 * <p>The release is put before the class path of this process, so it may have its libraries in it,
 * or not.
 */
final class ReleaseLauncher {
  /** With this exit code a process asks to be started again: EX_TEMPFAIL of sysexits.h. */
  static final int RESTART = 75;

  /** What a connector needs at most to finish its requests, and a little more. */
  private static final Duration STOP = Duration.ofSeconds(40);

  private final ReleaseDirectory releases;
  private final String main;
  private final List<String> arguments;
  private final Duration trial;
  private @Nullable Process process;
  private boolean stopping;

  /**
   * @param arguments for the program
   * @param trial how long a release has to come up: {@link ReleaseDirectory#sayUp}
   */
  ReleaseLauncher(
      ReleaseDirectory releases, Class<?> main, List<String> arguments, Duration trial) {
    this.releases = releases;
    this.main = main.getName();
    this.arguments = List.copyOf(arguments);
    this.trial = trial;
  }

  /** Runs the program until it ends for good; the exit code is the program's. */
  int run() throws IOException, InterruptedException {
    try (FileChannel lock = releases.lock()) {
      Runtime.getRuntime().addShutdownHook(new Thread(this::stop, "stop"));
      int code = RESTART;
      while (code == RESTART && lock.isOpen()) {
        Path next = releases.takeNext();
        code = next == null ? start(releases.current()).waitFor() : tryOut(next);
      }
      return code;
    }
  }

  private int tryOut(Path release) throws IOException, InterruptedException {
    Process trying = start(release);
    if (comesUp(trying, release)) {
      releases.makeCurrent(release);
      System.out.println(release.getFileName() + " has come up, and is the current release");
      return trying.waitFor();
    }
    end(trying);
    if (isStopping()) {
      return trying.waitFor();
    }
    releases.markFailed(release);
    System.out.println(
        "%s did not come up in %s: the former release runs again"
            .formatted(release.getFileName(), trial));
    return RESTART;
  }

  private boolean comesUp(Process trying, Path release) throws IOException, InterruptedException {
    long end = System.nanoTime() + trial.toNanos();
    boolean ended = false;
    while (!releases.isUp(release)) {
      if (ended || System.nanoTime() - end > 0) {
        return false;
      }
      ended = trying.waitFor(50, TimeUnit.MILLISECONDS);
    }
    return true;
  }

  private synchronized Process start(@Nullable Path release) throws IOException {
    if (stopping) {
      throw new IOException("the launcher was stopped");
    }
    releases.forgetUp();
    String installed = System.getProperty("java.class.path");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.add("-cp");
    command.add(release == null ? installed : release + File.pathSeparator + installed);
    command.add(main);
    command.addAll(arguments);
    Process started = new ProcessBuilder(command).inheritIO().start();
    process = started;
    return started;
  }

  private synchronized boolean isStopping() {
    return stopping;
  }

  /** When this process is told to end, the one that it started is told so first. */
  private void stop() {
    Process running;
    synchronized (this) {
      stopping = true;
      running = process;
    }
    if (running != null) {
      try {
        end(running);
      } catch (InterruptedException e) {
        running.destroyForcibly();
      }
    }
  }

  private static void end(Process ending) throws InterruptedException {
    ending.destroy();
    if (!ending.waitFor(STOP.toSeconds(), TimeUnit.SECONDS)) {
      ending.destroyForcibly().waitFor();
    }
  }
}
