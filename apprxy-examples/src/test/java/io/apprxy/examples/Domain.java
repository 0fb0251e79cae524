package io.apprxy.examples;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * An Active Directory domain, CORP.TEST, and a web server in it: Samba and Apache httpd. Beside it
 * two realms of MIT Kerberos that trust each other, USERS.TEST and APPS.TEST, the latter with a web
 * server. This starts all of it once for all tests that ask for it, and the JVM knows of it from
 * then on.
 */
final class Domain implements AutoCloseable {
  static final String ACCOUNT = "svc-apprxy@CORP.TEST";
  static final String APP = "HTTP/app.corp.test";
  static final String JAVA = "HTTP/java.corp.test";

  /** Of USERS.TEST, and delegates by what applications say of it. */
  static final String USERS_ACCOUNT = "svc-apprxy@USERS.TEST";

  static final String ELSEWHERE = "HTTP/app.apps.test";

  private final Path home;
  private final Process process;
  private final int httpd;
  private final int appsHttpd;
  private final ServerSocket silent;

  private Domain(Path home, Process process, int httpd, int appsHttpd, ServerSocket silent) {
    this.home = home;
    this.process = process;
    this.httpd = httpd;
    this.appsHttpd = appsHttpd;
    this.silent = silent;
  }

  /** Gives it to tests that have a parameter of this type. */
  static final class Shared implements ParameterResolver {
    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
      return parameter.getParameter().getType() == Domain.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
      return context
          .getRoot()
          .getStore(ExtensionContext.Namespace.GLOBAL)
          .computeIfAbsent(Domain.class, type -> start(), Domain.class);
    }
  }

  /** Starts one; it ends with the JVM. */
  static Domain start() {
    try {
      for (String program :
          List.of("samba-tool", "samba", "apache2", "krb5kdc", "kadmin.local", "gcc")) {
        if (Stream.of("/usr/bin", "/usr/sbin")
            .noneMatch(folder -> Files.isExecutable(Path.of(folder, program)))) {
          throw new IllegalStateException(
              program + " is not there: .ci/verify installs it, and says from which package");
        }
      }
      // Outside the build's directory, which httpd's own user may not enter.
      Path home = Files.createTempDirectory("domain");
      Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwxr-xr-x"));
      for (String script : List.of("domain.sh", "accounts.py", "realms.sh", "realms.c")) {
        try (InputStream source = Domain.class.getResourceAsStream("/kerberos/" + script)) {
          Files.copy(source, home.resolve(script), StandardCopyOption.REPLACE_EXISTING);
        }
      }
      // It takes connections, as far as the kernel does, and says nothing.
      ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
      int httpd = DemoSetup.portOrFree(0);
      int appsHttpd = DemoSetup.portOrFree(0);
      Path log = home.resolve("log");
      Process process =
          new ProcessBuilder(
                  "bash",
                  home.resolve("domain.sh").toString(),
                  home.toString(),
                  String.valueOf(DemoSetup.portOrFree(0)),
                  String.valueOf(DemoSetup.portOrFree(0)),
                  String.valueOf(httpd),
                  String.valueOf(DemoSetup.portOrFree(0)),
                  String.valueOf(DemoSetup.portOrFree(0)),
                  String.valueOf(appsHttpd),
                  String.valueOf(silent.getLocalPort()))
              .redirectError(log.toFile())
              .start();
      BufferedReader out = process.inputReader(StandardCharsets.UTF_8);
      String line = out.readLine();
      while (line != null && !line.equals("started")) {
        line = out.readLine();
      }
      if (line == null) {
        throw new IOException("the domain did not start:\n" + Files.readString(log));
      }
      Domain domain = new Domain(home, process, httpd, appsHttpd, silent);
      Runtime.getRuntime().addShutdownHook(new Thread(domain::close, "stop the domain"));
      System.setProperty("java.security.krb5.conf", home.resolve("krb5.conf").toString());
      return domain;
    } catch (IOException e) {
      throw new IllegalStateException("the domain did not start", e);
    }
  }

  /** Of Apache httpd with mod_auth_gssapi, which says who asks. */
  String url() {
    return "http://127.0.0.1:" + httpd + "/";
  }

  /** Of the one in APPS.TEST. */
  String urlElsewhere() {
    return "http://127.0.0.1:" + appsHttpd + "/";
  }

  /** What the KDC of the two realms was asked for, and has given. */
  long ticketsOfRealms() throws IOException {
    try (Stream<String> lines = Files.lines(home.resolve("realms/kdc.log"))) {
      return lines.filter(line -> line.contains("TGS_REQ") && line.contains("ISSUE")).count();
    }
  }

  Path keytab(String name) {
    return home.resolve("keytabs").resolve(name + ".keytab");
  }

  /** Nobody in the domain answers, until it {@link #goesOn}: who asks waits. */
  void falls() throws IOException, InterruptedException {
    signal("-STOP", "samba", "");
  }

  void goesOn() throws IOException, InterruptedException {
    signal("-CONT", "samba", "");
  }

  /** The same of the KDC of APPS.TEST alone. */
  void elsewhereFalls() throws IOException, InterruptedException {
    signal("-STOP", "krb5kdc", "APPS.TEST");
  }

  void elsewhereGoesOn() throws IOException, InterruptedException {
    signal("-CONT", "krb5kdc", "APPS.TEST");
  }

  private void signal(String name, String program, String argument)
      throws IOException, InterruptedException {
    List<String> pids =
        process
            .descendants()
            .filter(one -> one.info().command().orElse("").endsWith("/" + program))
            .filter(
                one ->
                    argument.isEmpty()
                        || List.of(one.info().arguments().orElseThrow()).contains(argument))
            .map(one -> String.valueOf(one.pid()))
            .toList();
    if (pids.isEmpty()) {
      throw new IllegalStateException(program + " is not running");
    }
    List<String> command = new ArrayList<>(List.of("kill", name));
    command.addAll(pids);
    if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
      throw new IOException("kill " + name + " failed");
    }
  }

  void disables(String account) throws IOException, InterruptedException {
    run("samba-tool user disable " + account + " --configfile=\"$1/etc/smb.conf\"");
  }

  /** The account of httpd gets another password, and httpd the key of it. */
  void changesTheKeyOfTheApplication() throws IOException, InterruptedException {
    run(CHANGE_KEY);
  }

  private void run(String script) throws IOException, InterruptedException {
    Process change =
        new ProcessBuilder("bash", "-c", script, "change", home.toString())
            .redirectErrorStream(true)
            .redirectOutput(home.resolve("change.log").toFile())
            .start();
    if (!change.waitFor(60, TimeUnit.SECONDS) || change.exitValue() != 0) {
      throw new IOException(Files.readString(home.resolve("change.log")));
    }
  }

  private static final String CHANGE_KEY =
      """
      set -eu
      export KRB5_CONFIG="$1/krb5.conf"
      samba-tool user setpassword svc-app --newpassword="Other-Passw0rd-$RANDOM" --configfile="$1/etc/smb.conf"
      samba-tool domain exportkeytab "$1/keytabs/new" --principal=HTTP/app.corp.test --configfile="$1/etc/smb.conf"
      chmod 600 "$1/keytabs/new"
      chown www-data: "$1/keytabs/new"
      mv "$1/keytabs/new" "$1/keytabs/app.keytab"
      """;

  @Override
  public void close() {
    try (silent) {
      process.getOutputStream().close(); // by which it ends
      if (!process.waitFor(20, TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
      }
    } catch (IOException | InterruptedException e) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
  }
}
