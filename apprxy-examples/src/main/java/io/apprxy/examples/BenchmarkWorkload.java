package io.apprxy.examples;

import io.apprxy.examples.BenchmarkContender.Running;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What contenders have to carry, all of it by TLS at the edge. */
enum BenchmarkWorkload {
  GET_64("1 KiB GET, 64 connections") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return wrk(bed, on, SMALL, 64, seconds, Map.of());
    }
  },
  GET_1000("1 KiB GET, 1,000 connections") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return wrk(bed, on, SMALL, 1_000, seconds, Map.of());
    }
  },
  HTTP2("1 KiB GET, HTTP/2, 16 connections of 4 streams") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return h2load(bed, on, seconds);
    }
  },
  DOWNLOAD("10 MiB download, 8 connections") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return wrk(bed, on, LARGE, 8, seconds, Map.of());
    }
  },
  UPLOAD("10 MiB upload, 8 connections") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return wrk(bed, on, "upload", 8, seconds, Map.of("BODY", String.valueOf(LARGE_BYTES)));
    }
  },
  IDLE("1 KiB GET, 64 connections beside 1,000 idle ones") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return wrk(bed, on, SMALL, 64, seconds, Map.of());
    }
  },
  STALLED("1 KiB GET, 64 connections beside 100 that stopped to read 10 MiB") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return wrk(bed, on, SMALL, 64, seconds, Map.of());
    }
  },
  WEBSOCKET("120-byte messages and their echo, 64 WebSockets") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      URI url = URI.create(on.url("echo").toString().replace("https:", "wss:"));
      long[] nanos =
          BenchmarkWebSockets.load(bed.certificates.trust(), url, on.cookie(), 64, seconds);
      return Load.of(nanos, 1_000, seconds, null);
    }
  },
  CHURN("1 KiB GET, 16 connections, a new one each time") {
    @Override
    Load run(BenchmarkBed bed, Running on, int seconds) throws Exception {
      return wrk(bed, on, SMALL, 16, seconds, Map.of("CLOSE", "true"));
    }
  };

  /** For answers that are awaited when the time is over. */
  private static final int GRACE_SECONDS = 15;

  static final String SMALL = "1k";
  static final String LARGE = "10m";
  static final int LARGE_BYTES = 10 * 1024 * 1024;

  /** What stays out of the command line: others could read a cookie there. */
  private static final String SCRIPT =
      """
      if os.getenv("COOKIE") then wrk.headers["Cookie"] = os.getenv("COOKIE") end
      if os.getenv("CLOSE") then wrk.headers["Connection"] = "close" end
      if os.getenv("BODY") then
        wrk.method = "POST"
        wrk.body = string.rep("x", tonumber(os.getenv("BODY")))
      end
      """;

  private static final Pattern TOTAL = Pattern.compile("(\\d+) requests in ([0-9.]+)(m?s|m)");
  private static final Pattern PERCENTILE = Pattern.compile("\\s(50|99)%\\s+([0-9.]+)(us|ms|s|m)");
  private static final Pattern WRK_FAILED =
      Pattern.compile("(Non-2xx or 3xx responses|Socket errors):.*");
  private static final Pattern H2LOAD_FAILED = Pattern.compile("(\\d+) failed, (\\d+) errored");

  final String title;

  BenchmarkWorkload(String title) {
    this.title = title;
  }

  /** Puts the load on a contender for a while. */
  abstract Load run(BenchmarkBed bed, Running on, int seconds) throws Exception;

  /** Its name on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /**
   * What the load saw.
   *
   * @param requests that were answered; messages, of WebSockets
   * @param p50 and {@code p99} in milliseconds
   * @param trouble what went wrong, or null
   */
  record Load(long requests, double seconds, double p50, double p99, @Nullable String trouble) {
    double rate() {
      return requests / seconds;
    }

    /** From the time that each request took. */
    static Load of(long[] sorted, int perMicrosecond, double seconds, @Nullable String trouble) {
      if (sorted.length == 0) {
        return new Load(0, seconds, 0, 0, trouble == null ? "no answer at all" : trouble);
      }
      double perMillisecond = perMicrosecond * 1_000.0;
      return new Load(
          sorted.length,
          seconds,
          sorted[sorted.length / 2] / perMillisecond,
          sorted[(int) (sorted.length * 0.99)] / perMillisecond,
          trouble);
    }
  }

  private static Load wrk(
      BenchmarkBed bed,
      Running on,
      String path,
      int connections,
      int seconds,
      Map<String, String> settings)
      throws IOException, InterruptedException {
    Path script = Files.writeString(bed.directory.resolve("wrk.lua"), SCRIPT);
    String report =
        output(
            bed,
            seconds,
            List.of(
                BenchmarkBed.program("wrk", "wrk"),
                "-t1",
                "-c" + connections,
                "-d" + seconds + "s",
                "--timeout=10s",
                "--latency",
                "-s",
                script.toString(),
                on.url(path).toString()),
            on.cookie(),
            settings);
    Matcher total = TOTAL.matcher(report);
    Matcher failed = WRK_FAILED.matcher(report);
    Map<String, Double> percentiles = new HashMap<>();
    PERCENTILE
        .matcher(report)
        .results()
        .forEach(
            found -> percentiles.put(found.group(1), milliseconds(found.group(2), found.group(3))));
    if (!total.find()) {
      return new Load(0, seconds, 0, 0, "wrk did not end");
    }
    return new Load(
        Long.parseLong(total.group(1)),
        milliseconds(total.group(2), total.group(3)) / 1_000,
        percentiles.getOrDefault("50", 0.0),
        percentiles.getOrDefault("99", 0.0),
        failed.find() ? failed.group().strip() : null);
  }

  private static double milliseconds(String number, String unit) {
    return Double.parseDouble(number)
        * switch (unit) {
          case "us" -> 0.001;
          case "ms" -> 1;
          case "s" -> 1_000;
          default -> 60_000;
        };
  }

  private static Load h2load(BenchmarkBed bed, Running on, int seconds)
      throws IOException, InterruptedException {
    Path log = bed.directory.resolve("h2load.log");
    Files.deleteIfExists(log);
    List<String> command =
        new ArrayList<>(
            List.of(
                BenchmarkBed.program("h2load", "nghttp2-client"),
                "-t1",
                "-c16",
                "-m4",
                "--duration=" + seconds,
                "--log-file=" + log));
    if (on.cookie() != null) {
      // On the command line, since it knows no other place: a demo user's, while this runs.
      command.add("--header=cookie: " + on.cookie());
    }
    command.add(on.url(SMALL).toString());
    String report = output(bed, seconds, command, null, Map.of());
    Matcher failed = H2LOAD_FAILED.matcher(report);
    boolean clean =
        report.contains("Application protocol: h2")
            && failed.find()
            && failed.group(1).equals("0")
            && failed.group(2).equals("0");
    try (Stream<String> lines = Files.lines(log)) {
      long[] micros =
          lines
              .map(line -> line.split("\t", -1))
              .filter(fields -> fields[1].equals("200"))
              .mapToLong(fields -> Long.parseLong(fields[2]))
              .sorted()
              .toArray();
      return Load.of(micros, 1, seconds, clean ? null : "h2load: " + lastWords(report));
    }
  }

  private static String lastWords(String report) {
    if (!report.contains("requests:")) {
      return "did not end";
    }
    return report
        .lines()
        .filter(line -> line.startsWith("requests:") || line.contains("protocol"))
        .reduce("", (one, two) -> one + " " + two);
  }

  /** What a program says; it is ended if it does not end by itself. */
  private static String output(
      BenchmarkBed bed,
      int seconds,
      List<String> command,
      @Nullable String cookie,
      Map<String, String> settings)
      throws IOException, InterruptedException {
    Path output = bed.directory.resolve("load.log");
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
    builder.environment().putAll(settings);
    if (cookie != null) {
      builder.environment().put("COOKIE", cookie);
    }
    Process process = builder.start();
    try {
      boolean ended = process.waitFor(seconds + GRACE_SECONDS, TimeUnit.SECONDS);
      String report = Files.readString(output);
      if (ended && process.exitValue() != 0) {
        throw new IOException(command.get(0) + " failed: " + report);
      }
      return report;
    } finally {
      process.destroyForcibly();
    }
  }
}
