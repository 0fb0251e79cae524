package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

class PolicyBenchmarkTest {
  /** What it measures is for whoever runs it alone on a machine. */
  @Test
  void benchmark_runs() throws Exception {
    assertThat(
            new Runner(
                    PolicyBenchmark.options()
                        .forks(0)
                        .warmupIterations(0)
                        .measurementIterations(1)
                        .measurementTime(TimeValue.milliseconds(50))
                        .verbosity(VerboseMode.SILENT)
                        .shouldFailOnError(true)
                        .build())
                .run())
        .hasSize(2);
  }
}
