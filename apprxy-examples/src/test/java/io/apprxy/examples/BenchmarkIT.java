package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchmarkIT {
  /** Workload, contender, and what were so many a second. */
  private static final Pattern ROW =
      Pattern.compile("^(\\S+): (nginx|apprxy)(?: \\d+)? +([1-9][0-9]*) .*$", Pattern.MULTILINE);

  @TempDir Path directory;

  @Test
  void benchmark_putsEachWorkloadOnApprxyAndOnNginx() throws Exception {
    try (ExampleProcess benchmark =
        new ExampleProcess(
            Benchmark.class,
            directory.resolve("benchmark.log"),
            "--only=nginx,apprxy",
            "--workloads=get-64,http2,upload,websocket",
            "--seconds=1",
            "--warm-up=0",
            "--jvm-warm-up=0")) {
      benchmark.awaitEnd();

      Matcher row = ROW.matcher(benchmark.output());
      List<String> told = new ArrayList<>();
      while (row.find()) {
        told.add(row.group(1) + " " + row.group(2));
      }
      assertThat(told)
          .as(benchmark.output())
          .containsExactlyInAnyOrder(
              "get-64 nginx",
              "get-64 apprxy",
              "http2 nginx",
              "http2 apprxy",
              "upload nginx",
              "upload apprxy",
              "websocket nginx",
              "websocket apprxy");
      assertThat(benchmark.output()).contains("in relation to nginx");
    }
  }

  @Test
  void contender_whoseProgramIsMissing_isToldWithItsPackage() {
    assertThatThrownBy(() -> BenchmarkBed.program("no-such-program", "no-such-package"))
        .hasMessageContaining("apt-get install no-such-package")
        .hasMessageContaining("--only");
  }
}
