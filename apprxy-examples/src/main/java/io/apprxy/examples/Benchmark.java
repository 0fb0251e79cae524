package io.apprxy.examples;

import io.apprxy.examples.BenchmarkContender.Running;
import io.apprxy.examples.BenchmarkWorkload.Load;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Measures apprxy beside its rivals: each contender in turn is started as processes of its own, put
 * under each workload, and ended. Load, contender and origin share this machine, so that only what
 * was measured in one run can be compared.
 */
@Command(
    name = "Benchmark",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Needs wrk, nghttp2-client, nginx-light, haproxy, openssh-server, apache2 and libapache2-mod-auth-openidc of Debian.")
public final class Benchmark implements Callable<Integer> {
  private static final int IDLE_CONNECTIONS = 1_000;
  private static final int STALLED_CONNECTIONS = 100;
  private static final Pattern VERSION = Pattern.compile("JAVA_VERSION=\"(\\d+)");

  @Option(
      names = "--only",
      split = ",",
      description = "Contenders, of: ${COMPLETION-CANDIDATES}. Default: all")
  private Set<BenchmarkContender> contenders = EnumSet.allOf(BenchmarkContender.class);

  @Option(
      names = "--workloads",
      split = ",",
      description = "Workloads, of: ${COMPLETION-CANDIDATES}. Default: all")
  private Set<BenchmarkWorkload> workloads = EnumSet.allOf(BenchmarkWorkload.class);

  @Option(
      names = "--seconds",
      defaultValue = "10",
      description = "Length of each measurement. Default: ${DEFAULT-VALUE}")
  private int seconds;

  @Option(
      names = "--warm-up",
      defaultValue = "5",
      description = "Seconds of load before each measurement. Default: ${DEFAULT-VALUE}")
  private int warmUp;

  @Option(
      names = "--jvm-warm-up",
      defaultValue = "60",
      description =
          "Seconds of load before the first measurement of what runs on a JVM, which compiles meanwhile. Default: ${DEFAULT-VALUE}")
  private int jvmWarmUp;

  @Option(
      names = "--java",
      description =
          "Home of a JDK that apprxy is measured with; may be given several times, and the last one runs all else that is Java. Default: this one")
  private List<Path> javaHomes = List.of(Path.of(System.getProperty("java.home")));

  @Option(names = "--access-log", description = "Let gateways write their access logs, into files")
  private boolean accessLog;

  @Option(
      names = "--heap",
      defaultValue = "256m",
      description = "Heap of each JVM. Default: ${DEFAULT-VALUE}")
  private String heap = "";

  private final BenchmarkTable table = new BenchmarkTable();

  /** Starts the benchmark. */
  public static void main(String[] arguments) {
    CommandLine line =
        new CommandLine(new Benchmark())
            .setCaseInsensitiveEnumValuesAllowed(true)
            .addSubcommand(new BenchmarkServers.Origin())
            .addSubcommand(new BenchmarkServers.Proxy())
            .addSubcommand(new BenchmarkGateway())
            .addSubcommand(new BenchmarkGateway.Others());
    System.exit(DemoSetup.run(line, arguments));
  }

  @Override
  public Integer call() throws Exception {
    Path newest = javaHomes.get(javaHomes.size() - 1);
    try (BenchmarkBed bed = new BenchmarkBed(newest, heap, accessLog)) {
      for (BenchmarkContender contender : contenders) {
        switch (contender.platform) {
          case NATIVE -> measure(bed, contender, contender.toString(), newest);
          case JAVA -> measure(bed, contender, contender + " " + version(newest), newest);
          case JAVA_EACH -> {
            for (Path java : javaHomes) {
              measure(bed, contender, contender + " " + version(java), java);
            }
          }
        }
      }
      table.print(System.out);
      System.out.println("\nLogs are in " + bed.directory);
    }
    return 0;
  }

  private void measure(BenchmarkBed bed, BenchmarkContender contender, String name, Path java)
      throws Exception {
    System.out.println("Starting " + name);
    Running running = contender.start(bed, java);
    try {
      DemoBrowser client = new DemoBrowser(bed.certificates.trust());
      if (running.cookie() == null) {
        bed.await(() -> client.open(running.url(BenchmarkWorkload.SMALL)).statusCode());
      }
      if (jvmWarmUp > 0 && contender.platform != BenchmarkContender.Platform.NATIVE) {
        BenchmarkWorkload.GET_64.run(bed, running, jvmWarmUp);
      }
      for (BenchmarkWorkload workload : workloads) {
        System.out.println(workload + ": " + table.add(tryToMeasure(bed, running, name, workload)));
      }
    } finally {
      bed.end(running.processes());
    }
  }

  /** What a contender cannot carry is told in the table, beside what others can. */
  private BenchmarkTable.Row tryToMeasure(
      BenchmarkBed bed, Running running, String name, BenchmarkWorkload workload)
      throws InterruptedException {
    try {
      return measure(bed, running, name, workload);
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception e) {
      return BenchmarkTable.Row.of(workload, name, e);
    }
  }

  private BenchmarkTable.Row measure(
      BenchmarkBed bed, Running running, String name, BenchmarkWorkload workload) throws Exception {
    if (warmUp > 0) {
      workload.run(bed, running, warmUp);
    }
    try (BenchmarkIdle others = new BenchmarkIdle(bed.certificates.trust(), running)) {
      Long idleMemory = null;
      if (workload == BenchmarkWorkload.IDLE) {
        BenchmarkUsage edge = new BenchmarkUsage(running.processes().subList(0, 1));
        long before = edge.heldMemory();
        others.open(IDLE_CONNECTIONS);
        idleMemory = edge.heldMemory() - before;
      } else if (workload == BenchmarkWorkload.STALLED) {
        others.stall(STALLED_CONNECTIONS);
      }
      return measure(bed, running, name, workload, idleMemory);
    }
  }

  private BenchmarkTable.Row measure(
      BenchmarkBed bed,
      Running running,
      String name,
      BenchmarkWorkload workload,
      @Nullable Long idleMemory)
      throws Exception {
    BenchmarkUsage usage = new BenchmarkUsage(running.processes());
    usage.forgetPeak();
    Duration before = usage.cpu();
    Load load = workload.run(bed, running, seconds);
    return new BenchmarkTable.Row(
        workload, name, load, usage.cpu().minus(before), usage.peakMemory(), idleMemory);
  }

  private static String version(Path java) throws IOException {
    Matcher version = VERSION.matcher(Files.readString(java.resolve("release")));
    if (!version.find()) {
      throw new IOException(java + " is no home of a JDK");
    }
    return version.group(1);
  }
}
