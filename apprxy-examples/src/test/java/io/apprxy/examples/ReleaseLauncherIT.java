package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Releases that come up, and releases that do not, as processes. */
class ReleaseLauncherIT {
  @TempDir private Path temporary;
  private Path directory;
  private ReleaseDirectory releases;

  @BeforeEach
  void create() throws IOException {
    directory = temporary.resolve("releases");
    releases = ReleaseDirectory.in(directory);
  }

  /** What a release of the test does is in a file of its jar. */
  static final class Program {
    public static void main(String[] arguments) throws Exception {
      Path directory = Path.of(arguments[1]);
      ReleaseDirectory releases = ReleaseDirectory.in(directory);
      if (arguments[0].equals("launch")) {
        Duration trial = Duration.ofSeconds(Long.parseLong(arguments[2]));
        List<String> run = List.of("run", directory.toString());
        System.exit(new ReleaseLauncher(releases, Program.class, run, trial).run());
      }
      String[] release = release().split(" ");
      Files.writeString(
          directory.resolve("ran"),
          release[0] + "\n",
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
      switch (release[1]) {
        case "ends" -> releases.sayUp(Program.class);
        case "crashes" -> System.exit(3);
        case "hangs" -> new CountDownLatch(1).await();
        case "serves" -> {
          releases.sayUp(Program.class);
          new CountDownLatch(1).await();
        }
        default -> {
          releases.sayUp(Program.class);
          Path next = directory.resolve("connector-" + release[1] + ".jar");
          if (releases.hasFailed(next)) {
            System.exit(0);
          }
          releases.makeNext(next);
          System.exit(ReleaseLauncher.RESTART);
        }
      }
    }

    private static String release() throws IOException {
      try (InputStream in = Program.class.getResourceAsStream("/release.txt")) {
        return in == null
            ? "installed 1.0.0"
            : new String(in.readAllBytes(), StandardCharsets.UTF_8);
      }
    }
  }

  private void release(String version, String does) throws IOException {
    String program = Program.class.getName().replace('.', '/') + ".class";
    try (InputStream in = Program.class.getResourceAsStream("/" + program)) {
      TestReleases.of(
          directory,
          version,
          Map.of(
              "release.txt",
              (version + " " + does).getBytes(StandardCharsets.UTF_8),
              program,
              in.readAllBytes()));
    }
  }

  private ExampleProcess launch(int trialSeconds) throws IOException {
    return new ExampleProcess(
        Program.class,
        temporary.resolve("log"),
        "launch",
        directory.toString(),
        Integer.toString(trialSeconds));
  }

  private List<String> ran() throws IOException {
    Path ran = directory.resolve("ran");
    return Files.exists(ran) ? Files.readAllLines(ran) : List.of();
  }

  @Test
  void program_thatAsksForIt_isStartedInEachNextRelease() throws Exception {
    release("1.0.0", "1.1.0");
    release("1.1.0", "1.2.0");
    release("1.2.0", "ends");

    try (ExampleProcess launcher = launch(60)) {
      assertThat(launcher.awaitExit()).as(launcher.output()).isZero();
    }
    assertThat(ran()).containsExactly("installed", "1.0.0", "1.1.0", "1.2.0");
    assertThat(releases.current()).hasFileName("connector-1.2.0.jar");
  }

  @Test
  void launcher_thatIsStartedAgain_runsTheCurrentRelease() throws Exception {
    release("1.2.0", "ends");
    releases.makeCurrent(directory.resolve("connector-1.2.0.jar"));

    try (ExampleProcess launcher = launch(60)) {
      assertThat(launcher.awaitExit()).as(launcher.output()).isZero();
    }
    assertThat(ran()).containsExactly("1.2.0");
  }

  @Test
  void release_thatCrashes_givesWayToTheFormer_andIsNotTriedAgain() throws Exception {
    release("1.0.0", "1.1.0");
    release("1.1.0", "crashes");
    releases.makeCurrent(directory.resolve("connector-1.0.0.jar"));

    try (ExampleProcess launcher = launch(60)) {
      assertThat(launcher.awaitExit()).as(launcher.output()).isZero();
    }
    assertThat(ran()).containsExactly("1.0.0", "1.1.0", "1.0.0");
    assertThat(releases.current()).hasFileName("connector-1.0.0.jar");
    assertThat(releases.hasFailed(directory.resolve("connector-1.1.0.jar"))).isTrue();
  }

  @Test
  void release_thatDoesNotComeUp_givesWayToTheFormer() throws Exception {
    release("1.0.0", "1.1.0");
    release("1.1.0", "hangs");
    releases.makeCurrent(directory.resolve("connector-1.0.0.jar"));

    try (ExampleProcess launcher = launch(2)) {
      assertThat(launcher.awaitExit()).as(launcher.output()).isZero();
    }
    assertThat(ran()).containsExactly("1.0.0", "1.1.0", "1.0.0");
  }

  /** Java passes over a class path that it cannot read, so that the installed program runs. */
  @Test
  void release_thatIsNoJar_isNotTakenForOne_becauseSomethingRuns() throws Exception {
    release("1.0.0", "1.1.0");
    Files.writeString(directory.resolve("connector-1.1.0.jar"), "no jar");
    releases.makeCurrent(directory.resolve("connector-1.0.0.jar"));

    try (ExampleProcess launcher = launch(60)) {
      assertThat(launcher.awaitExit()).as(launcher.output()).isZero();
    }
    assertThat(ran()).containsExactly("1.0.0", "installed", "1.0.0");
    assertThat(releases.current()).hasFileName("connector-1.0.0.jar");
  }

  @Test
  void crash_ofTheCurrentRelease_endsTheLauncher_withItsCode() throws Exception {
    release("1.1.0", "crashes");
    releases.makeCurrent(directory.resolve("connector-1.1.0.jar"));

    try (ExampleProcess launcher = launch(60)) {
      assertThat(launcher.awaitExit()).isEqualTo(3);
    }
    assertThat(releases.hasFailed(directory.resolve("connector-1.1.0.jar"))).isFalse();
  }

  @Test
  void launcher_thatIsStopped_stopsTheProgram() throws Exception {
    release("1.1.0", "serves");
    Path release = directory.resolve("connector-1.1.0.jar");
    releases.makeCurrent(release);

    ExampleProcess launcher = launch(60);
    try {
      SeparateProcesses.until(() -> releases.isUp(release), launcher::output);
      ProcessHandle program = launcher.children().findFirst().orElseThrow();
      launcher.close();
      assertThat(program.isAlive()).isFalse();
    } finally {
      launcher.kill();
    }
  }

  @Test
  void launchers_ofOneDirectory_excludeEachOther() throws Exception {
    release("1.1.0", "serves");
    Path release = directory.resolve("connector-1.1.0.jar");
    releases.makeCurrent(release);

    try (ExampleProcess first = launch(60)) {
      SeparateProcesses.until(() -> releases.isUp(release), first::output);
      try (ExampleProcess second = launch(60)) {
        assertThat(second.awaitExit()).isNotZero();
        assertThat(second.output()).contains("another process runs releases of");
      }
      assertThat(ran()).containsExactly("1.1.0");
    }
  }
}
