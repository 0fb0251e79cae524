package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.cluster.PrivateFiles;
import io.apprxy.tunnel.AuthorityStore.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AuthorityStoreTest {
  @TempDir private Path temporary;

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void text_isAddedOnce_andRemovedOnce(boolean inDirectory) {
    AuthorityStore store =
        inDirectory ? AuthorityStore.in(temporary.resolve("state")) : AuthorityStore.inMemory();

    assertThat(store.get(Kind.TOKEN, "a")).isNull();
    assertThat(store.add(Kind.TOKEN, "a", "first")).isTrue();
    assertThat(store.add(Kind.TOKEN, "a", "second")).isFalse();
    assertThat(store.get(Kind.TOKEN, "a")).isEqualTo("first");
    assertThat(store.names(Kind.TOKEN)).containsExactly("a");
    assertThat(store.names(Kind.KEY)).isEmpty();
    assertThat(store.remove(Kind.TOKEN, "a")).isTrue();
    assertThat(store.remove(Kind.TOKEN, "a")).isFalse();
    assertThat(store.names(Kind.TOKEN)).isEmpty();
  }

  @Test
  void files_areTheirOwnersAlone() throws IOException {
    AuthorityStore.in(temporary.resolve("state")).add(Kind.KEY, "a", "secret");

    try (Stream<Path> all = Files.walk(temporary.resolve("state"))) {
      assertThat(all)
          .allSatisfy(
              path ->
                  assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                      .endsWith("------"));
    }
  }

  @Test
  void directory_thatOthersMayEnter_isRefused() throws IOException {
    Path open = Files.createDirectory(temporary.resolve("open"));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxr-x---"));

    assertThatThrownBy(() -> AuthorityStore.in(open))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContainingAll(open.toString(), "chmod 700");
  }

  @Test
  void file_thatOthersMayRead_isRefused() throws IOException {
    AuthorityStore store = AuthorityStore.in(temporary.resolve("state"));
    store.add(Kind.KEY, "a", "secret");
    Path file = temporary.resolve("state/key/a");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));

    assertThatThrownBy(() -> store.get(Kind.KEY, "a"))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContainingAll(file.toString(), "chmod 600");
  }

  @Test
  void unfinishedFile_isNoText() throws IOException {
    AuthorityStore store = AuthorityStore.in(temporary.resolve("state"));
    Files.writeString(
        temporary.resolve("state/token/" + PrivateFiles.UNFINISHED + "1.tmp"), "half of");

    assertThat(store.names(Kind.TOKEN)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ".", "..", "../key/a", "a/b", "a\\b", "a\0b", ".hidden", "ä"})
  void name_thatWouldLeadElsewhere_isRefused(String name) {
    AuthorityStore store = AuthorityStore.in(temporary.resolve("state"));

    assertThatThrownBy(() -> store.get(Kind.TOKEN, name))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
