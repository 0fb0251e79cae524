package io.apprxy.examples;

import io.apprxy.examples.BenchmarkWorkload.Load;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** All that was measured, with what it is in relation to nginx in the same run. */
final class BenchmarkTable {
  private static final double MIB = 1024 * 1024;

  private final List<Row> rows = new ArrayList<>();

  /**
   * One contender with one workload.
   *
   * @param cpu of all processes of the contender, for all requests
   * @param memory of all processes of the contender, at their peak, in bytes
   * @param idleMemory what the idle connections cost at the edge, in bytes; null if there were none
   */
  record Row(
      BenchmarkWorkload workload,
      String contender,
      Load load,
      Duration cpu,
      long memory,
      @Nullable Long idleMemory) {
    /** Of a load that could not be put on the contender. */
    static Row of(BenchmarkWorkload workload, String contender, Exception failure) {
      Load load = new Load(0, 1, 0, 0, failure.toString());
      return new Row(workload, contender, load, Duration.ZERO, 0, null);
    }

    double cpuSecondsPer10k() {
      return cpu.toMillis() / 1_000.0 / load.requests() * 10_000;
    }
  }

  /** Adds a row, and tells it as a line. */
  String add(Row row) {
    rows.add(row);
    return line(row);
  }

  void print(PrintStream to) {
    for (BenchmarkWorkload workload : BenchmarkWorkload.values()) {
      List<Row> some = rows.stream().filter(row -> row.workload() == workload).toList();
      if (!some.isEmpty()) {
        to.printf(
            "%n%-16s %11s %9s %9s %10s %8s  %s%n",
            workload.title, "", "", "", "", "", "in relation to nginx:");
        to.printf(
            "%-16s %11s %9s %9s %10s %8s %9s %7s %7s%n",
            "",
            workload == BenchmarkWorkload.WEBSOCKET ? "messages/s" : "requests/s",
            "p50 ms",
            "p99 ms",
            "CPU s/10k",
            "peak MiB",
            "per s",
            "p99",
            "CPU");
        some.forEach(row -> to.println(line(row)));
      }
    }
  }

  private String line(Row row) {
    Load load = row.load();
    if (load.requests() == 0) {
      return String.format(Locale.ROOT, "%-16s %11s  %s", row.contender(), "-", load.trouble());
    }
    Row nginx = of("nginx", row.workload());
    String line =
        String.format(
            Locale.ROOT,
            "%-16s %11.0f %9.2f %9.2f %10.2f %8.0f %9s %7s %7s",
            row.contender(),
            load.rate(),
            load.p50(),
            load.p99(),
            row.cpuSecondsPer10k(),
            row.memory() / MIB,
            nginx == null ? "" : ratio(load.rate() / nginx.load().rate()),
            nginx == null ? "" : ratio(load.p99() / nginx.load().p99()),
            nginx == null ? "" : ratio(row.cpuSecondsPer10k() / nginx.cpuSecondsPer10k()));
    if (row.workload() == BenchmarkWorkload.DOWNLOAD
        || row.workload() == BenchmarkWorkload.UPLOAD) {
      line +=
          String.format(
              Locale.ROOT, "  %.0f MiB/s", load.rate() * BenchmarkWorkload.LARGE_BYTES / MIB);
    }
    if (row.idleMemory() != null) {
      line += String.format(Locale.ROOT, "  the idle ones: %.1f MiB", row.idleMemory() / MIB);
    }
    return load.trouble() == null ? line : line + "  " + load.trouble();
  }

  private @Nullable Row of(String contender, BenchmarkWorkload workload) {
    return rows.stream()
        .filter(row -> row.contender().equals(contender) && row.workload() == workload)
        .findFirst()
        .orElse(null);
  }

  private static String ratio(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }
}
