package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.SignOn;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * NTLM, which authenticates a connection and not a request: with Apache httpd, mod_auth_gssapi and
 * gss-ntlmssp as origin, and curl as client.
 */
@Timeout(180)
class NtlmIT {
  private static final List<String> PROGRAMS =
      List.of(
          "/usr/sbin/apache2",
          "/usr/bin/curl",
          "/usr/lib/apache2/modules/mod_auth_gssapi.so",
          "/etc/gss/mech.d/mech.ntlmssp.conf");

  @TempDir private Path directory;
  private SignOnChain chain;
  private Path home;
  private String origin;

  enum Way {
    DIRECT,
    TUNNEL
  }

  @BeforeEach
  void prepare() throws Exception {
    assertThat(PROGRAMS)
        .as("what .ci/verify installs")
        .allMatch(file -> Files.exists(Path.of(file)));
    chain = new SignOnChain(directory);
    startHttpd();
  }

  @AfterEach
  void stop() {
    chain.close();
  }

  private void start(Way way, UnaryOperator<Application.Builder> settings) throws Exception {
    chain.start(
        origin,
        SignOn.none(),
        Map.of(),
        application ->
            settings.apply(way == Way.DIRECT ? application.connectorGroups() : application));
  }

  @ParameterizedTest
  @EnumSource
  void client_authenticatesToTheOrigin_byItsOwnConnection(Way way) throws Exception {
    start(way, application -> application);

    assertThat(finish(curl("alice", 5))).isEqualTo("REMOTE_USER=CORP\\alice\n".repeat(5));
    assertThat(finish(curl("bob", 5))).isEqualTo("REMOTE_USER=CORP\\bob\n".repeat(5));
    assertThat(finish(curl("mallory", 1))).isEqualTo("");
  }

  /** What one has authenticated is nobody else's. */
  @ParameterizedTest
  @EnumSource
  void nobodyElse_isTakenForWhoeverAuthenticated(Way way) throws Exception {
    start(way, application -> application);
    List<Process> clients = new ArrayList<>();
    List<String> names = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      names.add(i % 2 == 0 ? "alice" : "bob");
      clients.add(curl(names.get(i), 30));
    }
    int strangers = 0;
    while (clients.stream().anyMatch(Process::isAlive) || strangers < 100) {
      // The JDK's client keeps its connection: new ones, too.
      HttpClient fresh = HttpClient.newBuilder().sslContext(chain.certificates.trust()).build();
      for (HttpClient one : List.of(chain.http, fresh)) {
        HttpRequest request =
            HttpRequest.newBuilder(chain.url).header(SignOnChain.USER, "stranger").build();
        assertThat(one.send(request, BodyHandlers.ofString()).statusCode()).isEqualTo(401);
        strangers++;
      }
    }

    for (int i = 0; i < clients.size(); i++) {
      assertThat(finish(clients.get(i)))
          .isEqualTo(("REMOTE_USER=CORP\\" + names.get(i) + "\n").repeat(30));
    }
  }

  @Test
  void applicationThatForwardsNone_isNotAuthenticatedTo() throws Exception {
    start(
        Way.TUNNEL,
        application -> application.legacyAuthentication(Application.LegacyAuthentication.REMOVE));

    assertThat(finish(curl("alice", 1))).isEqualTo("");
    assertThat(chain.get("/", "alice").headers().allValues("WWW-Authenticate"))
        .containsExactly("Negotiate");
    assertThat(chain.signInEvents)
        .singleElement()
        .satisfies(event -> assertThat(event.details()).containsEntry("schemes", "NTLM"));
  }

  /** So many pages by one connection, as a user of the domain. */
  private Process curl(String user, int pages) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                "/usr/bin/curl",
                "--silent",
                "--show-error",
                "--fail",
                "--http1.1",
                "--max-time",
                "120",
                "--cacert",
                chain.certificates.caFile().toString(),
                "--header",
                SignOnChain.USER + ": " + user,
                "--negotiate",
                "--user",
                ":"));
    command.addAll(Collections.nCopies(pages, chain.url.toString()));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(directory.resolve("curl.log").toFile());
    builder.environment().put("NTLM_USER_FILE", home.resolve(user).toString());
    return builder.start();
  }

  private static String finish(Process client) throws Exception {
    String said = new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(client.waitFor(30, TimeUnit.SECONDS)).isTrue();
    return said;
  }

  private void startHttpd() throws Exception {
    // Outside the build's directory, which httpd's own user may not enter.
    home = Files.createTempDirectory("ntlm");
    Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.createDirectory(home.resolve("htdocs"));
    Files.writeString(
        home.resolve("htdocs/index.shtml"), "REMOTE_USER=<!--#echo var=\"REMOTE_USER\" -->\n");
    Path users = home.resolve("users");
    Files.writeString(users, "CORP:alice:wonderland\nCORP:bob:builder\n");
    // Of each client: written once, since several clients of a user read it at the same time.
    Files.writeString(home.resolve("alice"), "CORP:alice:wonderland\n");
    Files.writeString(home.resolve("bob"), "CORP:bob:builder\n");
    Files.writeString(home.resolve("mallory"), "CORP:mallory:wonderland\n");
    int port = DemoSetup.portOrFree(0);
    Path configuration = home.resolve("httpd.conf");
    Files.writeString(
        configuration,
        """
        ServerName app.corp.test
        ServerRoot "%1$s"
        PidFile "%1$s/httpd.pid"
        Listen 127.0.0.1:%2$d
        User www-data
        Group www-data
        ErrorLog "%1$s/error.log"
        LoadModule mpm_event_module %3$s/mod_mpm_event.so
        LoadModule authn_core_module %3$s/mod_authn_core.so
        LoadModule authz_core_module %3$s/mod_authz_core.so
        LoadModule authz_user_module %3$s/mod_authz_user.so
        LoadModule auth_gssapi_module %3$s/mod_auth_gssapi.so
        LoadModule dir_module %3$s/mod_dir.so
        LoadModule mime_module %3$s/mod_mime.so
        LoadModule include_module %3$s/mod_include.so
        KeepAliveTimeout 60
        DocumentRoot "%1$s/htdocs"
        DirectoryIndex index.shtml
        TypesConfig /dev/null
        AddType text/html .shtml
        AddOutputFilter INCLUDES .shtml
        <Directory "%1$s/htdocs">
          Options +Includes
          AuthType GSSAPI
          AuthName "corp"
          GssapiSSLonly Off
          GssapiConnectionBound On
          GssapiAllowedMech ntlmssp
          Require valid-user
        </Directory>
        """
            .formatted(home, port, "/usr/lib/apache2/modules"));
    ProcessBuilder httpd =
        new ProcessBuilder(OriginProcess.HTTPD, "-f", configuration.toString(), "-DFOREGROUND");
    httpd.environment().put("NTLM_USER_FILE", users.toString());
    origin = "http://127.0.0.1:" + port + "/";
    chain.opened(OriginProcess.start(httpd, URI.create(origin), 401, home.resolve("httpd.out")));
  }
}
