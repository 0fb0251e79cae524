package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.auth.session.SessionKeys;
import io.apprxy.auth.sso.SecretStore.Account;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SecretFileTest {
  private static final SecretStore.Key WIKI = SecretStore.Key.shared("wiki");
  private static final SecretStore.Key ALICE =
      SecretStore.Key.of("wiki", "https://issuer.test", "alice");

  private final SessionKeys keys = SessionKeys.generate();
  @TempDir private Path directory;
  private Path path;

  @BeforeEach
  void name() {
    path = directory.resolve("secrets");
  }

  @Test
  void accounts_outliveTheProgram() throws Exception {
    SecretFile before = SecretStore.file(path, keys);
    before.put(WIKI, new Account("svc", "pass wörd"));
    before.put(ALICE, new Account("al", "1"));

    SecretFile after = SecretStore.file(path, keys);

    assertThat(find(after, WIKI)).isEqualTo(new Account("svc", "pass wörd"));
    assertThat(find(after, ALICE)).isEqualTo(new Account("al", "1"));
    assertThat(find(after, SecretStore.Key.shared("other"))).isNull();
    assertThat(after.keys()).containsExactlyInAnyOrder(WIKI, ALICE);
  }

  @Test
  void file_isEncrypted_andItsOwnersAlone() throws Exception {
    SecretFile file = SecretStore.file(path, keys);
    file.put(ALICE, new Account("name of the account", "password"));

    assertThat(Files.readString(path)).doesNotContain("password", "alice", "account");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
        .isEqualTo("rw-------");
    assertThat(file.toString()).doesNotContain("password");
  }

  @Test
  void changeOfAnotherProgram_counts() throws Exception {
    SecretFile here = SecretStore.file(path, keys);
    SecretFile there = SecretStore.file(path, keys);
    assertThat(find(here, WIKI)).isNull();

    there.put(WIKI, new Account("svc", "1"));
    assertThat(find(here, WIKI)).isEqualTo(new Account("svc", "1"));
    here.put(ALICE, new Account("al", "1"));
    there.remove(WIKI);
    assertThat(here.keys()).containsExactly(ALICE);
  }

  @Test
  void changesAtTheSameTime_areAllThere() {
    List<CompletableFuture<Void>> changes = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      SecretFile file = SecretStore.file(path, keys);
      SecretStore.Key key = SecretStore.Key.shared("app-" + i);
      changes.add(CompletableFuture.runAsync(() -> file.put(key, new Account("svc", "1"))));
    }
    changes.forEach(CompletableFuture::join);

    assertThat(SecretStore.file(path, keys).keys()).hasSize(40);
  }

  @Test
  void newerKey_opensWhatAnOlderOneSealed_andReplacesIt() {
    SecretStore.file(path, keys).put(WIKI, new Account("svc", "1"));
    SessionKeys before = keys;
    before.rotate();

    SecretFile file = SecretStore.file(path, before);
    file.put(ALICE, new Account("al", "1"));

    assertThat(file.keys()).containsExactlyInAnyOrder(WIKI, ALICE);
  }

  @Test
  void fileOfAnotherKey_isRefused() {
    SecretStore.file(path, keys).put(WIKI, new Account("svc", "1"));

    assertThatThrownBy(() -> SecretStore.file(path, SessionKeys.generate()))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining(path.toString())
        .hasRootCauseMessage("none of the keys opens it, or it is damaged");
  }

  @Test
  void damagedFile_isRefused_notBelievedInPart() throws Exception {
    SecretStore.file(path, keys).put(WIKI, new Account("svc", "1"));
    String text = Files.readString(path);
    Files.writeString(path, text.substring(0, text.length() - 2));

    assertThatThrownBy(() -> SecretStore.file(path, keys)).isInstanceOf(UncheckedIOException.class);
  }

  @Test
  void fileThatIsDamagedWhileOpen_refusesRequests() throws Exception {
    SecretFile file = SecretStore.file(path, keys);
    file.put(WIKI, new Account("svc", "1"));
    Files.writeString(path, "something else");

    assertThat(file.find(WIKI).toCompletableFuture())
        .failsWithin(30, TimeUnit.SECONDS)
        .withThrowableThat()
        .withRootCauseInstanceOf(IOException.class);
  }

  @Test
  void fileThatOthersMayRead_isRefused() throws Exception {
    SecretStore.file(path, keys).put(WIKI, new Account("svc", "1"));
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-r-----"));

    assertThatThrownBy(() -> SecretStore.file(path, keys))
        .hasRootCauseMessage("others than its owner have access to " + path + ": chmod 600 it");
  }

  @Test
  void tooManyAccounts_areRefused_andNothingIsLost() {
    SecretFile file = SecretStore.file(path, keys);
    file.put(WIKI, new Account("svc", "1"));

    assertThatThrownBy(() -> file.put(ALICE, new Account("al", "x".repeat(900_000))))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(SecretStore.file(path, keys).keys()).containsExactly(WIKI);
  }

  private static Account find(SecretFile file, SecretStore.Key key) throws Exception {
    return file.find(key).toCompletableFuture().get(30, TimeUnit.SECONDS);
  }
}
