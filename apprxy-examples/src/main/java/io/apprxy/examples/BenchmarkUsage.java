package io.apprxy.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What processes, with all that they started (as nginx its workers), have used of this machine.
 * Read from {@code /proc}.
 */
final class BenchmarkUsage {
  /** Linux tells CPU times in these, on every architecture that a JDK runs on (USER_HZ). */
  private static final long TICKS_PER_SECOND = 100;

  private static final Pattern HEAP_USED = Pattern.compile("\\bused (\\d+)K");

  private final List<ProcessHandle> roots;

  BenchmarkUsage(Collection<Process> processes) {
    roots = processes.stream().map(Process::toHandle).toList();
  }

  /** The CPU time so far, of user and kernel. */
  Duration cpu() {
    long ticks = sum(BenchmarkUsage::ticks);
    return Duration.ofMillis(ticks * 1_000 / TICKS_PER_SECOND);
  }

  /** The sum of what each process had resident at most, in bytes, since {@link #forgetPeak}. */
  long peakMemory() {
    return sum(pid -> status(pid, "VmHWM"));
  }

  void forgetPeak() {
    all()
        .forEach(
            process -> {
              try {
                Files.writeString(Path.of("/proc/" + process.pid() + "/clear_refs"), "5");
              } catch (IOException e) {
                // ended, or belongs to another user: then its peak is that of its life
              }
            });
  }

  /**
   * What the processes hold now, in bytes. Of a JVM, what it has reserved for its heap says
   * nothing, so that what is alive in it is added: only differences of this figure mean something.
   */
  long heldMemory() {
    return sum(
        pid -> liveHeap(pid) + status(pid, "VmRSS")); // what a collection gives back is gone then
  }

  private Stream<ProcessHandle> all() {
    return roots.stream().flatMap(root -> Stream.concat(Stream.of(root), root.descendants()));
  }

  private long sum(ToLongFunction<Long> ofProcess) {
    return all().map(ProcessHandle::pid).mapToLong(ofProcess).sum();
  }

  /** proc_pid_stat(5): fields 14 and 15, counted from behind the name, which may hold spaces. */
  private static long ticks(long pid) {
    String stat = read("/proc/" + pid + "/stat");
    if (stat.isEmpty()) {
      return 0;
    }
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
  }

  private static long status(long pid, String name) {
    return read("/proc/" + pid + "/status")
        .lines()
        .filter(line -> line.startsWith(name + ":"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
        .findFirst()
        .orElse(0);
  }

  private static String read(String file) {
    try {
      return Files.readString(Path.of(file), StandardCharsets.ISO_8859_1);
    } catch (NoSuchFileException ended) {
      return "";
    } catch (IOException e) {
      return ""; // ended while it was read
    }
  }

  private static long liveHeap(long pid) {
    String command = ProcessHandle.of(pid).flatMap(p -> p.info().command()).orElse("");
    if (!command.endsWith("/bin/java")) {
      return 0;
    }
    jcmd(command, pid, "GC.run");
    Matcher used = HEAP_USED.matcher(jcmd(command, pid, "GC.heap_info"));
    if (!used.find()) {
      throw new IllegalStateException("the JVM " + pid + " does not tell its heap");
    }
    return Long.parseLong(used.group(1)) * 1024;
  }

  private static String jcmd(String java, long pid, String order) {
    try {
      Process jcmd =
          new ProcessBuilder(
                  Path.of(java).resolveSibling("jcmd").toString(), String.valueOf(pid), order)
              .redirectErrorStream(true)
              .start();
      String answer = new String(jcmd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (jcmd.waitFor() != 0) {
        throw new IllegalStateException("jcmd " + order + ": " + answer);
      }
      return answer;
    } catch (IOException e) {
      throw new IllegalStateException("jcmd of a JDK is needed beside " + java, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
