package io.apprxy.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every state does, wherever it is kept. */
abstract class StateContract {
  static final Duration MINUTE = Duration.ofMinutes(1);

  final MovingClock clock = new MovingClock();
  SharedState state;

  abstract SharedState open() throws Exception;

  @BeforeEach
  void begin() throws Exception {
    state = open();
  }

  @AfterEach
  void end() {
    state.close();
  }

  @Test
  void value_isThere_untilItsLifetimeIsOver() {
    done(state.put("a/1", "one", MINUTE));
    assertThat(done(state.get("a/1"))).isEqualTo("one");
    clock.advance(MINUTE.minusMillis(1));
    assertThat(done(state.get("a/1"))).isEqualTo("one");
    clock.advance(Duration.ofMillis(1));
    assertThat(done(state.get("a/1"))).isNull();
    assertThat(done(state.entries("a/"))).isEmpty();
  }

  @Test
  void put_replaces_withALifetimeOfItsOwn() {
    done(state.put("a/1", "one", MINUTE));
    done(state.put("a/1", "two", MINUTE.multipliedBy(2)));
    clock.advance(MINUTE);
    assertThat(done(state.get("a/1"))).isEqualTo("two");
  }

  @Test
  void entries_areThoseUnderThePrefix() {
    done(state.put("a/1", "one", MINUTE));
    done(state.put("a/2", "two", MINUTE));
    done(state.put("b/1", "other", MINUTE));
    assertThat(done(state.entries("a/")))
        .containsOnlyKeys("a/1", "a/2")
        .containsEntry("a/2", "two");
  }

  @Test
  void putIfAbsent_setsOnce_untilTheLifetimeIsOver() {
    assertThat(done(state.putIfAbsent("jti/1", "x", MINUTE))).isNull();
    assertThat(done(state.putIfAbsent("jti/1", "y", MINUTE))).isEqualTo("x");
    clock.advance(MINUTE);
    assertThat(done(state.putIfAbsent("jti/1", "y", MINUTE))).isNull();
  }

  @Test
  void putIfAbsent_ofManyAtOnce_hasOneWinner() throws Exception {
    List<CompletableFuture<String>> all = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      String mine = "v" + i;
      all.add(CompletableFuture.supplyAsync(() -> done(state.putIfAbsent("jti/1", mine, MINUTE))));
    }
    List<String> answers = new ArrayList<>();
    for (CompletableFuture<String> one : all) {
      answers.add(one.get(30, TimeUnit.SECONDS));
    }
    assertThat(answers).filteredOn(answer -> answer == null).hasSize(1);
    assertThat(answers).filteredOn(answer -> answer != null).containsOnly(done(state.get("jti/1")));
  }

  @Test
  void remove_removesOnlyWhatHasTheValue() {
    done(state.put("lock/1", "mine", MINUTE));
    assertThat(done(state.remove("lock/1", "other's"))).isFalse();
    assertThat(done(state.remove("lock/1", "mine"))).isTrue();
    assertThat(done(state.get("lock/1"))).isNull();
    assertThat(done(state.remove("lock/1", "mine"))).isFalse();
  }

  @Test
  void increment_counts_fromTheFirstCountOn_alsoOfManyAtOnce() throws Exception {
    List<CompletableFuture<Long>> all = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      all.add(CompletableFuture.supplyAsync(() -> done(state.increment("fails/1", MINUTE))));
    }
    List<Long> counts = new ArrayList<>();
    for (CompletableFuture<Long> one : all) {
      counts.add(one.get(30, TimeUnit.SECONDS));
    }
    assertThat(counts).doesNotHaveDuplicates().contains(1L, 64L);
    clock.advance(MINUTE);
    assertThat(done(state.increment("fails/1", MINUTE))).isEqualTo(1);
  }

  @Test
  void whatIsPublished_isHeardByAllOfTheTopic_untilTheyStop() {
    List<String> heard = new ArrayList<>();
    SharedState.Subscription first = state.subscribe("t", message -> heard.add("1 " + message));
    state.subscribe("t", message -> heard.add("2 " + message));
    state.subscribe("other", message -> heard.add("3 " + message));
    done(state.publish("t", "a"));
    first.close();
    first.close();
    done(state.publish("t", "b"));
    assertThat(heard).containsExactly("1 a", "2 a", "2 b");
  }

  static <T> T done(CompletionStage<T> stage) {
    return stage.toCompletableFuture().orTimeout(30, TimeUnit.SECONDS).join();
  }
}
