package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;

/**
 * Runs each test in a process that has a network of its own: a namespace without a name, which the
 * kernel removes with the last process in it, however that ends; and all end with the one that
 * started them. It needs root, and Debian's {@code iproute2} and {@code nftables}.
 */
final class OwnNetwork implements InvocationInterceptor {
  private static final String NEEDS =
      "; a network of its own needs Linux, root, and (apt-get install) iproute2 and nftables";

  @Override
  public void interceptTestMethod(
      Invocation<Void> invocation,
      ReflectiveInvocationContext<Method> method,
      ExtensionContext context)
      throws Throwable {
    invocation.skip(); // here; it is invoked there
    Path log = Files.createTempFile("network", ".log");
    Method test = method.getExecutable();
    Process process =
        unshared(OwnNetwork.class, test.getDeclaringClass().getName(), test.getName())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      int exit = process.waitFor();
      assertThat(exit).as("%s%s", Files.readString(log), NEEDS).isZero();
    } finally {
      process.destroyForcibly();
      System.out.print(Files.readString(log));
      Files.delete(log);
    }
  }

  /** In the other process. */
  public static void main(String... test) throws Exception {
    endWithStandardInput();
    run("ip", "link", "set", "lo", "up");
    Class<?> type = Class.forName(test[0]);
    var constructor = type.getDeclaredConstructor();
    constructor.setAccessible(true);
    Method method = type.getDeclaredMethod(test[1]);
    method.setAccessible(true);
    int exit = 0;
    try {
      method.invoke(constructor.newInstance());
    } catch (InvocationTargetException e) {
      e.getCause().printStackTrace(System.out);
      exit = 1;
    }
    System.out.flush();
    Runtime.getRuntime().halt(exit);
  }

  /** A Java process of the same classes, in a namespace of its own that has no network yet. */
  static ProcessBuilder unshared(Class<?> main, String... arguments) {
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    List<String> command =
        new ArrayList<>(
            List.of(
                "unshare",
                "--net",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-cp",
                classPath,
                main.getName()));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command);
  }

  /** A process whose parent is gone, in whatever way, has no reason to stay. */
  static void endWithStandardInput() {
    Thread thread =
        new Thread(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // nobody writes
                }
              } catch (IOException e) {
                // as good as its end
              }
              Runtime.getRuntime().halt(2);
            },
            "end");
    thread.setDaemon(true);
    thread.start();
  }

  /** Runs a program that ends soon; what it said. */
  static String run(String... command) throws IOException, InterruptedException {
    String said;
    int exit;
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      exit = process.waitFor();
    } catch (IOException e) {
      throw new IOException(e.getMessage() + NEEDS, e);
    }
    if (exit != 0) {
      throw new IOException(String.join(" ", command) + ": " + said + NEEDS);
    }
    return said;
  }
}
