package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.sso.SecretFile;
import io.apprxy.auth.sso.SecretStore;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What operators keep passwords with. */
class SecretAccountsTest {
  @TempDir private Path directory;

  @Test
  void accountsThatAreSet_areFoundByTheSignOn() throws Exception {
    assertThat(run("", "key")).contains("Wrote");
    assertThat(
            PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("key"))))
        .isEqualTo("rw-------");

    assertThat(run("wonder land\n", "put", "--application=wiki", "--name=svc"))
        .contains("Set the account of all users at wiki")
        .doesNotContain("wonder");
    assertThat(
            run(
                "1\n",
                "put",
                "--application=wiki",
                "--issuer=https://login.example.com",
                "--user=4711",
                "--name=al"))
        .contains("Set the account of 4711 of https://login.example.com at wiki");

    SecretFile file =
        SecretStore.file(
            directory.resolve("secrets"),
            SessionKeys.of(Files.readString(directory.resolve("key")).strip()));
    assertThat(
            file.find(SecretStore.Key.shared("wiki"))
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS))
        .isEqualTo(new SecretStore.Account("svc", "wonder land"));
    assertThat(run("", "list"))
        .isEqualTo(
            "the account of 4711 of https://login.example.com at wiki\n"
                + "the account of all users at wiki\n");

    assertThat(run("", "remove", "--application=wiki")).contains("Removed");
    assertThat(file.keys()).hasSize(1);
  }

  @Test
  void whatIsMissing_isSaid_andChangesNothing() {
    run("", "key");
    assertThat(run("", "put", "--application=wiki", "--name=svc")).contains("there is no password");
    assertThat(run("x\n", "put", "--application=wiki", "--name=a:b")).contains("no colon");
    assertThat(run("x\n", "put", "--application=wiki", "--name=a", "--user=4711"))
        .contains("--issuer");
    assertThat(run("", "remove", "--application=wiki")).contains("it is not there");
    assertThat(directory.resolve("secrets")).doesNotExist();
  }

  @Test
  void key_isNotOverwritten() throws Exception {
    run("", "key");
    String first = Files.readString(directory.resolve("key"));

    assertThat(run("", "key")).contains("failed");
    assertThat(directory.resolve("key")).hasContent(first);
  }

  /** What it says, on both streams. */
  private String run(String input, String command, String... options) {
    List<String> arguments = new ArrayList<>(List.of(command));
    arguments.add("--key-file=" + directory.resolve("key"));
    if (!command.equals("key")) {
      arguments.add("--file=" + directory.resolve("secrets"));
    }
    if (command.equals("put")) {
      arguments.add("--password-stdin");
    }
    arguments.addAll(List.of(options));
    InputStream in = System.in;
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream both = new PrintStream(said, true, StandardCharsets.UTF_8);
    try {
      System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
      System.setOut(both);
      System.setErr(both);
      DemoSetup.run(new SecretAccounts(), arguments.toArray(String[]::new));
    } finally {
      System.setIn(in);
      System.setOut(out);
      System.setErr(err);
    }
    return said.toString(StandardCharsets.UTF_8);
  }
}
