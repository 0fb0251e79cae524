package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.BasicAuthentication;
import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.sso.BasicSignOn;
import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.auth.sso.SecretFile;
import io.apprxy.auth.sso.SecretStore;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Passwords that users do not know, for an nginx that asks for them. */
@Timeout(120)
class BasicSignOnIT {
  @TempDir private Path directory;
  private SignOnChain chain;
  private SecretFile secrets;
  private String origin;

  @BeforeEach
  void prepare() throws Exception {
    chain = new SignOnChain(directory);
    secrets = SecretStore.file(directory.resolve("secrets"), SessionKeys.generate());
    startNginx();
  }

  @AfterEach
  void stop() {
    chain.close();
  }

  private void start(BasicAuthentication accounts) throws Exception {
    chain.start(
        origin,
        new HeaderSignOn().then(new BasicSignOn(secrets)),
        Map.of(),
        application -> application.basicSignOn(accounts));
  }

  @Test
  void users_areSignedOnWithTheirOwnAccounts() throws Exception {
    put("alice", "al", "wonder land");
    put("bob", "bo", "builder");
    start(BasicAuthentication.ofEachUser("sub"));

    assertThat(chain.get("/", "alice").body()).isEqualTo("user al");
    assertThat(chain.get("/", "bob").body()).isEqualTo("user bo");
    assertThat(chain.get("/", "alice", "Authorization", basic("bo", "builder")).body())
        .as("with credentials of the client")
        .isEqualTo("user al");
  }

  @Test
  void sharedAccount_isEverybodys() throws Exception {
    secrets.put(SecretStore.Key.shared("app"), new SecretStore.Account("bo", "builder"));
    start(BasicAuthentication.shared());

    assertThat(chain.get("/", "alice").body()).isEqualTo("user bo");
  }

  @Test
  void userWithoutAccount_isToldSo_whateverTheySend() throws Exception {
    start(BasicAuthentication.ofEachUser("sub"));

    HttpResponse<String> page = chain.get("/", "carol", "Authorization", basic("bo", "builder"));

    assertThat(page.statusCode()).isEqualTo(403);
    assertThat(page.body()).contains("APX-611");
  }

  @Test
  void wrongPassword_isAnErrorOfTheOperators_untilItIsRight() throws Exception {
    put("alice", "al", "wrong");
    start(BasicAuthentication.ofEachUser("sub"));

    HttpResponse<String> page = chain.get("/", "alice");
    assertThat(page.statusCode()).isEqualTo(502);
    assertThat(page.body()).contains("APX-620");
    assertThat(page.headers().firstValue("WWW-Authenticate")).isEmpty();

    put("alice", "al", "wonder land");
    assertThat(chain.get("/", "alice").body()).isEqualTo("user al");
  }

  @Test
  void applicationThatNobodySignsOnTo_isNotReached() throws Exception {
    chain.start(
        origin,
        new HeaderSignOn(),
        Map.of(),
        application -> application.basicSignOn(BasicAuthentication.shared()));

    HttpResponse<String> page = chain.get("/", "alice", "Authorization", basic("bo", "builder"));

    assertThat(page.statusCode()).isEqualTo(502);
    assertThat(page.body()).contains("APX-606");
  }

  private void put(String user, String name, String password) {
    secrets.put(
        SecretStore.Key.of("app", "https://idp.test", user),
        new SecretStore.Account(name, password));
  }

  private static String basic(String name, String password) {
    return "Basic "
        + Base64.getEncoder()
            .encodeToString((name + ":" + password).getBytes(StandardCharsets.UTF_8));
  }

  private void startNginx() throws Exception {
    int port = DemoSetup.portOrFree(0);
    Files.writeString(directory.resolve("users"), "al:{PLAIN}wonder land\nbo:{PLAIN}builder\n");
    Path file = directory.resolve("nginx.conf");
    Files.writeString(
        file,
        """
        daemon off;
        user root; # the folder of a test is its owner's alone
        worker_processes 1;
        pid %1$s/nginx.pid;
        error_log %1$s/nginx.log;
        events {}
        http {
          access_log off;
          client_body_temp_path %1$s/body;
          proxy_temp_path %1$s/proxy;
          fastcgi_temp_path %1$s/fastcgi;
          uwsgi_temp_path %1$s/uwsgi;
          scgi_temp_path %1$s/scgi;
          server {
            listen 127.0.0.1:%2$d;
            location / {
              auth_basic "the application";
              auth_basic_user_file %1$s/users;
              proxy_set_header X-User $remote_user;
              proxy_pass http://127.0.0.1:%3$d;
            }
          }
          server {
            listen 127.0.0.1:%3$d;
            location / { return 200 "user $http_x_user"; }
          }
        }
        """
            .formatted(directory, port, DemoSetup.portOrFree(0)));
    ProcessBuilder nginx =
        new ProcessBuilder(
            OriginProcess.NGINX,
            "-p",
            directory.toString(),
            "-e",
            directory + "/nginx.log",
            "-c",
            file.toString());
    origin = "http://127.0.0.1:" + port + "/";
    chain.opened(
        OriginProcess.start(nginx, URI.create(origin), 401, directory.resolve("nginx.out")));
  }
}
