package io.apprxy.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileStateTest extends StateContract {
  @TempDir Path directory;

  @Override
  SharedState open() throws IOException {
    return FileState.open(file(), clock);
  }

  private Path file() {
    return directory.resolve("state");
  }

  private void reopen() throws IOException {
    state.close();
    state = open();
  }

  @Test
  void whatWasChanged_outlivesTheProcess_withTheLifetimeThatIsLeft() throws Exception {
    done(state.put("ended/1", "one", MINUTE));
    done(state.put("ended/2", "two ü", MINUTE.multipliedBy(3)));
    done(state.putIfAbsent("jti/1", "x", MINUTE));
    done(state.increment("fails/1", MINUTE));
    done(state.increment("fails/1", MINUTE));
    done(state.put("lock/1", "gone", MINUTE));
    done(state.remove("lock/1", "gone"));
    reopen();
    assertThat(done(state.entries("")))
        .isEqualTo(Map.of("ended/1", "one", "ended/2", "two ü", "jti/1", "x", "fails/1", "2"));
    assertThat(done(state.increment("fails/1", MINUTE))).isEqualTo(3);
    clock.advance(MINUTE);
    reopen();
    assertThat(done(state.entries(""))).isEqualTo(Map.of("ended/2", "two ü"));
  }

  /** What a crash leaves at any instant: what was completed before is there, and it goes on. */
  @Test
  void fileThatWasCutOffAnywhere_hasAllThatWasCompletedBefore() throws Exception {
    List<Long> sizes = new ArrayList<>(List.of(Files.size(file())));
    for (int i = 0; i < 3; i++) {
      done(state.put("ended/" + i, "v".repeat(i * 7), MINUTE));
      sizes.add(Files.size(file()));
    }
    state.close();
    byte[] whole = Files.readAllBytes(file());
    for (int length = 0; length <= whole.length; length++) {
      Files.write(file(), Arrays.copyOf(whole, length));
      int cut = length;
      long completed = sizes.stream().skip(1).filter(size -> size <= cut).count();
      state = open();
      assertThat(done(state.entries("ended/"))).as("cut at %s", length).hasSize((int) completed);
      done(state.put("more/1", "after", MINUTE));
      reopen();
      assertThat(done(state.entries(""))).hasSize((int) completed + 1);
      state.close();
    }
  }

  @Test
  void fileThatTheSystemLengthenedBeforeACrash_isCutOffThere() throws Exception {
    done(state.put("ended/1", "one", MINUTE));
    state.close();
    byte[] whole = Files.readAllBytes(file());
    Files.write(file(), Arrays.copyOf(whole, whole.length + 5_000));
    state = open();
    assertThat(done(state.get("ended/1"))).isEqualTo("one");
  }

  /** To forget quietly what ended would bring it back. */
  @Test
  void damageAnywhereButAtTheEnd_isTold_andNothingIsBelieved() throws Exception {
    done(state.put("ended/1", "one", MINUTE));
    done(state.put("ended/2", "two", MINUTE));
    long last = Files.size(file());
    done(state.put("ended/3", "three", MINUTE));
    state.close();
    byte[] whole = Files.readAllBytes(file());
    for (int at = 0; at < last; at++) {
      byte[] damaged = whole.clone();
      damaged[at] ^= 0x40;
      Files.write(file(), damaged);
      assertThatThrownBy(this::open)
          .as("byte %s", at)
          .isInstanceOf(IOException.class)
          .hasMessageContaining(file().toString());
    }
    Files.write(file(), whole);
    state = open();
  }

  @Test
  void fileOfSomethingElse_isNotTouched() throws Exception {
    state.close();
    for (String content : List.of("other", "some other file of some other program")) {
      Files.writeString(file(), content);
      assertThatThrownBy(this::open).hasMessageContaining("no state of apprxy");
      assertThat(file()).hasContent(content);
    }
    Files.delete(file());
    state = open();
  }

  @Test
  void fileGrows_onlyWithWhatIsThere() throws Exception {
    String large = "x".repeat(50_000);
    for (int i = 0; i < 400; i++) {
      done(state.put("a/" + i % 3, large + i, MINUTE));
    }
    assertThat(Files.size(file())).isLessThan(2 * 1024 * 1024);
    assertThat(directory.resolve("state.new")).doesNotExist();
    reopen();
    assertThat(done(state.get("a/0"))).isEqualTo(large + 399);
    assertThat(done(state.entries("a/"))).hasSize(3);
  }

  @Test
  void crashWhileTheFileIsWrittenAnew_leavesThePresentOne() throws Exception {
    done(state.put("ended/1", "one", MINUTE));
    state.close();
    Files.writeString(directory.resolve("state.new"), "half of someth");
    state = open();
    assertThat(done(state.get("ended/1"))).isEqualTo("one");
    assertThat(directory.resolve("state.new")).doesNotExist();
  }

  @Test
  void file_isItsOwnersOnly_andNotBelievedOtherwise() throws Exception {
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file())))
        .isEqualTo("rw-------");
    state.close();
    Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-rw----"));
    assertThatThrownBy(this::open).hasMessageContaining("chmod 600");
    Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-------"));
    state = open();
  }

  @Test
  void file_isForOneStateAtATime() throws Exception {
    assertThatThrownBy(this::open).hasMessageContaining("in use");
    reopen();
  }

  @Test
  void changeAfterTheEnd_fails() {
    state.close();
    CompletableFuture<Void> late = state.put("a/1", "one", MINUTE).toCompletableFuture();
    assertThatThrownBy(() -> late.orTimeout(30, java.util.concurrent.TimeUnit.SECONDS).join())
        .isInstanceOf(CompletionException.class)
        .hasCauseInstanceOf(IOException.class);
  }

  @Test
  void manyChangesAtOnce_areAllOnTheDisk_whenTheyAreCompleted() throws Exception {
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < 2_000; i++) {
      all.add(state.put("a/" + i, "x", Duration.ofHours(1)).toCompletableFuture());
    }
    done(CompletableFuture.allOf(all.toArray(CompletableFuture[]::new)));
    Path copy = directory.resolve("copy");
    Files.copy(file(), copy, java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
    try (SharedState other = FileState.open(copy, clock)) {
      assertThat(done(other.entries("a/"))).hasSize(2_000);
    }
  }
}
